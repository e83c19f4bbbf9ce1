"""`intertie keys`: make, list and revoke the keys that live in the database.

A gateway that runs on the same database takes a change up within a second.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import uvloop
from cyclopts import Parameter

from intertie.cli.moments import ahead, iso, shown
from intertie.cli.screen import Json, emit, out, show_table
from intertie.cli.stored import Gateway, On, opened, unknown
from intertie.config.fields import nearest
from intertie.config.forms import NAME
from intertie.config.wishes import Document
from intertie.control.keys import KeyCabinet, NewKey
from intertie.control.pepper import pepper_of
from intertie.core.clock import SystemClock
from intertie.core.faults import InvalidRequest, NotFound
from intertie.core.principal import StoredKey
from intertie.store.database import Database
from intertie.store.migrate import migrate

_COLUMNS = ("key", "name", "group", "user", "project", "created", "expires", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A key as it is asked for."""

    name: str
    """What people call it; a budget on `key:NAME` binds it."""
    group: str = ""
    """The group whose models, limits and budgets it shares."""
    user: str = ""
    """The person it belongs to."""
    project: str = ""
    """The project it is for."""
    expires: str = ""
    """When it stops being good: a span such as 30d, or a date such as 2027-01-31 (UTC). Never, if not given."""

    def ends(self, now: float) -> float | None:
        """When it expires (epoch seconds). Raises InvalidRequest."""
        ends = ahead(self.expires, now, "--expires") if self.expires else None
        if ends is not None and ends <= now:
            raise InvalidRequest(f"--expires: {shown(ends)} UTC is over already", param="expires")
        return ends


def create(*, wanted: Annotated[Wanted, Parameter(name="*")], json: Json = False, on: On = None) -> int:
    """Make a key. Its secret is shown once and never stored.

    Parameters
    ----------
    json
        Print one JSON object: `secret` and what is kept of the key.
    """
    settings, document = (on or Gateway()).configured()
    _check_names(document, wanted)
    now = SystemClock.wall()
    ends = wanted.ends(now)
    pepper = pepper_of(Path(settings.state), settings.secret)

    async def make() -> NewKey:
        async with opened(settings, migrate) as database:
            cabinet = KeyCabinet(database, pepper, SystemClock(), os.urandom)
            return await cabinet.create(
                wanted.name, group=wanted.group, user=wanted.user, project=wanted.project, expires=ends
            )

    key = uvloop.run(make())
    if json:
        emit({"secret": key.secret, **_told(key.stored, now)})
    else:
        _show_new(key, settings.database_url)
    return 0


def show(*, json: Json = False, on: On = None) -> int:
    """List the keys in the database, revoked and expired ones too. Keys of the file are not among them.

    Parameters
    ----------
    json
        Print one JSON object: `keys`.
    """
    keys, now = uvloop.run(_all(on or Gateway())), SystemClock.wall()
    if json:
        emit({"keys": [_told(key, now) for key in keys]})
    elif keys:
        show_table("Keys", _COLUMNS, [_row(key, now) for key in keys])
    else:
        out().print("There are no stored keys; `intertie keys create --name NAME` makes one.")
    return 0


def revoke(key_id: str, *, json: Json = False, on: On = None) -> int:
    """Revoke a key for good. A running gateway refuses it within a second.

    Parameters
    ----------
    key_id
        The id that `keys list` shows, as key_0r2k8x….
    json
        Print one JSON object: the key as it is kept.
    """
    key, now = uvloop.run(_revoke(on or Gateway(), key_id)), SystemClock.wall()
    if json:
        emit(_told(key, now))
    else:
        out().print(f"{key.id} ({key.name}) is revoked since {shown(key.revoked)} UTC.", markup=False)
    return 0


async def _all(gateway: Gateway) -> list[StoredKey]:
    async with opened(gateway.settings()) as database:
        return list(await _cabinet(database).stored_keys())


async def _revoke(gateway: Gateway, key_id: str) -> StoredKey:
    async with opened(gateway.settings()) as database:
        cabinet = _cabinet(database)
        before = {key.id: key for key in await cabinet.stored_keys()}
        if key_id not in before:
            raise NotFound(f"there is no key {key_id!r}{_hint(key_id, before.values())}")
        if before[key_id].revoked is None:
            await cabinet.revoke(key_id)
        return next(key for key in await cabinet.stored_keys() if key.id == key_id)


def _cabinet(database: Database) -> KeyCabinet:
    """The cabinet for who makes no keys: the pepper is not needed."""
    return KeyCabinet(database, b"", SystemClock(), os.urandom)


def _hint(asked: str, keys: Collection[StoredKey]) -> str:
    named = [key.id for key in keys if key.name == asked and key.revoked is None]
    if named:
        return f" (a key is revoked by its id; {asked!r} is the name of {', '.join(named)})"
    near = nearest(asked, [key.id for key in keys])
    return f" ({near})" if near else ""


def _check_names(document: Document, wanted: Wanted) -> None:
    """Raises InvalidRequest for what is no name, and for a group or a project that the configuration does not know."""
    for flag, value in (("--name", wanted.name), ("--user", wanted.user), ("--project", wanted.project)):
        try:
            if value or flag == "--name":
                NAME.parse(value)
        except ValueError:
            raise InvalidRequest(f"{flag}: expected {NAME.expected}, found {value!r}", param=flag) from None
    groups = {wish.name for wish in document.groups}
    if wanted.group and wanted.group not in groups:
        raise unknown("--group", wanted.group, groups)
    projects = _projects(document)
    if wanted.project and projects and wanted.project not in projects:
        raise unknown("--project", wanted.project, projects)


def _projects(document: Document) -> set[str]:
    """All projects that the configuration names; where it names none, a project is but a word in reports."""
    owners = [wish.on for wish in (*document.budgets, *document.limits)]
    named = {owner.name for owner in owners if owner.kind == "project"}
    return named | {wish.name for wish in document.projects} | {wish.project for wish in document.keys if wish.project}


def _show_new(key: NewKey, database: str) -> None:
    stored = key.stored
    owner = [f"{what} {name}" for what, name in _owners(stored) if name]
    ends = f"expires {shown(stored.expires)} UTC" if stored.expires else "does not expire"
    place = database.rpartition("@")[2]  # without user and password
    out().print(f"{stored.id}: {', '.join([stored.name, *owner, ends])}\n\n{key.secret}\n", markup=False)
    out().print(
        "[bold]Keep it now: this is the only time it is shown.[/] What is stored cannot be turned back into it."
    )
    out().print(f"Gateways on {place} take it up within a second.", markup=False)


def _owners(key: StoredKey) -> tuple[tuple[str, str], ...]:
    return (("group", key.group), ("user", key.user), ("project", key.project))


def _state(key: StoredKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and key.expires <= now else "good"


def _row(key: StoredKey, now: float) -> tuple[str, ...]:
    owners = [name or "-" for _, name in _owners(key)]
    return (key.id, key.name, *owners, shown(key.created), shown(key.expires), _state(key, now))


def _told(key: StoredKey, now: float) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        **dict(_owners(key)),
        "created_at": iso(key.created),
        "expires_at": iso(key.expires),
        "revoked_at": iso(key.revoked),
        "state": _state(key, now),
    }
