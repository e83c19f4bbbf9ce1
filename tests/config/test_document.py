"""What a person may write in intertie.yaml, and what they are told when it is wrong."""

from pathlib import Path

import pytest

from intertie.config.document import load_document
from intertie.config.wishes import Document
from intertie.core.faults import ConfigFaults

ENDPOINT = "endpoints:\n  - {id: a, site: s, model: m, url: http://h/v1, "


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **others: str) -> Document:
    for name, content in others.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    path = tmp_path / "intertie.yaml"
    path.write_text(text)
    return load_document(path, environ or {})


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **others: str) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        load(tmp_path, text, environ, **others)
    return [fault.message.replace(f"{tmp_path}/", "") for fault in caught.value.faults]


def test_the_example_of_the_design_is_read_as_it_stands(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        """
sites:
  - {id: fra-edge, tier: edge, at: [50.11, 8.68], jurisdiction: [EU, DE], carrier: dtag, power_kw: 40, zone: DE}
endpoints:
  - {id: qwen-fra, site: fra-edge, dialect: openai_chat, url: http://10.0.0.7:8000/v1, model: qwen3-8b, engine: vllm,
     accelerator: {type: l40s, count: 2}, price: {per_hour: 2.10}}
  - {id: openai-mini, site: openai-us, dialect: openai_chat, model: gpt-5-mini, credential: env:OPENAI_API_KEY}
routes:
  - {name: chat, candidates: [qwen3-8b, gpt-5-mini], objective: interactive, fallback: [claude-haiku]}
groups:
  - {name: interns, from: oidc:interns, models: [chat], budget: {usd: 15, per: month}, limits: {rpm: 20, tpm: 20k}}
""",
        {"OPENAI_API_KEY": "sk-test"},
    )
    assert document.sites[0].at == (50.11, 8.68)
    assert document.sites[0].jurisdiction == ("EU", "DE")
    assert document.endpoints[0].price is not None
    assert document.endpoints[0].price.per_hour == 2_100_000_000
    assert document.endpoints[0].accelerator is not None
    assert document.endpoints[0].accelerator.count == 2
    assert document.endpoints[1].credential == "sk-test"
    assert document.routes[0].fallback == ("claude-haiku",)
    assert document.groups[0].source == "oidc:interns"
    assert document.groups[0].budget[0].usd == 15_000_000_000
    assert document.groups[0].limits[0].tpm == 20_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sites:\n  - {id: a, teir: edge}", "intertie.yaml:2: unknown key 'teir' in sites[0] (did you mean tier?)"),
        ("sitse: []", "intertie.yaml:1: unknown section 'sitse' (did you mean sites?)"),
        ("sites:\n- id: a\n  id: b", "intertie.yaml:3: 'id' is given twice (first on line 2)"),
        ("sites:\n- tier: edge", "intertie.yaml:2: sites[0] has no 'id' (Its name in plans, logs and metrics.)"),
        (
            "sites:\n- {id: a, tier: egde}",
            "intertie.yaml:2: sites[0].tier: expected one of edge, regional, central, provider, found 'egde' "
            "(did you mean edge?)",
        ),
        ("sites:\n- {id: a, loss: 2}", "intertie.yaml:2: sites[0].loss: expected a number from 0 to 1, found '2'"),
        (
            "sites:\n- {id: a, rtt_ms: .nan}",
            "intertie.yaml:2: sites[0].rtt_ms: expected a number of 0 or more, found '.nan'",
        ),
        ("sites:\n- {id: a, at: [1]}", "intertie.yaml:2: sites[0].at: expected a list of 2 values, found a list of 1"),
        (
            "sites:\n- {id: a, at: [91, 0]}",
            "intertie.yaml:2: sites[0]: at: [91.0, 0.0] is no latitude (-90 to 90) and longitude (-180 to 180)",
        ),
        ("sites: 7", "intertie.yaml:1: sites: expected a list, each entry beginning with '- ', found '7'"),
        ("sites: [7]", "intertie.yaml:1: sites[0]: expected a mapping of keys to values, found '7'"),
        (
            "sites: [{id: {x: 1}}]",
            "intertie.yaml:1: sites[0].id: expected a name of letters, digits and . _ - / : @ +, found a mapping",
        ),
        ("- a", "intertie.yaml:1: expected sections such as sites: and endpoints:, found a list"),
        ("gateway: {port: 70000}", "intertie.yaml:1: gateway.port: expected a port from 0 to 65535, found '70000'"),
        ("gateway: {prot: 1}", "intertie.yaml:1: unknown key 'prot' in gateway (did you mean port?)"),
        ("gateway: [1]", "intertie.yaml:1: gateway: expected a mapping of settings, found a list"),
        (ENDPOINT + "url2: x}", "intertie.yaml:2: unknown key 'url2' in endpoints[0] (did you mean url?)"),
        (
            ENDPOINT + "price: {input: 1}}",
            "intertie.yaml:2: endpoints[0].price: a price is either `input` and `output` (dollars per million tokens), "
            "or by the piece, or `per_hour`",
        ),
        (
            ENDPOINT + "credential: env:NO_KEY}",
            "intertie.yaml:2: endpoints[0].credential: the environment has no NO_KEY",
        ),
        (
            ENDPOINT + "credential: vault:kv}",
            "intertie.yaml:2: endpoints[0].credential: vault: is written vault:MOUNT/PATH#FIELD",
        ),
        (
            "endpoints:\n- {id: a, site: s, model: m, url: ftp://x}",
            "intertie.yaml:2: endpoints[0].url: expected a URL such as http://10.0.0.7:8000/v1, found 'ftp://x'",
        ),
        (
            "endpoints:\n- {id: a, site: s, model: m, url: 'http://u:p@x/v1'}",
            "intertie.yaml:2: endpoints[0].url: expected a URL such as http://10.0.0.7:8000/v1, "
            "found 'http://…@x/v1' (without user, query or fragment)",
        ),
        (
            "groups:\n- {name: g, budget: {usd: -1}}",
            "intertie.yaml:2: groups[0].budget[0].usd: expected an amount of dollars such as 15 or 0.25, found '-1' "
            "('-1' is not an amount of dollars: at most nine digits before the point and nine behind)",
        ),
        (
            "groups:\n- {name: g, budget: {usd: 1, zone: Europe/Bonn}}",
            "intertie.yaml:2: groups[0].budget[0].zone: expected a time zone such as Europe/Berlin, "
            "found 'Europe/Bonn'",
        ),
        (
            "budgets:\n- {on: interns, usd: 1}",
            "intertie.yaml:2: budgets[0].on: expected an owner such as group:interns "
            "(key, user, group, project or model), found 'interns'",
        ),
        (
            "objectives:\n- {name: o, weights: {ttft: 1, costs: 2}}",
            "intertie.yaml:2: unknown key 'costs' in objectives[0].weights (did you mean cost?)",
        ),
        (
            "keys:\n- {name: k, value: x, expires: soon}",
            "intertie.yaml:2: keys[0].expires: expected a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z, "
            "found 'soon' (Invalid isoformat string: 'soon')",
        ),
        ("a: ${B}", "intertie.yaml:1: unknown section 'a'"),
        (
            "gateway: {here: '${X}'}",
            "intertie.yaml:1: gateway.here: the environment has no X: set it, or write ${X:-default}",
        ),
        (
            "gateway: {here: '${1}'}",
            "intertie.yaml:1: gateway.here: ${ begins no reference: write ${NAME} or ${NAME:-default}, "
            "or $${ for the text itself",
        ),
        ("include: nobody.yaml", "intertie.yaml:1: nobody.yaml cannot be read: No such file or directory"),
        (
            "include: intertie.yaml",
            "intertie.yaml:1: intertie.yaml includes itself (remove one of the includes of the circle)",
        ),
        ("include: [[a]]", "intertie.yaml:1: include: expected the name of a file, found a list"),
        ("a: *b", "intertie.yaml:1: *b is not defined before this line"),
        (
            "a: 1\n---\nb: 2",
            "intertie.yaml:2: a second YAML document begins here (one file holds one document: use include:)",
        ),
        ("? [a]\n: b", "intertie.yaml:1: a key must be a single value, this is a list"),
        ("a: {b", "intertie.yaml:2: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'"),
        ("a: {<<: 1}", "intertie.yaml:1: << merges mappings, this is a single value"),
        ("a: " + "[" * 40, "intertie.yaml:1: nested more than 32 levels deep"),
    ],
)
def test_a_problem_is_told_with_file_line_and_what_to_do(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, text)
    assert any(problem.startswith(expected) for problem in found), found


