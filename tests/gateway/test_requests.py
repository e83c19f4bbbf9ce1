"""What a request may carry: unknown fields survive, wishes are understood or refused by name, nothing is injected."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from rawcaller import ASK, CHAT, RawCaller, ask
from scripted import Scripted, completion, says, scripted
from world import World, endpoint, gateway, snapshot

from intertie.core.plan import Objective, Weights
from intertie.core.record import Admitted
from intertie.core.site import Site
from intertie.policy.routing.affinity import SESSION_MARK

GREEN = {"green": Objective("green", Weights(carbon=1.0)), "balanced": Objective("balanced", Weights(ttft=1.0))}


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    places = [endpoint("a", upstream.port), endpoint("b", upstream.port, upstream_model="theirs", model="n")]
    async with gateway(tmp_path, snapshot(places, objectives=GREEN)) as world:
        yield world


async def test_a_body_reaches_the_endpoint_as_it_came(world: World, upstream: Scripted) -> None:
    """Wire fact 20: unknown fields pass, the bytes are kept."""
    body = b'{"model":"m","messages":[{"role":"user","content":"\xc3\xa9\\u00e9"}],"x_new":{"a":[1,2.50]},"seed":null}'
    await ask(world.url, body)
    assert upstream.visits[0].body == body


async def test_only_what_must_be_patched_is_patched(world: World, upstream: Scripted) -> None:
    await ask(world.url, {"model": "n", "x_new": {"a": [1, 2.5]}, "intertie": {"objective": "green"}})
    assert upstream.visits[0].asked == {**ASK, "model": "theirs", "x_new": {"a": [1, 2.5]}}


async def test_a_megabyte_of_conversation_passes(world: World, upstream: Scripted) -> None:
    """Wire fact 20: coding agents send 0.1 to 1 MB and more."""
    body = json.dumps({**ASK, "messages": [{"role": "user", "content": "word " * 300_000}], "max_tokens": 5}).encode()
    places = [endpoint("a", upstream.port, context=1_000_000)]
    world.live.adopt(snapshot(places, version=2))
    assert (await ask(world.url, body)).status == 200
    assert upstream.visits[0].asked == json.loads(body)


async def test_the_endpoint_gets_our_id_the_callers_trace_and_nothing_else_of_the_head(
    world: World, upstream: Scripted
) -> None:
    """Wire fact 22: one id, also at the endpoint. The caller's key and cookies are the gateway's alone."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    told = await ask(world.url, None, CHAT, f"traceparent: {trace}", "cookie: a=b", "x-forwarded-for: 1.2.3.4")
    headers = upstream.visits[0].headers
    assert headers[b"x-request-id"].decode() == told.headers["x-request-id"]
    assert headers[b"traceparent"].decode() == trace
    assert headers.keys() == {
        b"host", b"content-type", b"content-length", b"accept", b"accept-encoding", b"user-agent", b"x-request-id",
        b"traceparent",
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", ""]
)
async def test_json_is_understood_however_it_is_called(world: World, kind: str) -> None:
    line = f"content-type: {kind}" if kind else "content-type-missing: yes"
    assert (await ask(world.url, None, CHAT, line)).status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonx", "multipart/form-data; boundary=x", ";"])
async def test_another_media_type_is_refused(world: World, kind: str) -> None:
    told = await ask(world.url, None, CHAT, f"content-type: {kind}")
    assert (told.status, told.error["code"]) == (400, "unsupported_media_type")


async def test_a_compressed_body_is_refused_in_words(world: World) -> None:
    told = await ask(world.url, b"\x1f\x8b\x08", CHAT, "content-encoding: gzip")
    assert (told.status, told.error["code"]) == (400, "unsupported_media_type")


