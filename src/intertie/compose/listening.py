"""Listening sockets. The supervisor makes them, keeps them, and lends them to its children by number.

The data port has one socket per worker slot (`SO_REUSEPORT`): the kernel spreads connections over them, and each has
its own accept queue. Because the supervisor keeps them open, what queues up for a worker that dies waits for the next.
"""

import socket

import msgspec

from intertie.core.faults import ConfigFault

BACKLOG = 4_096


class Address(msgspec.Struct, frozen=True):
    """Where to listen. Port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_alone(address: Address) -> socket.socket:
    """One socket that nobody shares; raises ConfigFault if the address cannot be had."""
    return _listen(address, shared=False)


def listen_shared(address: Address, count: int) -> list[socket.socket]:
    """So many sockets on one address, which the kernel spreads connections over; raises ConfigFault as above."""
    # Sharing would let a second gateway of the same user slip in beside this one: first try to have it alone.
    listen_alone(address).close()
    sockets = [_listen(address, shared=True)]
    chosen = Address(address.host, port_of(sockets[0]))
    sockets += [_listen(chosen, shared=True) for _ in range(count - 1)]
    return sockets


def port_of(listener: socket.socket) -> int:
    """The port a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def _listen(address: Address, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG, reuse_port=shared)
    except OSError as error:
        hint = "does another process? --port, --control-port and --health-port choose others"
        raise ConfigFault(f"cannot listen on {address}: {error.strerror}", hint=hint) from None
    listener.setblocking(False)
    return listener
