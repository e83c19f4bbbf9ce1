"""Checking the books against themselves: the ledger, its charges, the accounts and the leases, as of one moment."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.ids import request_id
from intertie.store import schema

_OLD_S = 3_600.0
_SHOWN = 100


class Finding(msgspec.Struct, frozen=True):
    """Something about the books. `wrong` tells a contradiction from what is merely worth knowing."""

    kind: str
    subject: str
    message: str
    wrong: bool = True


class Verdict(msgspec.Struct, frozen=True):
    """What a check found, and how much it looked at. `open_requests` were admitted and not settled yet."""

    findings: tuple[Finding, ...]
    accounts: int
    requests: int
    open_requests: int

    @property
    def sound(self) -> bool:
        """Whether nothing contradicts."""
        return not any(finding.wrong for finding in self.findings)


async def verify(connection: AsyncConnection, now: float) -> Verdict:
    """Check all books; `now` (epoch seconds) dates the open requests."""
    ledger = schema.ledger
    counts = select(func.count(), func.count().filter(ledger.c.closed_at.is_(None))).select_from(ledger)
    requests, unsettled = (await connection.execute(counts)).one()
    accounts = (await connection.execute(select(func.count()).select_from(schema.account))).scalar_one()
    checks = (_settled(connection), _leased(connection), _overshot(connection), _charges(connection))
    findings = [finding for check in checks async for finding in check]
    findings += [finding async for finding in _open(connection, now)]
    findings += [finding async for finding in _stopped(connection)]
    return Verdict(tuple(findings), accounts, requests, unsettled)


async def _settled(connection: AsyncConnection) -> AsyncIterator[Finding]:
    account, charge = schema.account, schema.charge
    paid = select(charge.c.account, func.sum(charge.c.amount).label("paid")).group_by(charge.c.account).subquery()
    total = func.coalesce(paid.c.paid, 0)
    query = select(account.c.id, account.c.settled, total).outerjoin(paid, paid.c.account == account.c.id)
    async for name, settled, charged in _rows(connection, query.where(account.c.settled != total)):
        yield Finding("settled", name, f"{settled} are settled, but its closed requests paid {charged}")
    orphans = select(charge.c.account).outerjoin(account, account.c.id == charge.c.account).distinct()
    async for (name,) in _rows(connection, orphans.where(account.c.id.is_(None), charge.c.amount > 0)):
        yield Finding("settled", name, "requests paid from it, but there is no such account")


async def _leased(connection: AsyncConnection) -> AsyncIterator[Finding]:
    account, lease = schema.account, schema.lease
    outstanding = func.sum(lease.c.granted - lease.c.returned - lease.c.settled).label("out")
    lent = select(lease.c.account, outstanding).group_by(lease.c.account).subquery()
    total = func.coalesce(lent.c.out, 0)
    query = select(account.c.id, account.c.leased, total).outerjoin(lent, lent.c.account == account.c.id)
    async for name, leased, out in _rows(connection, query.where(account.c.leased != total)):
        yield Finding("leased", name, f"{leased} are lent by its own figure, {out} by its leases")


async def _overshot(connection: AsyncConnection) -> AsyncIterator[Finding]:
    account = schema.account
    beyond = account.c.settled + account.c.leased - account.c.cap
    async for name, amount in _rows(connection, select(account.c.id, beyond).where(beyond > 0)):
        message = f"{amount} beyond its cap: a call cost more than its hold, or the cap was lowered"
        yield Finding("overshoot", name, message, wrong=False)


async def _charges(connection: AsyncConnection) -> AsyncIterator[Finding]:
    ledger, charge = schema.ledger, schema.charge
    same = and_(ledger.c.worker == charge.c.worker, ledger.c.sequence == charge.c.sequence)
    query = select(charge.c.worker, charge.c.sequence, charge.c.account).outerjoin(ledger, same)
    closed, unpaid = ledger.c.closed_at.is_not(None), charge.c.amount.is_(None)
    odd = or_(ledger.c.worker.is_(None), and_(closed, unpaid), and_(~closed, ~unpaid))
    async for worker, sequence, account in _rows(connection, query.where(odd)):
        message = f"its charge on {account} and its ledger row disagree on whether it is over"
        yield Finding("charge", request_id(worker, sequence), message)


async def _open(connection: AsyncConnection, now: float) -> AsyncIterator[Finding]:
    ledger = schema.ledger
    query = select(ledger.c.worker, ledger.c.sequence, ledger.c.at).where(ledger.c.closed_at.is_(None))
    async for worker, sequence, at in _rows(connection, query.order_by(ledger.c.at)):
        age = f"admitted {now - at:.0f} s ago and not settled"
        yield Finding("open", request_id(worker, sequence), age, wrong=now - at > _OLD_S)


async def _stopped(connection: AsyncConnection) -> AsyncIterator[Finding]:
    table = schema.journal_position
    async for worker, fault in _rows(connection, select(table.c.worker, table.c.fault).where(table.c.fault != "")):
        yield Finding("journal", worker, fault)


async def _rows(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> AsyncIterator[tuple[Any, ...]]:
    for row in await connection.execute(query.limit(_SHOWN)):
        yield tuple(row)
