"""Pictures, sound, ranks and moderations of the engine, as OpenAI's own SDK and Cohere's documentation have them."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry
from recordings import png, wav

Journal = Callable[[int], Awaitable[list[Entry]]]
DOCUMENTS = ["the sea is wide", "a red house", "the house by the sea"]


async def test_pictures_are_sold_by_token_and_by_piece(client: AsyncOpenAI, journal: Journal) -> None:
    made = await client.images.generate(model="sim", prompt="a red house", n=2)
    assert base64.b64decode(made.data[1].b64_json).startswith(b"\x89PNG")
    edited = await client.images.edit(model="sim", image=("a.png", png(8, 8)), prompt="green")
    assert len(edited.data) == 1
    with pytest.raises(openai.BadRequestError):
        await client.images.edit(model="sim", image=("a.png", b"no picture"), prompt="green")
    first, second, _ = await journal(3)
    assert (first.images, first.completion_tokens) == (2, made.usage.output_tokens) == (2, 544)
    assert second.images == 1


async def test_speech_is_silence_that_can_be_transcribed(client: AsyncOpenAI, journal: Journal) -> None:
    speech = await client.audio.speech.create(model="sim", voice="alloy", input="Good morning.", response_format="wav")
    heard = await client.audio.transcriptions.create(model="sim", file=("a.wav", speech.content))
    assert heard.text == "Simulated transcript of 780 ms." and heard.usage.seconds == 1
    long = await client.audio.transcriptions.create(
        model="sim", file=("a.wav", wav(2.5)), response_format="verbose_json"
    )
    assert long.duration == 2.5
    with pytest.raises(openai.BadRequestError):
        await client.audio.transcriptions.create(model="sim", file=("a.wav", b"no sound"))
    spoken, short, _, _ = await journal(4)
    assert (spoken.characters, short.audio_ms) == (13, 1_000)


async def test_moderations_judge(client: AsyncOpenAI) -> None:
    told = await client.moderations.create(model="sim", input=["a harmful deed", "a red house"])
    assert [result.flagged for result in told.results] == [True, False]
    assert told.results[0].categories.violence


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
async def test_documents_that_share_words_rank_higher(engine: RunningEngine, raw: Any, path: str) -> None:
    async with raw(engine, path) as call:
        await call.send({"model": "sim", "query": "house by the sea", "documents": DOCUMENTS, "top_n": 2})
        _, _, body = await call.answer()
    told = json.loads(body)
    assert [result["index"] for result in told["results"]] == [2, 0]
    assert (path == "/v2/rerank") == ("billed_units" in told.get("meta", {}))


async def test_coheres_errors_and_embeddings_are_its_own(engine: RunningEngine, raw: Any) -> None:
    async with raw(engine, "/v2/rerank") as call:
        await call.send({"model": "sim", "query": "x", "documents": DOCUMENTS, "return_documents": True})
        status, _, body = await call.answer()
        assert status == 400 and "return_documents" in json.loads(body)["message"]
    async with raw(engine, "/v2/embed") as call:
        await call.send({"model": "sim", "texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]})
        _, _, body = await call.answer()
    told = json.loads(body)
    assert len(told["embeddings"]["float"][0]) == 1_536 and told["meta"]["billed_units"] == {"input_tokens": 1}
