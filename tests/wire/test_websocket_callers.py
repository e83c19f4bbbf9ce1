"""WebSockets of callers, spoken by hand: the handshake, attackers, who is silent or does not read, the end."""

import asyncio

import pytest
from serving import Serve, status_of, until
from sockets import ACCEPT, HELLO, RawSocket, Sockets, opened

from intertie.config.snapshot import ServerLimits, SocketLimits
from intertie.core.faults import Unauthenticated
from intertie.wire.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Message, close_data, frame
from intertie.wire.server import Request

KEY = b"\x01\x02\x03\x04"


async def test_a_caller_shakes_hands_speaks_and_takes_leave(serve: Serve) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    assert serving.server.connections == serving.server.in_flight == 1
    raw.say(TEXT, "Grüße".encode())
    raw.say(BINARY, b"\x00\x01")
    raw.say(PING, b"there?")
    assert [await raw.next() for _ in range(3)] == [
        Message(TEXT, "Grüße".encode()), Message(BINARY, b"\x00\x01"), Message(PONG, b"there?")
    ]  # fmt: skip
    raw.say(CLOSE, close_data(1000, "done"))
    assert await raw.farewell() == 1000
    assert await raw.next() is None
    assert await app.ears[0].gone == (1000, "done")
    await until(lambda: serving.server.connections == serving.server.in_flight == 0)
    assert not serving.crashes


