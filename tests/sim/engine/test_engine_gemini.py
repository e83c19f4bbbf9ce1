"""The engine's Gemini and Vertex AI, as bytes on a socket: what Google's documentation shows is what comes."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from intertie.sim.engine.fleet import RunningEngine
from intertie.sim.engine.journal import Entry
from recordings import png

Start = Callable[..., Awaitable[RunningEngine]]
Journal = Callable[[int], Awaitable[list[Entry]]]
WHOLE, STREAM = "/v1beta/models/sim:generateContent", "/v1beta/models/sim:streamGenerateContent?alt=sse"
VERTEX = "/v1/projects/p/locations/global/publishers/google/models/sim:generateContent"
SKIP = "skip_thought_signature_validator"
CITY = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
TOOLS = [{"functionDeclarations": [{"name": "get_weather", "parameters": CITY}, {"name": "get_time"}]}]


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


SEA = [said("Tell me about the sea.")]


@pytest.fixture
def post(engine: RunningEngine, raw: Any) -> Callable[..., Awaitable[tuple[int, Any]]]:
    """Status, and the answer: one object, or those of a stream."""

    async def send(path: str = WHOLE, contents: Any = SEA, **more: object) -> tuple[int, Any]:
        async with raw(engine, path) as call:
            await call.send({"contents": contents, **more})
            status, headers, body = await call.answer()
        if headers["content-type"] != "text/event-stream":
            return status, json.loads(body)
        return status, [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\r\n\r\n")[:-1]]

    return send


def parts(answer: Any) -> list[Any]:
    chunks = answer if isinstance(answer, list) else [answer]
    return [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]


async def test_the_same_answer_comes_whole_and_streamed(post: Any) -> None:
    (_, whole), (_, chunks) = await post(), await post(STREAM)
    text = parts(whole)[0]["text"]
    assert text.startswith("Simulated answer.") and "".join(part["text"] for part in parts(chunks)) == text
    assert whole["candidates"][0]["finishReason"] == chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    assert "finishReason" not in chunks[0]["candidates"][0]
    usage = whole["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == usage["candidatesTokenCount"]
    _, cut = await post(generationConfig={"maxOutputTokens": "3"})  # ProtoJSON takes whole numbers as texts
    assert cut["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize("spelling", ["parametersJsonSchema", "parameters_json_schema"])
async def test_a_function_is_declared_as_googles_sdks_spell_it(spelling: str, post: Any) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    declared = {"functionDeclarations": [{"name": "get_weather", spelling: schema}]}
    _, answer = await post(contents=[said("Use get_weather.")], tools=[declared])
    (call,) = [part["functionCall"] for part in parts(answer) if "functionCall" in part]
    assert set(call["args"]) == {"city"}


async def test_calls_come_whole_and_the_first_one_is_signed(post: Any) -> None:
    contents = [said("get_weather and get_time")]
    for path in (WHOLE, STREAM):
        _, answer = await post(path, contents, tools=TOOLS)
        calls = [part for part in parts(answer) if "functionCall" in part]
        assert [call["functionCall"]["name"] for call in calls] == ["get_weather", "get_time"]
        assert "thoughtSignature" in calls[0] and "thoughtSignature" not in calls[1]
        assert isinstance(calls[0]["functionCall"]["args"]["city"], str) and calls[0]["functionCall"]["id"]
    _, vertex = await post(VERTEX, contents, tools=TOOLS)
    assert "id" not in parts(vertex)[0]["functionCall"] and vertex["usageMetadata"]["trafficType"] == "ON_DEMAND"
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_time"]}}
    _, forced = await post(WHOLE, SEA, tools=TOOLS, toolConfig=config)
    assert parts(forced)[0]["functionCall"]["name"] == "get_time"


async def test_the_order_of_calls_and_results_is_watched(post: Any) -> None:
    _, answer = await post(WHOLE, [said("get_weather and get_time")], tools=TOOLS)
    calls = parts(answer)
    results = [
        {"functionResponse": {"name": call["functionCall"]["name"], "response": {"output": "x"}}} for call in calls
    ]
    model, user = {"role": "model", "parts": calls}, {"role": "user", "parts": results}
    status, final = await post(WHOLE, [said("get_weather and get_time"), model, user], tools=TOOLS)
    assert status == 200 and parts(final)[0]["text"]
    unsigned = {"role": "model", "parts": [{"functionCall": call["functionCall"]} for call in calls]}
    forged = {"role": "model", "parts": [{**calls[0], "thoughtSignature": "Zm9yZ2Vk"}, calls[1]]}
    for turns, told in (
        ([said("x"), user], "immediately after a function call turn"),
        ([said("x"), model, {"role": "user", "parts": results[:1]}], "number of function response parts"),
        ([model, user], "immediately after a user turn"),
        ([said("x"), unsigned, user], "missing a thought_signature"),
        ([said("x"), forged, user], "Thought signature is not valid"),
    ):
        status, refused = await post(WHOLE, turns, tools=TOOLS)
        assert status == 400 and refused["error"]["status"] == "INVALID_ARGUMENT"
        assert told in refused["error"]["message"]
    first, second = unsigned["parts"]
    skipped = {"role": "model", "parts": [{**first, "thoughtSignature": SKIP}, second]}
    assert (await post(WHOLE, [said("x"), skipped, user], tools=TOOLS))[0] == 200
    url_safe = base64.urlsafe_b64encode(base64.b64decode(calls[0]["thoughtSignature"])).decode()
    respelled = {"role": "model", "parts": [{**calls[0], "thoughtSignature": url_safe}, calls[1]]}
    assert (await post(WHOLE, [said("x"), respelled, user], tools=TOOLS))[0] == 200


async def test_thoughts_pictures_and_forms(post: Any, journal: Journal) -> None:
    thinking = {"thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"}}
    _, chunks = await post(STREAM, SEA, generationConfig=thinking)
    assert "".join(part["text"] for part in parts(chunks) if part.get("thought")).startswith("Let me think")
    usage = chunks[-1]["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 24
    done = (await journal(1))[0]
    assert done.completion_tokens == usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    picture = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(png(8, 8)).decode()}}
    _, seen = await post(WHOLE, [{"role": "user", "parts": [picture, {"text": "What is it?"}]}])
    assert parts(seen)[0]["text"].startswith("Simulated answer to 1 image.")
    form = {"responseMimeType": "application/json", "responseSchema": CITY}
    _, formed = await post(WHOLE, SEA, generationConfig=form)
    assert list(json.loads(parts(formed)[0]["text"])) == ["city"]
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    _, formed = await post(
        WHOLE, SEA, generationConfig={"responseMimeType": "application/json", "responseJsonSchema": schema}
    )
    assert list(json.loads(parts(formed)[0]["text"])) == ["age"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"foo": 1}, 'Unknown name "foo": Cannot find field.'),
        ({"generationConfig": {"logitBias": {}}}, "Unknown name \"logitBias\" at 'generation_config'"),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}}, "only set only one"),
        ({"generationConfig": {"responseJsonSchema": {"type": "object"}}}, "only supported with response mime type"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [{"role": "user", "parts": [{}]}]}, "must have one initialized field"),
    ],
)
async def test_what_is_forbidden_is_refused_as_google_does(post: Any, wrong: Any, told: str) -> None:
    status, refused = await post(**{"contents": SEA, **wrong})
    assert status == 400 and told in refused["error"]["message"]


async def test_vertex_knows_no_ids_of_calls(post: Any) -> None:
    call = {
        "functionCall": {"name": "x", "args": {}, "id": "1"},
        "thoughtSignature": "skip_thought_signature_validator",
    }
    result = {"functionResponse": {"name": "x", "response": {"output": "y"}}}
    turns = [said("x"), {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]
    status, refused = await post(VERTEX, turns)
    assert (
        status == 400 and "Unknown name \"id\" at 'contents[1].parts[0].function_call'" in refused["error"]["message"]
    )


async def test_embeddings_come_in_batches(engine: RunningEngine, raw: Any) -> None:
    one = {"model": "models/sim", "content": {"parts": [{"text": "a red house"}]}, "outputDimensionality": 8}
    async with raw(engine, "/v1beta/models/sim:batchEmbedContents") as call:
        await call.send({"requests": [one, one]})
        _, _, body = await call.answer()
    assert [len(vector["values"]) for vector in json.loads(body)["embeddings"]] == [8, 8]


async def test_a_key_is_asked_for_in_googles_ways(start: Start, raw: Any) -> None:
    engine = await start(api_key="secret")
    for path, headers, expected in (
        (WHOLE, {"x-goog-api-key": "secret"}, 200),
        (WHOLE, {"x-goog-api-key": "wrong"}, 400),
        (WHOLE + "?key=secret", {}, 200),
        (VERTEX, {"authorization": "Bearer secret"}, 200),
        (VERTEX, {"x-goog-api-key": "secret"}, 401),
    ):
        async with raw(engine, path) as call:
            await call.send({"contents": SEA}, **headers)
            assert (await call.answer())[0] == expected
