"""What the measurements have in common as commands: flags, and how they end when a system does not start."""

import sys
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from bench.system import NotReady

UNREACHABLE = 3

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]


def run(app: App) -> None:
    """Run a measurement and exit with its code; with 3, and what it said last, if the gateway did not start."""
    try:
        code = app(result_action="return_value")
    except NotReady as fault:
        Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(fault)
        code = UNREACHABLE
    sys.exit(code)
