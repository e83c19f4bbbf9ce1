"""A trace through a front door: the report counts what was served, refused and broken, and what it means."""

import asyncio
import json
import queue
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest
from bench.upstream import listen
from cyclopts import App

from intertie.cli.replay import replay
from intertie.core.faults import ConfigFault, ConnectFailed, InvalidRequest

ROWS = "arrival_s,input_tokens,output_tokens\n" + "".join(f"{n / 10},{20 + n},{n % 7}\n" for n in range(40))


@pytest.fixture
def trace(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text(ROWS)
    return file


@contextmanager
def served_by(server):
    """Run an asynchronous server in a thread of its own, since the verb brings its own loop; yields its address."""
    told = queue.SimpleQueue()

    async def serve():
        leave = asyncio.Event()
        async with server() as port:
            told.put((f"http://127.0.0.1:{port}/v1", asyncio.get_running_loop(), leave))
            await leave.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, loop, leave = told.get(timeout=10)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join()


@asynccontextmanager
async def an_upstream():
    server = await listen("127.0.0.1", 0, 0.001)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def a_server_that(says):
    """A server that answers request number n with `says(n)`, and keeps what it was asked."""
    asked = []

    async def serve(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                asked.append((head, json.loads(await reader.readexactly(size))))
                answer = says(len(asked) - 1)
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def server():
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()
            await listening.wait_closed()

    return server, asked


def run(*arguments):
    app = App()
    app.default(replay)
    return app([str(argument) for argument in arguments], result_action="return_value")


def stream(*events, end=b"data: [DONE]\n\n"):
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + end
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-intertie-site: lab\r\n"
    return head + b"x-intertie-cost-usd: 0.000000250\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def refusal(status, code):
    body = json.dumps({"error": {"message": "no", "type": "t", "code": code}}).encode()
    return (
        b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body
    )


USED = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}


def test_a_trace_is_replayed_from_end_to_end(trace, capsys):
    with served_by(an_upstream) as url:
        assert run(trace, "--speed", 4, "--base-url", url, "--key", "k", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["answered"], told["errors"], told["refusals"]) == (40, 40, {}, {})
    assert 0.9 < told["duration_s"] < 5.0
    assert {name: each["requests"] for name, each in told["objectives"].items()} == {
        "interactive": 14, "economy": 13, "green": 13,
    }  # fmt: skip
    assert told["objectives"]["interactive"]["attainment"] == 1.0
    assert told["objectives"]["interactive"]["target_ms"] == 500.0
    assert told["completion_tokens"] == 40 * 60
    assert 0 < told["ttft_ms"]["p50"] <= told["ttft_ms"]["p90"] <= told["ttft_ms"]["p99"]


def test_what_is_sent_says_objective_length_and_exact_output(trace):
    server, asked = a_server_that(lambda n: stream(USED))
    with served_by(server) as url:
        run(
            trace,
            "--speed",
            100,
            "--base-url",
            url,
            "--key",
            "k",
            "--objectives",
            "batch, green",
            "--model",
            "m",
            "--json",
        )
    heads, bodies = zip(*sorted(asked, key=lambda one: len(one[1]["messages"][0]["content"])), strict=True)
    assert len(bodies) == 40
    assert all("authorization: Bearer k\r\n" in head for head in heads)
    assert {"x-intertie-objective: batch" in head for head in heads} == {True, False}
    for n, body in enumerate(bodies):
        output = max(1, n % 7)
        assert len(body["messages"][0]["content"]) == (20 + n) * 4
        assert (body["model"], body["stream"], body["max_tokens"]) == ("m", True, output)
        assert body["intertie_sim"] == {"output_tokens": output}


def test_without_exact_no_field_for_simulated_engines_is_sent(trace):
    server, asked = a_server_that(lambda n: stream(USED))
    with served_by(server) as url:
        run(trace, "--speed", 100, "--base-url", url, "--no-exact", "--json")
    assert not any("intertie_sim" in body for _, body in asked)


def test_cost_and_tokens_are_counted_by_site(trace, capsys):
    server, _ = a_server_that(lambda n: stream({"choices": [{"delta": {"content": "a"}}]}, USED))
    with served_by(server) as url:
        assert run(trace, "--speed", 100, "--base-url", url, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sites"] == {
        "lab": {"requests": 40, "prompt_tokens": 400, "completion_tokens": 120, "cost_usd": pytest.approx(40 * 2.5e-7)}
    }
    assert told["cost_usd"] == pytest.approx(1e-5)


def test_refusals_and_errors_are_counted_by_their_codes(trace, capsys):
    answers = [
        stream(USED),
        refusal(429, "budget_exhausted"),
        refusal(503, "no_candidate"),
        stream({"error": {"message": "cut", "code": "upstream_cut"}}, end=b""),
        stream({"choices": []}, end=b""),
        b"",
    ]
    server, _ = a_server_that(lambda n: answers[n] if n < len(answers) else answers[0])
    with served_by(server) as url:
        assert run(trace, "--speed", 100, "--base-url", url, "--json", "--objectives", "interactive") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refusals"] == {"budget_exhausted": 1}
    assert told["errors"] == {"no_candidate": 1, "upstream_cut": 1, "truncated": 1, "connection_closed": 1}
    assert (told["requests"], told["answered"]) == (40, 35)
    assert told["objectives"]["interactive"]["attainment"] == pytest.approx(35 / 40)


def test_a_target_can_be_set_and_batch_has_none(trace, capsys):
    with served_by(an_upstream) as url:
        run(
            trace,
            "--speed",
            40,
            "--base-url",
            url,
            "--objectives",
            "batch,green",
            "--targets",
            "green=0.0001",
            "--json",
        )
    told = json.loads(capsys.readouterr().out)["objectives"]
    assert (told["batch"]["target_ms"], told["batch"]["attainment"]) == (None, None)
    assert (told["green"]["target_ms"], told["green"]["attainment"]) == (0.0001, 0.0)


def test_people_get_tables(trace, capsys):
    with served_by(an_upstream) as url:
        assert run(trace, "--speed", 40, "--base-url", url) == 0
    told = capsys.readouterr()
    assert "40 requests" in told.out
    assert "interactive" in told.out
    assert "40/40" in told.err


def test_nobody_at_the_address_is_unreachable(trace):
    with pytest.raises(ConnectFailed, match=r"nobody is at 127\.0\.0\.1"):
        run(trace, "--base-url", "http://127.0.0.1:1/v1")


def test_wrong_words_are_refused_before_anything_is_sent(trace, tmp_path):
    for flags in (("--base-url", "nowhere"), ("--targets", "green=soon")):
        with pytest.raises(InvalidRequest, match="expected"):
            run(trace, *flags)
    with pytest.raises(ConfigFault, match="no trace"):
        run(tmp_path / "none.csv")
