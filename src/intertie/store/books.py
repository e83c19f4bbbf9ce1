"""The books of some accounts within one transaction: locked, changed in memory, written once.

Whoever changes an account or a lease does it here, so the invariants have one home:

    leased of an account = sum of the outstanding of its leases
    outstanding of a lease = granted - returned - settled, never below zero
    settled + leased <= cap, but for an overshoot: a call that cost more than was lent for it

The account's row lock also guards its leases. Accounts are opened, then locked, in the order of their names and at once
for the whole transaction, so no two transactions wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from intertie.core.principal import Meter
from intertie.store import schema
from intertie.store.upsert import insert_missing, upsert

_PORTION = 5_000


class AccountRow(msgspec.Struct):
    """An account; amounts in the meter's unit."""

    id: str
    meter: str
    kind: str
    cap: int
    settled: int = 0
    leased: int = 0

    @property
    def available(self) -> int:
        """What may still be lent; below zero after an overshoot or where the cap was lowered."""
        return self.cap - self.settled - self.leased


class LeaseRow(msgspec.Struct):
    """What a worker borrowed of an account. `ends` (epoch seconds) is set where its worker is dead: units of a rate
    limit are kept back until then."""

    worker: str
    account: str
    host: str
    granted: int = 0
    returned: int = 0
    settled: int = 0
    ends: float | None = None

    @property
    def outstanding(self) -> int:
        """What the worker may still have."""
        return self.granted - self.returned - self.settled


class Books:
    """Some accounts and all their leases, locked by this transaction. `host` is written on new leases."""

    def __init__(self, connection: AsyncConnection, host: str) -> None:
        self._connection, self._host = connection, host
        self.accounts: dict[str, AccountRow] = {}
        self.leases: dict[tuple[str, str], LeaseRow] = {}
        self._changed: set[str] = set()
        self._changed_leases: set[tuple[str, str]] = set()

    async def lock(self, accounts: Mapping[str, Meter | None]) -> None:
        """Lock and read accounts, each with its meter if that is known; unknown accounts are opened. Once only.

        An account whose meter is unknown is opened with a cap of 0, so nothing can be lent of it.
        """
        await self._open_missing(accounts)
        await self._read(accounts)
        for account, meter in accounts.items():
            row = self.accounts[account]
            if meter is not None and (meter.id, meter.kind, meter.cap) != (row.meter, row.kind, row.cap):
                row.meter, row.kind, row.cap = meter.id, meter.kind, meter.cap
                self._changed.add(account)
        await self._read_leases(accounts)

    def lease(self, worker: str, account: str) -> LeaseRow:
        """The lease, which is empty if the worker never borrowed."""
        key = (worker, account)
        if key not in self.leases:
            self.leases[key] = LeaseRow(worker, account, self._host)
        return self.leases[key]

    def leases_on(self, account: str) -> list[LeaseRow]:
        """The leases on an account of which something is outstanding."""
        return [row for row in self.leases.values() if row.account == account and row.outstanding > 0]

    def grant(self, worker: str, account: str, amount: int) -> None:
        """Lend more. The caller has looked at what is available."""
        self._change(worker, account).granted += amount
        self.accounts[account].leased += amount

    def give_back(self, worker: str, account: str, returned: int) -> int:
        """The worker has returned so much in all; the larger figure holds. What is new of it."""
        row = self.lease(worker, account)
        amount = max(0, min(returned - row.returned, row.outstanding))
        if amount:
            self._change(worker, account).returned += amount
            self.accounts[account].leased -= amount
        return amount

    def settle(self, worker: str, account: str, cost: int) -> None:
        """A call was settled. What it cost beyond what was lent counts as lent after the fact: an overshoot."""
        row = self._change(worker, account)
        overshoot = max(0, cost - row.outstanding)
        row.granted += overshoot
        row.settled += cost
        self.accounts[account].leased += overshoot - cost
        self.accounts[account].settled += cost

    def take_back(self, worker: str, account: str) -> int:
        """All that is outstanding counts as returned: its worker is dead. Returns the amount."""
        row = self._change(worker, account)
        amount = row.outstanding
        row.returned += amount
        self.accounts[account].leased -= amount
        return amount

    def keep_until(self, worker: str, account: str, ends: float) -> None:
        """Nothing more of this lease will be used, but its units come back only at `ends` (epoch seconds)."""
        self._change(worker, account).ends = ends

    async def write(self) -> None:
        """Write what was changed."""
        if self._changed:
            accounts = [msgspec.structs.asdict(self.accounts[account]) for account in sorted(self._changed)]
            await upsert(self._connection, schema.account, accounts, ("id",))
        if self._changed_leases:
            leases = [msgspec.structs.asdict(self.leases[key]) for key in sorted(self._changed_leases)]
            await upsert(self._connection, schema.lease, leases, ("worker", "account"))

    def _change(self, worker: str, account: str) -> LeaseRow:
        row = self.lease(worker, account)
        self._changed.add(account)
        self._changed_leases.add((worker, account))
        return row

    async def _open_missing(self, accounts: Mapping[str, Meter | None]) -> None:
        table = schema.account
        for some in _in_order(accounts):
            known = set((await self._connection.execute(select(table.c.id).where(table.c.id.in_(some)))).scalars())
            rows = [msgspec.structs.asdict(_opened(name, accounts[name])) for name in some if name not in known]
            if rows:
                await insert_missing(self._connection, table, rows, ("id",))

    async def _read(self, accounts: Iterable[str]) -> None:
        table = schema.account
        columns = (table.c.id, table.c.meter, table.c.kind, table.c.cap, table.c.settled, table.c.leased)
        for some in _in_order(accounts):
            query = select(*columns).where(table.c.id.in_(some)).order_by(table.c.id).with_for_update()
            rows = [AccountRow(*row) for row in await self._connection.execute(query)]
            self.accounts.update((row.id, row) for row in rows)

    async def _read_leases(self, accounts: Iterable[str]) -> None:
        table = schema.lease
        for some in _in_order(accounts):
            for row in await lease_rows(self._connection, select(table).where(table.c.account.in_(some))):
                self.leases[row.worker, row.account] = row


async def leases_of(connection: AsyncConnection, worker: str) -> Sequence[LeaseRow]:
    """The leases of a worker."""
    return await lease_rows(connection, select(schema.lease).where(schema.lease.c.worker == worker))


async def lease_rows(connection: AsyncConnection, query: Select[*tuple[object, ...]]) -> Sequence[LeaseRow]:
    """The leases that a query over the whole lease table finds."""
    return [LeaseRow(**row) for row in (await connection.execute(query)).mappings()]


def _in_order(accounts: Iterable[str]) -> Iterator[list[str]]:
    """The names, sorted, in portions that fit into one query."""
    names = sorted(accounts)
    return (names[at : at + _PORTION] for at in range(0, len(names), _PORTION))


def _opened(account: str, meter: Meter | None) -> AccountRow:
    return AccountRow(account, meter.id, meter.kind, meter.cap) if meter else AccountRow(account, account, "usd", 0)
