"""LiteLLM's config.yaml in the shapes that its proxy's documentation and examples show, taken up by this gateway."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from migrating import NOW, taken_up, told

from intertie.adapters.migration.draft import Imported
from intertie.adapters.migration.litellm import litellm
from intertie.config.snapshot import Snapshot
from intertie.core.faults import ConfigFault
from intertie.policy.keys import digest

KEYS = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "GROQ_API_KEY": "g", "COHERE_API_KEY": "c", "AZURE_KEY": "z"}


def imported(text: str) -> Imported:
    return litellm(text.encode(), Path("config.yaml"), NOW)


def snapshot(folder: Path, text: str, **environ: str) -> Snapshot:
    return taken_up(folder, imported(text), **{**KEYS, **environ})


def one(params: str, more: str = "") -> str:
    return f"model_list:\n- model_name: m\n  litellm_params: {{{params}}}\n{more}"


def test_entries_of_one_name_are_endpoints_of_one_model(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY}
  - model_name: fast
    litellm_params:
      model: azure/team-mini
      api_base: https://ours.openai.azure.com/
      api_version: "2024-10-21"
      api_key: os.environ/AZURE_KEY
    model_info: {id: azure-mini}
  - model_name: claude
    litellm_params: {model: claude-sonnet-4-5}
""",
    )
    fast, azure, claude = (
        made.endpoints["fast.openai"],
        made.endpoints["azure-mini"],
        made.endpoints["claude.anthropic"],
    )
    assert (fast.model, fast.upstream_model, fast.credential, fast.provider) == ("fast", "gpt-4o-mini", "o", "openai")
    assert (azure.model, azure.upstream_model, azure.dialect) == ("fast", "team-mini", "azure_openai")
    assert (azure.origin.host, azure.origin.path, azure.api_version) == ("ours.openai.azure.com", "", "2024-10-21")
    assert azure.credential == "z"
    assert (claude.dialect, claude.upstream_model, claude.credential) == (
        "anthropic_messages",
        "claude-sonnet-4-5",
        "a",
    )
    assert fast.price is not None
    assert not made.routes


@pytest.mark.parametrize(
    ("params", "provider", "model", "url"),
    [
        ("model: groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile", "https://api.groq.com/openai/v1"),
        ("model: text-embedding-ada-002", "openai", "text-embedding-ada-002", "https://api.openai.com/v1"),
        ("model: gpt-4o, api_base: 'https://api.openai.com/v1/'", "openai", "gpt-4o", "https://api.openai.com/v1"),
        ("model: ollama/llama3", "ollama", "llama3", "http://127.0.0.1:11434/v1"),
        ("model: ollama_chat/a/b, api_base: 'http://h:1/'", "ollama", "a/b", "http://h:1/v1"),
        ("model: hosted_vllm/Qwen/Qwen3-8B, api_base: 'http://h:8/v1'", "vllm", "Qwen/Qwen3-8B", "http://h:8/v1"),
        ("model: openai/x, api_base: 'http://h:8/v1', api_key: k", "", "x", "http://h:8/v1"),
        ("model: unheard/of, api_base: os.environ/BASE, api_key: k", "", "of", "https://base.example/v1"),
        ("model: cohere/command-a-03-2025", "cohere-chat", "command-a-03-2025", "https://api.cohere.ai/compatibility/v1"),
        ("model: cohere/rerank-v3.5", "cohere", "rerank-v3.5", "https://api.cohere.com/v2"),
        ("model: y, custom_llm_provider: groq", "groq", "y", "https://api.groq.com/openai/v1"),
        ("model: anthropic/c, api_base: 'http://proxy:1'", "anthropic", "c", "http://proxy:1"),
        ("model: bedrock/converse/amazon.nova-pro-v1:0, aws_region_name: eu-west-1", "bedrock", "amazon.nova-pro-v1:0",
         "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("model: bedrock/us-east-1/anthropic.claude-v2", "bedrock", "anthropic.claude-v2",
         "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: europe-west4", "vertex",
         "gemini-2.5-pro", "https://europe-west4-aiplatform.googleapis.com/v1"),
    ],
)  # fmt: skip
def test_a_model_is_served_where_its_prefix_says(
    tmp_path: Path, params: str, provider: str, model: str, url: str
) -> None:
    made = snapshot(tmp_path, one(params), BASE="https://base.example/v1", AWS_BEARER_TOKEN_BEDROCK="b")
    (endpoint,) = made.endpoints.values()
    origin = endpoint.origin
    assert (endpoint.provider, endpoint.upstream_model) == (provider, model)
    assert f"{origin.scheme}://{origin.authority}{origin.path}" == url


