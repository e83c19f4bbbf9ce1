"""Endpoints that name a provider, and the reader's keys, places and prices that come with it."""

from pathlib import Path

import pytest

from intertie.config.document import configured
from intertie.config.snapshot import Snapshot, pack, unpack
from intertie.control.compile import compile_document
from intertie.core.faults import ConfigFaults

PEPPER, VERSION = b"p" * 32, 1_795_000_000_000


def snapshot(folder: Path, text: str, **environ: str) -> Snapshot:
    path = folder / "intertie.yaml"
    path.write_text(text)
    settings, document = configured({"config": str(path)}, environ)
    return compile_document(document, settings, (), PEPPER, VERSION).snapshot


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigFaults) as caught:
        snapshot(folder, text, **environ)
    return [f"{fault.line}: {fault.problem} ({fault.hint})" for fault in caught.value.faults]


def test_a_provider_gives_all_that_is_left_out(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        "endpoints: [{id: fast, provider: groq, model: llama-3.3-70b-versatile}]\n",
        GROQ_API_KEY="gsk-1",
    )
    fast = made.endpoints["fast"]
    assert (fast.origin.host, fast.origin.path, fast.dialect) == ("api.groq.com", "/openai/v1", "openai_chat")
    assert (fast.credential, fast.site, fast.provider) == ("gsk-1", "groq", "groq")
    assert fast.quirks == {"no_hints"}
    assert fast.operations == ("chat", "speech", "transcription", "translation")
    assert fast.retains
    assert fast.price is not None
    assert fast.price.source.startswith("genai-prices:groq/")
    assert (made.sites["groq"].tier, made.sites["groq"].jurisdiction) == ("provider", ())
    assert unpack(pack(made)).endpoints["fast"] == fast


def test_what_is_written_beats_what_the_provider_gives(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
sites: [{id: here, jurisdiction: [EU]}]
endpoints:
- {id: own, provider: openai, site: here, model: gpt-4o, url: "http://proxy:1/x", credential: k, dialect: azure_openai,
   operations: chat, quirks: [], retains: false, on_unsupported: drop, region: r, project: p, api_version: "1"}
""",
    )
    own = made.endpoints["own"]
    assert (own.origin.host, own.site, own.credential, own.dialect) == ("proxy", "here", "k", "azure_openai")
    assert (own.operations, own.quirks, own.retains, own.on_unsupported) == (("chat",), frozenset(), False, "drop")
    assert (own.region, own.project, own.api_version) == ("r", "p", "1")
    assert own.price is not None, "a proxy on the way does not change whose prices hold"
    assert list(made.sites) == ["here"]


def test_the_first_key_that_is_set_counts(tmp_path: Path) -> None:
    text = "endpoints: [{id: g, provider: gemini, model: gemini-2.5-pro}]\n"
    assert snapshot(tmp_path, text, GOOGLE_API_KEY="two").endpoints["g"].credential == "two"
    assert snapshot(tmp_path, text, GOOGLE_API_KEY="two", GEMINI_API_KEY="one").endpoints["g"].credential == "one"


def test_keys_that_belong_together_are_joined(tmp_path: Path) -> None:
    text = "endpoints: [{id: b, provider: bedrock, model: m, region: eu-west-1}]\n"
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    assert snapshot(tmp_path, text, **keys).endpoints["b"].credential == "AKIA:s"
    assert snapshot(tmp_path, text, **keys, AWS_SESSION_TOKEN="t").endpoints["b"].credential == "AKIA:s:t"
    assert snapshot(tmp_path, text, **keys, AWS_BEARER_TOKEN_BEDROCK="b").endpoints["b"].credential == "b"
    assert "AWS_ACCESS_KEY_ID:AWS_SECRET_ACCESS_KEY" in problems(tmp_path, text, AWS_ACCESS_KEY_ID="AKIA")[0]


def test_a_key_that_is_nowhere_is_a_problem_with_its_name(tmp_path: Path) -> None:
    found = problems(tmp_path, "endpoints:\n- id: g\n  provider: gemini\n  model: m\n")
    assert found == [
        "3: endpoint g: the environment has no GEMINI_API_KEY or GOOGLE_API_KEY "
        "(set it, or give the endpoint a credential)"
    ]


def test_an_unknown_provider_is_a_problem_with_the_nearest_name(tmp_path: Path) -> None:
    found = problems(tmp_path, "sites: [{id: s}]\nendpoints: [{id: g, site: s, provider: grok, model: m}]\n")
    assert found[0] == "2: endpoint g: provider 'grok' does not exist (did you mean groq?)"


def test_what_only_the_customer_knows_must_be_given(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
endpoints:
- {id: a, provider: azure, model: m, credential: k}
- {id: b, provider: bedrock, model: m, credential: k}
- {id: v, provider: vertex, model: m, credential: k, region: us-east1}
- {id: w, provider: bedrock, model: m, credential: k, region: "x@y"}
""",
    )
    assert found == [
        "3: endpoint a has no url (as https://RESOURCE.openai.azure.com, with your own RESOURCE)",
        "4: endpoint b has no region (Amazon Bedrock has several)",
        "5: endpoint v has no project (Google Vertex AI has several)",
        "6: endpoint w: there can be no region 'x@y' ()",
    ]


def test_a_region_is_part_of_the_address(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
endpoints:
- {id: b, provider: bedrock, model: m, credential: k, region: eu-central-1}
- {id: v, provider: vertex, model: m, credential: k, region: global, project: p}
""",
    )
    assert made.endpoints["b"].origin.host == "bedrock-runtime.eu-central-1.amazonaws.com"
    assert made.endpoints["v"].origin.host == "aiplatform.googleapis.com"
    assert made.sites["bedrock"].jurisdiction == (), "a region is no promise: some profiles span continents"


def test_an_engine_stands_where_its_owner_put_it(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "sites: [{id: s}]\nendpoints: [{id: e, site: s, provider: ollama, model: m}]\n")
    engine = made.endpoints["e"]
    assert (engine.origin.port, engine.quirks, engine.credential) == (11434, {"max_tokens"}, "")
    assert not engine.retains
    assert engine.price is None
    found = problems(tmp_path, "endpoints: [{id: e, provider: ollama, model: m}]\n")
    assert found == ["1: endpoint e has no site (only a provider's cloud needs none)"]


def test_requests_may_name_an_endpoint_by_its_site_and_its_provider_too(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "endpoints: [{id: k, provider: moonshot, model: kimi-k2, credential: x}]\n")
    assert made.endpoints["k"].names == ("k", "moonshot", "moonshotai")


def test_a_declared_site_takes_the_place_of_the_providers_own(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        "sites: [{id: groq, tier: provider, jurisdiction: [US]}]\n"
        "endpoints: [{id: k, provider: groq, model: m, credential: x}]\n",
    )
    assert made.sites["groq"].jurisdiction == ("US",)


def test_what_becomes_of_the_unsupported_is_said_by_route_and_endpoint(tmp_path: Path) -> None:
    made = snapshot(
        tmp_path,
        """
sites: [{id: s}]
endpoints:
- {id: a, site: s, model: m, url: "http://h/v1", on_unsupported: refuse}
- {id: b, site: s, model: m, url: "http://h/v1"}
routes:
- {name: loose, candidates: m, on_unsupported: drop}
- {name: plain, candidates: m}
""",
    )
    assert [made.endpoints[name].on_unsupported for name in "ab"] == ["refuse", None]
    assert [made.routes[name].on_unsupported for name in ("loose", "plain")] == ["drop", None]
