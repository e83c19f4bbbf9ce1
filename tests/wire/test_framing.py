"""Every way to frame a request ambiguously that we know of, sent as raw bytes: refused before anything runs."""

import pytest
from serving import Serve, body_of, status_of

HOST = b"Host: a\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\n"

REFUSED = {
    "length and coding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two equal lengths": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "length with plus": POST + b"Content-Length: +5\r\n\r\nhello",
    "negative length": POST + b"Content-Length: -5\r\n\r\nhello",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "length with underscore": POST + b"Content-Length: 1_0\r\n\r\nhello",
    "empty length": POST + b"Content-Length:\r\n\r\nhello",
    "length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "identity, then chunked": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "quoted coding": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST /x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "folded by tab": GET + HOST + b"X: a\r\n\tb\r\n\r\n",
    "folded first header": GET + b" X: a\r\n" + HOST + b"\r\n",
    "bare LF everywhere": b"GET /x HTTP/1.1\nHost: a\n\n",
    "bare LF after a header": GET + b"Host: a\nX: y\r\n\r\n",
    "bare LF at the end": GET + b"Host: a\r\n\n",
    "bare CR after a header": GET + b"Host: a\rX: y\r\n\r\n",
    "no Host": GET + b"X: y\r\n\r\n",
    "two Hosts": GET + HOST + HOST + b"\r\n",
    "empty Host": GET + b"Host:\r\n\r\n",
    "Host with a path": GET + b"Host: a/health?\r\n\r\n",
    "Host with a user": GET + b"Host: b@a\r\n\r\n",
    "Host with a bad port": GET + b"Host: a:8o\r\n\r\n",
    "Host list": GET + b"Host: a, b\r\n\r\n",
    "Host with a space": GET + b"Host: a b\r\n\r\n",
    "Host with an open bracket": GET + b"Host: [::1\r\n\r\n",
    "absolute form elsewhere": b"GET http://evil/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute form, other port": b"GET http://a:81/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute form with a user": b"GET http://a@evil/x HTTP/1.1\r\nHost: evil\r\n\r\n",
    "absolute form, other scheme": b"GET ftp://a/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"GET a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk without OPTIONS": b"GET * HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /x#y HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "high byte in the target": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in a value": GET + HOST + b"X: a\0b\r\n\r\n",
    "control character in a value": GET + HOST + b"X: a\x01b\r\n\r\n",
    "DEL in a value": GET + HOST + b"X: a\x7fb\r\n\r\n",
    "NUL in a name": GET + HOST + b"X\0Y: a\r\n\r\n",
    "control character in a name": GET + HOST + b"X\x01Y: a\r\n\r\n",
    "high byte in a name": GET + HOST + b"X\xffY: a\r\n\r\n",
    "space before the colon": GET + HOST + b"X : a\r\n\r\n",
    "tab before the colon": GET + HOST + b"X\t: a\r\n\r\n",
    "space before the colon of a length": POST + b"Content-Length : 5\r\n\r\nhello",
    "empty name": GET + HOST + b": a\r\n\r\n",
    "no colon": GET + HOST + b"Xa\r\n\r\n",
    "HTTP/0.9": b"GET /x HTTP/0.9\r\n" + HOST + b"\r\n",
    "HTTP/1.2": b"GET /x HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET /x HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/3": b"GET /x HTTP/3\r\n" + HOST + b"\r\n",
    "no version": b"GET /x\r\n\r\n",
    "version in lower case": b"GET /x http/1.1\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "space behind the version": b"GET /x HTTP/1.1 \r\n" + HOST + b"\r\n",
    "tabs for spaces": b"GET\t/x\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "method in lower case": b"get /x HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown method": b"FOO /x HTTP/1.1\r\n" + HOST + b"\r\n",
    "two Authorizations": GET + HOST + b"Authorization: Bearer x\r\nauthorization: Bearer y\r\n\r\n",
    "two API keys": GET + HOST + b"x-api-key: x\r\nX-Api-Key: y\r\n\r\n",
    "chunk size 0x5": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size +5": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk size -5": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk size 5_0": CHUNKED + b"5_0\r\nhello\r\n0\r\n\r\n",
    "chunk size behind a space": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    "chunk size before a space": CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
    "chunk size g": CHUNKED + b"g\r\n",
    "no chunk size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\n",
    "chunk size by LF": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "chunk by LF": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n",
    "chunk extension with LF": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "chunk extension with CR": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "chunk extension with NUL": CHUNKED + b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "bad trailer": CHUNKED + b"5\r\nhello\r\n0\r\nfoo bar\r\n\r\n",
    "last chunk by LF": CHUNKED + b"5\r\nhello\r\n0\r\n\n",
    "chunked body with an upgrade": POST
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

UNDERSTOOD = {
    "a path": (GET + HOST + b"\r\n", b"GET /x||"),
    "a query": (b"GET /x?a=1?b HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /x|a=1?b|"),
    "absolute form": (b"GET http://a/y HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /y||"),
    "absolute form with the usual port": (b"GET http://A:80?q HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /|q|"),
    "an address as Host": (GET + b"Host: [::1]:4000\r\n\r\n", b"GET /x||"),
    "an underscore in the Host": (GET + b"Host: my_service:80\r\n\r\n", b"GET /x||"),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", b"OPTIONS *||"),
    "HTTP/1.0 without Host": (b"GET /x HTTP/1.0\r\n\r\n", b"GET /x||"),
    "a length": (POST + b"Content-Length: 5 \r\n\r\nhello", b"POST /x||hello"),
    "chunks": (CHUNKED + b"5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n", b"POST /x||hello!"),
    "coding in upper case": (
        POST + b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"POST /x||hello",
    ),
    "an upgrade that is not offered": (
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /x||hello",
    ),
    "an upgrade without a body": (GET + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"GET /x||"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused(serve: Serve, name: str) -> None:
    serving = await serve()
    answer = await serving.say(REFUSED[name])
    assert status_of(answer) == 400, answer
    assert b"connection: close\r\n" in answer
    assert b"\r\n\r\ninvalid_request: " in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert serving.app.requests == []
    assert serving.crashes == []


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_byte_by_byte_as_well(serve: Serve, name: str) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        message = REFUSED[name]
        caller.writer.transport.set_write_buffer_limits(0)
        for at in range(0, len(message), 7):
            caller.send(message[at : at + 7])
            await caller.writer.drain()
        answer = await caller.rest()
    assert status_of(answer) == 400, answer
    assert serving.app.requests == []


@pytest.mark.parametrize("name", UNDERSTOOD)
async def test_what_is_unambiguous_is_understood_in_one_piece_and_in_many(serve: Serve, name: str) -> None:
    serving = await serve()
    message, understood = UNDERSTOOD[name]
    assert body_of(await serving.ask(message)) == understood
    async with await serving.caller() as caller:
        for at in range(0, len(message), 3):
            caller.send(message[at : at + 3])
            await caller.writer.drain()
        assert body_of(await caller.answer()) == understood


async def test_after_an_upgrade_that_is_not_offered_the_connection_goes_on(serve: Serve) -> None:
    serving = await serve()
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    async with await serving.caller() as caller:
        caller.send(POST + upgrade + b"Content-Length: 5\r\n\r\nhel")
        caller.send(b"lo" + GET + HOST + upgrade + b"\r\n" + POST + b"Content-Length: 2\r\n\r\nhi")
        bodies = [body_of(await caller.answer()) for _ in range(3)]
    assert bodies == [b"POST /x||hello", b"GET /x||", b"POST /x||hi"]


async def test_trailers_are_no_headers(serve: Serve) -> None:
    serving = await serve()
    async with await serving.caller() as caller:
        caller.send(CHUNKED + b"2\r\nhi\r\n0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n")
        caller.send(GET + HOST + b"\r\n")
        assert body_of(await caller.answer()) == b"POST /x||hi"
        assert body_of(await caller.answer()) == b"GET /x||"
    for request in serving.app.requests:
        assert b"authorization" not in request.headers
        assert request.headers[b"host"] == b"a"


async def test_headers_arrive_in_lower_case_and_joined(serve: Serve) -> None:
    serving = await serve()
    await serving.ask(GET + HOST + b"X-A: 1\r\nx-a: 2\r\nAccept:  text/plain \r\n\r\n")
    headers = serving.app.requests[0].headers
    assert headers == {b"host": b"a", b"x-a": b"1, 2", b"accept": b"text/plain"}
    assert serving.app.requests[0].peer == "127.0.0.1"
