"""Intertie: an open AI inference gateway and grid orchestrator.

Floors, top to bottom: cli, compose, sim, gateway | control, policy | dialects | wire | store | adapters,
catalog | config, core. Imports go down only; import-linter checks it (see pyproject.toml).
Start reading at `gateway/exchange.py`: it is the life of one request.
"""

__version__ = "0.1.0"
