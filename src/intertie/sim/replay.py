"""Replaying a trace through the front door: an open loop at the trace's arrivals, whatever the answers take.

Every request is streamed. `max_tokens` is the trace's output, and `intertie_sim.output_tokens` makes a simulated engine
produce exactly that many. Waits are counted from the moment a request was due, not from when it left.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from intertie.core.endpoint import Origin
from intertie.sim.caller import CallerConnection, Reply, connect, encode_request, until
from intertie.sim.prompts import prompt
from intertie.sim.report import Tally
from intertie.sim.traces import Arrival
from intertie.wire.tasks import Tasks


@dataclass(frozen=True)
class Door:
    """Where to send: a gateway's address with the path its API hangs under (`/v1`), a key, and the model to ask for."""

    origin: Origin
    key: str
    model: str


@dataclass(frozen=True)
class Manner:
    """How to send: `speed` times as fast as it happened, objectives in turn, prompts by `seed`.

    `exact` asks simulated engines for exactly the trace's output; real engines may refuse the field it takes.
    `patience_s` is how long after the last arrival answers are waited for.
    """

    speed: float = 1.0
    objectives: tuple[str, ...] = ("interactive",)
    seed: int = 1
    exact: bool = True
    patience_s: float = 120.0


class Replay:
    """One replay; `on_ended` is told the tally each time a request ended."""

    def __init__(
        self,
        door: Door,
        arrivals: Sequence[Arrival],
        manner: Manner,
        on_ended: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        self.tally = Tally()
        self._on_ended = on_ended
        self._door, self._arrivals, self._manner = door, arrivals, manner
        self._tasks = Tasks(self._crashed)
        self._idle: list[CallerConnection] = []
        self._asked: dict[CallerConnection, str] = {}
        self._outstanding = 0
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Send everything, and wait until it was answered. Raises OSError if nobody is at the door at the start."""
        self._idle.append(await self._connect())
        began = time.perf_counter()
        try:
            for index, arrival in enumerate(self._arrivals):
                objective = self._manner.objectives[index % len(self._manner.objectives)]
                request = self._request(arrival, index, objective)  # before it is due: long prompts take milliseconds
                due = began + arrival.at_s / self._manner.speed
                await until(due)
                self._ask(request, objective, due)
            await self._finish()
        finally:
            self.tally.duration_s = time.perf_counter() - began
            await self._tasks.close(1.0)
            for caller in (*self._idle, *self._asked):
                caller.close()

    def _ask(self, request: bytes, objective: str, due: float) -> None:
        self.tally.sent[objective] += 1
        self._outstanding += 1
        while self._idle:
            caller = self._idle.pop()
            if caller.free:
                self._send(caller, request, objective, due)
                return
        self._tasks.start(self._send_anew(request, objective, due))

    async def _send_anew(self, request: bytes, objective: str, due: float) -> None:
        try:
            caller = await self._connect()
        except OSError:
            self.tally.errors["connection_refused"] += 1
            self._one_less()
        else:
            self._send(caller, request, objective, due)

    def _send(self, caller: CallerConnection, request: bytes, objective: str, due: float) -> None:
        self._asked[caller] = objective
        self.tally.late.append(time.perf_counter() - due)
        caller.send(request, due)

    async def _connect(self) -> CallerConnection:
        return await connect(self._door.origin, self._answered)

    def _answered(self, caller: CallerConnection, reply: Reply) -> None:
        self.tally.add(self._asked.pop(caller), reply)
        if caller.free:
            self._idle.append(caller)
        self._one_less()

    def _one_less(self) -> None:
        self._outstanding -= 1
        self._on_ended(self.tally)
        if not self._outstanding:
            self._ended.set()

    async def _finish(self) -> None:
        if not self._outstanding:
            return
        self._ended.clear()
        try:
            await asyncio.wait_for(self._ended.wait(), self._manner.patience_s)
        except TimeoutError:
            self.tally.errors["unanswered"] += self._outstanding

    def _crashed(self, crash: BaseException) -> None:
        raise crash

    def _request(self, arrival: Arrival, index: int, objective: str) -> bytes:
        output = max(1, arrival.output_tokens)
        body: dict[str, object] = {
            "model": self._door.model,
            "messages": [{"role": "user", "content": prompt(arrival, index, self._manner.seed)}],
            "max_tokens": output,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._manner.exact:
            body["intertie_sim"] = {"output_tokens": output}
        headers = {"authorization": f"Bearer {self._door.key}", "x-intertie-objective": objective}
        origin = self._door.origin
        return encode_request(f"{origin.path}/chat/completions", origin.authority, headers, msgspec.json.encode(body))
