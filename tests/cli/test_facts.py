"""`intertie models` and `intertie groups`."""

from stand import BUDGET, Stand, admitted, settled

from intertie.core.clock import SystemClock
from intertie.core.record import Charge


def test_models_with_their_places_and_prices(stand: Stand) -> None:
    said = stand.run("models")
    assert said.code == 0
    table = [line.split() for line in said.out.splitlines()]
    assert ["qwen-fra", "fra", "0.10", "0.40", "0.01", "configuration,", "simulated", "40,000"] in table
    assert ["qwen-iad", "iad", "unknown", "unknown", "-", "-", "131,072"] in table
    assert "route chat → qwen (objective interactive)" in said.out


def test_models_as_json_tell_unknown_from_free(stand: Stand) -> None:
    told = stand.run("models", "--json").told
    [model] = told["models"]
    assert (model["name"], model["context"], model["simulated"]) == ("qwen", 131_072, False)
    fra, iad = model["endpoints"]
    assert fra["cached_usd_per_million"] == "0.01" and fra["per_request_usd"] == "0.00" and fra["simulated"]
    assert iad["input_usd_per_million"] is None and iad["price_source"] == ""
    [route] = told["routes"]
    assert (route["name"], route["candidates"], route["objective"]) == ("chat", ["qwen"], "interactive")


def test_models_tell_all_that_is_sold(stand: Stand) -> None:
    long = "{above: 200k, input: 6, output: 22, written: 8}"
    stand.configure(
        "sites: [{id: s}]\nendpoints:\n"
        "- {id: a, site: s, model: m, url: 'http://h/v1', price: {input: 3, output: 15, written: 4, per_search: 0.01, "
        f"steps: {long}, tiers: {{batch: {{factor: 0.5}}}}}}}}\n"
        "- {id: b, site: s, model: m, url: 'http://h/v1', price: {per_audio_hour: 0.36}, operations: transcription}\n"
    )
    a, b = stand.run("models", "--json").told["models"][0]["endpoints"]
    assert (a["written_usd_per_million"], a["per_search_usd"]) == ("4.00", "0.01") and "per_image_usd" not in a
    assert a["steps"][0].items() >= {"above_tokens": 200_000, "written_usd_per_million": "8.00"}.items()
    assert a["tiers"]["batch"]["input_usd_per_million"] == "1.50"
    assert a["tiers"]["batch"]["steps"][0]["output_usd_per_million"] == "11.00"
    assert (b["input_usd_per_million"], b["per_audio_hour_usd"]) == (None, "0.36")
    table = [line.split() for line in stand.run("models").out.splitlines()]
    assert ["b", "s", "-", "-", "-", "configuration", "131,072"] in table


def test_models_need_no_books(stand: Stand) -> None:
    stand.configure("sites: []\n")
    assert stand.run("models").out == "The configuration declares no endpoints.\n"
    assert not (stand.folder / "state").exists()


def test_groups_with_limits_budgets_and_keys(stand: Stand) -> None:
    now = SystemClock.wall()
    stand.write(admitted(1, now), settled(1, now, cost_nano=2_500_000_000, charges=(Charge(BUDGET, 2_500_000_000),)))
    for group in ("interns", "interns", "engineering"):
        stand.run("keys", "create", "--name", "k", "--group", group)
    interns, engineering = stand.run("groups", "--json").told["groups"]
    assert (interns["models"], interns["keys"], engineering["models"], engineering["keys"]) == (["chat"], 3, None, 1)
    assert [(limit["kind"], limit["cap"]) for limit in interns["limits"]] == [("requests", 20), ("concurrent", 4)]
    [budget] = interns["budgets"]
    assert (budget["cap_usd"], budget["settled_usd"], budget["left_usd"]) == ("10.00", "2.50", "7.50")
    said = stand.run("groups").out
    assert "20 requests/min; 4 at once" in said
    assert "$2.50 of $10.00 in total" in said


def test_keys_of_a_group_that_is_gone_are_pointed_out(stand: Stand) -> None:
    stand.run("keys", "create", "--name", "k", "--group", "engineering")
    stand.configure("groups: [{name: interns}]\n")
    assert stand.run("groups", "--json").told["keys_without_group"] == {"engineering": 1}
    assert "1 of the keys are of group 'engineering', which is gone: they may use nothing" in stand.run("groups").out


def test_revoked_keys_are_not_counted(stand: Stand) -> None:
    key = stand.run("keys", "create", "--name", "k", "--group", "engineering", "--json").told["id"]
    stand.run("keys", "revoke", key)
    assert stand.run("groups", "--json").told["groups"][1]["keys"] == 0


def test_a_broken_configuration_is_told_with_file_and_line(stand: Stand) -> None:
    stand.configure("groups:\n- {nam: x}\n")
    for verb in ("models", "groups", "budgets"):
        said = stand.run(verb)
        assert said.code == 1 and "intertie.yaml:2: unknown key 'nam' in groups[0]" in said.err
