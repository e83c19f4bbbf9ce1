"""A control process under fire: the real lender, folder, sweeper and link. Run: fire_control.py STATE DATABASE_URL"""

import asyncio
import logging
import sys
from pathlib import Path

import msgspec
import uvloop
from fire_rules import METERS

from intertie.control.folder import Folder
from intertie.control.lender import Lender
from intertie.control.sweeper import Sweeper
from intertie.core.clock import SystemClock
from intertie.core.lending import Borrow, FromWorker, Hello, Return
from intertie.store.database import Database
from intertie.wire.link import LinkServer, Peer


async def main(state: Path, url: str) -> None:
    clock, database, journal = SystemClock(), Database(url), state / "journal"
    lender = Lender(database, "here", clock)
    lender.adopt(METERS)
    folder = Folder(database, journal, "here", clock)
    sweeper = Sweeper(database, folder, journal, "here", clock)

    def hear(peer: Peer[FromWorker], message: FromWorker) -> None:
        if isinstance(message, Hello | Borrow | Return):
            lender.on_message(peer, message)

    def gone(peer: Peer[FromWorker]) -> None:
        lender.on_gone(peer)
        sweeper.wake()

    await lender.beat()
    decoder = msgspec.msgpack.Decoder[FromWorker](FromWorker)
    link = LinkServer[FromWorker](state / "control.sock", decoder, hear, lambda _: None, gone)
    await link.listen()
    await asyncio.gather(lender.run(), lender.watch(), folder.run(), sweeper.run())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