def test_keys_of_a_cloud_are_joined(tmp_path: Path) -> None:
    params = "model: bedrock/x, aws_access_key_id: os.environ/A, aws_secret_access_key: os.environ/B"
    made = snapshot(tmp_path, one(params), A="AKIA", B="s", AWS_REGION="eu-west-3")
    (endpoint,) = made.endpoints.values()
    assert (endpoint.credential, endpoint.region) == ("AKIA:s", "eu-west-3")


def test_what_is_known_of_a_model_comes_along(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
model_list:
  - model_name: own
    litellm_params: {model: openai/own, api_base: "http://h/v1", api_key: none, max_tokens: 256,
                     input_cost_per_token: 0.00000015, output_cost_per_token: 6e-7}
    model_info: {max_input_tokens: 32768, max_output_tokens: 2048, mode: chat}
  - model_name: vectors
    litellm_params: {model: text-embedding-3-small}
    model_info: {mode: embedding}
  - model_name: team
    litellm_params: {model: azure/my-own-name, api_base: "https://x.openai.azure.com", api_key: k}
    model_info: {base_model: azure/gpt-4o-mini}
""",
    )
    own, vectors, team = made.endpoints.values()
    assert own.price is not None
    assert (own.price.input, own.price.output) == (150_000_000, 600_000_000)
    assert (own.context, own.max_output) == (32_768, 256)
    assert vectors.operations == ("embeddings",)
    assert team.price is not None
    assert team.price.input == 150_000_000


def test_fallbacks_make_a_route_that_callers_ask_for_by_the_old_name(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
model_list:
  - {model_name: small, litellm_params: {model: gpt-4o-mini}}
  - {model_name: large, litellm_params: {model: gpt-4o}}
  - {model_name: far, litellm_params: {model: claude-sonnet-4-5}}
  - {model_name: vectors, litellm_params: {model: text-embedding-3-small}}
router_settings:
  fallbacks: [{small: [large]}]
litellm_settings:
  context_window_fallbacks: [{small: [far, large]}]
  default_fallbacks: [far]
""",
    )
    assert made.routes["small"].candidates == ("direct/small",)
    assert set(made.routes["small"].fallback) == {"far", "direct/large"}
    assert made.routes["large"].fallback == ("far",)
    assert "far" not in made.routes, "nothing stands behind itself"
    assert "vectors" not in made.routes, "no chat model can stand in for embeddings"
    assert {endpoint.model for endpoint in made.endpoints.values()} == {
        "direct/small", "direct/large", "far", "vectors",
    }  # fmt: skip
    assert made.endpoints["small.openai"].upstream_model == "gpt-4o-mini"


