"""Pages are run: their files are written, their commands carried out, and what they show must come."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from stand import Stand

from intertie.cli.stored import Gateway, compiled
from intertie.core.call import NO_ASK, Ask, Call
from intertie.core.clock import SystemClock
from intertie.core.plan import DropCode
from intertie.core.principal import Principal
from intertie.dialects.openrouter import asked, said
from intertie.policy.routing.choice import resolve, wants_of
from intertie.policy.routing.choose import choose
from intertie.policy.routing.state import live_states
from intertie.policy.routing.table import build_table

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEYS = (
    "OPENAI_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "OPENROUTER_API_KEY", "GATEWAY_KEY",
    "GEMINI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK",
)  # fmt: skip


def fences(page: str) -> list[tuple[str, str, str]]:
    return FENCE.findall((FOLDER / page).read_text())


def shown(block: str) -> list[tuple[list[str], list[str]]]:
    """The commands of a console block, each with the lines that must be among what it says."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ intertie "):
            found.append((line.split()[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.mark.parametrize(
    "page",
    [
        *sorted(path.name for path in FOLDER.glob("migrate-*.md")),
        "credentials.md",
        "dialects.md",
        "engines.md",
        "say-where.md",
    ],
)
def test_what_a_page_shows_is_what_happens(page: str, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "secret")
    ran = 0
    for language, file, text in fences(page):
        if file:
            (stand.folder / file).write_text(text)
        for words, lines in shown(text) if language == "console" else []:
            result = stand.run(*words)
            assert result.code == 0, result.err + result.out
            assert all(line in result.out + result.err for line in lines), result.err + result.out
            ran += 1
    assert ran


def test_the_request_of_the_page_on_openrouter_is_understood() -> None:
    (text,) = [text for _, file, text in fences("migrate-from-openrouter.md") if file == "request.json"]
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    assert said(fields)
    found = asked(fields, Ask(), json.loads(text)["model"])
    assert (found.models, found.order, found.ignore) == (
        ("claude-sonnet-4-5",), ("groq", "llama-own"), ("openrouter",),
    )  # fmt: skip
    assert found.no_retention
    wanted: dict[str, Any] = found.weights or {}
    assert wanted["cost"] == 1


def planned(stand: Stand, page: str, ask: Ask, model: str) -> tuple[str, ...]:
    """Which endpoints would serve the request on a page, whose configuration is written, in this order."""
    (text,) = [text for _, file, text in fences(page) if file == "intertie.yaml"]
    stand.configure(text)
    settings, document = Gateway().configured()
    known = compiled(document, settings, SystemClock.wall())
    tables = {name: build_table(known, name) for name in (model, *ask.models)}
    usual, caller = wants_of(tables[model], Principal("k", "key"), NO_ASK, under_budget=False), Principal("k", "key")
    choice = resolve(known, tables, caller, Call("chat", model, b"{}", ask=ask), usual, 0.0)
    return choose(tables[model], live_states(known, {}), choice, 0.0, 0.0).order


def test_the_request_of_the_page_on_openrouter_goes_where_it_says(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "secret")
    (text,) = [text for _, file, text in fences("migrate-from-openrouter.md") if file == "request.json"]
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    model = json.loads(text)["model"]
    assert planned(stand, "migrate-from-openrouter.md", asked(fields, Ask(), model), model) == ("llama-own",)


def test_the_object_of_the_page_on_places_goes_where_it_says(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "secret")
    (text,) = [text for _, file, text in fences("say-where.md") if file == "intertie-object.json"]
    wanted = msgspec.json.decode(text, type=Ask)
    assert planned(stand, "say-where.md", wanted, "llama") == ("llama-own", "llama-groq")


def test_the_page_on_places_names_every_code() -> None:
    page = (FOLDER / "say-where.md").read_text()
    assert all(f"`{code}`" in page for code in get_args(DropCode) if code)
