"""The meter: CPU time and memory of a process and its children, from /proc.

Processor time is user + system of all threads, living and ended (`/proc/<pid>/stat`); memory is the resident set
(`VmRSS`). It counts what the processes themselves used, so neighbours on the machine disturb it little.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """One process at one moment. `cpu_s` seconds since its start, `rss_mb` in 10^6 bytes, `command` its arguments."""

    pid: int
    parent: int
    command: str
    cpu_s: float
    rss_mb: float


def read(pid: int) -> Reading | None:
    """One process, or None if it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        status = (folder / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    rss = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    cpu_s = (int(fields[11]) + int(fields[12])) * _TICK_S
    return Reading(pid, int(fields[1]), command, cpu_s, rss * 1024 / 1e6)


def tree(root: int) -> list[Reading]:
    """The process and all its descendants that live now; empty if it is gone."""
    readings = [read(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    alive = [reading for reading in readings if reading is not None]
    found = [reading for reading in alive if reading.pid == root]
    for one in found:  # grows while it is walked: children of children follow
        found.extend(reading for reading in alive if reading.parent == one.pid)
    return found


@dataclass(frozen=True)
class Used:
    """What was used between two readings of a tree: seconds of CPU by the data plane and by what stands beside it."""

    plane_s: float
    beside_s: float
    plane_rss_mb: float


def used(before: Iterable[Reading], after: Iterable[Reading], in_plane: Callable[[Reading], bool]) -> Used:
    """The difference of two trees; `in_plane` tells the processes that carry requests. Its memory is the largest's."""
    then = {reading.pid: reading.cpu_s for reading in before}
    plane, beside, rss = 0.0, 0.0, 0.0
    for reading in after:
        spent = reading.cpu_s - then.get(reading.pid, 0.0)
        if in_plane(reading):
            plane, rss = plane + spent, max(rss, reading.rss_mb)
        else:
            beside += spent
    return Used(plane, beside, rss)
