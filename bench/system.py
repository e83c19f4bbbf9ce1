"""What can be measured: a system that stands between callers and the shared upstream.

Each module of `bench.systems` has one `SYSTEM`; this one starts and stops its processes, and only those.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.cpu import Reading, read, tree
from bench.load import PATH, Aim, aim_at

RIVALS = Path(__file__).parent / "rivals"
_STOP_S = 10.0


@dataclass(frozen=True)
class Place:
    """Where a system is started: beside which upstream, in which (own, empty) folder, on which core (None: any)."""

    upstream: str
    folder: Path
    core: int | None = None


@dataclass(frozen=True)
class Launch:
    """How a system is started: arguments, environment beside ours, where it answers, and the headers it wants.

    `in_plane` tells which of its processes carry requests; `ready_path` answers 200 as soon as it serves.
    """

    arguments: list[str]
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    in_plane: Callable[[Reading], bool] = lambda reading: True
    ready_path: str = "/v1/models"
    ready_s: float = 20.0


class System(Protocol):
    """One system. `about` is one line for the docs: how it is configured; `translates` other dialects than OpenAI's."""

    name: str
    about: str
    translates: bool

    def version(self) -> str | None:
        """Its version, or None if it is not installed."""
        ...

    def launch(self, place: Place) -> Launch | None:
        """Write what it needs into the folder and say how to start it; None where nothing is to be started."""
        ...


class NotReady(Exception):
    """A system did not start in time; the message ends with what it said last."""


@dataclass(frozen=True)
class Running:
    """A system that serves. `ready_s` is how long it took; `pid` the root of its processes (None: it has none)."""

    base_url: str
    headers: Mapping[str, str]
    pid: int | None
    in_plane: Callable[[Reading], bool]
    ready_s: float

    def aim(self, body: bytes, path: str = PATH) -> Aim:
        """Aim a chat request at it."""
        return aim_at(self.base_url, dict(self.headers), body, path)

    def tree(self) -> list[Reading]:
        """Its processes now."""
        return tree(self.pid) if self.pid is not None else []


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def first_line(*command: str) -> str | None:
    """The first line a command says, or None if it cannot be run."""
    if shutil.which(command[0]) is None:
        return None
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    return said.stdout.strip().partition("\n")[0]


def pip_version(folder: Path, package: str) -> str | None:
    """The version of a package installed in a virtual environment, or None if it is not there."""
    found = next(folder.glob(f"lib/python*/site-packages/{package}-*.dist-info"), None)
    return None if found is None else found.name.removesuffix(".dist-info").rpartition("-")[2]


def answers(base_url: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def running(system: System, place: Place) -> Generator[Running]:
    """Start a system, wait until it serves, and stop it at the end. Raises NotReady."""
    launch = system.launch(place)
    if launch is None:
        yield Running(place.upstream, {}, None, lambda reading: True, 0.0)
        return
    log = place.folder / "output.log"
    began = time.perf_counter()
    with log.open("wb") as output, _process(launch, place, output.fileno()) as process:
        while not answers(launch.base_url, launch.ready_path, launch.headers):
            if process.poll() is not None or time.perf_counter() - began > launch.ready_s:
                raise NotReady(f"{system.name} did not serve: … {log.read_text(errors='replace')[-800:]}")
            time.sleep(0.01)
        ready_s = time.perf_counter() - began
        yield Running(launch.base_url, launch.headers, process.pid, launch.in_plane, ready_s)


@contextmanager
def _process(launch: Launch, place: Place, output: int) -> Generator[subprocess.Popen[bytes]]:
    pinned = [] if place.core is None else ["taskset", "-c", str(place.core)]
    process = subprocess.Popen(
        [*pinned, "env", *(f"{name}={value}" for name, value in launch.environment.items()), *launch.arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=place.folder,
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here: politely, then not; and whatever of its children is left after it."""
    family = tree(process.pid)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for one in family:
        left = read(one.pid)
        if left is not None and left.command == one.command:
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Stand:
    """The test stand: the shared upstream, and which core is whose (None: nothing is pinned).

    The system under test has `system_core`; the load generator, and while it is busy the upstream, have `load_core`.
    """

    upstream: str
    upstream_pid: int
    system_core: int | None
    load_core: int | None

    @property
    def direct(self) -> Running:
        """The upstream itself, as a system."""
        return Running(self.upstream, {}, None, lambda reading: True, 0.0)

    def place(self, folder: Path) -> Place:
        """Where a system is started on this stand."""
        return Place(self.upstream, folder, self.system_core)

    @contextmanager
    def upstream_beside_system(self) -> Generator[None]:
        """For a while the upstream runs on the system's core.

        With one request at a time nothing runs in parallel, and every path then crosses between cores exactly twice.
        Otherwise the direct path would never cross, and waking a sleeping core twice more (80 µs on a virtual machine,
        twice what nginx itself takes) would count as the system's doing.
        """
        if self.system_core is None or self.load_core is None:
            yield
            return
        os.sched_setaffinity(self.upstream_pid, {self.system_core})
        try:
            yield
        finally:
            os.sched_setaffinity(self.upstream_pid, {self.load_core})


@contextmanager
def stand(interval_ms: float = 10.0) -> Generator[Stand]:
    """Start the shared upstream as a process; where there are two cores, it and this process get the second."""
    cores = sorted(os.sched_getaffinity(0))
    system_core, load_core = cores[:2] if len(cores) > 1 else (None, None)
    if load_core is not None:
        os.sched_setaffinity(0, {load_core})  # inherited by the upstream
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.upstream", "--interval-ms", str(interval_ms)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        yield Stand(url, process.pid, system_core, load_core)
    finally:
        process.stdout.close()
        stop(process)
        os.sched_setaffinity(0, cores)
