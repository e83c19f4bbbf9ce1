"""`intertie demo`: one question, three objectives, nothing left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from intertie.config.settings import environment

_INTERTIE = str(Path(sys.executable).parent / "intertie")


class Demo:
    """A demo under way. Its processes are known by a mark in their environment."""

    def __init__(self, *flags: str, **environ: str) -> None:
        self._mark = f"DEMO_MARK={uuid.uuid4()}"
        name, value = self._mark.split("=")
        quiet = environment() | {name: value, "OPENAI_API_KEY": "", "INTERTIE_ENGINE_URL": ""}
        self.process = subprocess.Popen(
            [_INTERTIE, "demo", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=quiet | environ, start_new_session=True,
        )  # fmt: skip

    def until(self, text: str) -> str:
        """What it prints, up to the line with this text."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"{text!r} did not come; instead: {''.join(lines)} {self.process.communicate()}")

    def living(self) -> list[int]:
        """Its processes that live."""
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # ended meanwhile, or not ours to read
                continue
        return found

    def none_lives(self, within_s: float) -> bool:
        """Whether all of them have ended in time."""
        until = time.monotonic() + within_s
        while self.living():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        for pid in self.living():
            os.kill(pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Whatever was started and still runs is ended with the test."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.close()


def _start(demos: list[Demo], *flags: str, **environ: str) -> Demo:
    demos.append(Demo(*flags, **environ))
    return demos[-1]


@pytest.fixture
def local_engine() -> Iterator[str]:
    """The URL of an engine that the demo knows nothing of; it serves the model `real`."""
    command = [_INTERTIE, "engine", "sim", "--port", "0", "--model", "real", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        yield json.loads("".join(iter(engine.stdout.readline, "}\n")) + "}")["url"]
        engine.terminate()


def _ask(url: str, key: str, body: dict[str, object] | None = None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode() if body else None, headers), timeout=10) as answer:
        return json.load(answer)


def test_the_same_question_goes_where_its_objective_wants_and_the_figures_are_told(demos: list[Demo]) -> None:
    demo = _start(demos, "--once", "--json", "--port", "0")
    told, complaints = demo.process.communicate(timeout=30)
    assert (demo.process.returncode, complaints) == (0, "")
    asked = {one["objective"]: one for one in json.loads(told)["requests"]}
    assert list(asked) == ["interactive", "economy", "green"]
    for one in asked.values():
        assert one["simulated"] and one["model"] and one["endpoint"] and one["reasons"] and one["request_id"]
        assert float(one["cost_usd"]) > 0 and one["gco2"] > 0 and 1 < one["ttft_ms"] < 5_000
    assert float(asked["economy"]["cost_usd"]) < float(asked["interactive"]["cost_usd"])
    assert asked["green"]["gco2"] <= min(asked["interactive"]["gco2"], asked["economy"]["gco2"])
    assert asked["economy"]["site"] not in (asked["interactive"]["site"], asked["green"]["site"])
    assert demo.none_lives(within_s=0)


def test_it_finds_free_ports_serves_and_ends_with_all_its_processes_on_ctrl_c(
    demos: list[Demo], tmp_path: Path, local_engine: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--port", str(port), "--state", str(tmp_path))
        demo = _start(demos, *flags, INTERTIE_ENGINE_URL=local_engine, INTERTIE_ENGINE_MODEL="real")
        told = demo.until("Ctrl-C ends it.")
    assert f"Port {port} or one of the two after it is in use" in told and "simulated" in told
    base_url, key = (re.search(rf"{name} +(\S+)", told)[1] for name in ("Base URL", "Key"))
    assert base_url != f"http://127.0.0.1:{port}/v1"
    assert {"chat", "smart", "local"} <= {one["id"] for one in _ask(f"{base_url}/models", key)["data"]}
    question = {"model": "local", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
    assert _ask(f"{base_url}/chat/completions", key, question)["model"] == "real"
    assert len(demo.living()) == 3 + len(os.sched_getaffinity(0)), "the demo, its engines, control, a worker per core"
    demo.process.send_signal(signal.SIGINT)
    _, complaints = demo.process.communicate(timeout=10)
    assert (demo.process.returncode, complaints) == (0, "")
    assert demo.none_lives(within_s=0)
    events = [json.loads(line)["event"] for line in (tmp_path / "events.log").read_text().splitlines()]
    assert events[0] == "listening" and events[-1] == "stopped" and "crash" not in events


def test_its_processes_end_by_themselves_when_it_is_killed(demos: list[Demo]) -> None:
    demo = _start(demos, "--port", "0")
    demo.until("One question")
    assert len(demo.living()) == 3 + len(os.sched_getaffinity(0))
    demo.process.kill()
    assert demo.none_lives(within_s=10)


def test_when_it_cannot_start_it_says_why_and_leaves_nothing_running(demos: list[Demo], tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("not a folder")
    demo = _start(demos, "--once", "--port", "0", "--state", str(tmp_path))
    _, complaints = demo.process.communicate(timeout=20)
    assert demo.process.returncode == 3
    assert "could not start" in complaints and "journal" in complaints and "Traceback" not in complaints
    assert demo.none_lives(within_s=0)
