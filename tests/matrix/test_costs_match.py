"""Two thousand calls of every kind, and what each cost: to the nano-dollar what the engine's own journal comes to.

A caller who leaves, and an endpoint that breaks off, are settled by the gateway's estimate, for no figure arrives: the
tokens of the prompt as the gateway counts them, and one for each piece that was passed on (`gateway.settle.used`).
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import msgspec
from matrix_cases import CLOCK, PLACE, WEATHER
from matrix_words import Ask, Broken, Client, Past, Refused
from matrix_world import KEY, PRICE, UPSTREAMS, MatrixWorld, eventually
from speaks_anthropic import SpeaksAnthropic
from speaks_chat import SpeaksChat
from speaks_gemini import SpeaksGemini
from speaks_responses import SpeaksResponses

from intertie.sim.engine.journal import Entry
from recordings import png

SEED, CALLS, AT_ONCE = 20_261_121, 2_000, 24
LEAVING = {"text": "Go on. {{sim tokens=60000}}", "limit": 64_000, "stream": True}
NANO = Decimal(1_000_000_000)
COUNTS_NO_THOUGHTS = "/model/"
"""Bedrock bills thoughts as output, and does not tell how many they were."""
FLEXIBLE = {"openai_chat", "openai_responses", "gemini"}


class Draw(NamedTuple):
    """One call to be made: by whom, and what."""

    client: Client
    asked: Ask
    kind: str


class Drawer:
    """Draws calls; what is long is drawn from few, so that it is found in the cache."""

    def __init__(self, clients: list[Client], lots: random.Random) -> None:
        self._clients, self._lots = clients, lots
        self._kinds: dict[str, tuple[int, Callable[[Client, str], dict[str, Any]]]] = {
            "plain": (20, lambda client, upstream: {}),
            "cached": (15, lambda client, upstream: {"text": self._long()}),
            "marked": (6, self._marked),
            "tools": (12, lambda client, upstream: {"tools": (WEATHER, CLOCK), "text": self._tools()}),
            "loop": (8, lambda client, upstream: {"tools": (WEATHER, CLOCK), "text": self._tools()}),
            "images": (5, lambda client, upstream: {"images": (png(8, 8),) * self._lots.randint(1, 3)}),
            "structured": (6, lambda client, upstream: {"schema": self._lots.choice([PLACE])}),
            "thinks": (8, lambda client, upstream: {"thinks": True}),
            "flex": (5, self._flex),
            "short": (5, lambda client, upstream: {"limit": 16}),
            "leaves": (
                7,
                lambda client, upstream: {"text": "Go on. {{sim tokens=60000}}", "limit": 64_000, "stream": True},
            ),
            "breaks": (3, lambda client, upstream: {"text": self._fault(), "stream": self._lots.random() < 0.7}),
        }

    def draw(self) -> Draw:
        client, upstream = self._lots.choice(self._clients), self._lots.choice(list(UPSTREAMS))
        kind = self._lots.choices(list(self._kinds), [weight for weight, _ in self._kinds.values()])[0]
        plain = {"text": self._words(), "stream": self._lots.random() < 0.5}
        return Draw(client, Ask(upstream, **plain | self._kinds[kind][1](client, upstream)), kind)

    def _words(self) -> str:
        return f"Question {self._lots.randrange(10**9)}. {{{{sim tokens={self._lots.randint(1, 40)}}}}}"

    def _long(self) -> str:
        return f"{'word ' * (200 + 40 * self._lots.randrange(5))} {self._words()}"

    def _tools(self) -> str:
        return f"{self._lots.randrange(99)}: {self._lots.choice(['get_weather', 'get_weather and get_time'])}"

    def _fault(self) -> str:
        fault = self._lots.choice(["status:500", "cut:5", "malformed:5", "html", "error_in_200", "no_done"])
        return f"{{{{sim fault={fault} tokens=30}}}}"

    def _marked(self, client: Client, upstream: str) -> dict[str, Any]:
        """Only Anthropic's callers mark what is to be kept; some for an hour."""
        if client.dialect != "anthropic_messages":
            return {"text": self._long()}
        mark = {"type": "ephemeral", "ttl": self._lots.choice(["5m", "1h"])}
        text = "word " * (300 + 32 * self._lots.randrange(12))
        return {"more": {"system": [{"type": "text", "text": text, "cache_control": mark}]}}

    def _flex(self, client: Client, upstream: str) -> dict[str, Any]:
        """A cheaper tier, where the caller has a word for it and the endpoint has one."""
        if client.dialect not in FLEXIBLE or upstream == "anthropic_messages":
            return {}
        return {"more": {"serviceTier": "flex"} if client.dialect == "gemini" else {"service_tier": "flex"}}


