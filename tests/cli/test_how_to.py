"""Pages are run: their files are written, their commands carried out, and what they show must come."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stand import Stand

from intertie.core.call import Ask
from intertie.dialects.openrouter import asked, said

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


@pytest.mark.parametrize("page", [*sorted(path.name for path in FOLDER.glob("migrate-*.md")), "dialects.md"])
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
