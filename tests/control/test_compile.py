"""From what a person wrote to the snapshot: what is resolved, what binds whom, and what does not fit together."""

from importlib.resources import files
from pathlib import Path

import pytest

from intertie.config.document import configured
from intertie.config.snapshot import Snapshot, pack, unpack
from intertie.control.compile import Compiled, compile_document
from intertie.control.prices import hourly_price
from intertie.core.endpoint import Speed
from intertie.core.faults import ConfigFaults
from intertie.core.principal import Meter, Principal, StoredKey
from intertie.policy.keys import digest

PEPPER, VERSION = b"p" * 32, 1_795_000_000_000
BASE = """
sites: [{id: here, at: [50.1, 8.7]}, {id: there, region: "aws:us-east-1"}]
endpoints:
- {id: a, site: here, model: small, url: "http://h/v1", price: {input: 1, output: 2}}
- {id: b, site: there, model: large, url: "http://h/v1", price: {input: 1, output: 2, cached: 0.5}}
"""


def compiled(tmp_path: Path, text: str, *stored: StoredKey) -> Compiled:
    path = tmp_path / "intertie.yaml"
    path.write_text(text)
    settings, document = configured({"config": str(path)}, {})
    return compile_document(document, settings, stored, PEPPER, VERSION)


def snapshot(tmp_path: Path, text: str, *stored: StoredKey) -> Snapshot:
    return compiled(tmp_path, text, *stored).snapshot


def problems(tmp_path: Path, text: str, *stored: StoredKey) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        compiled(tmp_path, text, *stored)
    return [fault.message.replace(f"{tmp_path}/", "") for fault in caught.value.faults]


def caller(made: Snapshot, key: str) -> Principal:
    return made.keys[digest(PEPPER, key.encode())]


def stored_key(name: str = "dev", **more: str) -> StoredKey:
    return StoredKey(id=f"key_{name}", digest=digest(PEPPER, name.encode()), name=name, **more)


def test_a_region_gives_place_law_and_carbon_but_declares_no_round_trip(tmp_path: Path) -> None:
    made = snapshot(tmp_path, BASE + "gateway: {here: here}\n")
    there = made.sites["there"]
    assert (there.zone, there.jurisdiction, there.gco2_per_kwh) == ("US-MIDA-PJM", ("US",), 418)
    assert there.rtt_ms is None  # nobody declared it: estimated from the distance where it is used, then measured
    assert made.here == "here"
    assert made.sites["here"].gco2_per_kwh is None


def test_what_is_declared_beats_what_is_known(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        "gateway: {here: s}\nsites: [{id: s, at: [0, 0]}, {id: t, region: 'aws:us-east-1', at: [1, 1], zone: FR, "
        "jurisdiction: X, rtt_ms: 7, gco2_per_kwh: 0}]\n",
    )
    site = made.sites["t"]
    assert (site.at, site.zone, site.jurisdiction, site.rtt_ms, site.gco2_per_kwh) == ((1, 1), "FR", ("X",), 7, 0)


