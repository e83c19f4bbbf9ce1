"""A caller who asks over a WebSocket and never listens is not listened to either; what he sends stays with him."""

import asyncio
from pathlib import Path

import pytest
from scripted import hang, scripted
from socketcaller import SocketCaller
from world import endpoint, gateway, snapshot

from intertie.gateway.turns import MOST_WAITING

PATH = "/v1/responses"
LARGE = "x" * 1_000_000


async def test_who_never_reads_is_read_no_more(tmp_path: Path) -> None:
    async with gateway(tmp_path, snapshot([endpoint("a", 9)])) as world:
        caller = SocketCaller(world.url)
        async with caller:
            await caller.open(PATH)
            sent = 0
            with pytest.raises(TimeoutError):
                while sent < 120:  # the caller's own side takes 32 MB before it stops reading
                    caller.tell({"type": "response.steer", "input": LARGE})
                    await asyncio.wait_for(caller.writer.drain(), 1)
                    sent += 1
            assert [await caller.event() for _ in range(sent)], "it goes on where it was left"


async def test_small_messages_cannot_wait_without_end(tmp_path: Path) -> None:
    async with scripted(hang) as upstream, gateway(tmp_path, snapshot([endpoint("a", upstream.port)])) as world:
        caller = SocketCaller(world.url)
        async with caller:
            await caller.open(PATH)
            for _ in range(MOST_WAITING + 2):
                caller.tell({"type": "response.create", "model": "m", "input": "."})
            refused = await caller.event()
            assert refused is not None
            assert refused["error"]["code"] == "websocket_stream_limit_reached"
