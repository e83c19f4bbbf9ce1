"""From settings to what the supervisor runs."""

import os
import tempfile
from hashlib import blake2b
from pathlib import Path

import msgspec

from intertie.compose.listening import Address
from intertie.compose.orders import ControlSettings, WorkerSettings
from intertie.compose.supervisor import Service
from intertie.config.settings import Settings, environment, proxies
from intertie.wire.proxy import ProxySettings

_LONGEST_SOCKET_PATH = 100
"""Bytes. The kernel takes 107 (Linux) or 103 (macOS), and a state folder may well lie deeper."""


def service_of(settings: Settings, flags: dict[str, object]) -> Service:
    """The service for these settings; `flags` overlay the file, which control reads again and again."""
    state = Path(settings.state).absolute()
    control_socket = str(control_socket_of(state))
    proxy = ProxySettings.from_environment(proxies(environment()))
    worker = WorkerSettings(control_socket, settings.journal_fsync, settings.tls_cert, settings.tls_key, proxy)
    given = {name: str(value) for name, value in flags.items()}
    return Service(
        state_dir=str(state),
        data=Address(settings.host, settings.port),
        control=Address(settings.control_host, settings.control_port),
        health=Address(settings.host, settings.health_port),
        workers=settings.workers,
        drain_s=settings.drain_s,
        worker_settings=msgspec.Raw(msgspec.json.encode(worker)),
        control_settings=msgspec.Raw(msgspec.json.encode(ControlSettings(control_socket, given))),
    )


def control_socket_of(state: Path) -> Path:
    """Where workers find the control process: in the state folder, or, where that path would be too long for a
    socket, in a private folder among the temporary files, named by a digest of the state folder.
    """
    inside = state / "run" / "control.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    digest = blake2b(os.fsencode(state), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"intertie-{os.geteuid()}-{digest}" / "control.sock"