async def test_nothing_of_the_endpoints_head_reaches_the_caller(world: World, upstream: Scripted) -> None:
    """Wire fact 15: the limits there are those of our account, not the caller's own."""
    theirs = (
        b"x-ratelimit-remaining-requests: 7\r\nset-cookie: a=b\r\nopenai-organization: us\r\nx-request-id: theirs\r\n"
    )
    for status in (200, 400, 429):
        upstream.script = says(status, completion(), theirs)
        headers = (await ask(world.url)).headers
        assert not {"x-ratelimit-remaining-requests", "set-cookie", "openai-organization"} & headers.keys()
        assert headers["x-request-id"].startswith("req_w1_")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_type"),
        (b'{"model":"m"}', "missing_required_parameter"),
        (b'{"messages":[]}', "missing_required_parameter"),
        (b'{"model":"m","messages":[],"model":"n"}', "duplicate_parameter"),
        (b'{"model":"m","messages":' + b"[" * 100 + b"]" * 100 + b"}", "json_too_deep"),
        (b'{"model":"\\ud800","messages":[]}', "invalid_json"),
    ],
)
async def test_what_cannot_be_understood_is_refused(world: World, body: bytes, code: str) -> None:
    told = await ask(world.url, body)
    assert (told.status, told.error["code"]) == (400, code)
    assert told.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": "m", "prompt": None}),
        ("/v1/completions", {"model": "m"}),
        ("/v1/completions", {"model": "m", "prompt": [1, 2, 3]}),
        ("/completions", {"model": "m", "prompt": "x"}),
        ("/v1/embeddings", {"model": "m", "input": [[1, 2], [3]]}),
        ("/chat/completions", {"model": "m", "messages": []}),
    ],
)
async def test_each_operation_has_its_forms(world: World, path: str, body: dict[str, object]) -> None:
    """A completion may begin from nothing, as in OpenAI's reference, where the prompt is optional."""
    assert (await ask(world.url, json.dumps(body).encode(), path)).status == 200


async def test_a_header_weighs_more_than_the_body(world: World) -> None:
    wish = {"intertie": {"objective": "balanced", "tags": ["body"], "explain": True}}
    told = await ask(world.url, wish, CHAT, "x-intertie-objective: green", "x-intertie-tags: one, two")
    why = json.loads(told.headers["x-intertie-explain"])
    assert (why["objective"], why["chosen"]) == ("green", "a")
    row = next(row for row in world.rows() if isinstance(row, Admitted))
    assert (row.objective, row.tags) == ("green", ("one", "two"))


async def test_a_session_is_answered_with_a_token_that_brings_it_back(world: World, upstream: Scripted) -> None:
    world.live.adopt(snapshot([endpoint(name, upstream.port) for name in "abcdef"], version=2, tolerance=1.0))
    first = await ask(world.url, None, CHAT, "x-intertie-session: my talk")
    token = first.headers["x-intertie-session"]
    assert token.startswith(SESSION_MARK)
    weights = "x-intertie-weights: affinity=1,ttft=0,cost=0"
    world.live.adopt(snapshot([endpoint(name, upstream.port) for name in "abcdef"], version=3))
    for _ in range(5):
        told = await ask(world.url, None, CHAT, f"x-intertie-session: {token}", weights)
        assert told.headers["x-intertie-endpoint"] == first.headers["x-intertie-endpoint"]


HEADERS = [
    ("x-intertie-objective: fast", "intertie.objective"),
    ("x-intertie-weights: ttft", "x-intertie-weights"),
    ("x-intertie-weights: speed=1", "intertie.weights"),
    ("x-intertie-weights: ttft=0,cost=0", "intertie.weights"),
    ("x-intertie-weights: ttft=-1", "x-intertie-weights"),
    ("x-intertie-weights: ttft=nan", "x-intertie-weights"),
    ("x-intertie-slo-ttft-ms: soon", "x-intertie-slo-ttft-ms"),
    ("x-intertie-slo-ttft-ms: 0", "intertie.slo_ttft_ms"),
    ("x-intertie-max-cost-usd: much", "intertie.max_cost_usd"),
    ("x-intertie-max-cost-usd: -1", "intertie.max_cost_usd"),
    ("x-intertie-residency: , ", "x-intertie-residency"),
    (f"x-intertie-session: {'x' * 513}", "intertie.session"),
    (f"x-intertie-tags: {','.join('abcdefghijklmnopq')}", "intertie.tags"),
    (f"x-intertie-tags: {'x' * 129}", "intertie.tags"),
    ("x-intertie-explain: perhaps", "x-intertie-explain"),
]


@pytest.mark.parametrize(("line", "param"), HEADERS, ids=[line[:40] for line, _ in HEADERS])
async def test_a_bad_header_is_refused_by_name(world: World, upstream: Scripted, line: str, param: str) -> None:
    told = await ask(world.url, None, CHAT, line)
    assert (told.status, told.error["param"]) == (400, param)
    assert not upstream.visits


