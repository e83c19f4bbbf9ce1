"""What dies is started again, and who is in the queue does not notice."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from supervised import Connection, Refused, Supervised, ended, eventually, fetch, service, settings

from intertie.compose.listening import Address, listen_alone, listen_shared, port_of
from intertie.core.faults import ConfigFault


async def test_the_whole_is_ready_soon_and_says_where_it_listens(tmp_path: Path) -> None:
    begun = time.monotonic()
    async with Supervised(service(tmp_path)) as running:
        await running.until("ready")
        took = time.monotonic() - begun
        await running.until("child_ready", count=3)
        assert (await fetch(running.health, "/readyz"))[0] == 200
        assert (await fetch(running.data, "/fast"))[0] == 200 and (await fetch(running.control, "/fast"))[0] == 200
        for alias in ("/livez", "/healthz", "/health/liveness", "/health/liveliness", "/health/readiness"):
            assert (await fetch(running.health, alias))[0] == 200
        assert (await fetch(running.health, "/elsewhere"))[0] == 404
        status = await running.status()
        assert [one["name"] for one in status["children"]] == ["control", "worker-0", "worker-1"]
        assert {one["state"] for one in status["children"]} == {"ready"}
    assert took < 5.0  # the target is 1.5 s on a quiet machine; this machine may be anything but quiet


def test_the_supervisor_imports_nothing_heavy() -> None:
    code = "import sys, intertie.compose.supervisor; print(sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not [
        name
        for name in ("sqlalchemy", "yaml", "rich", "numpy", "cyclopts", "prometheus_client")
        if f"'{name}'" in loaded
    ]


async def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        await running.until("child_ready", count=3)
        before = await running.pids("worker")
        os.kill(before[0], signal.SIGKILL)
        died = await running.until("child_died")
        assert died["pid"] == before[0] and died["code"] == -signal.SIGKILL
        await running.until("child_ready", count=4)
        after = await running.pids("worker")
        assert before[1] in after and before[0] not in after
        assert [one["restarts"] for one in (await running.status())["children"] if one["name"] == "worker-0"] == [1]


async def test_connections_in_the_queue_of_a_killed_worker_are_served_by_the_next(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, workers=1)) as running:
        await running.until("ready")
        (pid,) = await running.pids("worker")
        asking: list[asyncio.Future[tuple[int, bytes]]] = []
        for number in range(60):  # 20 a second
            if number == 10:
                os.kill(pid, signal.SIGKILL)
            asking.append(asyncio.ensure_future(fetch(running.data, "/fast")))
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*asking)
    assert [status for status, _ in answers] == [200] * 60
    assert {int(body) for _, body in answers[11:]} != {pid} and int(answers[-1][1]) != pid


async def test_the_control_process_is_repaired_without_touching_the_workers(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        await running.until("child_ready", count=3)
        workers, (control,) = await running.pids("worker"), await running.pids("control")
        os.kill(control, signal.SIGKILL)
        await running.until("child_died")
        status, body = await fetch(running.health, "/readyz")
        assert status == 503 and b'"waiting_for":"control"' in body
        assert (await fetch(running.data, "/fast"))[0] == 200
        await eventually(running.is_ready)
        assert await running.pids("worker") == workers and await running.pids("control") != [control]


async def test_a_worker_that_dies_at_once_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, workers=1, worker_settings=settings(exit_code=3))) as running:
        await running.until("child_died")
        first = time.monotonic()
        await running.until("child_died", count=4)
        assert time.monotonic() - first > 0.1 + 0.2 + 0.4
        assert (await fetch(running.health, "/readyz"))[0] == 503
        assert (await fetch(running.health, "/livez"))[0] == 200


async def test_a_configuration_that_cannot_work_ends_the_start_with_its_own_status(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path, control_settings=settings(exit_code=os.EX_CONFIG))) as running:
        async with asyncio.timeout(10):
            assert await running.process.wait() == os.EX_CONFIG
        assert len(running.named("child_died")) == 1


async def test_children_end_by_themselves_when_the_supervisor_is_killed_and_streams_finish(tmp_path: Path) -> None:
    async with Supervised(service(tmp_path)) as running:
        await running.until("child_ready", count=3)
        children = await running.pids("")
        stream = asyncio.ensure_future(fetch(running.data, "/stream?1.5"))
        await asyncio.sleep(0.3)
        running.send(signal.SIGKILL)
        _, body = await stream
        assert body.endswith(b"data: [DONE]\n\n")
        await ended(children)
        with pytest.raises(Refused):
            await Connection(running.data).get("/fast")


def test_a_taken_port_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigFault, match=r"cannot listen on .*port"):
        listen_alone(Address("127.0.0.1", port_of(taken)))


def test_a_second_gateway_cannot_slip_in_beside_the_first() -> None:
    sockets = listen_shared(Address("127.0.0.1", 0), 3)
    assert len({port_of(one) for one in sockets}) == 1
    with pytest.raises(ConfigFault, match="cannot listen on"):
        listen_shared(Address("127.0.0.1", port_of(sockets[0])), 1)
    for one in sockets:
        one.close()