def test_every_problem_of_a_file_is_told_in_the_order_of_its_lines(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "sites:\n  - {id: a, tier: egde, loss: 9}\n  - {tier: edge}\ngateway: {port: x}\nendpoints:\n  - {id: 1}\n",
    )
    assert [problem.split(":")[1] for problem in found] == ["2", "2", "3", "4", "6"]


def test_includes_are_read_relative_to_their_file_and_their_lists_are_joined(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "sites.yaml").write_text("include: deeper.yaml\nsites: [{id: b}]\n")
    (tmp_path / "more" / "deeper.yaml").write_text("sites: [{id: c}]\ngateway: {here: c}\n")
    document = load(tmp_path, "include: [more/sites.yaml]\nsites: [{id: a}]\ngateway: {port: 4100}\n")
    assert [site.id for site in document.sites] == ["a", "b", "c"]
    assert document.settings == {"port": 4100, "here": "c"}
    assert [Path(name).name for name in document.files] == ["intertie.yaml", "sites.yaml", "deeper.yaml"]


def test_a_problem_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    found = problems(tmp_path, "include: other.yaml\ngateway: {port: 1}", other="\n\ngateway: {port: 2, x: 1}\n")
    assert found[0] == "other.yaml:3: gateway.port is given twice (first in intertie.yaml:2)"
    assert found[1].startswith("other.yaml:3: unknown key 'x' in gateway")


