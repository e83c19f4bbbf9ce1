"""The link between worker and control process."""

import asyncio
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from serving import until

from intertie.core.lending import Borrow, FromLender, FromWorker, Hello, Lent, Publish, Recall, Want
from intertie.wire.link import MAX_FRAME, LinkClient, LinkServer, Peer

FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
FROM_LENDER: msgspec.msgpack.Decoder[FromLender] = msgspec.msgpack.Decoder(FromLender)


class Lender:
    """The server's side: what it heard, and from whom."""

    def __init__(self, path: Path) -> None:
        self.heard: list[tuple[Peer[FromWorker], FromWorker]] = []
        self.opened: list[Peer[FromWorker]] = []
        self.closed: list[Peer[FromWorker]] = []
        self.link = LinkServer(path, FROM_WORKER, self.hear, self.opened.append, self.closed.append)

    def hear(self, peer: Peer[FromWorker], message: FromWorker) -> None:
        self.heard.append((peer, message))
        if isinstance(message, Borrow):
            peer.send(Lent(message.ticket, {want.account: want.amount for want in message.wants}))


class Worker:
    """The client's side."""

    def __init__(self, path: Path) -> None:
        self.heard: list[FromLender] = []
        self.lost = 0
        self.link = LinkClient(path, FROM_LENDER, self.heard.append, self.lose)

    def lose(self) -> None:
        self.lost += 1


@pytest.fixture
async def lender(tmp_path: Path) -> AsyncIterator[Lender]:
    one = Lender(tmp_path / "control.sock")
    await one.link.listen()
    yield one
    await one.link.close()


async def test_messages_go_both_ways_in_order(lender: Lender, tmp_path: Path) -> None:
    workers = [Worker(tmp_path / "control.sock") for _ in range(3)]
    for number, worker in enumerate(workers):
        await worker.link.connect()
        assert worker.link.up
        worker.link.send(Hello(f"w{number}", {"a": number}))
        for ticket in range(100):
            worker.link.send(Borrow(ticket, (Want("a", ticket),)))
    for worker in workers:
        await until(lambda worker=worker: len(worker.heard) == 100)
        assert worker.heard == [Lent(ticket, {"a": ticket}) for ticket in range(100)]
    assert {message.worker for _, message in lender.heard if isinstance(message, Hello)} == {"w0", "w1", "w2"}
    assert len(lender.link.peers) == 3
    for worker in workers:
        await worker.link.close()
        assert not worker.link.up
    await until(lambda: len(lender.closed) == 3)
    assert [worker.lost for worker in workers] == [0, 0, 0]


async def test_a_large_message_arrives_whole(lender: Lender, tmp_path: Path) -> None:
    worker = Worker(tmp_path / "control.sock")
    await worker.link.connect()
    await until(lambda: len(lender.opened) == 1)
    lender.opened[0].send(Publish(1, b"x" * 20_000_000))
    lender.opened[0].send(Recall("a", 1))
    await until(lambda: len(worker.heard) == 2, seconds=10)
    assert worker.heard == [Publish(1, b"x" * 20_000_000), Recall("a", 1)]
    with pytest.raises(ValueError, match="does not fit"):
        lender.opened[0].send(Publish(1, b"x" * (MAX_FRAME + 1)))
    await worker.link.close()


async def test_a_lender_that_goes_is_noticed_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    worker = Worker(path)
    with pytest.raises(OSError, match="No such file"):
        await worker.link.connect()
    for life in (1, 2):
        lender = Lender(path)
        await lender.link.listen()
        await worker.link.connect()
        worker.link.send(Hello(f"life {life}"))
        await until(lambda lender=lender: len(lender.heard) == 1)
        await lender.link.close()
        await until(lambda life=life: worker.lost == life)
        assert not worker.link.up
        worker.link.send(Hello("nobody hears"))
    assert not path.exists()


async def test_the_socket_is_the_owners_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    first = Lender(path)
    await first.link.listen()
    second = Lender(path)  # as after a kill: the file is still there
    await second.link.listen()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    worker = Worker(path)
    await worker.link.connect()
    await until(lambda: len(second.opened) == 1)
    await worker.link.close()
    await second.link.close()
    await first.link.close()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        await Lender(path).link.listen()
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    "nonsense",
    [struct.pack(">I", MAX_FRAME + 1), struct.pack(">I", 3) + b"abc", struct.pack(">I", 2) + b"\x91\x63", b"GET "],
)
async def test_what_is_no_message_ends_the_link(lender: Lender, tmp_path: Path, nonsense: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
    writer.write(nonsense + b"\0" * 100)
    assert await asyncio.wait_for(reader.read(), 2) == b""
    await until(lambda: len(lender.closed) == 1)
    assert lender.heard == []
    writer.close()


async def test_frames_may_be_cut_anywhere(lender: Lender, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
    payload = msgspec.msgpack.encode(Hello("w", {}))
    frames = (struct.pack(">I", len(payload)) + payload) * 3
    for at in range(len(frames)):
        writer.write(frames[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0)
    await until(lambda: len(lender.heard) == 3)
    writer.close()
    del reader
