"""`intertie serve` and one simulated engine behind it that speaks every dialect: both as commands, once per session."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from intertie.config.settings import environment
from intertie.sim.engine.journal import Entry

INTERTIE = str(Path(sys.executable).parent / "intertie")
KEY, SECRET = "itk_matrix", "the-engines-own-key"
TOKENS = {"input": "1.25", "output": "10.05", "cached": "0.125", "written": "1.5625", "written_1h": "2.5"}
PRICE = {**TOKENS, "reasoning": "11.13", "per_request": "0.000001", "tiers": {"flex": {"factor": 0.5}}}
CLAUDE = "claude-sonnet-4-5"

UPSTREAMS: dict[str, dict[str, Any]] = {
    "openai_chat": {"url": "/v1", "upstream_model": "gpt-sim", "credential": SECRET},
    "azure_openai": {"url": "", "upstream_model": "gpt-sim", "api_version": "2024-10-21", "credential": SECRET},
    "openai_responses": {"url": "/v1", "upstream_model": "gpt-sim", "credential": SECRET},
    "anthropic_messages": {"url": "/v1", "upstream_model": CLAUDE, "credential": SECRET},
    "gemini": {"url": "/v1beta", "upstream_model": "gemini-3-sim", "credential": SECRET},
    "vertex": {"url": "/v1", "upstream_model": "gemini-3-sim", "credential": SECRET, "region": "global",
               "project": "p"},
    "bedrock": {"url": "", "upstream_model": f"eu.anthropic.{CLAUDE}-v1:0", "credential": f"AKIDEXAMPLE:{SECRET}",
                "region": "eu-central-1"},
}  # fmt: skip
"""Endpoints by the dialect they speak; the model they serve has the dialect's name."""

MEDIA: dict[str, dict[str, Any]] = {
    "cohere": {"dialect": "cohere", "url": "/v2", "operations": ["rerank"], "price": {"per_search": "0.002"}},
    "cohere-embeddings": {"dialect": "cohere", "url": "/v2", "operations": ["embeddings"], "price": TOKENS},
    "gemini-embeddings": {"dialect": "gemini", "url": "/v1beta", "operations": ["embeddings"], "price": TOKENS},
    "openai-media": {"dialect": "openai_chat", "url": "/v1", "price": TOKENS, "operations": [
        "embeddings", "rerank", "images", "image_edits", "speech", "transcription", "translation", "moderations"]},
}  # fmt: skip


class MatrixWorld:
    """Where the gateway listens, the engine's journal, the gateway's books."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._journal, self._books = folder / "engine.jsonl", folder / "state" / "intertie.db"
        self._read = 0
        self._entries: dict[str, Entry] = {}

    def did(self, request: str, within_s: float = 5.0) -> Entry:
        """What the engine did for a request, by the gateway's id, once it has ended."""
        return eventually(lambda: self.entries().get(request), within_s)

    def entries(self) -> dict[str, Entry]:
        """All that the engine did so far, by the gateway's ids."""
        with self._journal.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if line.endswith(b"\n"):
                    entry = msgspec.json.decode(line, type=Entry)
                    before = self._entries.get(entry.request_id)
                    assert before is None or before.fault == "rst", "it is asked anew where a connection was reset"
                    self._entries[entry.request_id] = entry
                    self._read += len(line)
        return self._entries

    def ledger(self) -> dict[str, dict[str, Any]]:
        """All closed rows of the ledger, by request id."""
        with sqlite3.connect(f"file:{self._books}?mode=ro", uri=True) as books:
            books.row_factory = sqlite3.Row
            rows = [dict(row) for row in books.execute("SELECT * FROM ledger WHERE closed_at IS NOT NULL")]
        return {f"req_{row['worker']}_{row['sequence']}": row for row in rows}

    def settled(self) -> tuple[int, int]:
        """What the budget has paid, and what the closed rows of the ledger come to: nano-dollars."""
        with sqlite3.connect(f"file:{self._books}?mode=ro", uri=True) as books:
            (paid,) = books.execute("SELECT SUM(settled) FROM account WHERE kind = 'usd'").fetchone()
            (costs,) = books.execute("SELECT SUM(cost_nano) FROM ledger WHERE closed_at IS NOT NULL").fetchone()
        return paid, costs

    def row(self, request: str, within_s: float = 5.0) -> dict[str, Any]:
        """A request's row, once it is closed."""
        return eventually(lambda: self.ledger().get(request), within_s)


def eventually(found: Any, within_s: float) -> Any:
    """Ask again and again until there is an answer."""
    end = time.monotonic() + within_s
    while (answer := found()) is None:
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.01)
    return answer


@contextmanager
def matrix_world(folder: Path) -> Iterator[MatrixWorld]:
    """Both processes for as long as the block lasts."""
    models = {str(one["upstream_model"]) for one in UPSTREAMS.values()} | {"sim"}
    engine_command = [INTERTIE, "engine", "sim", "--port", "0", "--json", "--allow-faults", "--api-key", SECRET,
                      "--journal", str(folder / "engine.jsonl"), "--speed.prefill-tps", "1000000",
                      "--speed.step-s", "0.0002", "--speed.sequence-s", "0", "--speed.overhead-s", "0",
                      "--speed.slots", "256"]  # fmt: skip
    engine_command += [word for model in sorted(models) for word in ("--model", model)]
    with _process(engine_command, folder / "engine.out"):
        port = eventually(lambda: _told(folder / "engine.out"), 20)["port"]
        (folder / "intertie.yaml").write_text(json.dumps(_config(port), indent=1))
        command = [INTERTIE, "serve", "--config", str(folder / "intertie.yaml"), "--state", str(folder / "state"),
                   "--host", "127.0.0.1", "--port", "0", "--control-port", "0", "--health-port", "0"]  # fmt: skip
        with _process(command, folder / "gateway.out"):
            listening = eventually(lambda: _event(folder / "gateway.out", "listening"), 20)
            eventually(lambda: _event(folder / "gateway.out", "ready"), 20)
            yield MatrixWorld(folder, int(listening["data"].rpartition(":")[2]))


def _config(port: int) -> dict[str, Any]:
    said = {name: {"dialect": name, "price": PRICE, **one} for name, one in UPSTREAMS.items()}
    said |= {name: {"upstream_model": "sim", "credential": SECRET, **one} for name, one in MEDIA.items()}
    endpoints = [
        {
            "id": name,
            "site": "here",
            "model": name,
            "simulated": True,
            **one,
            "url": f"http://127.0.0.1:{port}{one['url']}",
        }
        for name, one in said.items()
    ]
    return {
        "gateway": {"workers": 1},
        "sites": [{"id": "here", "rtt_ms": 1}],
        "endpoints": endpoints,
        "breaker": {"failures": 1_000_000},
        "groups": [{"name": "all", "budget": {"usd": 1_000_000}, "limits": {"rpm": 1_000_000}}],
        "keys": [{"name": "matrix", "value": "env:MATRIX_KEY", "group": "all"}],
    }


@contextmanager
def _process(command: list[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    with out.open("wb") as told:
        environ = {**environment(), "MATRIX_KEY": KEY}
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, env=environ, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _told(path: Path) -> dict[str, Any] | None:
    text = path.read_text()
    return json.loads(text) if text.endswith("}\n") else None


def _event(path: Path, name: str) -> dict[str, Any] | None:
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    return next((event for line in lines if (event := json.loads(line)).get("event") == name), None)
