"""The real `openai` client over WebSockets: Realtime sessions and Responses, with and without asyncio."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from scripted import DONE, Scripted, Visit, closing, scripted, spoken, token, usage
from test_realtime import PRICE, USED, place
from voice import Line, Voice, voice
from websockets.exceptions import InvalidStatus
from world import KEY, World, endpoint, gateway, snapshot

from intertie.core.principal import Meter

BUDGET = Meter("budget", "usd", 20 * 10**9, "group devs")
AUDIO = base64.b64encode(bytes(4_800)).decode()


def talking(line: Line, event: dict[str, Any]) -> None:
    """Hears speech until it is committed, answers in text and sound."""
    if event["type"] == "session.update":
        line.say("session.updated", session=event["session"])
    elif event["type"] == "input_audio_buffer.commit":
        line.say("input_audio_buffer.committed", item_id="item_1")
    elif event["type"] == "response.create":
        where = {"response_id": "r", "item_id": "item_2", "output_index": 0, "content_index": 0}
        line.begin("r")
        line.say("response.output_audio.delta", delta=AUDIO, **where)
        for word in ("The ", "sea."):
            line.say("response.output_text.delta", delta=word, **where)
        line.end("r")


async def chatting(visit: Visit) -> None:
    await spoken(visit, token("The ", id=f"c{id(visit)}"), token("sea."), closing(), usage(), DONE)
    visit.end()


@pytest.fixture
async def upstream() -> AsyncIterator[Voice]:
    async with voice(talking) as one:
        yield one


@pytest.fixture
async def chats() -> AsyncIterator[Scripted]:
    async with scripted(chatting) as one:
        yield one


@pytest.fixture
async def world(tmp_path: Path, upstream: Voice, chats: Scripted) -> AsyncIterator[World]:
    places = [place(upstream.port, model="voice"), endpoint("b", chats.port)]
    async with gateway(tmp_path, snapshot(places, [BUDGET])) as world:
        yield world


async def test_a_conversation_of_speech(world: World, upstream: Voice) -> None:
    async with world.sdk() as sdk, sdk.realtime.connect(model="voice") as session:
        opened = await session.recv()
        assert opened.type == "session.created"
        detection: Any = {"turn_detection": None}
        await session.session.update(session={"type": "realtime", "audio": {"input": detection}})
        assert (await session.recv()).type == "session.updated"
        for _ in range(5):
            await session.input_audio_buffer.append(audio=AUDIO)
        await session.input_audio_buffer.commit()
        assert (await session.recv()).type == "input_audio_buffer.committed"
        await session.response.create()
        text, sound = "", b""
        async for event in session:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            elif event.type == "response.done":
                assert event.response.usage is not None and event.response.usage.output_tokens == 30
                break
        assert (text, len(sound)) == ("The sea.", 4_800)
    row = await world.ended(2)
    assert row.status == 101 and world.settled()[0].cost_nano == PRICE.of(USED)
    assert upstream.requests[0].query == b"model=m-upstream"


async def test_an_error_of_a_session_is_an_event(world: World) -> None:
    async with world.sdk() as sdk, sdk.realtime.connect(model="voice") as session:
        await session.recv()
        await session.session.update(session={"type": "realtime", "model": "other"})
        error = await session.recv()
        assert error.type == "error" and error.error.param == "session.model"


async def test_an_ephemeral_key_is_made_and_used(world: World) -> None:
    async with world.sdk() as sdk:
        made = await sdk.realtime.client_secrets.create(session={"type": "realtime", "model": "voice"})
    browser = AsyncOpenAI(base_url=f"{world.url}/v1", api_key=made.value)
    async with browser as sdk, sdk.realtime.connect(model="voice") as session:
        assert (await session.recv()).type == "session.created"


async def test_a_wrong_key_is_refused_at_the_handshake(world: World) -> None:
    async with world.sdk(key="itk_wrong") as sdk:
        with pytest.raises(InvalidStatus) as caught:
            async with sdk.realtime.connect(model="voice"):
                pass
        assert caught.value.response.status_code == 401
        with pytest.raises(InvalidStatus):
            async with sdk.responses.connect():
                pass


async def test_responses_build_on_each_other(world: World, chats: Scripted) -> None:
    async with world.sdk() as sdk, sdk.responses.connect() as session:
        previous: str | None = None
        for turn in range(3):
            asked: dict[str, Any] = {"previous_response_id": previous} if previous else {}
            await session.response.create(model="m", input=f"Turn {turn}.", stream_id="one", **asked)
            text = ""
            async for event in session:
                assert event.type == "error" or event.stream_id == "one"
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.completed":
                    previous = event.response.id
                    break
            assert text == "The sea."
        await session.response.create(model="nothing", input="x")
        error = await session.recv()
        assert error.type == "error" and (error.status, error.error.code) == (404, "model_not_found")
    assert len(chats.visits[2].asked["messages"]) == 5
    assert [row.outcome for row in world.settled()] == ["served"] * 3


@pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")  # the SDK's call
async def test_the_synchronous_client_works_too(world: World) -> None:
    def talk() -> list[str]:
        found: list[str] = []
        with OpenAI(base_url=f"{world.url}/v1", api_key=KEY) as sdk:
            with sdk.responses.connect() as session:
                session.response.create(model="m", input="Hello.")
                for event in session:
                    found.append(event.type)
                    if event.type == "response.completed":
                        break
            with sdk.realtime.connect(model="voice") as session:
                session.response.create()
                for event in session:
                    found.append(event.type)
                    if event.type == "response.done":
                        break
        return found

    found = await asyncio.to_thread(talk)
    assert found[0] == "response.created" and "response.completed" in found and found[-1] == "response.done"
    await world.ended(3)
