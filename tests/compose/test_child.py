"""One life of a child: who falls silent is ended, and who merely could not be heard is not."""

import signal
import sys
import time
from pathlib import Path

import pytest
from supervised import settings

from intertie.compose import child as child_module
from intertie.compose.child import Child
from intertie.compose.children import ChildOrders, read_orders

_STAND_IN = (sys.executable, "-P", str(Path(__file__).parent / "stand_in.py"))


async def _start(state: Path, **habits: object) -> Child:
    return await Child.start(_STAND_IN, ChildOrders("worker", 3, str(state), (), 1.0, settings(**habits)))


async def test_a_child_reports_ready_then_drains_and_ends_on_sigterm(tmp_path: Path) -> None:
    child = await _start(tmp_path)
    reports: list[str] = []

    def heard() -> None:
        assert child.report is not None
        reports.append(child.report.state)
        if child.report.state == "ready":
            child.send(signal.SIGTERM)

    await child.watch(heard)
    assert child.name == "worker-3" and child.code == 0 and child.was_ready
    assert reports == ["starting", "ready", "draining"]


async def test_a_child_that_falls_silent_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "HEARTBEAT_LIMIT_S", 1.5)
    child = await _start(tmp_path, hang_s=30.0)
    begun = time.monotonic()
    await child.watch(lambda: None)
    assert child.code == -signal.SIGKILL
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(3)",
        "import os, sys; os.write(int(sys.argv[1]), b'nonsense\\n'); import time; time.sleep(60)",
        "import os, sys; os.write(int(sys.argv[1]), b'x' * 200_000); import time; time.sleep(60)",
    ],
    ids=["ends before it reads its orders", "talks nonsense", "never ends its line"],
)
async def test_whatever_a_child_does_its_end_is_noticed(tmp_path: Path, code: str) -> None:
    orders = ChildOrders("worker", 0, str(tmp_path), (), 1.0)
    child = await Child.start((sys.executable, "-c", code), orders)
    begun = time.monotonic()
    await child.watch(lambda: None)
    assert child.code in (3, -signal.SIGKILL) and child.gone.is_set()
    assert time.monotonic() - begun < 5


async def test_a_supervisor_that_was_itself_stopped_blames_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "HEARTBEAT_LIMIT_S", 1.6)
    child = await _start(tmp_path)
    beats = 0

    def heard() -> None:
        nonlocal beats
        beats += 1
        if beats == 3:
            time.sleep(2.5)  # as a suspended machine, or SIGSTOP
        elif beats == 6:
            child.send(signal.SIGTERM)

    await child.watch(heard)
    assert child.code == 0


async def test_a_command_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await Child.start(("/nonexistent/python",), ChildOrders("worker", 0, str(tmp_path), (), 1.0))


def test_a_process_that_is_no_child_says_so() -> None:
    with pytest.raises((ValueError, OSError)):
        read_orders(["worker", "not-a-number"])
