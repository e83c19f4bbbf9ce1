"""What an endpoint wants to know of us is told to nobody else, whatever the endpoint does with it."""

from pathlib import Path

import pytest
from rawcaller import ask
from scripted import DONE, JSON, Visit, closing, event, scripted, token
from socketcaller import SocketCaller
from test_realtime import PATH, place
from voice import voice
from world import KEY, endpoint, gateway, snapshot

SECRET = "sk-the-account-s-own-key"


def _echo(visit: Visit) -> bytes:
    return b'{"error":{"message":"bad header: %b","type":"x","code":"x"}}' % visit.headers[b"authorization"]


async def _status_400(visit: Visit) -> None:
    visit.answer(400, _echo(visit))


async def _status_401(visit: Visit) -> None:
    visit.answer(401, _echo(visit))


async def _status_422_as_html(visit: Visit) -> None:
    visit.answer(422, b"<html>%b</html>" % visit.headers[b"authorization"], b"content-type: text/html\r\n")


async def _status_429(visit: Visit) -> None:
    visit.answer(429, _echo(visit), JSON + b"retry-after: 1\r\n")


async def _status_500_split_where_messages_are_cut(visit: Visit) -> None:
    visit.answer(500, b"x" * 480 + visit.headers[b"authorization"])


async def _error_under_200(visit: Visit) -> None:
    visit.answer(200, _echo(visit))


async def _error_within_a_stream(visit: Visit) -> None:
    said = visit.headers[b"authorization"].decode()
    visit.begin()
    visit.say(token("Hi"))
    visit.say(event({"error": {"message": said, "type": "server_error", "code": 500}}) + closing() + DONE)
    visit.end()


async def _garbage(visit: Visit) -> None:
    visit.answer(200, b"{" + visit.headers[b"authorization"])


def _written(folder: Path) -> list[bytes]:
    """All that was written to journals and logs."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "script",
    [_status_400, _status_401, _status_422_as_html, _status_429, _status_500_split_where_messages_are_cut,
     _error_under_200, _error_within_a_stream, _garbage],
)  # fmt: skip
async def test_an_endpoint_that_repeats_our_key_is_not_quoted(tmp_path: Path, script, stream: bool) -> None:
    async with scripted(script) as upstream:
        whole = snapshot([endpoint("a", upstream.port, credential=SECRET)])
        async with gateway(tmp_path, whole) as world:
            told = await ask(world.url, {"stream": stream, "intertie": {"explain": True}})
            await world.ended()
            await world.logged()
        assert upstream.visits[0].headers[b"authorization"] == f"Bearer {SECRET}".encode()
    assert not [text for text in (told.head, told.body, *_written(tmp_path)) if SECRET.encode() in text]


async def test_an_endpoint_that_repeats_our_key_when_it_refuses_a_session_is_not_quoted(tmp_path: Path) -> None:
    async with voice() as upstream:
        upstream.refusal = 400, JSON, b'{"error":{"message":"bad header: %b"}}' % SECRET.encode()
        async with gateway(tmp_path, snapshot([place(upstream.port, credential=SECRET)])) as world:
            async with SocketCaller(world.url) as caller:
                told = await caller.open(PATH, key=KEY)
            await world.logged()
    assert told.status == 400
    assert not [text for text in (told.head, told.body, *_written(tmp_path)) if SECRET.encode() in text]


async def test_what_an_endpoint_refuses_without_repeating_it_is_told_as_it_came(tmp_path: Path) -> None:
    async def script(visit: Visit) -> None:
        visit.answer(400, b'{"error":{"message":"too hot"}}')

    async with scripted(script) as upstream:
        whole = snapshot([endpoint("a", upstream.port, credential=SECRET)])
        async with gateway(tmp_path, whole) as world:
            told = await ask(world.url)
    assert told.status == 400
    assert b"too hot" in told.body
