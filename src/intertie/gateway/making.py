"""Responses made in the background: whoever asked may leave, and come back for them.

POST ─→ exchange ─ writes to ─→ Making ←─ follow ─ whoever reads its stream, from any event on
                                  │
                                  └─ first: what the POST is answered with
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from intertie.dialects.openai_responses.stored import StoredResponse
from intertie.dialects.openai_responses.stored_bodies import events_after
from intertie.dialects.sse import events
from intertie.wire.reply import Outlet
from intertie.wire.tasks import Tasks


class Making:
    """One response being made: an `Outlet` that remembers what is written to it.

    `first` is how the POST is to be answered, once `decided`: status and headers, and the body unless a stream follows;
    None if it never came to that. `begun` is the response as it is kept while it is made, for `owner`; None until it is
    accepted. `gone` is set where nobody wants it any more, `ending` where it has ended and only is to be kept.
    """

    def __init__(self) -> None:
        self.started = self.gone = self.ending = False
        self.owner = ""
        self.begun: StoredResponse | None = None
        self.first: tuple[int, bytes, bytes | None] | None = None
        self.decided = asyncio.Event()
        self.events: list[bytes] = []
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()

    def accept(self, owner: str, begun: StoredResponse) -> None:
        """It is kept from now on, or about to be."""
        self.owner, self.begun = owner, begun

    def decide(self, status: int, headers: bytes, body: bytes | None) -> None:
        """Answer the POST; only the first word counts."""
        if not self.decided.is_set():
            self.first = status, headers, body
            self.decided.set()

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """A whole answer, or a refusal: what came of it is kept by then."""
        self.started = True
        self.decide(status, headers, body)
        self.over()

    def start(self, status: int, headers: bytes) -> None:
        """A stream begins."""
        self.started = True
        self.decide(status, headers, None)

    def write(self, data: bytes) -> None:
        """Whole events."""
        self.events.extend(events(data))
        self._wake()

    def finish(self, data: bytes = b"") -> None:
        """The last of them."""
        self.write(data)
        self.over()

    def watch_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """It is never too much: followers read at their own pace."""

    def over(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self.decided.set()
        self._wake()

    async def grown(self) -> None:
        """Wait until there is more, or no more comes."""
        if not self.ended:
            await self._grown.wait()

    def leave(self) -> None:
        """Nobody wants it any more."""
        self.gone = True
        self.cancel()

    def cancel(self) -> None:
        """End it now, unless that is what it is about to do."""
        if self.task is not None and not self.ending:
            self.task.cancel()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class Makings:
    """The responses that this worker makes in the background."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._making: set[Making] = set()

    def __len__(self) -> int:
        return len(self._making)

    def start(self, making: Making, exchange: Coroutine[None, None, None]) -> None:
        """Make a response; `exchange` writes to it."""
        self._making.add(making)
        making.task = self._tasks.start(self._run(making, exchange))

    def find(self, owner: str, name: str) -> Making | None:
        """One that is being made here, for its owner."""
        return next((one for one in self._named(name) if one.owner == owner), None)

    def stop(self, name: str) -> None:
        """One that is not wanted any more."""
        for making in self._named(name):
            making.leave()

    async def close(self, timeout_s: float) -> None:
        """End all, and wait until that is kept, so many seconds at most."""
        tasks = [making.task for making in self._making if making.task is not None]
        for making in self._making:
            making.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _named(self, name: str) -> list[Making]:
        return [one for one in self._making if one.begun is not None and one.begun.id == name]

    async def _run(self, making: Making, exchange: Coroutine[None, None, None]) -> None:
        try:
            await exchange
        finally:
            making.over()
            self._making.discard(making)


class _Flow:
    """Whether a reader keeps up."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.pause, self.resume, self.ready = self._open.clear, self._open.set, self._open.wait


async def follow(making: Making, reply: Outlet, after: int = -1) -> None:
    """Write the stream of a response to a reader from the event behind the number `after` on, as it comes."""
    flow = _Flow()
    reply.watch_flow(flow.pause, flow.resume)
    told = 0
    while not making.ended or told < len(making.events):
        block = making.events[told:]
        told += len(block)
        reply.write(behind(block, after))
        await flow.ready()
        if told == len(making.events):
            await making.grown()
    reply.finish()


def behind(block: Iterable[bytes], after: int) -> bytes:
    """Those of these events that come behind the number `after`; all if that is below 0."""
    return b"".join(block if after < 0 else events_after(block, after))
