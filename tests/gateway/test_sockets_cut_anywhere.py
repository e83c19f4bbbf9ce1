"""What a caller sends over a WebSocket may come in any pieces, of bytes and of frames: the same events come of it."""

import json
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import until
from socketcaller import SocketCaller
from test_realtime import place
from voice import silent, voice
from world import gateway, snapshot

from intertie.wire.frames import CONTINUATION, PING, TEXT, frame

EVENTS = [{"type": "conversation.item.create", "text": "ü" * size} for size in (0, 60, 300)] + [{"type": "x"}]


def written(event: dict[str, Any], cuts: list[int], pings: bool) -> bytes:
    """One event in frames that end at the cuts."""
    data = json.dumps(event, ensure_ascii=False).encode()
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    wire, start = b"", 0
    for number, end in enumerate([*places, len(data)]):
        one = frame(CONTINUATION if number else TEXT, data[start:end], os.urandom(4))
        wire += one if end == len(data) and number == len(places) else bytes((one[0] & 0x7F,)) + one[1:]
        wire += frame(PING, b"?", os.urandom(4)) if pings and number < len(places) else b""
        start = end
    return wire


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.lists(st.integers(0, 1_000), max_size=4), min_size=len(EVENTS), max_size=len(EVENTS)),
    pings=st.booleans(),
    reads=st.lists(st.integers(0, 2_000), max_size=20),
)
async def test_events_in_any_pieces_are_the_same_events(
    tmp_path_factory: Any, cuts: list[list[int]], pings: bool, reads: list[int]
) -> None:
    folder: Path = tmp_path_factory.mktemp("world")
    wire = b"".join(written(event, where, pings) for event, where in zip(EVENTS, cuts, strict=True))
    async with voice(silent) as upstream, gateway(folder, snapshot([place(upstream.port)])) as world:
        async with SocketCaller(world.url) as caller:
            await caller.open("/v1/realtime?model=m")
            start = 0
            for end in sorted({read % len(wire) for read in reads} | {len(wire)}):
                caller.writer.write(wire[start:end])
                await caller.writer.drain()
                start = end
            assert await upstream.heard(len(EVENTS)) == EVENTS
        await until(lambda: not world.live.in_flight)


async def test_an_event_that_comes_byte_by_byte_comes_once(tmp_path: Path) -> None:
    async with voice(silent) as upstream:
        whole = snapshot([place(upstream.port)])
        async with gateway(tmp_path, whole) as world, SocketCaller(world.url) as caller:
            await caller.open("/v1/realtime?model=m")
            for byte in written(EVENTS[1], [3, 90], True):
                caller.writer.write(bytes((byte,)))
                await caller.writer.drain()
            assert await upstream.heard(1) == [EVENTS[1]]
