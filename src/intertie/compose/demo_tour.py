"""The demo's tour: one question through the public door with three objectives, and what the ledger says of each."""

import asyncio
import ssl
from collections.abc import Callable

import msgspec

from intertie.compose.demo import Demo
from intertie.core.faults import GatewayFault
from intertie.core.ids import parse_request_id
from intertie.core.money import show_usd
from intertie.store.database import Database
from intertie.store.reports import RequestRow, request
from intertie.wire.dial import Dialer
from intertie.wire.egress import EgressPolicy
from intertie.wire.fetch import fetch
from intertie.wire.relay import Answer
from intertie.wire.tls import ResumingContext

OBJECTIVES = ("interactive", "economy", "green")
QUESTION = "Summarise this week's incident reports in five lines."

_BOOKED_S = 5.0
_LOOK_S = 0.02


class Told(msgspec.Struct):
    """One request of the demo: what was wanted, where it ran, why, what it cost. Figures are the ledger's.

    `ttft_ms` from sending it to an endpoint to the first token; `gco2` in grams, None where it is not known.
    """

    objective: str
    model: str
    site: str
    endpoint: str
    ttft_ms: float
    cost_usd: str
    gco2: float | None
    reasons: list[str]
    request_id: str
    simulated: bool = True


class _Judged(msgspec.Struct):
    endpoint: str
    gco2: float | None


class _Explained(msgspec.Struct):
    """The parts of `x-intertie-explain` that the demo tells."""

    reasons: list[str]
    candidates: list[_Judged]


async def ask_all(demo: Demo, told: Callable[[Told], None]) -> None:
    """Ask the question with each objective; each is told as soon as it is in the ledger. Raises a Fault."""
    dialer = Dialer(EgressPolicy(True), tls=ResumingContext(ssl.PROTOCOL_TLS_CLIENT))
    database = Database(demo.database_url)
    body = msgspec.json.encode(
        {"model": "chat", "stream": True, "max_tokens": 60, "messages": [{"role": "user", "content": QUESTION}]}
    )
    for objective in OBJECTIVES:
        headers = {
            "authorization": f"Bearer {demo.key}", "content-type": "application/json",
            "x-intertie-objective": objective, "x-intertie-explain": "1",
        }  # fmt: skip
        answer = await fetch(dialer, "POST", f"{demo.base_url}/chat/completions", headers, body)
        if answer.status != 200:
            raise GatewayFault(f"the gateway answered {answer.status}: {answer.body.decode(errors='replace')}")
        told(_told(objective, answer, await _booked(database, answer.headers[b"x-request-id"].decode())))
    await database.close()


def _told(objective: str, answer: Answer, row: RequestRow) -> Told:
    explained = msgspec.json.decode(answer.headers[b"x-intertie-explain"], type=_Explained)
    footprint_known = any(one.endpoint == row.endpoint and one.gco2 is not None for one in explained.candidates)
    return Told(
        objective=objective,
        model=answer.headers[b"x-intertie-model"].decode(),
        site=row.site,
        endpoint=row.endpoint,
        ttft_ms=round(row.ttft_s * 1_000, 1),
        cost_usd=show_usd(row.cost_nano or 0),
        gco2=row.gco2 if footprint_known else None,
        reasons=explained.reasons,
        request_id=answer.headers[b"x-request-id"].decode(),
    )


async def _booked(database: Database, request_id: str) -> RequestRow:
    """The request's row in the ledger, where it arrives some hundredths of a second after its answer."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _BOOKED_S
    while loop.time() < until:
        async with database.read() as connection:
            row = await request(connection, *parse_request_id(request_id))
        if row is not None and row.outcome:
            return row
        await asyncio.sleep(_LOOK_S)
    raise GatewayFault(f"{request_id} was answered and is not in the ledger after {_BOOKED_S:g} s")
