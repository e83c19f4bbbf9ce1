"""Keys are shown once, stored as digests, and every change can be noticed."""

import random

import pytest

from intertie.control.keys import KeyCabinet
from intertie.core.clock import HandClock
from intertie.core.faults import NotFound
from intertie.core.principal import StoredKey
from intertie.policy.keys import check_format, digest
from intertie.store.database import Database


@pytest.fixture
def cabinet(database: Database) -> KeyCabinet:
    return KeyCabinet(database, b"pepper", HandClock(), random.Random(1).randbytes)


async def test_a_key_is_stored_by_its_digest_only(cabinet: KeyCabinet) -> None:
    made = await cabinet.create("ci", group="interns", user="ann", project="p", expires=5.0)
    assert check_format(made.secret)
    [stored] = await cabinet.stored_keys()
    assert stored == made.stored == StoredKey(
        made.stored.id, digest(b"pepper", made.secret.encode()), "ci", "interns", "ann", "p", HandClock().wall(), 5.0
    )  # fmt: skip
    assert made.secret[4:20] not in repr(stored) and stored.id.startswith("key_")


async def test_a_key_is_revoked_once_and_for_good(cabinet: KeyCabinet) -> None:
    made = await cabinet.create("ci")
    await cabinet.revoke(made.stored.id)
    [stored] = await cabinet.stored_keys()
    assert stored.revoked == HandClock().wall()
    for name in (made.stored.id, "key_unknown"):
        with pytest.raises(NotFound):
            await cabinet.revoke(name)


async def test_every_change_is_a_new_revision(cabinet: KeyCabinet) -> None:
    revisions = [await cabinet.keys_revision()]
    one = await cabinet.create("one")
    revisions.append(await cabinet.keys_revision())
    await cabinet.create("two")
    revisions.append(await cabinet.keys_revision())
    await cabinet.revoke(one.stored.id)
    revisions.append(await cabinet.keys_revision())
    assert revisions == sorted(set(revisions))
    assert [key.name for key in await cabinet.stored_keys()] == ["one", "two"]
