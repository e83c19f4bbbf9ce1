"""Config objects of Portkey's gateway: strategies, nested targets, overrides, and what is kept at Portkey."""

import json
from pathlib import Path
from typing import Any

import pytest
from migrating import taken_up, told

from intertie.adapters.migration.draft import Imported
from intertie.adapters.migration.portkey import portkey
from intertie.config.snapshot import Snapshot
from intertie.core.faults import ConfigFault, InvalidRequest

KEYS = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "GROQ_API_KEY": "g"}
OPENAI = {"provider": "openai", "api_key": "sk-1", "override_params": {"model": "gpt-4o"}}
CLAUDE = {"provider": "anthropic", "override_params": {"model": "claude-sonnet-4-5", "max_tokens": 200}}


def imported(config: object, model: str = "", name: str = "", **providers: str) -> Imported:
    return portkey(json.dumps(config).encode(), Path("chat.json"), model, name, providers)


def snapshot(folder: Path, config: object, model: str = "", **providers: str) -> Snapshot:
    return taken_up(folder, imported(config, model, **providers), **KEYS)


def within(mode: str, *targets: object, **more: object) -> dict[str, Any]:
    return {"strategy": {"mode": mode}, "targets": list(targets), **more}


def test_one_target_is_one_endpoint(tmp_path: Path) -> None:
    made = snapshot(tmp_path, OPENAI)
    (endpoint,) = made.endpoints.values()
    assert (endpoint.model, endpoint.upstream_model, endpoint.provider, endpoint.credential) == (
        "chat", "gpt-4o", "openai", "sk-1",
    )  # fmt: skip
    assert not made.routes


def test_a_single_strategy_takes_the_first_target(tmp_path: Path) -> None:
    assert [end.provider for end in snapshot(tmp_path, within("single", CLAUDE, OPENAI)).endpoints.values()] == [
        "anthropic"
    ]


def test_targets_beside_each_other_are_endpoints_of_one_model(tmp_path: Path) -> None:
    made = imported(within("loadbalance", {**OPENAI, "weight": 0.7}, {**CLAUDE, "weight": 0.3}))
    found = taken_up(tmp_path, made, **KEYS)
    assert {(end.model, end.upstream_model) for end in found.endpoints.values()} == {
        ("chat", "gpt-4o"), ("chat", "claude-sonnet-4-5"),
    }  # fmt: skip
    assert "fixed shares" in told(made)["targets[0].weight"]
    assert {end.max_output for end in found.endpoints.values()} == {4_096, 200}


def test_targets_behind_each_other_are_models_of_a_route(tmp_path: Path) -> None:
    made = snapshot(tmp_path, within("fallback", OPENAI, CLAUDE))
    route = made.routes["chat"]
    assert (route.candidates, route.fallback) == (("chat/1",), ("chat/2",))
    assert [(end.model, end.provider) for end in made.endpoints.values()] == [
        ("chat/1", "openai"), ("chat/2", "anthropic"),
    ]  # fmt: skip


def test_a_loadbalance_of_fallbacks_goes_step_by_step(tmp_path: Path) -> None:
    groq = {"provider": "groq", "override_params": {"model": "g"}}
    made = imported(within("loadbalance", groq, within("fallback", OPENAI, CLAUDE)))
    found = taken_up(tmp_path, made, **KEYS)
    assert {end.provider: end.model for end in found.endpoints.values()} == {
        "groq": "chat/1", "openai": "chat/1", "anthropic": "chat/2",
    }  # fmt: skip
    assert "every first one" in told(made)["targets"]


def test_what_is_around_a_target_holds_for_it(tmp_path: Path) -> None:
    inner = {"provider": "openai", "api_key": "k"}
    config = within("loadbalance", inner, {**inner, "override_params": {"model": "gpt-4o-mini"}})
    made = snapshot(tmp_path, {**config, "override_params": {"model": "gpt-4o"}, "custom_host": "http://proxy/v1"})
    assert [end.upstream_model for end in made.endpoints.values()] == ["gpt-4o", "gpt-4o-mini"]
    assert {end.origin.host for end in made.endpoints.values()} == {"proxy"}


