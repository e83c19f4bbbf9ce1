"""Any history of kept responses, from a worker's archive to the tables and back, against what it ought to be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intertie.control.archivist import Archivist
from intertie.core.call import Call
from intertie.core.clock import SystemClock
from intertie.core.faults import InvalidRequest
from intertie.core.lending import FromLender, Kept
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.openai_responses.stored import StoredResponse, expand, keep
from intertie.gateway.archive import Archive
from intertie.store.database import Database
from intertie.store.migrate import migrate
from intertie.wire.tasks import Tasks

OWNERS = ("devs\x1fa", "devs\x1f", "\x1f\x1fk1")
NOW = 1_800_000_000

Turn = tuple[str, int | None]
"""Who speaks, and which of the earlier responses it builds on."""

turns = st.lists(st.tuples(st.sampled_from(OWNERS), st.none() | st.integers(0, 9)), min_size=1, max_size=10)


class Link:
    """Both ends in one process."""

    def __init__(self, archivist: Archivist) -> None:
        self.archive = Archive(lambda question: archivist.on_message(self, "w1", question))
        self.archive.on_link(True)

    def send(self, message: FromLender) -> None:
        if isinstance(message, Kept):
            self.archive.on_message(message)


@asynccontextmanager
async def kept_in(url: str) -> AsyncIterator[Archive]:
    crashes: list[BaseException] = []
    database, tasks = Database(url), Tasks(crashes.append)
    await migrate(database)
    archivist = Archivist(database, "here", SystemClock())
    tasks.start(archivist.write())
    tasks.start(archivist.read())
    yield Link(archivist).archive
    await tasks.close(1.0)
    await database.close()
    assert not crashes


def call(number: int, previous: str) -> Call:
    before = {"previous_response_id": previous} if previous else {}
    return peek("chat", msgspec.json.encode({"model": "m", "input": f"question {number}", **before}))


def response(number: int) -> bytes:
    text = {"type": "output_text", "text": f"answer {number}", "annotations": []}
    message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [text]}
    return msgspec.json.encode({"id": f"resp_w1_{number}", "status": "completed", "output": [message]})


def said(asked: Call) -> list[str]:
    """What an endpoint reads, in order."""
    items = msgspec.json.decode(asked.fields["input"], type=list[dict[str, object]] | str)
    contents = [items] if isinstance(items, str) else [item["content"] for item in items]
    return [text if isinstance(text, str) else text[0]["text"] for text in contents]


class History:
    """What ought to be: every response's words, for its owner alone, until one of them is deleted."""

    def __init__(self) -> None:
        self.turns: dict[str, tuple[str, str, int]] = {}  # by name: owner, previous, number

    def words(self, owner: str, name: str) -> list[str] | None:
        words: list[str] = []
        while name:
            found, previous, number = self.turns.get(name, ("", "", 0))
            if found != owner:
                return None
            words = [f"question {number}", f"answer {number}", *words]
            name = previous
        return words


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=turns, deleted=st.sets(st.integers(0, 9), max_size=3))
async def test_a_conversation_is_its_owners_and_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, turns: list[Turn], deleted: set[int]
) -> None:
    folder, history = tmp_path_factory.mktemp("kept"), History()
    async with kept_in(f"sqlite:///{folder / 'books.db'}") as archive:
        for number, (owner, target) in enumerate(turns):
            previous = f"resp_w1_{target}" if target is not None else ""
            words = history.words(owner, previous)
            chain = await archive.chain(owner, previous) if previous else []
            if words is None:
                with pytest.raises(InvalidRequest) as refused:
                    expand(call(number, previous), chain)
                assert refused.value.code == "previous_response_not_found"
                previous = ""
            else:
                assert said(expand(call(number, previous), chain)) == [*words, f"question {number}"]
            await archive.keep(owner, keep(call(number, previous), response(number), NOW))
            history.turns[f"resp_w1_{number}"] = (owner, previous, number)
        for number in deleted & set(range(len(turns))):
            owner = history.turns.pop(f"resp_w1_{number}")[0]
            others = [other for other in OWNERS if other != owner]
            assert not any([await archive.forget(other, f"resp_w1_{number}") for other in others])
            assert await archive.forget(owner, f"resp_w1_{number}")
        await _compare(archive, history, len(turns))


async def _compare(archive: Archive, history: History, count: int) -> None:
    names = [f"resp_w1_{number}" for number in range(count)]
    found = await asyncio.gather(*(archive.find(owner, name) for owner in OWNERS for name in names))
    chains = await asyncio.gather(*(archive.chain(owner, name) for owner in OWNERS for name in names))
    asked = [(owner, name) for owner in OWNERS for name in names]
    for (owner, name), one, chain in zip(asked, found, chains, strict=True):
        assert (one is not None) == (name in history.turns and history.turns[name][0] == owner)
        words = history.words(owner, name)
        whole = bool(chain) and not chain[0].previous
        assert whole == (words is not None)
        if words is not None:
            assert _spoken(chain) == words


def _spoken(chain: list[StoredResponse]) -> list[str]:
    return said(expand(call(99, chain[-1].id), chain))[:-1]