async def test_the_handshake_is_that_of_the_standard_and_takes_no_extension(serve: Serve) -> None:
    serving = await serve(Sockets())
    raw = RawSocket(await serving.caller())
    head = await raw.open(
        b"sec-websocket-extensions: permessage-deflate\r\nsec-websocket-protocol: realtime, other\r\n"
    )
    lines = head.lower().split(b"\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"sec-websocket-accept: " + ACCEPT in head
    assert b"sec-websocket-protocol: realtime" in lines
    assert not any(line.startswith(b"sec-websocket-extensions") for line in lines)


@pytest.mark.parametrize(
    "wrong",
    [
        HELLO.replace(b"version: 13", b"version: 8"),
        HELLO.replace(b"sec-websocket-version: 13\r\n", b""),
        HELLO.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        HELLO.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"not base64 at all!!!!"),
        HELLO.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_a_broken_handshake_is_refused_in_http(serve: Serve, wrong: bytes) -> None:
    serving = await serve(Sockets())
    assert status_of(await serving.ask(wrong + b"\r\n")) == 400
    assert not serving.crashes


async def test_other_upgrades_are_read_on_as_plain_http(serve: Serve) -> None:
    serving = await serve(Sockets())
    for head in (
        b"GET / HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        HELLO.replace(b"GET", b"POST"),
    ):
        async with await serving.caller() as caller:
            body = b"" if head.endswith(b"\r\n\r\n") else b"content-length: 2\r\n\r\nhi"
            caller.send(head + body + b"GET /again HTTP/1.1\r\nhost: g\r\n\r\n")
            assert status_of(await caller.answer()) == 200
            assert status_of(await caller.answer()) == 200


async def test_who_is_refused_may_go_on_in_http(serve: Serve) -> None:
    async def no(request: Request) -> None:
        raise Unauthenticated("who are you?")

    serving = await serve(Sockets(before=no))
    async with await serving.caller() as caller:
        caller.send(HELLO + b"\r\n")
        assert status_of(await caller.answer()) == 401
        caller.send(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")
        assert status_of(await caller.answer()) == 200


async def test_what_comes_behind_the_handshake_is_not_lost(serve: Serve) -> None:
    let = asyncio.Event()
    serving = await serve(Sockets(before=lambda _: let.wait()))
    raw = RawSocket(await serving.caller(1 << 24))
    early = [frame(TEXT, b"%d" % number + b"x" * 60_000, KEY) for number in range(40)]
    raw.caller.send(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n" + HELLO + b"\r\n" + early[0])
    assert status_of(await raw.caller.answer()) == 200
    for one in early[1:]:
        raw.caller.send(one)
    await asyncio.sleep(0.05)
    let.set()
    assert (await raw.caller.head()).startswith(b"HTTP/1.1 101")
    for number in range(40):
        message = await raw.next()
        assert message is not None and message.data.startswith(b"%dx" % number)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(TEXT, b"unmasked"), 1002),
        (b"\xc1\x80" + KEY, 1002),
        (b"\x83\x80" + KEY, 1002),
        (b"\x09\x80" + KEY, 1002),
        (b"\x89\xfe\x00\x7e" + KEY, 1002),
        (frame(CONTINUATION, b"", KEY), 1002),
        (b"\x82\xff" + (1 << 62).to_bytes(8), 1009),
        (frame(TEXT, b"\xff", KEY), 1007),
        (frame(CLOSE, b"\x03", KEY), 1002),
        (frame(CLOSE, close_data(1005, ""), KEY), 1002),
        (frame(CLOSE, b"\x03\xe8\xff", KEY), 1007),
    ],
)
async def test_an_attacker_is_told_the_code_and_is_gone(serve: Serve, wire: bytes, code: int) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    raw.caller.send(frame(TEXT, b"first", KEY) + wire + frame(TEXT, b"last", KEY))
    assert await raw.farewell() == code
    await until(lambda: serving.server.connections == 0)
    assert app.ears[0].told == [("text", b"first"), ("gone", code)]
    assert not serving.crashes


async def test_endless_parts_are_bounded(serve: Serve) -> None:
    app = Sockets(SocketLimits(max_message_bytes=50_000))
    _, raw = await opened(serve, app)
    raw.caller.send(bytes((BINARY, 0x80 | 1)) + KEY + b"x")
    for _ in range(60):
        raw.caller.send((bytes((CONTINUATION, 0x80 | 1)) + KEY + b"x") * 1_000)
    assert await raw.farewell() == 1009
    assert app.ears[0].told == [("gone", 1009)]


async def test_a_caller_who_vanishes_is_gone_at_once(serve: Serve) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    raw.caller.writer.transport.abort()
    assert (await asyncio.wait_for(app.ears[0].gone, 1))[0] == 1006
    await until(lambda: serving.server.connections == serving.server.in_flight == 0)


async def test_a_caller_who_leaves_before_he_is_let_in_cancels_the_task(serve: Serve) -> None:
    async def never(request: Request) -> None:
        await asyncio.Event().wait()

    app = Sockets(before=never)
    serving = await serve(app)
    raw = RawSocket(await serving.caller())
    raw.caller.send(HELLO + b"\r\n")
    await until(lambda: serving.server.in_flight == 1)
    raw.caller.writer.transport.abort()
    await until(lambda: serving.server.connections == serving.server.in_flight == 0)
    assert not app.ears and not serving.crashes


async def test_a_half_open_caller_is_pinged_and_given_up(serve: Serve) -> None:
    app = Sockets(SocketLimits(ping_s=0.1))
    _, raw = await opened(serve, app)
    assert await raw.next() == Message(PING, b"")
    began = asyncio.get_running_loop().time()
    assert (await asyncio.wait_for(app.ears[0].gone, 2))[0] == 1006
    assert asyncio.get_running_loop().time() - began < 0.5


async def test_a_caller_who_answers_pings_stays(serve: Serve) -> None:
    app = Sockets(SocketLimits(ping_s=0.06))
    _, raw = await opened(serve, app)
    for _ in range(6):
        assert await raw.next() == Message(PING, b"")
        raw.say(PONG, b"")
    assert not app.ears[0].gone.done()


async def test_who_does_not_read_is_paused_and_given_up(serve: Serve) -> None:
    app = Sockets(SocketLimits(ping_s=0.2, stall_s=0.3))
    serving = await serve(app)
    raw = RawSocket(await serving.caller(1 << 10))
    await raw.open()
    for _ in range(60):
        raw.say(BINARY, b"x" * 200_000)
    assert (await asyncio.wait_for(app.ears[0].gone, 5))[0] == 1006
    assert ("flow", False) in app.ears[0].told
    assert sum(kind == "binary" for kind, _ in app.ears[0].told) < 60, "what cannot be answered is not read"


async def test_a_slow_reader_gets_everything(serve: Serve) -> None:
    app = Sockets(SocketLimits(stall_s=5))
    serving = await serve(app)
    raw = RawSocket(await serving.caller(1 << 10))
    await raw.open()
    for number in range(60):
        raw.say(BINARY, b"%03d" % number + b"x" * 200_000)
    await until(lambda: ("flow", False) in app.ears[0].told)
    for number in range(60):
        message = await raw.next()
        assert message is not None and message.data[:3] == b"%03d" % number
    assert ("flow", True) in app.ears[0].told


async def test_pings_of_a_caller_who_does_not_read_are_not_answered(serve: Serve) -> None:
    app = Sockets(SocketLimits(stall_s=30))
    serving = await serve(app)
    raw = RawSocket(await serving.caller(1 << 10))
    await raw.open()
    app.ears[0].on_flow = lambda clear: None
    sent = 160_000
    for _ in range(sent // 2_000):
        raw.caller.send(frame(PING, b"x" * 125, KEY) * 2_000)
    await until(lambda: raw.caller.writer.transport.get_write_buffer_size() == 0)
    raw.say(TEXT, b"last")
    answered = 0
    while (message := await raw.next()) is not None and message.kind == PONG:
        answered += 1
    assert message == Message(TEXT, b"last")
    assert 0 < answered < sent


@pytest.mark.parametrize(
    ("limits", "why"), [(SocketLimits(ping_s=0.1, idle_s=0.15), "idle"), (SocketLimits(ping_s=0.1, age_s=0.15), "age")]
)
async def test_it_is_time_to_go_after_a_while(serve: Serve, limits: SocketLimits, why: str) -> None:
    app = Sockets(limits)
    _, raw = await opened(serve, app)
    assert await raw.farewell() == 1012
    assert app.ears[0].told[0] == ("leave", why)


async def test_draining_tells_sockets_to_leave_and_waits_for_them(serve: Serve) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    raw.say(TEXT, b"hi")
    await raw.next()
    serving.server.drain()
    assert await raw.farewell() == 1012
    raw.say(CLOSE, close_data(1012, ""))
    assert await raw.next() is None
    await until(lambda: serving.server.connections == 0)
    assert await serving.server.close(1.0)


async def test_closing_the_server_says_farewell_to_who_stays(serve: Serve) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    app.ears[0].on_leave = lambda why: None
    closing = asyncio.ensure_future(serving.server.close(0.1))
    assert await raw.farewell() == 1001
    await closing
    assert serving.server.connections == 0


async def test_who_does_not_say_farewell_in_turn_is_cut(serve: Serve) -> None:
    app = Sockets()
    serving, raw = await opened(serve, app)
    app.ears[0].socket.close(1000)
    assert await raw.farewell() == 1000
    assert serving.server.connections == 1
    await until(lambda: serving.server.connections == 0, 3.0)


async def test_no_socket_is_opened_while_draining(serve: Serve) -> None:
    let = asyncio.Event()
    serving = await serve(Sockets(before=lambda _: let.wait()))
    raw = RawSocket(await serving.caller())
    raw.caller.send(HELLO + b"\r\n")
    await until(lambda: serving.server.in_flight == 1)
    serving.server.drain()
    let.set()
    assert status_of(await raw.caller.answer()) == 503


async def test_sockets_count_as_connections(serve: Serve) -> None:
    serving = await serve(Sockets(), ServerLimits(max_connections=2))
    raws = [RawSocket(await serving.caller()) for _ in range(2)]
    for raw in raws:
        await raw.open()
    assert status_of(await serving.say(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")) == 503
    raws[0].caller.writer.transport.abort()
    await until(lambda: serving.server.connections == 1)
    assert status_of(await serving.ask(b"GET / HTTP/1.1\r\nhost: g\r\n\r\n")) == 200


async def test_a_flood_of_small_messages_leaves_turns_to_others(serve: Serve) -> None:
    app = Sockets(SocketLimits(stall_s=30))
    _, raw = await opened(serve, app)
    longest, last, loop = 0.0, 0.0, asyncio.get_running_loop()
    app.ears[0].on_message = lambda data, text: app.ears[0].told.append(("text", data))
    flood = frame(TEXT, b"x", KEY) * 200_000
    raw.caller.send(flood)
    while len(app.ears[0].told) < 200_000:
        last = loop.time()
        await asyncio.sleep(0)
        longest = max(longest, loop.time() - last)
    assert longest < 0.2