def test_targets_that_override_no_model_need_to_be_told_one(tmp_path: Path) -> None:
    bare = within("fallback", {"provider": "openai"}, {"provider": "groq"})
    with pytest.raises(InvalidRequest, match=r"targets\[0\] overrides no model"):
        imported(bare)
    made = snapshot(tmp_path, bare, "gpt-4o")
    assert made.routes["gpt-4o"].candidates == ("gpt-4o/1",)
    assert {end.upstream_model for end in made.endpoints.values()} == {"gpt-4o"}


def test_who_stands_behind_a_virtual_key_must_be_said(tmp_path: Path) -> None:
    config = within("loadbalance", {"virtual_key": "openai-prod"}, {"provider": "@team-claude/claude-haiku-4-5"})
    assert set(told(imported(config, "m"))) == {"targets[0].virtual_key", "targets[1].provider"}
    made = snapshot(tmp_path, config, "m", **{"openai-prod": "openai", "team-claude": "anthropic"})
    assert [(end.provider, end.upstream_model) for end in made.endpoints.values()] == [
        ("openai", "m"), ("anthropic", "claude-haiku-4-5"),
    ]  # fmt: skip


def test_clouds_keep_their_places(tmp_path: Path) -> None:
    azure = {
        "provider": "azure-openai",
        "api_key": "k",
        "resource_name": "ours",
        "deployment_id": "d",
        "api_version": "v",
    }
    bedrock = {"provider": "bedrock", "aws_access_key_id": "A", "aws_secret_access_key": "S", "aws_region": "eu-west-1"}
    vertex = {"provider": "vertex-ai", "vertex_project_id": "p", "vertex_region": "us-east1"}
    made = snapshot(tmp_path, within("loadbalance", azure, bedrock, vertex), "m")
    one, two, three = made.endpoints.values()
    assert (one.origin.host, one.upstream_model, one.api_version) == ("ours.openai.azure.com", "d", "v")
    assert (two.origin.host, two.credential) == ("bedrock-runtime.eu-west-1.amazonaws.com", "A:S")
    assert (three.region, three.project) == ("us-east1", "p")


def test_retries_and_timeouts_hold_for_all(tmp_path: Path) -> None:
    config = within(
        "fallback",
        {**OPENAI, "retry": {"attempts": 4, "on_status_codes": [429]}, "request_timeout": 30_000},
        CLAUDE,
        retry={"attempts": 2},
        request_timeout=10_000,
    )
    made = imported(config)
    found = taken_up(tmp_path, made, **KEYS)
    assert (found.retry.max_attempts, found.upstream.answer_timeout_s) == (5, 30)
    why = told(made)
    assert "kind of error" in why["targets[0].retry.on_status_codes"]
    assert "the largest is taken" in why["targets[0]"]


def test_what_has_no_counterpart_is_told() -> None:
    made = imported({**OPENAI, "cache": {"mode": "semantic"}, "input_guardrails": ["pii"], "novel": 1})
    assert {"cache", "input_guardrails", "novel"} <= told(made).keys()
    conditional = within("conditional", {**OPENAI, "name": "a"})
    conditional["strategy"]["conditions"] = [{"query": {}, "then": "a"}]
    assert {"strategy.mode", "strategy.conditions"} <= told(imported(conditional)).keys()


def test_targets_are_nested_only_so_deep() -> None:
    config: object = OPENAI
    for _ in range(9):
        config = within("fallback", config)
    assert any("deeper" in left.why for left in imported(config).left)


@pytest.mark.parametrize("text", [b"", b"[]", b"{"])
def test_what_is_no_config_object_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigFault):
        portkey(text, Path("c.json"), "", "", {})