def test_aliases_are_routes(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
model_list:
  - {model_name: real, litellm_params: {model: gpt-4o}}
  - {model_name: other, litellm_params: {model: gpt-4o-mini}}
router_settings:
  model_group_alias: {nick: real, hidden: {model: other, hidden: true}, other: real}
""",
    )
    assert made.routes["nick"].candidates == ("real",)
    assert made.routes["hidden"].candidates == ("direct/other",)
    assert made.routes["other"].candidates == ("real",), "an alias goes before a group of its name"


def test_a_star_stands_for_the_models_that_are_known_today(tmp_path: Path) -> None:
    made = imported(
        """
model_list:
  - {model_name: "*", litellm_params: {model: "openai/*"}}
  - {model_name: "anthropic/*", litellm_params: {model: "anthropic/*"}}
  - {model_name: "fast-*", litellm_params: {model: "groq/llama-3.1-*"}}
  - {model_name: gpt-4o, litellm_params: {model: azure/mine, api_base: "https://x.openai.azure.com", api_key: k}}
  - {model_name: "vllm/*", litellm_params: {model: "hosted_vllm/*"}}
  - {model_name: "cohere/*", litellm_params: {model: "cohere/*"}}
"""
    )
    found = taken_up(tmp_path, made, **KEYS)
    models = {endpoint.model: endpoint for endpoint in found.endpoints.values()}
    assert models["gpt-4o-mini"].provider == "openai"
    assert models["text-embedding-3-small"].operations == ("embeddings",)
    assert models["anthropic/claude-sonnet-4-5"].upstream_model == "claude-sonnet-4-5"
    assert models["fast-8b-instant"].upstream_model == "llama-3.1-8b-instant"
    assert (models["cohere/command-a"].provider, models["cohere/embed-v4.0"].provider) == ("cohere-chat", "cohere")
    assert [end.provider for end in found.endpoints.values() if end.model == "gpt-4o"] == ["azure"], (
        "written out: first"
    )
    why = told(made)
    assert "models known today" in why["model_list[1].litellm_params.model"]
    assert "name them one by one" in why["model_list[4].litellm_params.model"]


def test_a_star_alone_stands_for_the_providers_that_the_file_names(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
model_list:
  - {model_name: "*", litellm_params: {model: "*"}}
  - {model_name: mine, litellm_params: {model: anthropic/claude-sonnet-4-5}}
  - {model_name: yours, litellm_params: {model: groq/llama-3.3-70b-versatile}}
""",
    )
    models = {endpoint.model: endpoint for endpoint in made.endpoints.values()}
    assert models["claude-haiku-4-5"].provider == "anthropic"
    assert models["groq/llama-3.1-8b-instant"].upstream_model == "llama-3.1-8b-instant"


def test_settings_have_their_counterparts(tmp_path: Path) -> None:
    path = tmp_path / "made.yaml"
    made = imported(
        one("model: gpt-4o, rpm: 10, tpm: 1_000")
        + """
litellm_settings: {drop_params: True, num_retries: 4, request_timeout: 90}
router_settings: {routing_strategy: cost-based-routing, allowed_fails: 3, cooldown_time: 45, stream_timeout: 20}
general_settings: {master_key: sk-1234}
"""
    )
    found = taken_up(tmp_path, made, **KEYS)
    assert path.exists()
    assert (found.retry.max_attempts, found.breaker.failures, found.breaker.open_s) == (5, 3, 45)
    assert (found.upstream.answer_timeout_s, found.upstream.first_byte_timeout_s) == (90, 20)
    assert found.default_objective == "economy"
    assert [endpoint.on_unsupported for endpoint in found.endpoints.values()] == ["drop"]
    assert {meter.kind: meter.cap for meter in found.meters.values()} == {"requests": 10, "tokens": 1_000}
    assert digest(b"p" * 32, b"sk-1234") in found.keys
    assert "secrets stand in the written file" in told(made)["api_key"]


def test_limits_of_one_model_are_added_up_or_left(tmp_path: Path) -> None:
    text = """
model_list:
  - {model_name: m, litellm_params: {model: gpt-4o, rpm: 10, tpm: 5}}
  - {model_name: m, litellm_params: {model: gpt-4o, api_key: k}, rpm: 3}
"""
    made = imported(text)
    assert [meter.cap for meter in taken_up(tmp_path, made, **KEYS).meters.values()] == [13]
    assert any(why.startswith("tpm: only some") for why in told(made).values()) or "tpm" in made.draft.text(
        "x", made.left
    )


def test_variables_that_the_file_sets_are_written_where_they_are_used(tmp_path: Path) -> None:
    made = imported(
        one("model: gpt-4o, api_key: os.environ/MY_KEY")
        + "environment_variables: {MY_KEY: 'sk-${x}', REDIS_HOST: localhost}\n"
    )
    assert taken_up(tmp_path, made).endpoints["m.openai"].credential == "sk-${x}"
    assert "environment_variables.REDIS_HOST" in told(made)
    assert "environment_variables.MY_KEY" not in told(made)


