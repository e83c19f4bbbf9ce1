"""`intertie route explain`: the recorded choice, and the choice that other weights would have made."""

import msgspec
from stand import CONFIG, PLAN, Stand, admitted, settled

from intertie.core.usage import Usage

AT = 1_793_700_000.0  # 2026-11-03


def explained(stand: Stand, *words: str) -> str:
    """What is said of request 1."""
    said = stand.run("route", "explain", "req_w1_1", *words)
    assert (said.code, said.err) == (0, "")
    return said.out


def test_who_asked_where_it_ran_and_why(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    said = explained(stand)
    assert "asked by   key dev, user ann, group interns, project search" in said
    assert "ended      served (200) after 500 ms" in said
    assert "ran at     qwen-fra (fra), attempts: 1, first token after 90 ms" in said
    assert "tokens     100 in (40 cached), 20 out" in said
    assert "cost       $0.0000025 (price from list), 0.02 g CO2" in said
    assert "Candidates, objective interactive" in said
    assert "→  qwen-fra" in said and "0.760" in said
    assert "Not considered: qwen-sin (residency: EU wanted)." in said


def test_what_else_was_used_and_in_which_tier(stand: Stand) -> None:
    used = Usage(100, 20, 40, written_1h=30, searches=1, tier="flex")
    stand.write(admitted(1, AT), settled(1, AT, usage=used))
    said = explained(stand)
    assert "written 1h 30" in said and "searches   1" in said
    assert "(price from list) in tier flex" in said
    told = stand.run("route", "explain", "req_w1_1", "--json").told["request"]
    assert (told["written_1h_tokens"], told["searches"], told["images"], told["tier"]) == (30, 1, 0, "flex")


def test_the_choice_with_other_weights(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    said = explained(stand, "--weights", "cost=.9,ttft=.1")
    assert "With cost=.9,ttft=.1" in said
    assert "was  qwen-fra: 80 ms expected, $0.000002, 0.02 gCO2" in said
    assert "then qwen-iad: 250 ms expected, $0.000001, 0.01 gCO2" in said
    assert "The choice would have been the same: qwen-fra." in explained(stand, "--weights", "ttft=1")


def test_the_choice_under_another_objective(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    assert "With objective economy" in explained(stand, "--objective", "economy")


def test_it_all_as_json(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    told = stand.run("route", "explain", "req_w1_1", "--weights", "cost=1,ttft=0", "--json").told
    assert told["request"]["cost_usd"] == "0.0000025" and told["request"]["endpoint"] == "qwen-fra"
    assert told["request"]["at"] == "2026-11-03T10:00:00+00:00"
    plan, again = told["plan"], told["replay"]
    assert (plan["chosen"], again["chosen"]) == ("qwen-fra", "qwen-iad")
    assert again["expected"] == {"ttft_ms": 250.0, "cost_usd": "0.000001", "gco2": 0.01}
    assert plan["candidates"][0]["utilities"]["proximity"] == 1.0
    assert plan["dropped"] == [{"endpoints": ["qwen-sin"], "code": "residency", "reason": "residency: EU wanted"}]
    assert again["weights"] == {
        "ttft": 0.0, "cost": 1.0, "affinity": 0.0, "capacity": 0.0, "proximity": 0.0, "carbon": 0.0,
    }  # fmt: skip


def test_the_choice_among_others(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    for words, went, told in (
        (("--only", "IAD"), "qwen-iad", "Not considered: qwen-fra (only: iad wanted)."),
        (("--ignore", "qwen-fra,x"), "qwen-iad", "Not considered: qwen-fra (ignore: qwen-fra not wanted)."),
        (
            ("--order", "iad"),
            "qwen-iad",
            "Not considered: qwen-fra (order: kept for when those asked for before it fail).",
        ),
        (("--order", "x,fra", "--weights", "cost=1,ttft=0"), "qwen-fra", "qwen-iad (order: kept"),
        (("--no-retention",), "qwen-fra", "Candidates"),
        (("--max-price", "prompt=.1,completion=.4"), "qwen-fra", "qwen-iad (max price: its list price is not known)"),
    ):
        said = explained(stand, *words)
        assert told in said
        again = stand.run("route", "explain", "req_w1_1", *words, "--json").told["replay"]
        assert again["chosen"] == went
    assert "With only iad, no retention" in explained(stand, "--only", "iad", "--no-retention")


def test_what_cannot_be_chosen_among_others_is_told(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    for words, complaint in (
        (("--only", "nobody"), "nothing that was judged then is left: only: nobody wanted"),
        (("--max-price", "image=5"), "--max-price: expected prompt=.5,completion=2,request=.01, found 'image=5'"),
        (("--max-price", "prompt=cheap"), "not an amount of dollars"),
    ):
        said = stand.run("route", "explain", "req_w1_1", *words)
        assert said.code == 2 and complaint in said.err, words
    stand.configure(CONFIG.replace("id: qwen-iad", "id: qwen-ash"))
    said = stand.run("route", "explain", "req_w1_1", "--only", "iad")
    assert said.code == 2 and "what qwen-iad is called is not known" in said.err


def test_what_is_not_known_is_a_dash_and_never_zero(stand: Stand) -> None:
    free, unknown = PLAN.candidates
    free = msgspec.structs.replace(free, cost_nano=0, utilities=(0.9, 1.0, 0.0, 1.0, 1.0, 0.5))
    for nothing in (None, 0):  # 0 in plans from before unknown was told apart
        unknown = msgspec.structs.replace(unknown, cost_nano=nothing, gco2=nothing, utilities=(0.5,) + (0.0,) * 5)
        plan = msgspec.structs.replace(PLAN, candidates=(free, unknown))
        number = 1 if nothing is None else 2
        stand.write(admitted(number, AT), settled(number, AT, plan=msgspec.msgpack.encode(plan)))
        said = stand.run("route", "explain", f"req_w1_{number}")
        assert " 0.00 " in said.out and " - " in said.out
        told = stand.run("route", "explain", f"req_w1_{number}", "--json").told["plan"]["candidates"]
        assert [(one["cost_usd"], one["gco2"]) for one in told] == [("0.00", 0.02), (None, None)]


def test_a_plan_from_before_reasons_had_codes_is_read(stand: Stand) -> None:
    order, objective, weights, candidates, dropped, *rest = msgspec.msgpack.decode(msgspec.msgpack.encode(PLAN))
    old = [order, objective, weights, candidates, [group[:2] for group in dropped], *rest]
    stand.write(admitted(1, AT), settled(1, AT, plan=msgspec.msgpack.encode(old)))
    assert "Not considered: qwen-sin (residency: EU wanted)." in explained(stand, "--weights", "cost=1")


def test_a_failover_is_told(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT, endpoint="qwen-iad", site="iad", attempts=2))
    said = explained(stand)
    assert "ran at     qwen-iad (iad), attempts: 2" in said
    assert "qwen-fra was chosen first and did not answer" in said


def test_a_request_under_way(stand: Stand) -> None:
    stand.write(admitted(1, AT))
    said = explained(stand)
    assert "ended      under way" in said and "none was recorded" in said
    told = stand.run("route", "explain", "req_w1_1", "--json").told
    assert told["request"]["outcome"] is None and told["plan"] is None and told["replay"] is None


def test_without_a_plan_nothing_can_be_replayed(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT, plan=b""))
    said = stand.run("route", "explain", "req_w1_1", "--weights", "cost=1")
    assert said.code == 1 and "no plan was recorded (setting `record_plans`)" in said.err
    assert "asked by" in said.out


def test_a_plan_that_cannot_be_read_is_a_fault(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT, plan=b"\xc1"))
    said = stand.run("route", "explain", "req_w1_1")
    assert said.code == 3 and "the plan of req_w1_1 cannot be read" in said.err


def test_what_is_asked_wrongly_is_told(stand: Stand) -> None:
    stand.write(admitted(1, AT), settled(1, AT))
    for words, complaint in (
        (("42",), "'42' is not a request id"),
        (("req_w1_2",), "the ledger has no request req_w1_2"),
        (("req_w1_1", "--weights", "speed=1"), "there is no axis 'speed'; the axes are ttft, cost"),
        (("req_w1_1", "--weights", "ttft"), "expected numbers as in ttft=.8,cost=.2, found 'ttft'"),
        (("req_w1_1", "--weights", "ttft=0,cost=0"), "at least one weight must be above 0"),
        (("req_w1_1", "--weights", "ttft=nan"), "must be a number from 0 up"),
        (("req_w1_1", "--objective", "ecnomy"), "there is no objective 'ecnomy' (did you mean economy?)"),
        (("req_w1_1", "--objective", "economy", "--weights", "ttft=1"), "exclude each other"),
    ):
        said = stand.run("route", "explain", *words)
        assert said.code == 2 and complaint in said.err, words
