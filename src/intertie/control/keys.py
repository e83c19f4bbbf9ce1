"""Keys: made, listed and revoked. The secret is shown once, to whoever makes it, and is never stored."""

from collections.abc import Callable, Sequence

import msgspec

from intertie.core.clock import Clock
from intertie.core.faults import NotFound
from intertie.core.ids import base32
from intertie.core.principal import StoredKey
from intertie.policy.keys import digest, write_key
from intertie.store.database import Database
from intertie.store.stored_keys import add_key, all_keys, current_revision, revoke_key

Entropy = Callable[[int], bytes]
"""So many random bytes, from a source fit for secrets."""


class NewKey(msgspec.Struct, frozen=True):
    """A key just made: the secret, and what is kept of it."""

    secret: str
    stored: StoredKey


class KeyCabinet:
    """The stored keys. All methods raise StoreFault if the database does not answer."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock, entropy: Entropy) -> None:
        self._database, self._pepper, self._clock, self._entropy = database, pepper, clock, entropy

    async def create(
        self, name: str, *, group: str = "", user: str = "", project: str = "", expires: float | None = None
    ) -> NewKey:
        """Make a key; `expires` in epoch seconds."""
        secret = write_key(self._entropy(32))
        stored = StoredKey(
            id=f"key_{base32(int.from_bytes(self._entropy(8)) >> 4, 12)}",
            digest=digest(self._pepper, secret.encode()),
            name=name,
            group=group,
            user=user,
            project=project,
            created=self._clock.wall(),
            expires=expires,
        )
        async with self._database.write() as connection:
            await add_key(connection, stored)
        return NewKey(secret, stored)

    async def revoke(self, key_id: str) -> None:
        """Revoke a key for good; raises NotFound if there is no such key or it was revoked before."""
        async with self._database.write() as connection:
            if not await revoke_key(connection, key_id, self._clock.wall()):
                raise NotFound(f"There is no key {key_id!r} that could be revoked.")

    async def stored_keys(self) -> Sequence[StoredKey]:
        """All keys, revoked ones too, oldest first."""
        async with self._database.read() as connection:
            return await all_keys(connection)

    async def keys_revision(self) -> int:
        """A number that grows whenever a key is made or revoked."""
        async with self._database.read() as connection:
            return await current_revision(connection)
