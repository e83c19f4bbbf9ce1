"""A working directory with a configuration and books, and verbs run in it as the command line runs them."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from intertie.cli.main import run
from intertie.core.plan import Candidate, Dropped, Plan, Weights
from intertie.core.record import Admitted, Charge, JournalRow, Outcome, Settled
from intertie.core.usage import Usage
from intertie.store.database import Database
from intertie.store.folding import Position, Stretch, fold
from intertie.store.migrate import migrate

CONFIG = """
sites:
- {id: fra, tier: edge, jurisdiction: [EU]}
- {id: iad}
endpoints:
- {id: qwen-fra, site: fra, model: qwen, url: "http://127.0.0.1:9/v1", simulated: true, context: 40k,
   price: {input: 0.1, output: 0.4, cached: 0.01}}
- {id: qwen-iad, site: iad, model: qwen, url: "http://127.0.0.1:9/v1"}
routes:
- {name: chat, candidates: [qwen], objective: interactive}
groups:
- {name: interns, models: [chat], budget: {usd: 10, per: total}, limits: {rpm: 20, concurrent: 4}}
- {name: engineering}
projects:
- {name: search, budget: {usd: 0}}
keys:
- {name: dev, value: a-secret-of-the-file, group: interns}
"""
BUDGET = "budget:group:interns:total@total"

PLAN = Plan(
    order=("qwen-fra", "qwen-iad"),
    objective="interactive",
    weights=Weights(ttft=0.8, cost=0.2),
    candidates=(
        Candidate("qwen-fra", "fra", 80.0, 2_000, 0.02, (0.9, 0.2, 0.0, 1.0, 1.0, 0.5), 0.76),
        Candidate("qwen-iad", "iad", 250.0, 1_000, 0.01, (0.5, 0.9, 0.0, 1.0, 0.5, 0.7), 0.58),
    ),
    dropped=(Dropped(("qwen-sin",), "residency: EU wanted", "residency"),),
)


class Said(NamedTuple):
    """What a verb said: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Stand:
    """See above."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.database_url = f"sqlite:///{folder / 'state' / 'intertie.db'}"
        monkeypatch.chdir(folder)
        self.configure(CONFIG)

    def configure(self, text: str) -> None:
        """Write `intertie.yaml`."""
        (self.folder / "intertie.yaml").write_text(text)

    def run(self, *words: str) -> Said:
        """Run a verb."""
        self._capsys.readouterr()
        code = run(words)
        return Said(code, *self._capsys.readouterr())

    def write(self, *rows: JournalRow) -> None:
        """Make the books and fold rows of a worker into them."""
        asyncio.run(write(self.database_url, rows))


async def write(url: str, rows: Sequence[JournalRow]) -> None:
    """Prepare a database and fold rows of worker w1 into it."""
    database = Database(url)
    await migrate(database)
    async with database.write() as connection:
        await fold(connection, "here", Stretch(rows, Position("w1", 1, len(rows))))
    await database.close()


def admitted(sequence: int, at: float, **changed: Any) -> Admitted:
    """A request of ann's, held against the budget of her group."""
    row = Admitted(sequence, at, "dev", "ann", "interns", "search", "chat", "chat", (Charge(BUDGET, 9_000),))
    return msgspec.structs.replace(row, objective="interactive", **changed)


def settled(sequence: int, at: float, outcome: Outcome = "served", **changed: Any) -> Settled:
    """How it ended."""
    row = Settled(
        sequence, at, outcome, 200, "qwen-fra", "fra", "up", Usage(100, 20, 40), 2_500, "list",
        (Charge(BUDGET, 2_500),), 0.09, 0.5, 0.02, 1, plan=msgspec.msgpack.encode(PLAN),
    )  # fmt: skip
    return msgspec.structs.replace(row, **changed)