async def call(drawn: Draw) -> None:
    """Make a call, whatever comes of it."""
    client, asked = drawn.client, drawn.asked
    if drawn.kind == "leaves":
        pieces = client.pieces(asked)
        for _ in range(1 + len(asked.model)):
            await anext(pieces)
        await pieces.aclose()
        return
    try:
        told = await client.ask(asked)
        if drawn.kind == "loop" and told.calls:
            await client.ask(asked, Past(asked, told, ["result"] * len(told.calls)))
    except (Refused, Broken):
        assert drawn.kind == "breaks", drawn


def priced(entry: Entry) -> int:
    """What a line of the engine's journal costs, in nano-dollars: rounded once, half up."""
    rate = {name: Decimal(PRICE[name]) for name in ("input", "output", "cached", "written", "written_1h", "reasoning")}
    fresh = entry.prompt_tokens - entry.cached_tokens - entry.written_tokens - entry.written_1h_tokens
    thoughts = 0 if entry.path.startswith(COUNTS_NO_THOUGHTS) else entry.reasoning_tokens
    dollars = (
        fresh * rate["input"]
        + entry.cached_tokens * rate["cached"]
        + entry.written_tokens * rate["written"]
        + entry.written_1h_tokens * rate["written_1h"]
        + (entry.completion_tokens - thoughts) * rate["output"]
        + thoughts * rate["reasoning"]
    )
    factor = Decimal(PRICE["tiers"]["flex"]["factor"]) if entry.tier == "flex" else Decimal(1)
    nano = (dollars * factor * NANO / 1_000_000).quantize(Decimal(1), ROUND_HALF_UP)
    return int(nano) + int(Decimal(PRICE["per_request"]) * NANO)


def estimated(row: dict[str, Any]) -> int:
    """What the gateway's own estimate comes to."""
    plain = Entry("", 0, prompt_tokens=row["prompt"], completion_tokens=row["completion"])
    return priced(plain)


async def made(clients: list[Client], lots: random.Random) -> None:
    drawer, gate = Drawer(clients, lots), asyncio.Semaphore(AT_ONCE)

    async def one(drawn: Draw) -> None:
        async with gate:
            await call(drawn)

    await asyncio.gather(*(one(drawer.draw()) for _ in range(CALLS)))


async def test_every_call_costs_what_the_engine_counted(
    world: MatrixWorld,
) -> None:
    before = set(world.ledger())
    kinds: list[Callable[[str, str], Client]] = [SpeaksChat, SpeaksResponses, SpeaksAnthropic, SpeaksGemini]
    clients = [kind(world.url, KEY) for kind in kinds]
    await made(clients, random.Random(SEED))
    for client in clients:
        await client.close()
    rows = eventually(lambda: _all_closed(world, before), 20)
    totals: Counter[str] = Counter()
    for request, row in rows.items():
        entry = world.entries()[request]
        _check(row, entry)
        totals[row["outcome"]] += 1
        if row["outcome"] == "served":
            totals["nano"] += row["cost_nano"] - priced(entry)
    sys.stdout.write(f"seed {SEED}: {dict(totals)}\n")
    assert len(rows) >= CALLS and totals["served"] > CALLS * 8 // 10 and totals["nano"] == 0
    assert totals["left"] and totals["failed"] and totals["cut"]
    paid, costs = world.settled()
    assert paid == costs


def _check(row: dict[str, Any], entry: Entry) -> None:
    """What was served is billed as the endpoint counted, what failed before it began costs nothing. Of the rest the
    endpoint's last word is billed, or the estimate where it told nothing, and never more than was made.
    """
    said = (row["outcome"], row["cost_nano"], row["prompt"], row["completion"], entry)
    if row["estimated"]:
        assert row["outcome"] in ("left", "cut", "failed") and row["cost_nano"] == estimated(row), said
    elif row["outcome"] == "failed":
        assert row["cost_nano"] == 0, said
    elif row["outcome"] in ("left", "cut"):
        so_far = msgspec.structs.replace(entry, completion_tokens=row["completion"])
        assert row["cost_nano"] == priced(so_far), said
    else:
        assert row["cost_nano"] == priced(entry), said
    assert row["completion"] <= entry.completion_tokens + 1, said
    assert row["outcome"] != "left" or row["completion"] >= len(row["model"]), said  # so many pieces were read


def _all_closed(world: MatrixWorld, before: set[str]) -> dict[str, dict[str, Any]] | None:
    """The rows that are new, once those of all calls are closed that the engine knows of."""
    rows = world.ledger()
    if len(rows) < len(before) + CALLS or not set(world.entries()) <= set(rows):
        return None
    return {request: row for request, row in rows.items() if request not in before}
