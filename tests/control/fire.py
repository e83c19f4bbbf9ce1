"""Fire: processes that are killed and started again at random, and the judgement on what they did."""

import random
import socket
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import msgspec
from fire_rules import METERS, WORKERS
from sqlalchemy import text

from intertie.store.database import Database

HERE = Path(__file__).parent
SLACK_S = 0.05
"""What one process did is known to the others a moment later."""
SWEPT_WITHIN_S = 5.0

TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER no_overspend BEFORE UPDATE ON account WHEN NEW.settled + NEW.leased > NEW.cap "
        "BEGIN SELECT RAISE(ABORT, 'overspent'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION no_overspend() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'overspent'; END$$",
        "CREATE TRIGGER no_overspend BEFORE UPDATE ON account FOR EACH ROW "
        "WHEN (NEW.settled + NEW.leased > NEW.cap) EXECUTE FUNCTION no_overspend()",
    ],
}


class Said(msgspec.Struct):
    """What a worker said it did."""

    event: str
    t: float
    number: int = 0
    needs: dict[str, int] = {}
    cost: int = 0
    since: float = 0.0
    code: str = ""


class Call(msgspec.Struct):
    """One call as its worker told it. `over` is when its worker was killed, if it did not see the end."""

    needs: dict[str, int]
    held: float
    admitted: bool = False
    settling: int | None = None
    settled: float | None = None
    over: float = 0.0


async def forbid_overspending(database: Database) -> None:
    """From now on the database itself refuses any commit by which an account would exceed its cap."""
    async with database.write() as connection:
        for statement in TRIGGERS[database.url.get_backend_name()]:
            await connection.execute(text(statement))


class Fire:
    """The processes, and who is killed when."""

    def __init__(self, state: Path, url: str, seed: int) -> None:
        self.state, self.url, self.lots = state, url, random.Random(seed)
        self.begin = time.monotonic()
        for name in ("journal", "said"):
            (state / name).mkdir()
        self.log = (state / "control.log").open("wb")
        self.errors = (state / "workers.log").open("wb")
        self.killed: dict[int, float] = {}  # by pid: when
        self.control = self.start_control()
        self.workers = [self.start_worker() for _ in range(WORKERS)]

    def start_control(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(HERE / "fire_control.py"), str(self.state), self.url]
        control = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        while not self.control_answers():
            time.sleep(0.02)
        return control

    def control_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.connect(str(self.state / "control.sock"))
            return True
        return False

    def start_worker(self) -> subprocess.Popen[bytes]:
        seed = str(self.lots.getrandbits(32))
        command = [sys.executable, str(HERE / "fire_worker.py"), str(self.state), seed, str(self.begin)]
        return subprocess.Popen(command, stdout=self.errors, stderr=self.errors)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self.killed[process.pid] = time.monotonic()

    def burn(self, kills: int) -> None:
        """Kill and restart so many times."""
        for _ in range(kills):
            time.sleep(self.lots.uniform(0.1, 0.6))
            if self.lots.random() < 0.3:
                self.kill(self.control)
                self.control = self.start_control()
            else:
                slot = self.lots.randrange(WORKERS)
                self.kill(self.workers[slot])
                self.workers[slot] = self.start_worker()

    def rest(self) -> None:
        """Tell the workers to end once their calls are over; the control process goes on."""
        time.sleep(0.5)
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(timeout=30)

    def put_out(self) -> None:
        for process in (self.control, *self.workers):
            process.kill()
            process.wait()
        self.log.close()
        self.errors.close()


class Story:
    """What all workers said, put together."""

    def __init__(self, fire: Fire) -> None:
        self.calls: dict[tuple[str, int], Call] = {}
        self.refusals: list[Said] = []
        self.away = 0
        for path in (fire.state / "said").iterdir():
            lines = [line for line in path.read_bytes().split(b"\n") if line]
            pid = msgspec.json.decode(lines[0])["pid"]
            for line in lines:
                self._hear(path.name, msgspec.json.decode(line, type=Said))
            for (worker, _), call in self.calls.items():
                if worker == path.name and call.settled is None:
                    call.over = fire.killed[pid]

    def _hear(self, worker: str, said: Said) -> None:
        key = (worker, said.number)
        if said.event == "held":
            self.calls[key] = Call(said.needs, said.t)
        elif said.event == "admitted":
            self.calls[key].admitted = True
        elif said.event == "settling":
            self.calls[key].settling = said.cost
        elif said.event == "settled":
            self.calls[key].settled = said.t
        elif said.event == "refused":
            self.refusals.append(said)
        elif said.event == "away":
            self.away += 1

    def contradictions(self, ledger: dict[tuple[str, int], tuple[str, int | None]]) -> list[str]:
        """Where the ledger and the workers' own words differ: rows lost, made up, or with another cost."""
        wrong = [f"{key}: {row}, but no such call" for key, row in ledger.items() if key not in self.calls]
        for key, call in self.calls.items():
            row, hold = ledger.get(key), max(amount for name, amount in call.needs.items() if name != "slots")
            possible: list[object] = [("served", call.settling)] if call.settled else [("interrupted", hold)]
            if not call.settled and call.settling is not None:
                possible.append(("served", call.settling))
            if not call.admitted:
                possible.append(None)
            if row not in possible:
                wrong.append(f"{key}: {row}, not {possible}")
        return wrong

    def false_refusals(self, ledger: dict[tuple[str, int], tuple[str, int | None]]) -> list[str]:
        """Refusals at a time when, in truth, there was room all along."""
        steps = {name: self._steps(name, ledger) for name in METERS}
        wrong: list[str] = []
        for said in self.refusals:
            name = "slots" if said.code == "rate_limit_exceeded" else next(n for n in said.needs if n[:6] == "budget")
            used = most_within(steps[name], said.since - SLACK_S, said.t + SLACK_S)
            if used + said.needs[name] <= METERS[name].cap:
                wrong.append(f"{said}: at most {used} of {METERS[name].cap} were in use")
        return wrong

    def _steps(self, name: str, ledger: dict[tuple[str, int], tuple[str, int | None]]) -> list[tuple[float, int]]:
        steps: list[tuple[float, int]] = []
        for key, call in self.calls.items():
            if name not in call.needs:
                continue
            hold, row = call.needs[name], ledger.get(key)
            paid = 0 if name == "slots" or row is None else row[1] or 0
            # The hold of a call whose worker was killed stays until the sweeper comes; then it is what the ledger says.
            steps += [(call.held, hold), (call.settled or call.over + SWEPT_WITHIN_S, paid - hold)]
        return sorted(steps)


def most_within(steps: list[tuple[float, int]], since: float, until: float) -> int:
    """The most that was in use at any moment of an interval."""
    used = most = 0
    for t, change in steps:
        if t > until:
            break
        if t >= since:
            most = max(most, used)
        used += change
    return max(most, used)


def spent(ledger: dict[tuple[str, int], tuple[str, int | None]], calls: dict[tuple[str, int], Call]) -> dict[str, int]:
    """What was paid from each budget, by the ledger."""
    paid: defaultdict[str, int] = defaultdict(int)
    for key, (_, cost) in ledger.items():
        for name in calls[key].needs:
            if name != "slots":
                paid[name] += cost or 0
    return paid