def test_values_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    document = load(
        tmp_path,
        "endpoints:\n"
        "- {id: a, site: s, model: m, url: 'http://h:${PORT:-8000}/v1', credential: file:token}\n"
        "- {id: b, site: s, model: '${MODEL}', url: 'http://h:${PORT2}/$${x}', credential: env:KEY}\n",
        {"MODEL": "qwen", "PORT2": "81", "KEY": "k"},
    )
    first, second = document.endpoints
    assert first.url is not None
    assert second.url is not None
    assert (first.url.port, first.credential) == (8000, "s3cret")
    assert (second.url.port, second.url.path, second.model, second.credential) == (81, "/${x}", "qwen", "k")
    assert str(tmp_path / "token") in document.files


def test_a_secret_that_cannot_be_read_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("two\nlines of s3cret\n")
    found = problems(tmp_path, ENDPOINT + "credential: file:token}")
    assert found[0] == "intertie.yaml:2: endpoints[0].credential: token does not hold one line of text"


def test_norway_is_a_country_and_a_version_is_a_name(tmp_path: Path) -> None:
    document = load(tmp_path, "sites:\n- {id: 4.10, jurisdiction: NO, zone: NO}\n")
    assert document.sites[0].id == "4.10"
    assert document.sites[0].jurisdiction == ("NO",)
    assert document.sites[0].zone == "NO"


def test_numbers_have_short_forms_and_one_entry_needs_no_list(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        "groups:\n- name: g\n  budget: [{usd: 1}, {usd: '0.000000001', per: day}]\n  limits: {tpm: 1.5M, rpm: 2k}\n",
    )
    group = document.groups[0]
    assert [budget.usd for budget in group.budget] == [1_000_000_000, 1]
    assert (group.limits[0].tpm, group.limits[0].rpm) == (1_500_000, 2_000)


def test_anchors_and_merges_save_typing(tmp_path: Path) -> None:
    document = load(
        tmp_path,
        "x-half: &half {rpm: 10, tpm: 5k}\n"
        "groups:\n- {name: a, limits: *half}\n- {name: b, limits: {<<: *half, rpm: 20}}\n",
    )
    assert [(g.limits[0].rpm, g.limits[0].tpm) for g in document.groups] == [(10, 5_000), (20, 5_000)]


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = problems(tmp_path, "\n".join(lines))
    assert found[-1].endswith("more than 500000 values once its aliases are expanded")


def test_a_file_of_more_than_four_mebibytes_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "#" * (4 * 1024 * 1024 + 1)) == ["intertie.yaml: larger than 4 MiB"]


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "intertie.yaml"
    path.write_bytes(b"sites:\n- {id: \xff}\n")
    with pytest.raises(ConfigFaults, match=r"intertie\.yaml:2: this is not UTF-8 text"):
        load_document(path, {})


def test_an_empty_file_and_empty_sections_are_an_empty_document(tmp_path: Path) -> None:
    assert load(tmp_path, "").sites == ()
    assert load(tmp_path, "sites:\ngateway:\n").settings == {}


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigFaults, match=r"No such file or directory .*intertie demo"):
        load_document(tmp_path / "intertie.yaml", {})
