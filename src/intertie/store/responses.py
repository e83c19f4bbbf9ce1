"""Responses that callers come back to: kept for their owner alone, for as long as they may be."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, case, delete, func, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.ids import WorkerId
from intertie.core.keeping import KeptState
from intertie.store import schema
from intertie.store.upsert import insert_missing

MOST_LINKS: Final = 1_001
"""Of a chain no more is read: one more than anybody may build on, so that too long a one is seen to be."""

_table = schema.response
_PORTION: Final = 500


class ResponseRow(msgspec.Struct, frozen=True):
    """A kept response. `worker` makes it in the background, None once it has ended; `expires` in epoch seconds."""

    id: str
    owner: str
    previous: str
    host: str
    expires: float
    body: bytes
    worker: WorkerId | None = None
    state: KeptState = "done"


class Link(msgspec.Struct, frozen=True):
    """One response of a chain. `body` is None where the chain became larger than may be read."""

    state: KeptState
    body: bytes | None


async def keep_response(connection: AsyncConnection, row: ResponseRow) -> None:
    """Keep a response; a second time changes nothing."""
    await insert_missing(connection, _table, [msgspec.structs.asdict(row)], ("id",))


async def end_response(connection: AsyncConnection, owner: str, name: str, body: bytes) -> None:
    """What came of a response that was made in the background. One that was cancelled stays so.

    One that was taken for lost is not, after all.
    """
    mine = (_table.c.id == name, _table.c.owner == owner)
    open_ones = (*mine, _table.c.state.in_(("making", "lost")))
    await connection.execute(update(_table).where(*open_ones).values(state="done", body=body))
    await connection.execute(update(_table).where(*mine).values(worker=None))


async def response_chain(
    connection: AsyncConnection, owner: str, name: str, now: float, most_bytes: int
) -> Sequence[Link]:
    """A response and all that it builds on, oldest first, as far as it is there and no larger than `most_bytes`."""
    size = func.length(_table.c.body)
    first = (
        select(_table.c.id, _table.c.previous, literal(1).label("links"), size.label("size"))
        .where(*_readable(owner, now), _table.c.id == name)
        .cte("chain", recursive=True)
    )
    step = select(_table.c.id, _table.c.previous, first.c.links + 1, first.c.size + size).where(
        *_readable(owner, now), _table.c.id == first.c.previous, first.c.links < MOST_LINKS, first.c.size <= most_bytes
    )
    chain = first.union_all(step)
    body = case((chain.c.size <= most_bytes, _table.c.body), else_=null())
    query = select(_table.c.state, body).join(chain, _table.c.id == chain.c.id).order_by(chain.c.links.desc())
    return [Link(*row) for row in await connection.execute(query)]


async def one_response(connection: AsyncConnection, owner: str, name: str, now: float) -> Sequence[Link]:
    """A response by itself; none if it is not there."""
    query = select(_table.c.state, _table.c.body).where(*_readable(owner, now), _table.c.id == name)
    return [Link(*row) for row in await connection.execute(query)]


async def forget_response(
    connection: AsyncConnection, owner: str, name: str, now: float
) -> tuple[bool, WorkerId | None]:
    """Delete a response: whether it was there, and the worker that makes it, if one does."""
    query = delete(_table).where(*_readable(owner, now), _table.c.id == name)
    row = (await connection.execute(query.returning(_table.c.worker))).first()
    return (False, None) if row is None else (True, row[0])


async def cancel_response(connection: AsyncConnection, owner: str, name: str, now: float) -> WorkerId | None:
    """Mark a response that is still being made as cancelled; the worker that makes it, None if nobody does."""
    being_made = (*_readable(owner, now), _table.c.id == name, _table.c.state == "making")
    query = update(_table).where(*being_made).values(state="cancelled").returning(_table.c.worker)
    return (await connection.execute(query)).scalar()


async def cancelled_elsewhere(connection: AsyncConnection, workers: Collection[WorkerId]) -> list[tuple[WorkerId, str]]:
    """What these workers still make although it was cancelled: worker and response."""
    query = select(_table.c.worker, _table.c.id).where(_table.c.worker.in_(workers), _table.c.state == "cancelled")
    return [(worker, name) for worker, name in await connection.execute(query)]


async def lose_responses(connection: AsyncConnection, *, worker: WorkerId | None = None, host: str = "") -> None:
    """A worker is dead, or a host is taken to be: nothing will come of what was being made there."""
    whose: ColumnElement[bool] = _table.c.worker == worker if worker else _table.c.host == host
    await connection.execute(update(_table).where(whose, _table.c.state == "making").values(state="lost"))


async def expire_responses(connection: AsyncConnection, now: float) -> int:
    """Delete some of those whose time is over; how many."""
    over = select(_table.c.id).where(_table.c.expires <= now).limit(_PORTION)
    return (await connection.execute(delete(_table).where(_table.c.id.in_(over)))).rowcount


def _readable(owner: str, now: float) -> tuple[ColumnElement[bool], ...]:
    return _table.c.owner == owner, _table.c.expires > now
