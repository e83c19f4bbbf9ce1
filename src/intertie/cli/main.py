"""The `intertie` command. Each verb is loaded only when it is used, so that every verb starts quickly."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, Parameter

from intertie import __version__
from intertie.cli.screen import complain
from intertie.core.faults import CallerFault, ConfigFault, Fault

DONE, UNWELL, WRONG_USE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

EXIT_CODES = {
    DONE: "done",
    UNWELL: "the thing asked about is not well: an invalid configuration, a ledger with findings, a target missed",
    WRONG_USE: "the command was used wrongly, or names what does not exist",
    UNREACHABLE: "the gateway or its database could not be reached",
    INTERRUPTED: "stopped by Ctrl-C before it was done",
}
"""What every verb's exit code says. Complaints go to standard error, results to standard output."""

_VERBS = {
    "serve": "intertie.cli.serve:serve",
    "demo": "intertie.cli.demo:demo",
    "check": "intertie.cli.check:check",
    "models": "intertie.cli.facts:models",
    "groups": "intertie.cli.facts:groups",
    "providers": "intertie.cli.providers:providers",
    "budgets": "intertie.cli.books:budgets",
    "usage": "intertie.cli.books:usage",
    "replay": "intertie.cli.replay:replay",
}
_NESTED = {
    "keys": ("Make, list and revoke keys.", {
        "create": "intertie.cli.keys:create", "list": "intertie.cli.keys:show", "revoke": "intertie.cli.keys:revoke",
    }),
    "import": ("Turn another gateway's configuration into one for this one.", {
        "litellm": "intertie.cli.imports:litellm", "portkey": "intertie.cli.imports:portkey",
    }),
    "ledger": ("The durable record of usage and cost.", {"verify": "intertie.cli.books:ledger_verify"}),
    "route": ("Why a request went where it went.", {"explain": "intertie.cli.route:explain"}),
    "engine": ("Engines that stand in for real ones.", {"sim": "intertie.cli.engine:engine_sim"}),
    "bench": ("Measure the gateway beside floors and rivals.", {
        "overhead": "intertie.cli.bench:overhead", "memory": "intertie.cli.bench:memory",
        "start": "intertie.cli.bench:start",
    }),
}  # fmt: skip


def build() -> App:
    """The command-line application."""
    app = App(
        name="intertie",
        version=__version__,
        help="An open AI inference gateway and grid orchestrator.",
        help_epilogue="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()),
        default_parameter=Parameter(show_default=_default),
    )
    for name, target in _VERBS.items():
        app.command(target, name=name)
    for group, (description, verbs) in _NESTED.items():
        nested = App(name=group, help=description)
        for name, target in verbs.items():
            nested.command(target, name=name)
        app.command(nested)
    return app


def load_all(app: App) -> None:
    """Load the verbs of an application, so that each has its description."""
    for each in app.resolved_commands().values():
        load_all(each)


def run(words: Sequence[str]) -> int:
    """Run the verb that these words name and return its exit code; wrong use of flags raises SystemExit."""
    app = build()
    if not words or {"--help", "-h"} & set(words):
        load_all(app)
    try:
        code = app(words, result_action="return_value")
        sys.stdout.flush()
    except ConfigFault as fault:
        complain(str(fault))
        return UNWELL
    except CallerFault as fault:
        complain(str(fault))
        return WRONG_USE
    except Fault as fault:
        complain(str(fault))
        return UNREACHABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who read our output has seen enough; the interpreter must not try to flush it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code if isinstance(code, int) else DONE


def main() -> None:
    """Run the verb named on the command line and exit with its code."""
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _default(value: Any) -> str | None:
    """A default as help shows it; those that say nothing are left out."""
    if value is None or value is False or value in ("", ()):
        return None
    return str(value).strip("(),").replace("'", "")