WISHES = [
    ({"objektive": "green"}, "intertie"),
    ({"objective": 3}, "intertie.objective"),
    ({"objective": "fast"}, "intertie.objective"),
    ({"weights": {"speed": 1}}, "intertie.weights"),
    ({"weights": {"ttft": "x"}}, "intertie.weights[...]"),
    ({"slo_ttft_ms": -1}, "intertie.slo_ttft_ms"),
    ({"max_cost_usd": "much"}, "intertie.max_cost_usd"),
    ({"residency": "EU"}, "intertie.residency"),
    ({"session": "x" * 513}, "intertie.session"),
    ({"tags": list("abcdefghijklmnopq")}, "intertie.tags"),
    ({"tags": ["x" * 129]}, "intertie.tags"),
    ({"explain": "yes"}, "intertie.explain"),
]


@pytest.mark.parametrize(("wish", "param"), WISHES, ids=[str(wish)[:40] for wish, _ in WISHES])
async def test_a_bad_wish_in_the_body_is_refused_by_name(world: World, wish: dict[str, object], param: str) -> None:
    told = await ask(world.url, {"intertie": wish})
    assert (told.status, told.error["param"]) == (400, param)


async def test_a_residency_that_no_endpoint_of_the_model_meets_is_refused_and_not_relaxed(
    world: World, upstream: Scripted
) -> None:
    known = snapshot([endpoint("a", upstream.port), endpoint("b", upstream.port, model="n")], version=2)
    sites = {**known.sites, "b-site": Site("b-site", jurisdiction=("US",))}
    world.live.adopt(msgspec.structs.replace(known, sites=sites))
    told = await ask(world.url, None, CHAT, "x-intertie-residency: US, CA")
    assert (told.status, told.error["code"]) == (503, "no_candidate")
    assert told.headers["x-should-retry"] == "false"
    assert not upstream.visits
    assert (await world.ended()).outcome == "refused"


async def test_a_residency_that_no_site_lies_in_is_the_callers_to_correct(world: World, upstream: Scripted) -> None:
    told = await ask(world.url, None, CHAT, "x-intertie-residency: US, CA")
    assert (told.status, told.error["code"], told.error["param"]) == (400, "unknown_residency", "intertie.residency")
    assert "there are DE, EU" in str(told.error["message"])
    assert not upstream.visits


@pytest.mark.parametrize("name", ["x-intertie-session", "x-intertie-tags", "x-client-request-id", "traceparent"])
@pytest.mark.parametrize("value", ["gr\xfc\xdfe \x85 \xa0", "a\tb", "a\x7fb", 'a"},{"b', "%0d%0aset-cookie: x"])
async def test_no_header_value_splits_an_answer_a_message_or_the_log(
    world: World, upstream: Scripted, name: str, value: str
) -> None:
    """What is no header value at all is refused; what is one stays inside its place."""
    async with RawCaller(world.url) as caller:
        caller.post(None, CHAT, f"{name}: {value}")
        told = await caller.answer()
    assert told.status == (400 if "\x7f" in value else 200)
    assert "set-cookie" not in told.headers
    assert "\x85" not in told.head.decode("latin-1")
    for visit in upstream.visits:
        assert b"set-cookie" not in visit.headers
    lines = await world.logged()
    assert len(lines) == 1
    if told.status == 200 and name == "x-client-request-id":
        assert lines[0]["caller_id"] == value


@pytest.mark.parametrize("name", ["x-intertie-session", "x-intertie-tags", "x-client-request-id"])
async def test_a_line_end_in_a_header_value_is_a_new_header_or_refused(world: World, name: str) -> None:
    for end in ("\r", "\n", "\0"):
        told = await ask(world.url, None, CHAT, f"{name}: a{end}x-evil: b")
        assert told.status == 400
    assert "x-evil" not in told.headers


async def test_errors_cannot_inject_events_or_headers(world: World) -> None:
    """The words of a caller or an endpoint are repeated inside JSON strings only."""
    evil = 'x\r\n\r\ndata: [DONE]\n\n\u2028"}\x00'
    told = await ask(world.url, {"model": evil})
    assert told.status == 404
    assert told.body.count(b"\n") == 0
    assert "data: [DONE]" in str(told.error["message"])


async def test_an_endpoints_error_cannot_end_the_stream_early(world: World, upstream: Scripted) -> None:
    upstream.script = says(500, b'oops\n\ndata: [DONE]\n\n"}\r\nset-cookie: a')
    told = await ask(world.url, {"stream": True})
    assert told.status == 502
    assert b"\n" not in told.body
    assert "set-cookie" not in told.headers
