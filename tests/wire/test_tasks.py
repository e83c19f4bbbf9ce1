"""Owned tasks and small errands."""

import asyncio

import pytest
from fake_upstream import Upstream, cuts, hangs, says
from reaching import dialer
from serving import Serve

from intertie.core.faults import ConnectFailed, FirstByteLate, InvalidRequest
from intertie.wire.fetch import fetch, parse_url
from intertie.wire.tasks import Tasks


async def test_a_task_that_crashes_is_heard_and_a_cancelled_one_is_not() -> None:
    crashes: list[BaseException] = []
    tasks = Tasks(crashes.append)

    async def crash() -> None:
        raise ZeroDivisionError

    done = tasks.start(asyncio.sleep(0, "well"))
    tasks.start(crash())
    tasks.start(asyncio.Event().wait())
    assert len(tasks) == 3
    assert await done == "well"
    await asyncio.sleep(0)
    assert [type(crash) for crash in crashes] == [ZeroDivisionError]
    await tasks.close(1.0)
    assert len(tasks) == 0
    assert len(crashes) == 1


async def test_closing_does_not_wait_for_ever() -> None:
    tasks = Tasks(lambda crash: None)
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    task = tasks.start(stubborn())
    await asyncio.sleep(0)
    await tasks.close(0.05)
    assert not task.done()
    free.set()
    await task


async def test_fetch_asks_once_and_closes(serve: Serve) -> None:
    serving = await serve()
    url = f"http://127.0.0.1:{serving.port}/a/b?c=d"
    answer = await fetch(dialer(), "POST", url, {"x-a": "1"}, b"body")
    assert (answer.status, answer.body) == (200, b"POST /a/b|c=d|body")
    assert serving.app.requests[0].headers[b"x-a"] == b"1"
    assert (await fetch(dialer(), "GET", url, {})).body == b"GET /a/b|c=d|"


async def test_fetch_does_not_follow_redirects(upstream: Upstream) -> None:
    endpoint = await upstream(says(302, b"", b"location: http://127.0.0.1:1/"))
    answer = await fetch(dialer(), "GET", f"http://127.0.0.1:{endpoint.port}/", {})
    assert (answer.status, len(endpoint.visits)) == (302, 1)


async def test_fetch_is_bounded_in_time(upstream: Upstream) -> None:
    endpoint = await upstream(hangs)
    with pytest.raises(FirstByteLate):
        await fetch(dialer(), "GET", f"http://127.0.0.1:{endpoint.port}/", {}, timeout_s=0.1)
    silent = await upstream(cuts())
    with pytest.raises(ConnectFailed):
        await fetch(dialer(), "GET", f"http://127.0.0.1:{silent.port}/", {}, timeout_s=1)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a/", "http://", "http://u:p@a/", "http://a:port/", "http://a/b c", "http://[::1", "file:///x"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_url(url)


async def test_a_header_cannot_smuggle_a_line() -> None:
    with pytest.raises(InvalidRequest):
        await fetch(dialer(), "GET", "http://127.0.0.1:1/", {"x": "a\r\nhost: b"})
