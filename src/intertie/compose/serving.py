"""From settings to what the supervisor runs."""

from pathlib import Path

import msgspec

from intertie.compose.listening import Address
from intertie.compose.orders import ControlSettings, WorkerSettings
from intertie.compose.supervisor import Service
from intertie.config.settings import Settings, environment, proxies
from intertie.wire.proxy import ProxySettings


def service_of(settings: Settings, flags: dict[str, object], environ: dict[str, str] | None = None) -> Service:
    """The service for these settings; `flags` and `environ` overlay the file, which control reads again and again."""
    control_socket = str(Path(settings.state).absolute() / "run" / "control.sock")
    proxy = ProxySettings.from_environment(proxies(environment()))
    worker = WorkerSettings(control_socket, settings.journal_fsync, settings.tls_cert, settings.tls_key, proxy)
    given = {name: str(value) for name, value in flags.items()}
    return Service(
        state_dir=str(Path(settings.state).absolute()),
        data=Address(settings.host, settings.port),
        control=Address(settings.control_host, settings.control_port),
        health=Address(settings.host, settings.health_port),
        workers=settings.workers,
        drain_s=settings.drain_s,
        worker_settings=msgspec.Raw(msgspec.json.encode(worker)),
        control_settings=msgspec.Raw(msgspec.json.encode(ControlSettings(control_socket, given, environ or {}))),
    )
