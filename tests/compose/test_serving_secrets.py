"""Secrets in the real thing: had from Vault and a cloud, rotated under load, found nowhere they do not belong."""

import asyncio
import json
import stat
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from serving_world import INTERTIE, KEY, Config, Load, Serving, ask, chat
from supervised import eventually, fetch

from intertie.core.clock import SystemClock
from keepers import Keepers, keepers

FIRST, SECOND = "sk-first-key-of-the-account", "sk-second-key-of-the-account"


class Provider:
    """An endpoint that serves whoever has an `accepted` key and repeats to others what they have; `seen` are all."""

    def __init__(self, *accepted: str) -> None:
        self.accepted, self.seen = set(accepted), list[str]()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in head.split("\r\n")[1:]}
            await reader.readexactly(int(headers["content-length"]))
            key = headers["authorization"].removeprefix("Bearer ")
            self.seen.append(key)
            status, body = (200, _completion()) if key in self.accepted else (400, {"error": {"message": f"bad {key}"}})
            data = json.dumps(body).encode()
            head = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            writer.write(head.encode() + data)
        writer.close()


def _completion() -> object:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    counts = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": counts}


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


@asynccontextmanager
async def provider(*accepted: str) -> AsyncIterator[Provider]:
    made = Provider(*accepted)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@pytest.fixture
async def kept(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keepers]:
    """Vault behind an AppRole, and Google's metadata server, as the environment of a pod names them."""
    async with keepers(SystemClock()) as kept:
        kept.secrets["/kv/data/openai"] = {"key": FIRST}
        monkeypatch.setenv("VAULT_ADDR", kept.url)
        monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{kept.port}")
        monkeypatch.setenv("HOME", "/nowhere")
        monkeypatch.setenv("THE_SECRET_ID", "the-secret-id")
        monkeypatch.setenv("DEV_KEY", KEY)
        yield kept


def _config(port: int) -> Config:
    url = f"http://127.0.0.1:{port}/v1"
    credentials = [{"value": "vault:kv/openai#key", "rpm": 20}, {"value": "vault:kv/openai#key"}]
    return {
        "gateway": {"workers": 2, "drain_s": 20},
        "secrets": {"refresh_s": 1},
        "vault": {"role_id": "the-role", "secret_id": "env:THE_SECRET_ID"},
        "sites": [{"id": "s", "jurisdiction": ["DE"], "rtt_ms": 1}],
        "endpoints": [
            {"id": "mini", "site": "s", "model": "m", "url": url, "credentials": credentials},
            {"id": "cloud", "site": "s", "model": "g", "url": url, "credential": "identity:gcp"},
        ],
        "keys": [{"name": "dev", "value": "env:DEV_KEY"}],
    }


def _written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """All files, but for the one that holds secrets by design and so may be read by nobody else."""
    for path in folder.rglob("*"):
        if path.name == "snapshot.bin":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        elif path.is_file():
            yield path, path.read_bytes()


async def test_secrets_rotate_under_load_outlive_their_keeper_and_are_written_nowhere(
    tmp_path: Path, kept: Keepers
) -> None:
    async with provider(FIRST, SECOND) as upstream, Serving(tmp_path, _config(upstream.port)) as gateway:
        await gateway.until("ready")
        await gateway.all_ready()
        async with Load(gateway.data, chat(), every_s=0.02) as load:
            await eventually(lambda: _so(upstream.seen.count(FIRST) > 40))
            kept.secrets["/kv/data/openai"] = {"key": SECOND}
            await eventually(lambda: _so(len(upstream.seen) > 40 and set(upstream.seen[-40:]) == {SECOND}), 10)
            kept.down = True
            told = await gateway.until("secret_not_refreshed")
            assert "Vault answered 503" in str(told["why"]) or "metadata" in str(told["why"])
        assert load.failed == []
        places = {answer.headers["x-intertie-endpoint"] for answer in load.answers}
        assert places == {"mini#1", "mini#2"}
        upstream.accepted = {"nobody"}
        refused = [await ask(gateway.data, {**chat(), "model": model}, x_intertie_explain="1") for model in "mg"]
        assert {answer.status for answer in refused} == {400}
        checked = await _check(gateway.file)
        pages = [(await fetch(gateway.control, path))[1] for path in ("/metrics", "/status")]
        assert await gateway.stop() == 0
    secrets = [FIRST, SECOND, "the-secret-id", *kept.issued]
    assert any(token.startswith("google") for token in kept.issued)
    said = [("events", json.dumps(gateway.events).encode()), ("check", checked), *(("page", page) for page in pages)]
    said += [(f"{answer.status}", answer.body + str(answer.headers).encode()) for answer in refused]
    everything = (*said, *_written(tmp_path))
    assert [(place, secret) for place, text in everything for secret in secrets if secret.encode() in text] == []


@pytest.mark.parametrize(
    "wrong", [{}, {"credentials": [FIRST]}, {"credentials": [{"value": [FIRST]}]}, {"quirk": 1}, {"keys": FIRST}]
)
async def test_a_check_shows_no_secret_whatever_is_wrong(tmp_path: Path, kept: Keepers, wrong: Config) -> None:
    endpoint = {"id": "a", "site": "s", "model": "m", "url": "http://x/v1", "credential": SECOND, **wrong}
    keys = endpoint.pop("keys", [])
    (tmp_path / "intertie.yaml").write_text(json.dumps({**_config(1), "endpoints": [endpoint], "keys": keys}))
    told = (await _check(tmp_path / "intertie.yaml")).decode()
    assert ('"valid": true' in told) == (not wrong), told
    assert not [secret for secret in (FIRST, SECOND, KEY, "the-secret-id") if secret in told]


async def test_a_secret_that_cannot_be_had_keeps_the_gateway_from_starting_and_the_place_is_told(
    tmp_path: Path, kept: Keepers
) -> None:
    kept.secrets.clear()
    async with provider() as upstream, Serving(tmp_path, _config(upstream.port)) as gateway:
        told = await gateway.until("cannot_start")
        assert "vault:kv/openai#key: Vault answered 404" in str(told["why"])
        assert "intertie.yaml:" in str(told["why"])


async def _check(file: Path) -> bytes:
    """All that `intertie check` says."""
    process = await asyncio.create_subprocess_exec(INTERTIE, "check", str(file), "--json", stdout=PIPE, stderr=STDOUT)
    return (await process.communicate())[0]


async def _so(value: bool) -> bool:
    return value
