"""Who may come in, what the pages around the request path say, and that every answer has an id by which to find it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rawcaller import CHAT, RawCaller, ask, page
from scripted import Scripted, completion, says, scripted, streams, token
from world import KEY, PEPPER, World, endpoint, gateway, snapshot

from intertie.config.snapshot import ServerLimits
from intertie.core.principal import Meter, Principal
from intertie.policy.keys import digest, write_key
from intertie.policy.routing.recent import Recent

SECRET = write_key(bytes(range(32)))


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    async with scripted(says(200, completion())) as endpoint:
        yield endpoint


@pytest.fixture
async def world(tmp_path: Path, upstream: Scripted) -> AsyncIterator[World]:
    whole = snapshot([endpoint("a", upstream.port, credential="sk-upstream")])
    whole.keys[digest(PEPPER, SECRET.encode())] = Principal(key_id="key_1", name="real", user="ada", project="apollo")
    whole.keys[digest(PEPPER, b"itk_old")] = Principal(key_id="key_2", name="old", expires_at=1_000_000.0)
    whole.keys[digest(PEPPER, b"itk_gone")] = Principal(key_id="key_3", name="gone", revoked=True)
    whole.keys[digest(PEPPER, b"itk_soon")] = Principal(key_id="key_4", name="soon", expires_at=9_000_000_000.0)
    async with gateway(tmp_path, whole) as world:
        yield world


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("accept: */*", "missing_api_key"),
        ("authorization: Bearer", "missing_api_key"),
        ("authorization: Basic aXRrX3Rlc3Q6", "missing_api_key"),
        (f"authorization: {KEY}", "missing_api_key"),
        ("authorization: Bearer itk_unknown", "invalid_api_key"),
        (f"authorization: Bearer {KEY}x", "invalid_api_key"),
        ("authorization: Bearer \xe9\xff", "invalid_api_key"),
        ("authorization: Bearer itk_gone", "key_revoked"),
        ("authorization: Bearer itk_old", "key_expired"),
        ("x-api-key: itk_unknown", "invalid_api_key"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/models/m"])
async def test_who_has_no_good_key_stays_outside(
    world: World, upstream: Scripted, line: str, code: str, path: str
) -> None:
    told = await ask(world.url, None, path, line, key="") if path == CHAT else await page(world.url, path, line, key="")
    assert (told.status, told.error["code"], told.error["type"]) == (401, code, "authentication_error")
    assert told.headers["x-request-id"].startswith("req_w1_")
    assert not upstream.visits


@pytest.mark.parametrize(
    "line",
    [f"authorization: bearer {KEY}", f"Authorization:  BEARER   {KEY}", f"x-api-key: {KEY}", "x-api-key: itk_soon"],
)
async def test_a_key_comes_in_either_header_and_in_any_case(world: World, line: str) -> None:
    assert (await ask(world.url, None, CHAT, line, key="")).status == 200


async def test_two_credentials_that_disagree_are_read_as_the_first_kind(world: World) -> None:
    assert (await ask(world.url, None, CHAT, "x-api-key: itk_unknown")).status == 200


async def test_a_key_appears_in_no_answer_no_log_and_no_journal(world: World, upstream: Scripted) -> None:
    answers = [await ask(world.url, {"stream": stream}, key=SECRET) for stream in (False, True)]
    answers += [await ask(world.url, {"model": "x"}, key=SECRET), await ask(world.url, b"{", key=SECRET)]
    answers += [await ask(world.url, key=SECRET[:-1]), await page(world.url, "/v1/models", key=SECRET)]
    upstream.script = says(401, b'{"error":{"message":"bad key sk-upstream"}}')
    answers.append(await ask(world.url, key=SECRET))
    await world.logged(6)
    told = b"".join(answer.head + answer.body for answer in answers)
    kept = b"".join(path.read_bytes() for path in world.folder.rglob("*") if path.is_file())
    for text in (told, kept, *(visit.head + visit.body for visit in upstream.visits)):
        assert SECRET[4:30].encode() not in text
        assert digest(PEPPER, SECRET.encode()).encode() not in text
    assert b"sk-upstream" not in told + kept
    assert upstream.visits[0].headers[b"authorization"] == b"Bearer sk-upstream"


async def test_the_log_says_who_and_the_books_agree(world: World) -> None:
    """Wire fact 22: one id in answer, log and journal."""
    told = await ask(world.url, None, CHAT, "x-client-request-id: mine", "x-stainless-retry-count: 1", key=SECRET)
    row, line = await world.ended(), (await world.logged())[0]
    assert line["request"] == told.headers["x-request-id"] == f"req_w1_{row.sequence}"
    assert (line["key"], line["user"], line["project"]) == ("key_1", "ada", "apollo")
    assert (line["caller_id"], line["retry"]) == ("mine", "1")
    assert (line["outcome"], line["status"], line["endpoint"]) == ("served", 200, "a")


async def test_a_large_body_is_refused_by_its_head_and_the_log_knows(world: World) -> None:
    async with RawCaller(world.url) as caller:
        caller.writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n".encode())
        told = await caller.answer()
    assert (told.status, told.error["code"]) == (401, "missing_api_key")
    line = (await world.logged())[0]
    assert (line["request"], line["code"]) == (told.headers["x-request-id"], "missing_api_key")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/models HTTP/1.1\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99000000\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    ],
)
async def test_malformed_http_is_answered_in_the_dialect_with_an_id(world: World, sent: bytes, status: int) -> None:
    async with RawCaller(world.url) as caller:
        caller.writer.write(sent)
        told = await caller.answer()
    assert told.status == status
    assert told.error["type"] == "invalid_request_error"
    assert (await world.logged())[0]["request"] == told.headers["x-request-id"]


async def test_a_body_that_is_too_slow_is_told_so_with_an_id(tmp_path: Path, upstream: Scripted) -> None:
    limits = ServerLimits(body_idle_timeout_s=0.3)
    whole = snapshot([endpoint("a", upstream.port)], server=limits)
    async with gateway(tmp_path, whole) as world, RawCaller(world.url) as caller:
        caller.writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{{".encode())
        told = await caller.answer()
    assert (told.status, told.error["code"]) == (408, "request_timeout")
    assert told.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", "/v1/models/m", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/models/none", 404, "model_not_found"),
        ("GET", "/v1/models/%0d%0ax", 404, "model_not_found"),
    ],
)
async def test_a_page_that_is_not_there_says_so(world: World, method: str, path: str, status: int, code: str) -> None:
    told = await page(world.url, path, method=method)
    assert (told.status, told.error["code"]) == (status, code)
    assert (await world.logged())[0]["request"] == told.headers["x-request-id"]


async def test_ids_are_never_given_twice(world: World, upstream: Scripted) -> None:
    upstream.script = streams(token("Hi"))
    answers = [await ask(world.url, {"stream": True}), await ask(world.url, b"{"), await page(world.url, "/v1/x")]
    answers += [await page(world.url, "/livez"), await page(world.url, "/v1/models"), await ask(world.url, key="")]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


async def test_health_pages_need_no_key_and_readiness_follows_the_worker(world: World) -> None:
    for path in ("/", "/livez", "/healthz", "/health/liveliness"):
        assert (await page(world.url, path, key="")).status == 200
    assert (await page(world.url, "/readyz", key="")).body == b"ready\n"
    world.live.ready = False
    assert (await page(world.url, "/readyz", key="")).status == 503
    assert (await page(world.url, "/livez", key="")).status == 200


async def test_too_many_requests_under_way_are_refused(tmp_path: Path, upstream: Scripted) -> None:
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], max_in_flight=0)) as world:
        told = await ask(world.url)
    assert (told.status, told.error["code"], told.headers["retry-after"]) == (503, "overloaded", "1")


async def test_a_defect_is_answered_recorded_and_reported(
    tmp_path: Path, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is a 500 in the dialect and no success in the books; its hold is free again."""
    budget = Meter("budget", "usd", 10**9, "group devs")
    async with gateway(tmp_path, snapshot([endpoint("a", upstream.port)], [budget])) as world:
        with monkeypatch.context() as broken:
            broken.setattr(Recent, "choose", lambda *_: 1 // 0)
            told = await ask(world.url)
        assert (told.status, told.error["code"]) == (500, "internal_error")
        row = await world.ended()
        assert (row.outcome, row.status, row.fault, row.cost_nano) == ("refused", 500, "internal_error", 0)
        assert world.room(budget) == 10**9
        assert (await world.logged())[-1]["request"] == told.headers["x-request-id"]
        assert (await ask(world.url)).status == 200
        assert isinstance(world.crashes.pop(), ZeroDivisionError)


@pytest.mark.parametrize(
    ("path", "header", "says_so"),
    [
        ("/v1/models", "accept: */*", b'"owned_by"'),
        ("/v1/models/m", "accept: */*", b'"owned_by"'),
        ("/v1/models", "anthropic-version: 2023-06-01", b'"display_name":"m"'),
        ("/v1/models/m", "anthropic-version: 2023-06-01", b'"display_name":"m"'),
        ("/v1beta/models", "accept: */*", b'"name":"models/m"'),
        ("/v1beta/models/m", "accept: */*", b'"name":"models/m"'),
        ("/v1/models", f"x-goog-api-key: {KEY}", b'"name":"models/m"'),
        ("/v1/models/m", f"x-goog-api-key: {KEY}", b'"name":"models/m"'),
    ],
)
async def test_models_are_told_in_the_shape_of_the_client(world: World, path: str, header: str, says_so: bytes) -> None:
    answer = await page(world.url, path, header)
    assert (answer.status, says_so in answer.body) == (200, True)
