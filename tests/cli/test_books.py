"""`intertie budgets`, `usage` and `ledger verify`, over books that were folded from rows."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from stand import BUDGET, Stand, admitted, settled

from intertie.core.clock import SystemClock
from intertie.core.record import Charge
from intertie.core.usage import Usage
from intertie.store import schema
from intertie.store.database import Database
from intertie.store.reports import BY
from postgres import NewUrl


def spend(stand: Stand, dollars: float) -> None:
    """One request of that price, now."""
    now, nano = SystemClock.wall(), int(dollars * 1e9)
    stand.write(admitted(1, now), settled(1, now, cost_nano=nano, charges=(Charge(BUDGET, nano),)))


def test_budgets_tell_what_is_spent_and_left(stand: Stand) -> None:
    spend(stand, 2.500000001)
    [interns, search] = stand.run("budgets", "--json").told["budgets"]
    assert interns == {
        "meter": "budget:group:interns:total", "owner": "group interns", "model": None, "period": "total",
        "account": BUDGET, "cap_usd": "10.00", "settled_usd": "2.500000001", "lent_usd": "0.00",
        "left_usd": "7.499999999", "percent": 25.0, "resets_at": None,
    }  # fmt: skip
    assert (search["owner"], search["cap_usd"], search["percent"]) == ("project search", "0.00", None)
    said = stand.run("budgets")
    [row] = [line for line in said.out.splitlines() if "interns" in line]
    assert row.split() == ["group", "interns", "all", "total", "10.00", "2.500000001", "0.00", "7.499999999",
                           "█████░░░░░░░░░░░░░░░", "25.0", "never"]  # fmt: skip


def test_an_overspent_budget_has_less_than_nothing_left(stand: Stand) -> None:
    spend(stand, 12)
    [interns, _] = stand.run("budgets", "--json").told["budgets"]
    assert (interns["left_usd"], interns["percent"]) == ("-2.00", 120.0)
    assert "████████████████████ 120.0" in " ".join(stand.run("budgets").out.split())


def test_a_budget_tells_when_it_resets_in_its_own_zone(stand: Stand) -> None:
    stand.configure("groups: [{name: g, budget: {usd: 1, per: day, zone: Asia/Tokyo}}]\n")
    stand.write()
    [budget] = stand.run("budgets", "--json").told["budgets"]
    resets = datetime.fromisoformat(budget["resets_at"])
    assert (resets.hour, resets.minute) == (0, 0) and budget["resets_at"].endswith("+09:00")
    assert 0 < resets.timestamp() - SystemClock.wall() <= 86_400
    assert budget["account"] != f"budget:group:g:day@{resets.date()}"
    assert "00:00 Asia/Tokyo" in stand.run("budgets").out


def test_no_budgets_and_no_requests_are_said(stand: Stand) -> None:
    stand.configure("groups: []\n")
    stand.write()
    assert stand.run("budgets").out == "The configuration declares no budgets.\n"
    assert stand.run("usage", "--since", "2026-01-01", "--until", "2026-01-02").out == (
        "No requests from 2026-01-01 00:00 to 2026-01-02 00:00 UTC.\n"
    )


AT = datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()
SPAN = ("--since", "2026-11-01", "--until", "2026-12-01")


def some_requests(stand: Stand) -> None:
    """Two that were served, one without a price, one under way."""
    rows = (settled(1, AT), settled(2, AT, ttft_s=0.21), settled(3, AT, cost_nano=None, charges=(Charge(BUDGET, 0),)))
    stand.write(*(admitted(number, AT) for number in (1, 2, 3, 4)), *rows)


def test_usage_sums_exactly(stand: Stand) -> None:
    some_requests(stand)
    told = stand.run("usage", *SPAN, "--json").told
    assert (told["since"], told["until"], told["by"]) == (
        "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00", "group",
    )  # fmt: skip
    [row] = told["rows"]
    expected = {
        "requests": 4, "served": 3, "under_way": 1, "unpriced": 1, "prompt_tokens": 300, "cached_tokens": 120,
        "completion_tokens": 60, "cost_usd": "0.000005", "gco2": 0.06, "ttft_p50_ms": 90.0, "ttft_p90_ms": 210.0,
    }  # fmt: skip
    unused = dict.fromkeys(told["total"].keys() - expected.keys(), 0)
    assert row == {"group": "interns", **expected, **unused}
    assert told["total"] == expected | unused | {"ttft_p50_ms": None, "ttft_p90_ms": None}
    said = stand.run("usage", *SPAN).out
    assert said.startswith("Requests from 2026-11-01 00:00 to 2026-12-01 00:00 UTC")
    assert "1 of them are under way" in said and "1 of them had no price" in said


def test_usage_has_columns_for_what_was_used_only(stand: Stand) -> None:
    stand.write(*(admitted(number, AT) for number in (1, 2, 3)), settled(1, AT))
    head, plain = stand.run("usage", *SPAN).out.splitlines()[1:3]
    assert "images" not in head and "audio" not in head and len(plain.split()) == 10
    used = Usage(100, 20, 40, written=30, images=2, audio_ms=61_500, tier="flex")
    stand.write(settled(2, AT, usage=used), settled(3, AT, usage=used))
    [row] = stand.run("usage", *SPAN, "--json").told["rows"]
    assert (row["written_tokens"], row["images"], row["audio_s"], row["pages"]) == (60, 4, 123.0, 0)
    said = stand.run("usage", *SPAN).out.splitlines()
    assert [" ".join(said[1].split()), said[2].split()] == [
        "group requests served tokens in cached tokens out written images audio s cost $ g CO2 p50 ms p90 ms",
        ["interns", "3", "3", "300", "120", "60", "60", "4", "123.0", "0.0000075", "0.06", "90.0", "90.0"],
    ]
    by_tier = stand.run("usage", *SPAN, "--by", "tier", "--json").told["rows"]
    assert {row["tier"]: row["requests"] for row in by_tier} == {"": 1, "flex": 2}
    assert "(standard)" in stand.run("usage", *SPAN, "--by", "tier").out


@pytest.mark.parametrize("by", BY)
def test_usage_by_each_of_these(stand: Stand, by: str) -> None:
    some_requests(stand)
    told = stand.run("usage", *SPAN, "--by", by, "--json").told
    assert sum(row["requests"] for row in told["rows"]) == 4
    assert all(by in row for row in told["rows"])


def test_what_has_not_run_anywhere_yet_is_no_place(stand: Stand) -> None:
    some_requests(stand)
    assert "(none)" in stand.run("usage", *SPAN, "--by", "site").out


def test_keys_are_told_by_name(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "ci", "--json").told["id"]
    stand.write(admitted(1, AT, key_id=key))
    assert f"ci ({key})" in stand.run("usage", *SPAN, "--by", "key").out
    assert stand.run("usage", *SPAN, "--by", "key", "--json").told["rows"][0]["key"] == key


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--since", "x"), "--since: expected a span such as 30d"),
        (("--since", "2026-11-02", "--until", "2026-11-01"), "--since 2026-11-02 is not before --until 2026-11-01"),
        (("--since", "0m"), "--since 0m is not before --until now"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(stand: Stand, words: tuple[str, ...], complaint: str) -> None:
    said = stand.run("usage", *words)
    assert said.code == 2 and complaint in said.err


def test_sound_books(stand: Stand) -> None:
    some_requests(stand)
    said = stand.run("ledger", "verify")
    assert said.code == 1  # a request of November is still under way, which is long
    stand.write(settled(4, AT))
    said = stand.run("ledger", "verify")
    assert (said.code, said.err) == (0, "")
    assert "The books are sound: 4 requests, 0 of them under way, 1 accounts." in said.out


def test_books_that_were_tampered_with(stand: Stand) -> None:
    spend(stand, 1)
    asyncio.run(tamper(stand.database_url))
    said = stand.run("ledger", "verify")
    assert said.code == 1
    assert f"wrong: settled {BUDGET}: 7 are settled, but its closed requests paid 1000000000" in said.out
    assert "the books contradict themselves (1 requests, 0 of them under way, 1 accounts)" in said.err
    told = stand.run("ledger", "verify", "--json").told
    assert told["sound"] is False and told["requests"] == 1
    assert {"kind": "settled", "subject": BUDGET, "wrong": True}.items() <= told["findings"][0].items()


async def tamper(url: str) -> None:
    """Somebody writes another figure into an account."""
    database = Database(url)
    async with database.write() as connection:
        await connection.execute(update(schema.account).values(settled=7))
    await database.close()


def test_books_are_read_without_a_configuration_where_none_is_needed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend(stand, 1)
    stand.configure("nonsense: [\n")
    assert stand.run("usage").code == 1
    monkeypatch.setenv("INTERTIE_DATABASE", stand.database_url)
    assert stand.run("usage", "--json").told["total"]["cost_usd"] == "1.00"
    monkeypatch.delenv("INTERTIE_DATABASE")
    (stand.folder / "intertie.yaml").unlink()
    assert stand.run("usage", "--json").told["total"]["cost_usd"] == "1.00"
    assert stand.run("budgets").code == 1


def test_books_that_cannot_be_reached(stand: Stand) -> None:
    said = stand.run("ledger", "verify", "--database", "postgresql://a:secret@127.0.0.1:1/b")
    assert said.code == 3 and "the database does not answer" in said.err and "secret" not in said.err


def test_an_empty_database_has_no_books(stand: Stand, postgres: NewUrl) -> None:
    said = stand.run("usage", "--database", postgres())
    assert said.code == 3 and "there are no books at postgresql" in said.err
