"""The `intertie` command. Each verb is loaded only when it is used, so that every verb starts quickly.

Exit codes: 0 done · 1 the thing asked about is not well (an invalid file, a ledger with findings) · 2 the command was
used wrongly · 3 the gateway or its store could not be reached · 130 stopped by Ctrl-C.
"""

import sys

from cyclopts import App

from intertie import __version__
from intertie.cli.screen import complain
from intertie.core.faults import ConfigFault, Fault

WRONG_USE, UNREACHABLE, INTERRUPTED = 2, 3, 130

_VERBS = {
    "serve": "intertie.cli.serve:serve",
    "demo": "intertie.cli.demo:demo",
    "check": "intertie.cli.check:check",
    "models": "intertie.cli.facts:models",
    "groups": "intertie.cli.facts:groups",
    "budgets": "intertie.cli.books:budgets",
    "usage": "intertie.cli.books:usage",
    "replay": "intertie.cli.replay:replay",
}
_NESTED = {
    "keys": ("Make, list and revoke keys.", {
        "create": "intertie.cli.keys:create", "list": "intertie.cli.keys:show", "revoke": "intertie.cli.keys:revoke",
    }),
    "ledger": ("The durable record of usage and cost.", {"verify": "intertie.cli.books:verify"}),
    "route": ("Why a request went where it went.", {"explain": "intertie.cli.route:explain"}),
    "engine": ("Engines that stand in for real ones.", {"sim": "intertie.cli.engine:engine_sim"}),
    "bench": ("Measure the gateway beside floors and rivals.", {
        "overhead": "intertie.cli.bench:overhead", "memory": "intertie.cli.bench:memory",
        "start": "intertie.cli.bench:start",
    }),
}  # fmt: skip


def build() -> App:
    """The command-line application."""
    app = App(name="intertie", version=__version__, help="An open AI inference gateway and grid orchestrator.")
    for name, target in _VERBS.items():
        app.command(target, name=name)
    for group, (description, verbs) in _NESTED.items():
        nested = App(name=group, help=description)
        for name, target in verbs.items():
            nested.command(target, name=name)
        app.command(nested)
    return app


def main() -> None:
    """Run the verb named on the command line and exit with its code."""
    try:
        code = build()(sys.argv[1:], result_action="return_value")
    except ConfigFault as fault:
        complain(str(fault))
        code = 1
    except Fault as fault:
        complain(str(fault))
        code = UNREACHABLE
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)
