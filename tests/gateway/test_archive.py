"""A worker's side of keeping responses: what it asks on a link that breaks, and for how long it waits."""

import asyncio

import pytest
from scripted import until

from intertie.core.faults import InvalidRequest, StoreFault, TooLarge
from intertie.core.keeping import Fetch, Keep, Kept, Question
from intertie.dialects.openai_responses.stored import StoredResponse
from intertie.gateway.archive import MOST_KEPT, Archive, Shelf

BODY = b'{"id":"resp_w1_1","object":"response","status":"completed","output":[]}'


def stored(name: str = "resp_w1_1", previous: str = "", size: int = 0) -> StoredResponse:
    return StoredResponse(
        id=name, model="m", created=1, expires=2, input=b"[]" + b" " * size, response=BODY, previous=previous
    )


class Line:
    """The link, recorded; `answer` speaks for the other end."""

    def __init__(self) -> None:
        self.said: list[Question] = []
        self.archive = Archive(self.said.append)
        self.archive.on_link(True)

    async def asked(self, count: int = 1) -> Question:
        await until(lambda: len(self.said) >= count)
        return self.said[count - 1]


async def test_a_question_on_a_link_that_breaks_is_asked_again() -> None:
    line = Line()
    asking = asyncio.ensure_future(line.archive.keep("ann", stored()))
    first = (await line.asked()).ticket
    line.archive.on_link(False)
    await asyncio.sleep(0.01)
    assert len(line.said) == 1 and not asking.done()
    line.archive.on_link(True)
    again = await line.asked(2)
    line.archive.on_message(Kept(first))  # an answer that is too late is no answer
    await asyncio.sleep(0)
    assert again.ticket != first and isinstance(again, Keep) and not asking.done()
    line.archive.on_message(Kept(again.ticket))
    line.archive.on_message(Kept(again.ticket))
    await asking


async def test_who_has_been_away_for_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.archive.PATIENCE_S", 0.1)
    loop, line = asyncio.get_running_loop(), Line()
    line.archive.on_link(False)
    begun = loop.time()
    with pytest.raises(StoreFault):
        await line.archive.find("ann", "resp_w1_1")
    assert 0.05 < loop.time() - begun < 1.0
    begun = loop.time()
    for archive in (line.archive, Archive(line.said.append)):
        with pytest.raises(StoreFault) as caught:
            await archive.find("ann", "resp_w1_1")
        assert caught.value.retry_after is not None
    assert loop.time() - begun < 0.05 and not line.said


async def test_an_answer_that_does_not_come_or_says_no_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertie.gateway.archive.PATIENCE_S", 0.05)
    line = Line()
    with pytest.raises(StoreFault, match="cannot be reached"):
        await line.archive.forget("ann", "resp_w1_1")
    asking = asyncio.ensure_future(line.archive.cancel("ann", "resp_w1_1"))
    line.archive.on_message(Kept((await line.asked(2)).ticket, fault="the disk is full"))
    with pytest.raises(StoreFault, match="disk is full"):
        await asking


async def test_what_is_too_large_is_not_sent_and_neither_is_too_much_at_once() -> None:
    line = Line()
    with pytest.raises(TooLarge):
        await line.archive.keep("ann", stored(size=MOST_KEPT))
    large = [asyncio.ensure_future(line.archive.keep("ann", stored(size=MOST_KEPT - 1_000))) for _ in range(4)]
    await line.asked(4)
    with pytest.raises(StoreFault, match="too much"):
        await line.archive.keep("ann", stored(size=MOST_KEPT - 1_000))
    for question in line.said:
        line.archive.on_message(Kept(question.ticket))
    await asyncio.gather(*large)
    asking = asyncio.ensure_future(line.archive.keep("ann", stored(size=MOST_KEPT - 1_000)))
    line.archive.on_message(Kept((await line.asked(5)).ticket))
    await asking


@pytest.mark.parametrize("name", ["", "resp_", "resp_w1", "req_w1_1", "resp_w1_1\x00", "resp_w1_x", "resp_W_1", "é"])
async def test_nobody_is_asked_for_what_nobody_can_have_kept(name: str) -> None:
    line = Line()
    assert await line.archive.find("ann", name) is None
    assert await line.archive.chain("ann", name) == []
    assert not await line.archive.forget("ann", name) and await line.archive.cancel("ann", name) is None
    assert not line.said


async def test_a_chain_that_is_cut_cannot_be_built_upon() -> None:
    line = Line()
    asking = asyncio.ensure_future(line.archive.chain("ann", "resp_w1_1"))
    question = await line.asked()
    assert isinstance(question, Fetch) and question.chain
    line.archive.on_message(Kept(question.ticket, cut=True))
    with pytest.raises(InvalidRequest, match="too large"):
        await asking


async def test_the_shelf_is_an_archivist_too() -> None:
    shelf = Shelf()
    archive = shelf.archive = Archive(shelf.hear)
    archive.on_link(True)
    await archive.keep("ann", stored())
    await archive.keep("ann", stored("resp_w1_2", "resp_w1_1"))
    assert [one.id for one in await archive.chain("ann", "resp_w1_2")] == ["resp_w1_1", "resp_w1_2"]
    assert await archive.chain("bob", "resp_w1_2") == [] and not await archive.forget("bob", "resp_w1_2")
    assert await archive.forget("ann", "resp_w1_1")
    assert [one.id for one in await archive.chain("ann", "resp_w1_2")] == ["resp_w1_2"]
