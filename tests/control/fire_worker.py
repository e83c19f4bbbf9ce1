"""A worker under fire: the real wallet, journal and link; callers and an upstream that are made up.

Writes what it does, as it does it, into `<state>/said/<worker>`: one JSON line per write, so nothing said is lost by
kill -9. Run: fire_worker.py STATE SEED BEGIN, with BEGIN on the machine's monotonic clock; SIGTERM ends it.
"""

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import uvloop
from fire_rules import CALLERS, HOLD, SLOTS, WIDE, budget_at

from intertie.core.clock import SystemClock
from intertie.core.faults import BudgetExhausted, LenderAway, RateLimited
from intertie.core.ids import worker_id
from intertie.core.lending import FromLender, FromWorker, Lent, Recall
from intertie.core.record import Admitted, Settled
from intertie.core.usage import Usage
from intertie.gateway.wallet import Needs, Wallet
from intertie.store.journal import JournalWriter
from intertie.wire.link import LinkClient
from intertie.wire.tasks import Tasks


class Worker:
    def __init__(self, state: Path, lots: random.Random, begin: float) -> None:
        self.lots, self.begin, self.clock = lots, begin, SystemClock()
        self.ending = False
        self.id = worker_id(self.clock.wall(), lots.getrandbits(40))
        self.link = LinkClient[FromLender](
            state / "control.sock", msgspec.msgpack.Decoder(FromLender), self.hear, self.lost
        )
        self.wallet = Wallet(self.id, self.say, self.clock)
        self.journal = JournalWriter(state / "journal", self.id)
        self.said = os.open(state / "said" / self.id, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.sequence = 0
        self.put("born", pid=os.getpid())

    def put(self, event: str, **facts: object) -> None:
        os.write(self.said, msgspec.json.encode({"event": event, "t": time.monotonic(), **facts}) + b"\n")

    def say(self, message: FromWorker) -> None:
        self.link.send(message)

    def hear(self, message: FromLender) -> None:
        if isinstance(message, Lent | Recall):
            self.wallet.on_message(message)

    def lost(self) -> None:
        self.wallet.on_link(False)

    async def keep_linked(self) -> None:
        while True:
            if not self.link.up:
                with suppress(OSError):
                    await self.link.connect()
                    self.say(self.wallet.hello())
                    self.wallet.on_link(True)
            self.wallet.tick()
            await asyncio.sleep(0.05)

    def end(self) -> None:
        self.ending = True

    async def caller(self) -> None:
        while not self.ending:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.lots.uniform(0.0, 0.03) if self.lots.random() < 0.2 else None):
                    await self.call()
            await asyncio.sleep(self.lots.uniform(0.0, 0.02))

    async def call(self) -> None:
        now = time.monotonic()
        hold = int(HOLD * self.lots.uniform(0.2, 1.0))
        needs: Needs = [(budget_at(now - self.begin), hold)]
        needs += [(WIDE, hold)] * (self.lots.random() < 0.5) + [(SLOTS, 1)] * (self.lots.random() < 0.3)
        amounts = {meter.id: amount for meter, amount in needs}
        try:
            holds = self.wallet.take(needs, self.clock.wall(), self.clock.monotonic()) or await self.wallet.borrow(
                needs
            )
        except (BudgetExhausted, RateLimited) as fault:
            return self.put("refused", since=now, code=fault.code, needs=amounts)
        except LenderAway:
            return self.put("away", since=now)
        self.sequence += 1
        sequence = self.sequence
        self.put("held", number=sequence, needs=amounts)
        self.journal.admitted(Admitted(sequence, self.clock.wall(), "k", "u", "g", "p", "chat", "m", holds.charges()))
        self.put("admitted", number=sequence)
        began, cost = time.monotonic(), int(hold * self.lots.random() ** 4)
        lasts = self.lots.uniform(0.0, 0.02)
        try:
            await asyncio.sleep(lasts)
        except asyncio.CancelledError:
            cost = int(cost * min(1.0, (time.monotonic() - began) / lasts))
            raise
        finally:
            self.put("settling", number=sequence, cost=cost)
            row = Settled(
                sequence, self.clock.wall(), "served", 200, "e", "s", "m", Usage(1, 1), cost, "list",
                holds.charges(cost), 0.0, 0.0, 0.0, 1,
            )  # fmt: skip
            self.journal.settled(row)
            self.wallet.settle(holds, cost, 2)
            self.put("settled", number=sequence)


async def main(state: Path, seed: int, begin: float) -> None:
    crashes = list[BaseException]()
    tasks = Tasks(crashes.append)
    worker = Worker(state, random.Random(seed), begin)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.end)
    tasks.start(worker.keep_linked())
    callers = [tasks.start(worker.caller()) for _ in range(CALLERS)]
    await asyncio.gather(*callers)
    await worker.link.close()
    await tasks.close(1.0)
    worker.journal.close()
    worker.put("ended")
    assert not crashes, crashes


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
