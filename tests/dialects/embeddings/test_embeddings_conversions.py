"""Embeddings of Gemini's and Cohere's, for callers who speak as OpenAI does: its SDK is the judge."""

import base64
import json
import struct

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Dialect, Endpoint, Origin
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.dialect import Cannot, Conversion
from intertie.dialects.openai_chat.peek import peek
from intertie.dialects.registry import OUTBOUND

ENDPOINT = Endpoint("e", "s", "m", "upstream", Origin("http", "h", 80))
DIALECTS: tuple[Dialect, ...] = ("gemini", "cohere")
VECTORS = [[0.25, -1.0], [3.5, 1e-7]]


def conversion(dialect: Dialect) -> Conversion:
    return OUTBOUND[dialect].conversions["openai_chat", "embeddings"]


def call(**fields: object) -> Call:
    return peek("embeddings", json.dumps({"model": "m", "input": ["a", "b"], **fields}).encode())


def written(dialect: Dialect, *, drop: bool = False, **fields: object) -> tuple[object, list[str]]:
    cannot = Cannot(dialect, {}, drop=drop)
    return json.loads(conversion(dialect).write(call(**fields), ENDPOINT, cannot)), cannot.dropped


def answer(dialect: Dialect, vectors: list[list[float]]) -> bytes:
    if dialect == "gemini":
        return json.dumps({"embeddings": [{"values": vector} for vector in vectors]}).encode()
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7.0, "image_tokens": 2}}
    return json.dumps({"id": "x", "embeddings": {"float": vectors}, "texts": ["a", "b"], "meta": meta}).encode()


def test_gemini_gets_a_request_for_each_text() -> None:
    body, _ = written("gemini", dimensions=256, user="u", encoding_format="base64", intertie={"explain": True})
    one = {"model": "models/upstream", "outputDimensionality": 256}
    assert body == {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in ("a", "b")]}
    assert OUTBOUND["gemini"].path(ENDPOINT, "embeddings", False) == "/models/upstream:batchEmbedContents"


def test_cohere_gets_all_texts_and_what_they_are_for() -> None:
    body, _ = written("cohere", input="a", dimensions=256)
    expected = {"model": "upstream", "texts": ["a"], "embedding_types": ["float"], "output_dimension": 256}
    assert body == {**expected, "input_type": "search_document"}
    body, _ = written("cohere", input_type="search_query")
    assert isinstance(body, dict) and body["input_type"] == "search_query"
    assert OUTBOUND["cohere"].path(ENDPOINT, "embeddings", False) == "/embed"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2], [3]], ["a", 1]])
def test_token_ids_have_no_place_elsewhere(dialect: Dialect, tokens: list[object]) -> None:
    with pytest.raises(Unsupported) as refused:
        written(dialect, drop=True, input=tokens)
    assert refused.value.param == "input"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_has_no_place_is_refused_by_name_or_noted(dialect: Dialect) -> None:
    with pytest.raises(Unsupported) as refused:
        written(dialect, truncate="END")
    assert refused.value.param == "truncate"
    assert written(dialect, drop=True, truncate="END")[1] == ["truncate"]


@pytest.mark.parametrize(
    ("dialect", "fields", "param"),
    [
        ("gemini", {"input": []}, "input"),
        ("gemini", {"input": [True]}, "input[0]"),
        ("cohere", {"dimensions": "many"}, "dimensions"),
        ("cohere", {"encoding_format": "hex"}, "encoding_format"),
        ("cohere", {"input_type": "image"}, "input_type"),
        ("cohere", {"input_type": 5}, "input_type"),
    ],
)
def test_what_is_wrong_is_named(dialect: Dialect, fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        written(dialect, **fields)
    assert refused.value.param is not None and refused.value.param.replace("[...]", "[0]") == param


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_the_sdk_reads_the_vectors(dialect: Dialect, encoding: str | None) -> None:
    def answered(request: httpx2.Request) -> httpx2.Response:
        read = conversion(dialect).read(answer(dialect, VECTORS), peek("embeddings", request.read()))
        return httpx2.Response(200, content=read, headers={"content-type": "application/json"})

    sdk = openai.OpenAI(
        api_key="k", base_url="http://x", http_client=httpx2.Client(transport=httpx2.MockTransport(answered))
    )
    wish = {} if encoding is None else {"extra_body": {"encoding_format": encoding}}
    told = sdk.embeddings.create(model="m", input=["a", "b"], **wish)
    vectors = [each.embedding for each in told.data]
    assert [each for vector in vectors for each in vector] == pytest.approx([0.25, -1.0, 3.5, 1e-7])
    assert (told.model, [each.index for each in told.data]) == ("m", [0, 1])
    assert told.usage.prompt_tokens == (9 if dialect == "cohere" else call(encoding_format="base64").prompt_tokens)


def test_tokens_are_taken_from_gemini_where_it_tells_them() -> None:
    told = json.dumps({"embeddings": [{"values": [1]}] * 2, "usageMetadata": {"promptTokenCount": 5}}).encode()
    assert json.loads(conversion("gemini").read(told, call()))["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.sampled_from(DIALECTS), st.lists(numbers, max_size=5), st.lists(numbers, max_size=5))
def test_every_number_comes_back(dialect: Dialect, one: list[float], other: list[float]) -> None:
    given_back = answer(dialect, [one, other])
    plain = json.loads(conversion(dialect).read(given_back, call()))
    assert [each["embedding"] for each in plain["data"]] == [one, other]
    packed = json.loads(conversion(dialect).read(given_back, call(encoding_format="base64")))
    for vector, each in zip((one, other), packed["data"], strict=True):
        assert struct.unpack(f"<{len(vector)}f", base64.b64decode(each["embedding"])) == tuple(vector)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "vectors", [[], [[1.0]], [[1.0]] * 3, [[1.0], "x"], [[1.0], None], [[1.0], [1e300]], [[1.0], ["x"]]]
)
def test_an_answer_of_another_shape_is_not_believed(dialect: Dialect, vectors: list[object]) -> None:
    if dialect == "gemini":
        told = json.dumps({"embeddings": [{"values": vector} for vector in vectors]}).encode()
    else:
        told = json.dumps({"embeddings": {"float": vectors}}).encode()
    for garbage in (told, b"<html>", b"[]", b'{"embeddings": 5}', told[:-3]):
        with pytest.raises(ValueError):
            conversion(dialect).read(garbage, call(encoding_format="base64"))
