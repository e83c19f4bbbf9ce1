"""Cohere's reranks for callers of `/rerank`, and what its answers tell."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.core.usage import Usage
from intertie.dialects.dialect import Cannot
from intertie.dialects.registry import INBOUND, OUTBOUND

COHERE = OUTBOUND["cohere"]
RERANK = COHERE.conversions["openai_chat", "rerank"]
ENDPOINT = Endpoint("e", "s", "m", "rerank-v4", Origin("https", "api.cohere.com", 443, "/v2"), credential="secret")
BODY = {"model": "m", "query": "what?", "documents": ["a", {"text": "b"}]}
META = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
ANSWER = {
    "id": "x",
    "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.25}],
    "meta": META,
}


def call(**fields: object) -> Call:
    return INBOUND["openai_chat"].peek("rerank", json.dumps({**BODY, **fields}).encode(), "")


def written(*, drop: bool = False, **fields: object) -> tuple[object, list[str]]:
    cannot = Cannot("cohere", {}, drop=drop)
    return json.loads(RERANK.write(call(**fields), ENDPOINT, cannot)), cannot.dropped


def test_documents_become_texts_and_the_rest_keeps_its_name() -> None:
    body, _ = written(top_n=1, max_tokens_per_doc=512, priority=3, return_documents=True, user="u", x=None)
    expected = {"model": "rerank-v4", "query": "what?", "documents": ["a", "b"], "top_n": 1}
    assert body == {**expected, "max_tokens_per_doc": 512, "priority": 3}
    assert written(top_n=None)[0] == {"model": "rerank-v4", "query": "what?", "documents": ["a", "b"]}


def test_it_goes_where_cohere_listens() -> None:
    assert COHERE.path(ENDPOINT, "rerank", False) == "/rerank"
    assert COHERE.headers(ENDPOINT) == ("authorization: Bearer secret",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"rank_fields": ["text"]}, "rank_fields"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"documents": ["a", {"text": "b", "title": "c"}]}, "documents[1]"),
        ({"documents": [{"image": "https://x"}]}, "documents[0]"),
        ({"query": {"content": []}}, "query"),
    ],
)
def test_what_cohere_cannot_be_told_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        written(**fields)
    assert refused.value.param == param


def test_a_parameter_may_be_left_out_where_the_route_says_so() -> None:
    assert written(drop=True, rank_fields=["text"])[1] == ["rank_fields"]


@pytest.mark.parametrize("fields", [{"top_n": 0}, {"top_n": "1"}, {"return_documents": 3}])
def test_a_wrong_value_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        written(**fields)
    assert refused.value.param in fields


def test_the_answer_keeps_order_scores_and_bill() -> None:
    told = json.loads(RERANK.read(json.dumps(ANSWER).encode(), call()))
    assert told == {**ANSWER, "model": "m"}


def test_documents_come_back_to_those_who_want_them() -> None:
    told = json.loads(RERANK.read(json.dumps(ANSWER).encode(), call(return_documents=True)))
    assert [result["document"] for result in told["results"]] == [{"text": "b"}, {"text": "a"}]


def test_what_is_billed_is_read() -> None:
    assert COHERE.glance(json.dumps(ANSWER).encode()).usage == Usage(searches=1)
    units = {"input_tokens": 5.0, "image_tokens": 3, "images": 1, "output_tokens": 0}
    embedded = {"embeddings": {"float": []}, "meta": {"billed_units": units}}
    assert COHERE.glance(json.dumps(embedded).encode()).usage == Usage(8, image_in=3, images=1)
    assert COHERE.glance(b'{"results": []}').usage is None


def test_errors_are_told() -> None:
    assert COHERE.told(b'{"id": "x", "message": "invalid api token"}') == "invalid api token"
    assert COHERE.told(b"<html>") == ""
    assert COHERE.glance(b'{"message": "overloaded"}').error == b'{"message": "overloaded"}'


@pytest.mark.parametrize(
    "results", [[{"index": 2, "relevance_score": 1}], [{"index": -1, "relevance_score": 1}], [{}], 5]
)
def test_an_answer_of_another_shape_is_not_believed(results: object) -> None:
    for garbage in (json.dumps({"results": results}).encode(), b"<html>", b"[]"):
        with pytest.raises(ValueError):
            RERANK.read(garbage, call())


@pytest.mark.parametrize(
    "garbage", [b"", b"<html>", b"[]", b"{}", b'{"results": [], "meta": {"billed_units": {"search_units": 1e300}}}']
)
def test_what_is_not_coheres_is_not_glanced_at(garbage: bytes) -> None:
    with pytest.raises(ValueError):
        COHERE.glance(garbage)


@given(st.lists(st.text(), min_size=1, max_size=20), st.data())
def test_every_document_comes_back_under_its_place(documents: list[str], draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(documents))))
    results = [{"index": index, "relevance_score": 1 / (place + 1)} for place, index in enumerate(order)]
    asked = call(documents=documents, return_documents=True)
    told = json.loads(RERANK.read(json.dumps({"results": results}).encode(), asked))
    assert [(each["index"], each["document"]["text"]) for each in told["results"]] == [(i, documents[i]) for i in order]