def test_named_credentials_are_looked_up(tmp_path: Path) -> None:
    text = one("model: azure/d, litellm_credential_name: ours") + (
        "credential_list:\n- credential_name: ours\n"
        "  credential_values: {api_key: os.environ/AZURE_KEY, api_base: 'https://o.openai.azure.com', api_version: v}\n"
    )
    (endpoint,) = snapshot(tmp_path, text).endpoints.values()
    assert (endpoint.credential, endpoint.origin.host, endpoint.api_version) == ("z", "o.openai.azure.com", "v")


STRANGE = """model_list:
- model_name: m
  litellm_params:
    model: gpt-4o
    weight: 3
    temperature: 0.2
    timeout: 30
    vertex_credentials: x.json
    something_new: 1
  model_info: {tier: free, supports_vision: true}
  note: mine
- model_name: lost
  litellm_params: {model: sagemaker/endpoint}
- model_name: talk
  litellm_params: {model: gpt-realtime}
- model_name: "not a name"
  litellm_params: {model: gpt-4o}
- just a word
router_settings: {redis_host: h, routing_strategy: my-own}
litellm_settings: {cache: true, callbacks: [otel]}
general_settings: {database_url: postgres}
guardrails: [{guardrail_name: g}]
mcp_servers: {a: {}}
no_such_section: 1
"""


def test_everything_without_a_counterpart_is_told_with_its_line_and_why() -> None:
    made = imported(STRANGE)
    lines = {left.where: left.line for left in made.left}
    why = told(made)
    assert lines["model_list[0].litellm_params.weight"] == 5
    assert "objectives" in why["model_list[0].litellm_params.weight"]
    assert "no defaults" in why["model_list[0].litellm_params.temperature"]
    assert why["model_list[0].litellm_params.something_new"] == "there is no counterpart"
    assert {"model_list[0].note", "model_list[0].model_info.tier", "model_list[0].litellm_params.timeout"} <= why.keys()
    assert "which provider" in why["model_list[1].litellm_params.model"]
    assert "nothing that is done here" in why["model_list[2].model_info.mode"]
    assert "cannot be a name" in why["model_list[3].model_name"]
    assert "expected keys and values" in why["model_list[4]"]
    assert lines["guardrails"] == 22
    assert {
        "mcp_servers",
        "no_such_section",
        "router_settings.routing_strategy",
        "litellm_settings.cache",
    } <= why.keys()
    assert [left.line for left in made.left] == sorted(left.line for left in made.left)


def test_what_is_left_stands_at_the_head_of_the_file_as_comments(tmp_path: Path) -> None:
    made = imported(one("model: gpt-4o, 'x\\n  - evil': 1"))
    text = made.draft.text("config.yaml", made.left)
    head = text.partition("endpoints:")[0]
    assert "litellm_params" in head
    assert all(line.startswith("#") or not line for line in head.splitlines())
    assert taken_up(tmp_path, made, **KEYS).endpoints


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "a: &x {b: *x}\n"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigFault):
        imported(text)


def test_json_and_odd_shapes_are_read_without_a_crash(tmp_path: Path) -> None:
    odd = (
        '{"model_list": {"model_name": []}, "router_settings": [1], "litellm_settings": {"fallbacks": ["a", {"b": 1}],'
    )
    made = imported(odd + ' "num_retries": "many", "request_timeout": -1}, "environment_variables": 3}')
    assert taken_up(tmp_path, made).endpoints == {}
    assert {"router_settings", "environment_variables", "litellm_settings.num_retries"} <= told(made).keys()


TEXT = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)
KEY = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).map("x_".__add__)


@given(st.dictionaries(KEY, TEXT | st.integers() | st.lists(st.none()), min_size=1, max_size=5))
def test_no_key_is_ever_left_out_in_silence(keys: dict[str, object]) -> None:
    config = {
        "model_list": [{"model_name": "m", "litellm_params": {"model": "gpt-4o", **keys}, "model_info": keys, **keys}],
        "router_settings": keys,
        "litellm_settings": keys,
        "general_settings": keys,
        **keys,
    }
    places = ("model_list[0].litellm_params.", "model_list[0].model_info.", "model_list[0].", "router_settings.",
              "litellm_settings.", "general_settings.", "")  # fmt: skip
    left = told(imported(json.dumps(config)))
    for key, value in keys.items():
        assert value == "" or all(place + key in left for place in places)
