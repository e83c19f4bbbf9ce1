"""Embeddings, ranks, pictures, sound and moderations through the gateway, and what they cost."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest
from matrix_world import KEY, TOKENS, MatrixWorld
from openai import AsyncOpenAI, omit

from recordings import png, wav

DOCUMENTS = ["the sea is wide", "a red house", "the house by the sea"]


@pytest.fixture
async def sdk(world: MatrixWorld) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{world.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


def dollars(prompt: int, completion: int = 0) -> int:
    """Nano-dollars of so many tokens."""
    cost = prompt * Decimal(TOKENS["input"]) + completion * Decimal(TOKENS["output"])
    return int((cost * 1_000).to_integral_value())


@pytest.mark.parametrize("model", ["openai-media", "cohere-embeddings", "gemini-embeddings"])
@pytest.mark.parametrize("encoding", ["float", omit])
async def test_embeddings_are_the_same_whoever_makes_them(
    world: MatrixWorld, sdk: AsyncOpenAI, model: str, encoding: Any
) -> None:
    answer = await sdk.embeddings.with_raw_response.create(
        model=model, input=["a red house", "the sea"], dimensions=256, encoding_format=encoding
    )
    vectors = [one.embedding for one in answer.parse().data]
    assert [len(vector) for vector in vectors] == [256, 256]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1.0, abs=1e-6)
    row, did = world.row(answer.headers["x-request-id"]), world.did(answer.headers["x-request-id"])
    assert (row["cost_nano"], row["prompt"], did.prompt_tokens) == (dollars(did.prompt_tokens), 5, 5)


@pytest.mark.parametrize(("model", "cost"), [("openai-media", None), ("cohere", 2_000_000)])
async def test_ranks_are_sold_by_token_or_by_search(
    world: MatrixWorld, sdk: AsyncOpenAI, model: str, cost: int | None
) -> None:
    asked: Any = {"model": model, "query": "house by the sea", "documents": DOCUMENTS, "top_n": 2}
    answer = await sdk.post("/rerank", body=asked, cast_to=httpx2.Response)
    assert [result["index"] for result in answer.json()["results"]] == [2, 0]
    row, did = world.row(answer.headers["x-request-id"]), world.did(answer.headers["x-request-id"])
    assert row["cost_nano"] == (dollars(did.prompt_tokens) if cost is None else cost)
    assert (row["searches"] or 0) == did.searches


async def test_pictures_and_sound_pass_and_are_counted(world: MatrixWorld, sdk: AsyncOpenAI) -> None:
    made = await sdk.images.with_raw_response.generate(model="openai-media", prompt="a red house", n=2)
    edited = await sdk.images.with_raw_response.edit(model="openai-media", image=("a.png", png(8, 8)), prompt="green")
    spoken = await sdk.audio.speech.with_raw_response.create(
        model="openai-media", voice="alloy", input="Good morning.", response_format="wav"
    )
    heard = await sdk.audio.transcriptions.with_raw_response.create(model="openai-media", file=("a.wav", wav(2.5)))
    judged = await sdk.moderations.with_raw_response.create(model="openai-media", input=["a harmful deed"])
    assert len(made.parse().data or ()) == 2 and len(edited.parse().data or ()) == 1
    assert spoken.content.startswith(b"RIFF") and heard.parse().text == "Simulated transcript of 2500 ms."
    assert judged.parse().results[0].flagged
    rows = [world.row(answer.headers["x-request-id"]) for answer in (made, edited, spoken, heard)]
    dids = [world.did(answer.headers["x-request-id"]) for answer in (made, edited, spoken, heard)]
    for name in ("images", "characters", "audio_ms"):
        assert [row[name] or 0 for row in rows] == [getattr(did, name) for did in dids]
    for row, did in zip(rows[:2], dids[:2], strict=True):
        assert row["cost_nano"] == dollars(did.prompt_tokens, did.completion_tokens)


async def test_what_an_endpoint_has_not_is_refused(sdk: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        await sdk.embeddings.create(model="openai_chat", input="x")
