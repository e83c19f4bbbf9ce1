# The commands of this project. Each sets up what it needs, from nothing but Python 3.11+ and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
.DEFAULT_GOAL := help

help:            ## show this list
	@grep -hE '^[a-z-]+: .*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Intertie needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a minute or two the first time) …"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP)  ## make the environment in .venv

run: $(STAMP)    ## start the gateway over a small simulated world, show it at work, keep serving
	@$(BIN)/intertie demo

test: $(STAMP)   ## run all tests
	@$(BIN)/python -m pytest

check: $(STAMP)  ## style, types, floors
	@$(BIN)/ruff check src tests bench
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/basedpyright --level error

CLIENTS := .venv-clients
$(CLIENTS)/.installed: $(wildcard tests/clients/*.lock) tests/clients/node/package.json
	@echo "Installing clients into $(CLIENTS) (some minutes and 2 GB the first time) …"
	@for name in current earlier; do \
	  test -x $(CLIENTS)/$$name/bin/python || $(PYTHON) -m venv $(CLIENTS)/$$name || exit 1; \
	  $(CLIENTS)/$$name/bin/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes \
	    -r tests/clients/$$name.lock || exit 1; done
	@rm -rf $(CLIENTS)/node && mkdir -p $(CLIENTS)/node && cp tests/clients/node/package.json $(CLIENTS)/node/
	@cd $(CLIENTS)/node && PATH="$(abspath $(CLIENTS))/current/bin:$$PATH" npm install --silent --no-audit --no-fund
	@touch $@

test-clients: $(STAMP) $(CLIENTS)/.installed  ## real SDKs and coding agents against the gateway over simulated endpoints
	@PYTHONPATH=tests/clients:tests/clients/programs:tests/compose:tests/gateway $(BIN)/python -m pytest -p clients_plugin \
	  --table docs/clients-tested.md tests/clients/check_agents.py tests/clients/check_clients.py

ENGINES := .venv-engines
$(ENGINES)/.installed: tests/engines/requirements.txt
	@echo "Installing transformers serve into $(ENGINES) (a minute or two and 1 GB the first time) …"
	@test -x $(ENGINES)/bin/python || $(PYTHON) -m venv $(ENGINES)
	@$(ENGINES)/bin/python -m pip install --quiet --quiet --disable-pip-version-check -r $<
	@touch $@

test-engines: $(STAMP) $(ENGINES)/.installed  ## a real engine (transformers serve, on CPU) behind the gateway
	@PYTHONPATH=tests/compose $(BIN)/python -m pytest tests/engines/check_engines.py

bench: $(STAMP)  ## measure the gateway beside nginx and the rivals that are installed
	@$(BIN)/intertie bench overhead

lock:            ## renew the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --all-extras --group dev --group build pyproject.toml -o requirements.lock
	cd tests/clients && for name in current earlier; do uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header $$name.in -o $$name.lock || exit 1; done

clean:           ## remove what was made here
	rm -rf $(VENV) $(CLIENTS) $(ENGINES) dist build .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: help setup run test test-clients test-engines check bench lock clean
