"""The end: nobody is cut who could finish in time, and who cannot is told so."""

import asyncio
import os
import pty
import signal
import sys
from pathlib import Path

import msgspec
import pytest
import supervised
from supervised import Refused, Supervised, fetch, service, settings

_DONE, _TOLD = b"data: [DONE]\n\n", b'data: {"error":{"code":"draining"}}\n\n'


def _notes(state: Path, role: str) -> list[str]:
    return (state / f"{role}.notes").read_text().split()


async def test_over_the_drain_limit_open_streams_get_an_error_event(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, drain_s=1.0)) as running:
        await running.until("child_ready", count=3)
        streams = [asyncio.ensure_future(fetch(running.data, "/stream?60")) for _ in range(10)]
        await asyncio.sleep(0.3)
        running.send(signal.SIGTERM)
        assert all(body.endswith(_TOLD) for _, body in await asyncio.gather(*streams))
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
        assert not running.named("child_killed")
    assert _notes(tmp_path, "worker").count("force") == 2 and _notes(tmp_path, "control") == ["drain"]


async def test_a_worker_that_does_not_obey_is_killed_and_the_rest_still_ends_in_order(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, workers=1, drain_s=0.2, worker_settings=settings(deaf=True))) as running:
        await running.until("ready")
        stream = asyncio.ensure_future(fetch(running.data, "/stream?60"))
        await asyncio.sleep(0.2)
        running.send(signal.SIGTERM)
        with pytest.raises(Refused):
            await stream
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
        assert [one["child"] for one in running.named("child_killed")] == ["worker-0"]
    assert _notes(tmp_path, "control") == ["drain"]


async def test_sigterm_during_the_start_ends_everything(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        running.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0


async def test_a_control_process_that_dies_during_the_drain_is_started_again_to_fold(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, workers=1)) as running:
        await running.until("ready")
        (control,) = await running.pids("control")
        stream = asyncio.ensure_future(fetch(running.data, "/stream?2"))
        await asyncio.sleep(0.2)
        running.send(signal.SIGTERM)
        await running.until("draining")
        os.kill(control, signal.SIGKILL)
        assert (await stream)[1].endswith(_DONE)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
    assert _notes(tmp_path, "control") == ["drain"], "the second life was told to fold and end"


async def test_closing_the_terminal_stops_the_gateway(tmp_path: Path) -> None:
    order = msgspec.json.encode(service(tmp_path)).decode()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-P", str(supervised.__file__), order])
    told = b""
    while b"  ready  after" not in told:
        told += await asyncio.to_thread(os.read, terminal, 4096)
    assert b"listening" in told and b'{"' not in told, "on a terminal it speaks to people"
    os.close(terminal)
    async with asyncio.timeout(10):
        assert (await asyncio.to_thread(os.waitpid, pid, 0))[1] == 0
    assert _notes(tmp_path, "control") == ["drain"]