def test_an_explicit_price_beats_the_list_price_and_own_hardware_has_none(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
sites: [{id: p, tier: provider}, {id: s}]
endpoints:
- {id: list, site: p, model: gpt-5-mini}
- {id: alias, site: p, model: mini, upstream_model: gpt-5-mini, url: "https://api.openai.com/v1"}
- {id: own, site: p, model: gpt-5-mini, price: {input: 1, output: 3}}
- {id: bare, site: s, model: gpt-5-mini, url: "http://10.0.0.1/v1"}
""",
    )
    listed, alias, own, bare = (made.endpoints[name].price for name in ("list", "alias", "own", "bare"))
    assert listed == alias
    assert listed is not None
    assert own is not None
    assert listed.source == "genai-prices:openai/gpt-5-mini"
    assert (own.input, own.cached, own.output, own.source) == (10**9, 10**9, 3 * 10**9, "configuration")
    assert bare is None
    assert made.endpoints["list"].origin.host == "api.openai.com"


def test_a_machine_by_the_hour_earns_its_price_when_half_used() -> None:
    speed = Speed(prefill_tps=10_000, decode_tps=50, slots=16)
    price = hourly_price(3_600_000_000, speed)  # $3.60 an hour: a tenth of a cent a second
    prefilled, decoded = 10_000 * 0.5, 50 * 8
    assert round(prefilled * price.input / 1_000_000) == 1_000_000
    assert round(decoded * price.output / 1_000_000) == 1_000_000
    assert price.cached == price.input // 10


def test_an_endpoint_takes_what_it_leaves_out_from_model_engine_chips_and_settings(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        "gateway: {default_max_output: 512}\negress: {allow_private: false}\nsites: [{id: s}]\n"
        "models: [{name: m, context: 8k, quality: 0.9}]\n"
        "endpoints:\n- {id: a, site: s, model: m, url: 'https://h:8443/v1/', engine: ollama, "
        "accelerator: {type: l40s, count: 2}, speed: {decode_tps: 30}}\n",
    )
    endpoint = made.endpoints["a"]
    assert (endpoint.context, endpoint.quality, endpoint.max_output, endpoint.watts) == (8_000, 0.9, 512, 700)
    assert endpoint.speed == Speed(prefill_tps=8_000, decode_tps=30, overhead_s=0.016, slots=1)
    assert (endpoint.allow_private, endpoint.upstream_model) == (False, "m")
    assert (endpoint.origin.scheme, endpoint.origin.port, endpoint.origin.path) == ("https", 8443, "/v1")


def test_all_budgets_and_limits_that_apply_bind(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        BASE
        + """
alerts: {webhook: https://hooks/x}
groups:
- name: g
  budget: [{usd: 15, per: month, zone: Europe/Berlin}, {usd: 1, per: day, model: small}]
  limits: {rpm: 20}
users: [{name: ann@example.org, budget: {usd: 3}}]
keys: [{name: dev, value: s1, group: g, user: ann@example.org, project: p, limits: {tpm: 1k, concurrent: 2}}]
budgets: [{on: model:large, usd: 9, per: week}, {on: project:p, usd: 4, webhook: https://hooks/p}]
limits: [{on: key:key_stored, rpm: 5}]
""",
        stored_key("stored", group="g"),
    )
    assert caller(made, "s1").meters == (
        "limit:key:dev:tpm",
        "limit:key:dev:concurrent",
        "budget:user:ann@example.org:total",
        "budget:group:g:month",
        "budget:group:g:small:day",
        "limit:group:g:rpm",
        "budget:project:p:total",
        "budget:model:large:week",
    )
    assert caller(made, "stored").meters == (
        "limit:key:key_stored:rpm",
        "budget:group:g:month",
        "budget:group:g:small:day",
        "limit:group:g:rpm",
        "budget:model:large:week",
    )
    assert made.meters["budget:group:g:month"] == Meter(
        "budget:group:g:month", "usd", 15 * 10**9, "group g", None, "month", "Europe/Berlin", "https://hooks/x"
    )
    assert made.meters["budget:model:large:week"].model == "large"
    assert made.meters["budget:project:p:total"].webhook == "https://hooks/p"
    assert made.meters["limit:key:dev:tpm"] == Meter("limit:key:dev:tpm", "tokens", 1_000, "key dev")


def test_a_key_may_use_what_it_and_its_group_may_both_use(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        BASE
        + """
groups:
- {name: g, models: [small, large], objective: green, weights: {ttft: 1, cost: 2}, residency: [EU, DE],
   allow_unpriced: true}
keys:
- {name: one, value: s1, group: g, models: [large], weights: {cost: 5}, residency: [DE, FR], expires: 2027-01-31}
- {name: two, value: s2, group: g}
- {name: three, value: s3}
""",
    )
    one, two, three = (caller(made, secret) for secret in ("s1", "s2", "s3"))
    assert (one.models, two.models, three.models) == (frozenset({"large"}), frozenset({"small", "large"}), None)
    assert (one.weights, one.residency, one.objective) == ({"ttft": 1, "cost": 5}, ("DE",), "green")
    assert (one.allow_unpriced, three.allow_unpriced) == (True, False)
    assert one.expires_at == 1_801_353_600


def test_a_stored_key_whose_group_is_gone_may_use_nothing(tmp_path: Path) -> None:
    made = compiled(tmp_path, BASE, stored_key(group="interns"), stored_key("free"))
    assert caller(made.snapshot, "dev").models == frozenset()
    assert caller(made.snapshot, "free").models is None
    assert [warning.problem for warning in made.warnings] == ["key key_dev (dev) is of group 'interns', which is gone"]


def test_a_revoked_key_stays_known_as_revoked(tmp_path: Path) -> None:
    key = StoredKey("key_1", digest(PEPPER, b"k"), "k", revoked=1.0)
    assert caller(snapshot(tmp_path, BASE, key), "k").revoked


def test_objectives_are_built_in_and_may_be_overridden(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "objectives: [{name: green, weights: {carbon: 1}, slo_ttft_ms: 9, max_cost_usd: 0.01}]\n")
    assert set(made.objectives) == {"realtime", "interactive", "balanced", "economy", "batch", "green"}
    green = made.objectives["green"]
    assert (green.weights.carbon, green.weights.ttft, green.slo_ttft_ms, green.max_cost_nano) == (1, 0, 9, 10**7)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("routes: [{name: r, candidates: [smal]}]", "route r: model 'smal' does not exist (did you mean small?)"),
        ("routes: [{name: small, candidates: [large]}]", "route 'small' has the name of a model"),
        ("routes: [{name: r, candidates: []}]", "route r has no candidates"),
        ("routes: [{name: r, candidates: [small], objective: gren}]", "route r: objective 'gren' does not exist"),
        (
            "groups: [{name: g, models: [smalll]}]",
            "group g: model or route 'smalll' does not exist (did you mean small?)",
        ),
        ("groups: [{name: g}, {name: g}]", "group 'g' is given twice (first in intertie.yaml:6)"),
        ("groups: [{name: g, budget: [{usd: 1}, {usd: 2}]}]", "budget:group:g:total is given twice"),
        ("groups: [{name: g, budget: {usd: 1, model: x}}]", "group g: model 'x' does not exist"),
        ("budgets: [{on: group:inters, usd: 1}]", "group 'inters' does not exist"),
        ("budgets: [{on: model:tiny, usd: 1}]", "model 'tiny' does not exist"),
        ("keys: [{name: k, value: ''}]", "key k is empty"),
        ("keys: [{name: k, value: s, group: g}]", "key k: group 'g' does not exist"),
        ("keys: [{name: k, value: s}, {name: l, value: s}]", "keys k and l have the same secret"),
        (
            "groups: [{name: g, residency: EU}]\nkeys: [{name: k, value: s, group: g, residency: US}]",
            "key k and its group g have no jurisdiction in common",
        ),
        ("objectives: [{name: o, weights: {ttft: 0}}]", "objective o: no weight is above 0"),
        ("gateway: {here: heer}", "gateway.here: site 'heer' does not exist (did you mean here or there?)"),
        ("gateway: {default_objective: fast}", "gateway.default_objective: objective 'fast' does not exist"),
        ("models: [{name: m}, {name: m}]", "model 'm' is given twice"),
    ],
)
def test_names_that_do_not_fit_together_are_told_with_their_line(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, BASE + text)
    assert any(problem.partition(": ")[2].startswith(expected) for problem in found), found
    assert all(problem.startswith(("intertie.yaml:6:", "intertie.yaml:7:")) for problem in found)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("site: her, url: 'http://h/v1'", "endpoint x: site 'her' does not exist (did you mean here"),
        ("site: here", "endpoint x has no url"),
        ("site: here, url: 'http://h/v1', accelerator: {type: h10}", "endpoint x: accelerator 'h10' does not exist"),
    ],
)
def test_an_endpoint_that_cannot_stand_is_told(tmp_path: Path, keys: str, expected: str) -> None:
    found = problems(tmp_path, BASE + f"- {{id: x, model: m, {keys}}}\n")
    assert len(found) == 1
    assert found[0].startswith(f"intertie.yaml:6: {expected}")


def test_what_is_odd_but_possible_is_a_warning(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        "sites: [{id: s, zone: XX}]\nmodels: [{name: idle}]\n"
        "endpoints: [{id: a, site: s, model: m, url: 'http://h/v1', engine: vlm}]\n"
        "budgets: [{on: user:ann, usd: 1}]\n",
    )
    assert [f"{warning.line}: {warning.problem}" for warning in made.warnings] == [
        "1: site s: no carbon intensity is known for zone 'XX'",
        "3: endpoint a: nothing is known of engine 'vlm'",
        "2: no endpoint serves model 'idle'",
        "4: no user is called 'ann' yet",
        "3: endpoint a has no price: callers with a budget are refused there",
    ]


def test_a_residency_that_no_site_can_keep_is_a_warning(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        "sites: [{id: s, jurisdiction: [EU]}]\ngroups: [{name: a, residency: [EUU]}, {name: b, residency: [eu, XX]}]\n"
        "keys: [{name: k, value: itk_secret, residency: [DE]}]\n",
    )
    assert [f"{warning.line}: {warning.problem}" for warning in made.warnings] == [
        "2: group a: no site lies in EUU: all it asks is refused",
        "3: key k: no site lies in DE: all it asks is refused",
    ]


def test_who_sells_tokens_without_a_price_for_them_is_told_so(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        "sites: [{id: s}]\nbudgets: [{on: 'model:m', usd: 1}]\nendpoints:\n"
        "- {id: a, site: s, model: m, url: 'http://h/v1', price: {per_audio_hour: 0.36}}\n"
        "- {id: b, site: s, model: m, url: 'http://h/v1', price: {per_audio_hour: 0.36}, operations: transcription}\n"
        "- {id: c, site: s, model: m, url: 'http://h/v1', price: {per_request: 0.01}}\n",
    )
    assert [warning.problem for warning in made.warnings] == [
        "endpoint a has no price for tokens, for chat, completions"
    ]


def test_the_demo_world_is_whole() -> None:
    world = files("intertie.catalog").joinpath("data", "demo_world.yaml")
    names = ("FRA", "STO", "PAR", "IAD", "PDX", "SIN", "IAD_70B", "PDX_70B", "SIN_70B")
    environ = {f"SIM_{name}": str(9000 + index) for index, name in enumerate(names)}
    settings, document = configured({"config": str(world)}, environ)
    made = compile_document(document, settings, (), PEPPER, VERSION)
    assert made.warnings == ()
    assert len(made.snapshot.sites) == 6
    assert len(made.snapshot.endpoints) == 9
    assert all(endpoint.simulated and endpoint.price for endpoint in made.snapshot.endpoints.values())
    assert all(site.rtt_ms and site.gco2_per_kwh for site in made.snapshot.sites.values())
    assert unpack(pack(made.snapshot)) == made.snapshot
