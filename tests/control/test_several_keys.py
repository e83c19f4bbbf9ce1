"""Several keys for one endpoint: each becomes an endpoint of its own, with its own limits and measured state."""

from pathlib import Path

import pytest

from intertie.config.document import configured
from intertie.control.compile import Compiled, compile_document
from intertie.core.endpoint import Endpoint
from intertie.core.faults import ConfigFaults
from intertie.policy.routing.table import build_table

TEXT = """
gateway: {{workers: 4}}
sites: [{{id: openai-us, tier: provider}}]
endpoints:
- {{id: mini, site: openai-us, model: gpt-5-mini, {keys}}}
"""


def compiled(folder: Path, keys: str, **environ: str) -> Compiled:
    path = folder / "intertie.yaml"
    path.write_text(TEXT.format(keys=keys))
    settings, document = configured({"config": str(path)}, environ)
    return compile_document(document, settings, (), b"p" * 32, 1)


def endpoints(folder: Path, keys: str, **environ: str) -> dict[str, Endpoint]:
    return compiled(folder, keys, **environ).snapshot.endpoints


def problem(folder: Path, keys: str) -> str:
    with pytest.raises(ConfigFaults) as caught:
        compiled(folder, keys)
    (fault,) = caught.value.faults
    return f"{fault.line}: {fault.problem}"


def test_each_key_is_an_endpoint_at_the_same_site_with_its_limits_split_among_the_workers(tmp_path: Path) -> None:
    made = endpoints(tmp_path, "credentials: [{value: 'env:A', rpm: 500, tpm: 200k}, {value: 'env:B'}]", A="a", B="b")
    first, second = made.values()
    assert list(made) == ["mini#1", "mini#2"]
    assert (first.credential, first.rpm, first.tpm) == ("a", 125, 50_000)
    assert (second.credential, second.rpm, second.tpm) == ("b", None, None)
    assert first.site == second.site == "openai-us"
    assert first.names == ("mini#1", "mini", "openai-us")


def test_a_request_for_the_model_may_go_to_either_and_both_are_wanted_by_the_common_name(tmp_path: Path) -> None:
    snapshot = compiled(tmp_path, "credentials: [{value: a}, {value: b}]").snapshot
    rows = build_table(snapshot, "gpt-5-mini").offers["chat"].rows
    assert [row.id for row in rows] == ["mini#1", "mini#2"]
    assert all("mini" in snapshot.endpoints[row.id].names for row in rows)


def test_a_list_of_one_key_keeps_the_endpoint_s_own_name(tmp_path: Path) -> None:
    (made,) = endpoints(tmp_path, "credentials: {value: k, rpm: 2}").values()
    assert (made.id, made.credential, made.rpm) == ("mini", "k", 1)


def test_both_spellings_at_once_are_refused_and_neither_shows_a_key(tmp_path: Path) -> None:
    told = problem(tmp_path, "credential: sk-one, credentials: [{value: sk-two}]")
    assert told == "5: endpoints[0]: credential and credentials are both given: write all keys under credentials"


def test_a_key_that_is_missing_and_a_limit_that_is_none_are_told_where_they_stand(tmp_path: Path) -> None:
    assert "endpoints[0].credentials[0].value: the environment has no A" in problem(
        tmp_path, "credentials: [{value: 'env:A'}]"
    )
    assert "endpoints[0].credentials[0].rpm: expected a whole number of at least 1" in problem(
        tmp_path, "credentials: [{value: k, rpm: 0}]"
    )


def test_keys_given_in_a_list_need_no_key_of_the_provider_in_the_environment(tmp_path: Path) -> None:
    made = endpoints(tmp_path, "provider: openai, credentials: [{value: a}, {value: b}]")
    assert [one.credential for one in made.values()] == ["a", "b"]


def test_an_endpoint_that_is_printed_by_accident_shows_no_key(tmp_path: Path) -> None:
    (made,) = endpoints(tmp_path, "credential: sk-secret").values()
    assert "sk-secret" not in f"{made!r} {made} {[made]}"
