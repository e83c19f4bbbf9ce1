"""What an endpoint may answer, and what is not believed: one end or one fault, and no connection kept by mistake."""

import pytest
from fake_upstream import Step, Upstream, chunk, cuts, hangs, says, sends
from reaching import ASK, Reach, ask
from serving import until

from intertie.core.faults import (
    ConnectFailed,
    FirstByteLate,
    StaleConnection,
    StreamCut,
    StreamStalled,
    UpstreamGarbled,
)
from intertie.wire.client import Hearing

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

UNDERSTOOD: dict[str, tuple[Step, bytes, bool]] = {
    "a length": (says(200, b"hello"), b"hello", True),
    "in pieces": (sends(OK + b"content-le", b"ngth: 5\r\n\r", b"\nhel", b"lo", gap_s=0.01), b"hello", True),
    "no body": (says(204, b""), b"", True),
    "chunks": (sends(CHUNKED + b"5;x=y\r\nhello\r\n", b"1\r\n!\r\n0\r\nt: v\r\n\r\n", gap_s=0.01), b"hello!", True),
    "until the end": (cuts(OK + b"\r\nhel", b"lo"), b"hello", False),
    "HTTP/1.0": (cuts(b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"), b"hello", False),
    "interim answers": (
        sends(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n"
            + OK
            + b"content-length: 1\r\n\r\n!"
        ),
        b"!",
        True,
    ),
    "closing": (cuts(OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello"), b"hello", False),
    "more than asked": (sends(OK + b"content-length: 5\r\n\r\nhello" + OK + b"x"), b"hello", False),
}


@pytest.mark.parametrize("name", UNDERSTOOD)
async def test_answers_are_understood_and_connections_kept(upstream: Upstream, reach: Reach, name: str) -> None:
    step, body, kept = UNDERSTOOD[name]
    endpoint = await upstream(step)
    pool = reach(endpoint.port)
    answer = await ask(pool)
    assert (answer.body, b"t" in answer.headers, b"x" in answer.headers) == (body, False, False)
    assert (pool.open - pool.in_flight == 1) == kept


GARBLED = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
    "length and coding": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "negative length": OK + b"content-length: -5\r\n\r\nhello",
    "another coding": OK + b"transfer-encoding: gzip\r\n\r\n",
    "two codings": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad chunk size": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n",
    "folded header": OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "NUL in a header": OK + b"x: \0\r\n\r\n",
    "a long head": OK + b"x: " + b"v" * 70_000 + b"\r\n\r\n",
    "an endless head": OK + b"x: " + b"v" * 70_000,
    "an endless repeat": OK + (b"x: " + b"v" * 1_000 + b"\r\n") * 70,
    "many headers": OK + b"".join(b"x-%d: v\r\n" % at for at in range(300)) + b"\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "switching without a word": b"HTTP/1.1 101 Switching\r\n\r\n",
    "interim for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000,
}


@pytest.mark.parametrize("name", GARBLED)
async def test_what_is_not_clean_http_closes_the_connection(upstream: Upstream, reach: Reach, name: str) -> None:
    endpoint = await upstream(sends(GARBLED[name]))
    pool = reach(endpoint.port)
    with pytest.raises(UpstreamGarbled):
        await ask(pool)
    await until(lambda: pool.open == 0)


FAILED: dict[str, tuple[Step, type[Exception]]] = {
    "never": (hangs, FirstByteLate),
    "half a head": (sends(OK + b"x: "), FirstByteLate),
    "half a body": (sends(OK + b"content-length: 5\r\n\r\nhel"), StreamStalled),
    "cut in a head": (cuts(OK + b"x: "), StreamCut),
    "cut in a body": (cuts(OK + b"content-length: 5\r\n\r\nhel"), StreamCut),
    "cut in chunks": (cuts(CHUNKED + b"5\r\nhello\r\n"), StreamCut),
    "reset in chunks": (cuts(CHUNKED + b"5\r\nhello\r\n", reset=True), StreamCut),
    "reset in a body without end": (cuts(OK + b"\r\nhello", reset=True), StreamCut),
    "closed at once": (cuts(), ConnectFailed),
}


@pytest.mark.parametrize("name", FAILED)
async def test_an_answer_that_stalls_or_is_cut_is_a_fault(upstream: Upstream, reach: Reach, name: str) -> None:
    step, fault = FAILED[name]
    endpoint = await upstream(step)
    pool = reach(endpoint.port)
    with pytest.raises(fault) as caught:
        await ask(pool, first_byte_s=0.2, idle_s=0.2)
    assert caught.type is fault
    await until(lambda: pool.open == 0)
    await until(
        lambda: endpoint.left == (1 if "cut" not in name and "reset" not in name and "closed" not in name else 0)
    )


async def test_a_kept_connection_that_had_died_is_stale(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"one"), cuts())
    pool = reach(endpoint.port)
    await ask(pool)
    with pytest.raises(StaleConnection):
        await ask(pool)


async def test_a_kept_connection_closed_in_the_meantime_is_not_lent(upstream: Upstream, reach: Reach) -> None:
    async def once(visit: object) -> None:
        await says(200, b"one")(visit)
        visit.writer.close()

    endpoint = await upstream(once)
    pool = reach(endpoint.port)
    await ask(pool)
    await until(lambda: pool.open == 0)
    assert pool.idle() is None
    assert (await ask(pool)).body == b"one"
    await until(lambda: pool.open == 0)


async def test_bytes_on_an_idle_connection_close_it(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(sends(OK + b"content-length: 1\r\n\r\n!", OK, gap_s=0.05))
    pool = reach(endpoint.port)
    assert (await ask(pool)).body == b"!"
    assert pool.in_flight == 0
    await until(lambda: pool.open == 0)


async def test_everything_is_told_once_and_in_order(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(sends(CHUNKED, chunk(b"a"), chunk(b"b") + chunk(b"c"), b"0\r\n\r\n", gap_s=0.02))
    pool, told = reach(endpoint.port), Hearing()
    (await pool.connect()).exchange(ASK, told, 1, 1)
    await told.over.wait()
    assert told.told == [(200, {b"transfer-encoding": b"chunked"}), b"a", b"bc", None]


async def test_after_a_cancel_the_sink_hears_nothing_and_the_endpoint_is_told(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(hangs)
    pool, told = reach(endpoint.port), Hearing()
    connection = await pool.connect()
    connection.exchange(ASK, told, 1, 1)
    await until(lambda: len(endpoint.visits) == 1)
    connection.cancel()
    await until(lambda: endpoint.left == 1 and pool.open == 0, seconds=0.1)
    assert told.told == []


async def test_a_sink_that_objects_ends_the_exchange(upstream: Upstream, reach: Reach) -> None:
    class Objecting(Hearing):
        def on_body(self, data: bytes) -> None:
            raise StreamCut("the dialect says so")

    endpoint = await upstream(says(200, b"hello"), says(200, b"hello"))
    pool, told = reach(endpoint.port), Objecting()
    (await pool.connect()).exchange(ASK, told, 1, 1)
    await told.over.wait()
    assert [type(one) for one in told.told[1:]] == [StreamCut]
    await until(lambda: pool.open == 0)


async def test_an_answer_larger_than_allowed_is_not_collected(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"x" * 10_000_001))
    pool = reach(endpoint.port)
    with pytest.raises(UpstreamGarbled):
        await ask(pool)
    await until(lambda: pool.open == 0)


async def test_a_large_message_may_come_in_parts(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(says(200, b"ok"))
    pool = reach(endpoint.port)
    body = b"x" * 5_000_000
    await ask(pool, [b"POST / HTTP/1.1\r\nhost: up\r\ncontent-length: %d\r\n\r\n" % len(body), body])
    assert endpoint.visits[0].body == body


async def test_a_head_that_drips_is_late(upstream: Upstream, reach: Reach) -> None:
    endpoint = await upstream(sends(OK, *[b"x-%d: y\r\n" % at for at in range(100)], gap_s=0.05))
    with pytest.raises(FirstByteLate):
        await ask(reach(endpoint.port), first_byte_s=0.3, idle_s=0.3)
