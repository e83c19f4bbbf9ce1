"""What people ask of the books: read-only queries over accounts and the ledger. Amounts are nano-dollars where they are
money, times epoch seconds.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Text, and_, cast, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import KeyedColumnElement

from intertie.core.ids import WorkerId
from intertie.store import schema
from intertie.store.books import AccountRow

By = Literal["group", "user", "key", "project", "model", "endpoint", "site", "day", "objective", "tier"]
BY: tuple[By, ...] = get_args(By)

_PORTION = 5_000
_MORE = ("reasoning", *schema.MORE_USAGE)


class UsageRow(msgspec.Struct, frozen=True):
    """What requests of one name consumed. `under_way` of the requests have not ended yet, `unpriced` ended without a
    known price; the percentiles of the time to first token (nearest rank, seconds) are None where no token came. What
    follows them is counted as in `core.usage.Usage`.
    """

    name: str
    requests: int
    served: int
    under_way: int
    unpriced: int
    prompt: int
    cached: int
    completion: int
    cost_nano: int
    gco2: float
    ttft_p50_s: float | None = None
    ttft_p90_s: float | None = None
    reasoning: int = 0
    written: int = 0
    written_1h: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0
    images: int = 0
    audio_ms: int = 0
    characters: int = 0
    pages: int = 0
    searches: int = 0


class RequestRow(msgspec.Struct, frozen=True):
    """One request as the ledger knows it. `outcome` is empty while it is under way, `key_name` if its key is not stored
    in the database."""

    worker: WorkerId
    sequence: int
    at: float
    key_id: str
    user_name: str
    group_name: str
    project: str
    operation: str
    model: str
    objective: str
    outcome: str
    status: int
    endpoint: str
    site: str
    upstream_model: str
    prompt: int
    completion: int
    cached: int
    reasoning: int
    estimated: bool
    cost_nano: int | None
    price_source: str
    ttft_s: float
    duration_s: float
    gco2: float
    attempts: int
    fault: str
    stream: bool
    plan: bytes | None
    written: int
    written_1h: int
    audio_in: int
    audio_out: int
    image_in: int
    image_out: int
    images: int
    audio_ms: int
    characters: int
    pages: int
    searches: int
    tier: str
    key_name: str


async def has_books(connection: AsyncConnection) -> bool:
    """Whether this database was ever prepared for the books."""
    return await connection.run_sync(_has_ledger)


async def accounts(connection: AsyncConnection, names: Collection[str]) -> Sequence[AccountRow]:
    """Those of the named accounts that exist; amounts in their meters' units."""
    table, ordered, found = schema.account, sorted(names), list[AccountRow]()
    columns = (table.c.id, table.c.meter, table.c.kind, table.c.cap, table.c.settled, table.c.leased)
    for at in range(0, len(ordered), _PORTION):
        query = select(*columns).where(table.c.id.in_(ordered[at : at + _PORTION]))
        found += [AccountRow(*row) for row in await connection.execute(query)]
    return found


async def request(connection: AsyncConnection, worker: WorkerId, sequence: int) -> RequestRow | None:
    """One request, or None if the ledger does not have it (yet)."""
    table, key = schema.ledger, schema.api_key
    *columns, _ = RequestRow.__struct_fields__
    query = (
        select(
            *(_count(name) if name in schema.MORE_USAGE else table.c[name] for name in columns),
            func.coalesce(key.c.name, ""),
        )
        .outerjoin_from(table, key, key.c.id == table.c.key_id)
        .where(table.c.worker == worker, table.c.sequence == sequence)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else RequestRow(*row)


async def usage(connection: AsyncConnection, by: By, since: float, until: float) -> Sequence[UsageRow]:
    """What requests admitted in [since, until) consumed, the dearest name first (days in their order)."""
    table = schema.ledger
    name = _named(connection, by).label("name")
    within = and_(table.c.at >= since, table.c.at < until)
    closed = table.c.closed_at.is_not(None)
    cost = _total(_count("cost_nano"))
    query = (
        select(
            name,
            func.count(),
            func.count().filter(table.c.outcome == "served"),
            func.count().filter(~closed),
            func.count().filter(closed, table.c.cost_nano.is_(None)),
            _total(table.c.prompt),
            _total(table.c.cached),
            _total(table.c.completion),
            cost,
            func.sum(table.c.gco2),
            *(_total(_count(name)) for name in _MORE),
        )
        .where(within)
        .group_by(name)
        .order_by(*((name,) if by == "day" else (cost.desc(), name)))
    )
    waited = await _first_tokens(connection, name, within)
    return [_usage_row(tuple(row), waited) for row in await connection.execute(query)]


def _usage_row(row: tuple[Any, ...], waited: Mapping[str, Mapping[str, float]]) -> UsageRow:
    plain, more = row[: -len(_MORE)], dict(zip(_MORE, row[-len(_MORE) :], strict=True))
    return UsageRow(*plain, **more, **waited.get(row[0], {}))


async def _first_tokens(
    connection: AsyncConnection, name: KeyedColumnElement[str], within: ColumnElement[bool]
) -> dict[str, dict[str, float]]:
    """Median and 90th percentile of the time to first token, by name: of n in order, the ⌈n · share⌉th."""
    table = schema.ledger
    rank = func.row_number().over(partition_by=name, order_by=table.c.ttft_s).label("rank")
    count = func.count().over(partition_by=name).label("count")
    ranked = select(name, table.c.ttft_s, rank, count).where(within, table.c.ttft_s > 0).subquery()
    p50, p90 = (
        func.min(ranked.c.ttft_s).filter(ranked.c.rank * 100 >= ranked.c.count * percent) for percent in (50, 90)
    )
    query = select(ranked.c.name, p50, p90).group_by(ranked.c.name)
    return {row[0]: {"ttft_p50_s": row[1], "ttft_p90_s": row[2]} for row in await connection.execute(query)}


def _named(connection: AsyncConnection, by: By) -> ColumnElement[str]:
    """The column that a report is by; days are those of UTC."""
    table = schema.ledger
    if by != "day":
        return table.c[{"group": "group_name", "user": "user_name", "key": "key_id"}.get(by, by)]
    if connection.dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", func.to_timestamp(table.c.at)), "YYYY-MM-DD", type_=Text)
    return func.date(table.c.at, "unixepoch", type_=Text)


def _count(name: str) -> ColumnElement[int]:
    """A column of the ledger that is null where there is nothing."""
    return func.coalesce(schema.ledger.c[name], 0)


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.sum(column), BigInteger)  # else PostgreSQL's sum of large numbers is a decimal


def _has_ledger(connection: Connection) -> bool:
    return inspect(connection).has_table(schema.ledger.name)
