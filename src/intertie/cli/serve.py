"""`intertie serve`: run the gateway until it is told to stop."""

import os
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter

from intertie.compose.children import PRIVATE
from intertie.compose.serving import service_of
from intertie.compose.supervisor import supervise
from intertie.config.document import configured
from intertie.config.settings import environment
from intertie.core.faults import ConfigFault

Given = Annotated[str | None, Parameter(show_default=False)]


def serve(
    *,
    config: Given = None,
    state: Given = None,
    database: Given = None,
    host: Given = None,
    port: Given = None,
    workers: Given = None,
    **more: str,
) -> int:
    """Serve the configured world: a supervisor, the workers, and the control process.

    Every setting of docs/reference/settings.md is a flag as well (`--control-port`, …), an environment name
    (`INTERTIE_CONTROL_PORT`), and a key of the file; the flag weighs most. A changed file is taken up by itself, but
    for the settings marked there: those wait for new workers or for the next start.
    SIGTERM drains, SIGHUP replaces the workers one by one.

    Parameters
    ----------
    config
        The configuration file (default: intertie.yaml).
    state
        The folder for journals, the database and the last good snapshot (default: state).
    database
        Where the ledger is kept: sqlite:/// or postgresql:// (default: intertie.db in the state folder).
    host
        Address of the data and health ports (default: 0.0.0.0).
    port
        Port of the data plane (default: 4000).
    workers
        Gateway processes; 0 means one per core (default: 0).
    more
        Any other setting by its flag.
    """
    named = {"config": config, "state": state, "database": database, "host": host, "port": port, "workers": workers}
    return _serve({name: value for name, value in named.items() if value is not None} | more)


def _serve(given: dict[str, str]) -> int:
    flags: dict[str, object] = {name.replace("-", "_"): value for name, value in given.items()}
    settings, _ = configured(flags, environment())
    os.umask(PRIVATE)
    try:
        Path(settings.state).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigFault(f"the state folder cannot be made: {error.strerror}", file=settings.state) from None
    return uvloop.run(supervise(service_of(settings, flags)))
