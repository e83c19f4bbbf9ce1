"""What each role is told beyond `ChildOrders`: small, so that reading it imports nothing."""

from typing import Literal

import msgspec

from intertie.wire.dial import NO_PROXY
from intertie.wire.proxy import ProxySettings


class WorkerSettings(msgspec.Struct, frozen=True):
    """What a worker needs before it has a snapshot: where the control process listens, and what cannot change later."""

    control_socket: str
    journal_fsync: Literal["50ms", "always"] = "50ms"
    tls_cert: str = ""
    tls_key: str = ""
    proxy: ProxySettings = NO_PROXY


class ControlSettings(msgspec.Struct, frozen=True):
    """Where to listen for workers, and the flags, which weigh more than file and environment."""

    control_socket: str
    flags: dict[str, str] = {}
