"""A stand-in for a worker or the control process: keeps the child protocol, serves two paths, and misbehaves on demand.

`/fast` answers at once; `/stream?N` sends an event each 50 ms for N seconds, then `data: [DONE]`, or, when it is forced
to end, an error event. Its settings (`Habits`) say how it misbehaves.
"""

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path

import msgspec
import uvloop

from intertie.compose.children import ChildOrders, Reporter, read_orders
from intertie.config.snapshot import ServerLimits
from intertie.core.faults import Fault
from intertie.wire.reply import Rendered, Reply, Request
from intertie.wire.server import Server


class Habits(msgspec.Struct):
    """`exit_code` at once; `hang_s` blocks the loop; `deaf` to SIGUSR1; it exits with 1 if the file `broken` exists."""

    exit_code: int = 0
    hang_s: float = 0.0
    deaf: bool = False
    broken: str = ""


class App:
    def __init__(self) -> None:
        self.open = 0
        self.forced = asyncio.Event()

    def screen(self, request: Request) -> Rendered | None:
        return None

    def render(self, fault: Fault) -> Rendered:
        return fault.status, b"", fault.message.encode()

    async def __call__(self, request: Request, reply: Reply) -> None:
        self.open += 1
        try:
            if request.path == b"/stream":
                await self._stream(float(request.query), reply)
            else:
                reply.send(200, b"content-type: text/plain\r\n", b"%d" % os.getpid())
        finally:
            self.open -= 1

    async def _stream(self, seconds: float, reply: Reply) -> None:
        reply.start(200, b"content-type: text/event-stream\r\n")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            reply.write(b"data: tick\n\n")
            try:
                async with asyncio.timeout(0.05):
                    await self.forced.wait()
            except TimeoutError:
                continue
            reply.finish(b'data: {"error":{"code":"draining"}}\n\n')
            return
        reply.finish(b"data: [DONE]\n\n")


def _note(orders: ChildOrders, what: str) -> None:
    with (Path(orders.state_dir) / f"{orders.role}.notes").open("a") as notes:
        notes.write(f"{what}\n")


async def _note_reloads(orders: ChildOrders, reporter: Reporter) -> None:
    while await reporter.reload.wait():
        reporter.reload.clear()
        _note(orders, "reload")


async def serve(orders: ChildOrders, reporter: Reporter, app: App) -> None:
    habits = orders.settings_as(Habits)
    server = Server(app, ServerLimits(), lambda error: _note(orders, repr(error)))
    for listener in orders.listeners():
        await server.listen(listener)
    reporter.ready()
    if habits.hang_s:
        asyncio.get_running_loop().call_soon(time.sleep, habits.hang_s)
    await reporter.drain.wait()
    _note(orders, "drain")
    if orders.role == "worker":
        server.drain()
        reporter.draining()
        await _finished(server, reporter, habits)
    if reporter.force.is_set():
        _note(orders, "force")
        app.forced.set()
    await server.close(2.0)
    reporter.close()


async def _finished(server: Server, reporter: Reporter, habits: Habits) -> None:
    """Until every caller has left (idle ones are told to within 5 s), or it is forced to end."""
    for _ in itertools.count():
        if not server.connections or (reporter.force.is_set() and not habits.deaf):
            return
        await asyncio.sleep(0.02)


async def run() -> None:
    orders, line = read_orders(sys.argv)
    habits = orders.settings_as(Habits)
    if habits.exit_code:
        sys.exit(habits.exit_code)
    if habits.broken and os.access(habits.broken, os.F_OK):
        sys.exit(1)
    app = App()
    reporter = await Reporter.open(orders, line, busy=lambda: app.open)
    noting = asyncio.ensure_future(_note_reloads(orders, reporter))
    await serve(orders, reporter, app)
    noting.cancel()


if __name__ == "__main__":
    uvloop.run(run())
