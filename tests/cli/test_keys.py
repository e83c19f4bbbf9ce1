"""`intertie keys`: shown once, checked against the configuration, taken up by what serves."""

import asyncio
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from stand import CONFIG, Stand

from intertie.config.snapshot import Snapshot
from intertie.control.keys import KeyCabinet
from intertie.control.pepper import pepper_of
from intertie.control.publish import Audience, Inputs, Publisher
from intertie.core.clock import SystemClock
from intertie.core.faults import Fault
from intertie.policy.keys import check_format, digest
from intertie.store.database import Database


def test_the_secret_is_shown_once_and_not_stored(stand: Stand) -> None:
    said = stand.run("keys", "create", "--name", "ci", "--group", "interns", "--user", "ann", "--expires", "2027-01-31")
    assert said.code == 0
    [secret] = [line for line in said.out.splitlines() if line.startswith("itk_")]
    assert check_format(secret)
    assert "the only time it is shown" in said.out
    assert "group interns, user ann, expires 2027-01-31 00:00 UTC" in said.out
    kept = b"".join(path.read_bytes() for path in (stand.folder / "state").iterdir())
    assert secret.encode() not in kept and secret[4:20].encode() not in kept


def test_a_key_as_json(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--project", "search", "--json").told
    assert check_format(key.pop("secret"))
    assert key.pop("id").startswith("key_") and key.pop("created_at")
    assert key == {"name": "ci", "group": "", "user": "", "project": "search", "expires_at": None, "revoked_at": None,
                   "state": "good"}  # fmt: skip


def test_a_span_counts_from_now(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--expires", "2w", "--json").told
    created, expires = (datetime.fromisoformat(key[name]) for name in ("created_at", "expires_at"))
    assert abs(expires - created - timedelta(days=14)) <= timedelta(seconds=2)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--name", "ci", "--group", "intern"), "there is no group 'intern' (did you mean interns?)"),
        (("--name", "ci", "--project", "serch"), "there is no project 'serch' (did you mean search?)"),
        (("--name", "a b"), "--name: expected a name of letters, digits and . _ - / : @ +, found 'a b'"),
        (("--name", ""), "--name: expected a name"),
        (("--name", "ci", "--user", "a b"), "--user: expected a name"),
        (("--name", "ci", "--expires", "soon"), "--expires: expected a span such as 30d, 12h or 2w, or a date"),
        (("--name", "ci", "--expires", "2020-01-01"), "--expires: 2020-01-01 00:00 UTC is over already"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_made(
    stand: Stand, words: tuple[str, ...], complaint: str
) -> None:
    said = stand.run("keys", "create", *words)
    assert said.code == 2
    assert complaint in said.err and said.out == ""
    assert not (stand.folder / "state").exists()


def test_a_project_is_free_where_the_configuration_names_none(stand: Stand) -> None:
    stand.configure("groups: [{name: interns}]\n")
    assert stand.run("keys", "create", "--name", "ci", "--project", "anything").code == 0
    assert "the configuration has none" not in stand.run("keys", "create", "--name", "x", "--group", "inter").err


def test_listed_are_good_expired_and_revoked_keys(stand: Stand) -> None:
    ids = [stand.run("keys", "create", "--name", name, "--json").told["id"] for name in ("one", "two")]
    assert stand.run("keys", "revoke", ids[0]).out.startswith(f"{ids[0]} (one) is revoked since ")
    listed = stand.run("keys", "list", "--json").told["keys"]
    assert [(key["id"], key["state"]) for key in listed] == [(ids[0], "revoked"), (ids[1], "good")]
    assert re.search(rf"{ids[0]} +one .* revoked", stand.run("keys", "list").out)


def test_without_keys_the_list_says_how_to_make_one(stand: Stand) -> None:
    stand.write()
    assert stand.run("keys", "list").out == "There are no stored keys; `intertie keys create --name NAME` makes one.\n"
    assert stand.run("keys", "list", "--json").told == {"keys": []}


def test_revoking_twice_is_no_fault(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--json").told["id"]
    first = stand.run("keys", "revoke", key, "--json")
    again = stand.run("keys", "revoke", key, "--json")
    assert (first.code, again.code) == (0, 0) and first.told == again.told and first.told["state"] == "revoked"


def test_an_unknown_key_is_told_with_the_nearest_or_by_its_name(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--json").told["id"]
    said = stand.run("keys", "revoke", "ci")
    assert said.code == 2 and f"a key is revoked by its id; 'ci' is the name of {key}" in said.err
    assert f"did you mean {key}?" in stand.run("keys", "revoke", key[:-1] + "?").err


def test_a_key_can_be_revoked_while_the_configuration_is_broken(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--json").told["id"]
    stand.configure("nonsense: [\n")
    assert stand.run("keys", "revoke", key).code == 1
    assert stand.run("keys", "revoke", key, "--database", stand.database_url).code == 0


def test_listing_makes_no_books_where_there_are_none(stand: Stand) -> None:
    said = stand.run("keys", "list", "--state", "elsewhere")
    assert said.code == 3
    assert "there are no books at sqlite:///elsewhere/intertie.db (`intertie serve` makes them;" in said.err
    assert not (stand.folder / "elsewhere").exists()


async def test_a_key_made_on_the_command_line_is_in_the_next_snapshot(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "intertie.yaml").write_text(CONFIG)
    published: list[Snapshot] = []
    faults: list[Fault] = []
    words = (
        "--database",
        database_url,
        "--config",
        str(tmp_path / "intertie.yaml"),
        "--state",
        str(tmp_path / "state"),
    )
    await command("keys", "create", "--name", "first", *words)  # prepares the database

    state, database = tmp_path / "state", Database(database_url)
    pepper = pepper_of(state, "")
    cabinet = KeyCabinet(database, pepper, SystemClock(), bytes)
    inputs = Inputs(str(state), {"config": str(tmp_path / "intertie.yaml"), "database": database_url})
    publisher = Publisher(inputs, cabinet, SystemClock(), Audience(published.append, faults.append))
    await publisher.start()
    said = await command("keys", "create", "--name", "ci", "--group", "interns", *words)
    secret = next(line for line in said.splitlines() if line.startswith("itk_"))
    assert await publisher.look()
    await database.close()

    principal = published[-1].keys[digest(pepper, secret.encode())]
    assert (principal.name, principal.group, principal.models) == ("ci", "interns", frozenset({"chat"}))
    assert "budget:group:interns:total" in principal.meters
    assert faults == []


async def command(*words: str) -> str:
    """Run the real command."""
    program = Path(sys.executable).with_name("intertie")
    process = await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
