"""What the tests of the supervisor share: a supervisor in a process of its own, and a strict little HTTP client."""

import asyncio
import itertools
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import uvloop

from intertie.compose.listening import Address
from intertie.compose.supervisor import Service, supervise

_STAND_IN = (sys.executable, "-P", str(Path(__file__).parent / "stand_in.py"))
_HERE = Address("127.0.0.1", 0)

Event = dict[str, object]


def service(state: Path, **changes: object) -> Service:
    """Two stand-in workers and a stand-in control process on free ports of this machine."""
    plain = Service(
        state_dir=str(state),
        data=_HERE,
        control=_HERE,
        health=_HERE,
        workers=2,
        worker_command=_STAND_IN,
        control_command=_STAND_IN,
    )
    return msgspec.structs.replace(plain, **changes)


def settings(**habits: object) -> msgspec.Raw:
    """How a stand-in shall misbehave."""
    return msgspec.Raw(msgspec.json.encode(habits))


class Supervised:
    """A running supervisor: what it tells, where it listens, what becomes of it. Ends with the `async with`."""

    def __init__(self, wanted: Service) -> None:
        self._wanted = wanted
        self.events: list[Event] = []
        self._told = asyncio.Condition()

    async def __aenter__(self) -> "Supervised":
        self.process = await self._start()
        self._reading = asyncio.ensure_future(self._read())
        listening = await self.until("listening")
        self.data, self.control, self.health = (
            int(str(listening[name]).rpartition(":")[2]) for name in ("data", "control", "health")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.send(signal.SIGKILL)
        await self.process.wait()
        await self._reading  # to the end of stderr: until every child that holds it has ended

    async def until(self, event: str, count: int = 1, within_s: float = 20.0) -> Event:
        """The event of this name for the `count`th time, awaited."""
        async with asyncio.timeout(within_s), self._told:
            await self._told.wait_for(lambda: len(self.named(event)) >= count)
        return self.named(event)[count - 1]

    def named(self, event: str) -> list[Event]:
        """All events of this name so far."""
        return [one for one in self.events if one.get("event") == event]

    def send(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def status(self) -> Event:
        """What `/status` tells."""
        return json.loads((await fetch(self.health, "/status"))[1])

    async def pids(self, prefix: str) -> list[int]:
        """The pids of living children with such a name."""
        status = await self.status()
        return [one["pid"] for one in status["children"] if one["name"].startswith(prefix)]

    async def is_ready(self) -> bool:
        """Whether the health port says so."""
        return (await fetch(self.health, "/readyz"))[0] == 200

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", __file__, msgspec.json.encode(self._wanted).decode()),
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._told:
                self.events.append(
                    json.loads(line) if line.startswith(b"{") else {"event": "text", "line": line.decode()}
                )
                self._told.notify_all()


class Refused(Exception):
    """The connection was refused, cut, or closed without an answer."""


class Connection:
    """A keep-alive connection that keeps to what the server says about it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """One request; never tried again. Raises Refused."""
        head, body = await self.exchange(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
        return int(head.split(b" ", 2)[1]), body

    async def exchange(self, message: bytes) -> tuple[bytes, bytes]:
        """One request as its bytes, and the answer's head and body; never tried again. Raises Refused."""
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(message)
            head = await self._reader.readuntil(b"\r\n\r\n")
            body = await self._body(head.lower())
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Refused(repr(error)) from None
        if b"connection: close" in head.lower():
            self.close()
        return head, body

    async def _body(self, head: bytes) -> bytes:
        if b"content-length: " in head:
            return await self._reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return body

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


async def fetch(port: int, path: str) -> tuple[int, bytes]:
    """One request on a connection of its own. Raises Refused."""
    connection = Connection(port)
    try:
        return await connection.get(path)
    finally:
        connection.close()


def lives(pid: int) -> bool:
    """Whether a process is there and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def eventually(check: Callable[[], Awaitable[bool]], within_s: float = 10.0) -> None:
    """Ask again and again until it is so; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        for _ in itertools.count():
            if await check():
                return
            await asyncio.sleep(0.01)


async def ended(pids: list[int]) -> None:
    """Until all of them have ended; raises TimeoutError."""

    async def none_lives() -> bool:
        return not any(lives(pid) for pid in pids)

    await eventually(none_lives)


if __name__ == "__main__":
    sys.exit(uvloop.run(supervise(msgspec.json.decode(sys.argv[1], type=Service))))
