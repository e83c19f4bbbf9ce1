"""What was tried with which client, and what came of it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from stage import MODELS

HERE = Path(__file__).parent
ALL = "any"
"""In place of an endpoint's dialect where a case needs no endpoint."""

_HEAD = """# Clients that were tried

<!-- Made by `make test-clients`; do not change it by hand. -->

Each line is a client that speaks one dialect, each column the dialect of the endpoint behind the gateway. What stands
there passed. What such an endpoint cannot do was refused by name and is marked so; so is what could not be run.
[How to set them up](how-to/clients.md).

"""


class Client(NamedTuple):
    """A client: what people call it, the package whose version counts, and the dialect that it speaks."""

    title: str
    package: str
    speaks: str = ""


CLIENTS = {
    "client_openai_chat": Client("OpenAI SDK, Python", "openai", "chat"),
    "client_openai_responses": Client("OpenAI SDK, Python", "openai", "responses"),
    "client_openai_node": Client("OpenAI SDK, Node", "openai"),
    "client_anthropic": Client("Anthropic SDK, Python", "anthropic", "messages"),
    "client_anthropic_node": Client("Anthropic SDK, Node", "@anthropic-ai/sdk", "messages"),
    "client_google": Client("Google Gen AI SDK, Python", "google-genai", "gemini"),
    "client_langchain": Client("LangChain", "langchain-core"),
    "client_pydantic_ai": Client("pydantic-ai", "pydantic-ai-slim"),
    "client_litellm": Client("LiteLLM SDK", "litellm"),
    "client_instructor": Client("instructor", "instructor"),
    "claude": Client("Claude Code", "@anthropic-ai/claude-code", "messages"),
    "codex": Client("Codex", "@openai/codex", "responses"),
    "opencode": Client("opencode", "opencode-ai", "chat"),
}
REFUSED = {("client_instructor", "messages", "gemini"), ("client_instructor", "messages", "bedrock")}
"""What cannot work, and is refused by name: instructor forbids Claude to call tools in parallel, and neither Gemini nor
Bedrock can be told so."""

_REFUSAL = "unsupported_parameter"
_KINDS = ("chat", "responses", "messages")


class Cell(NamedTuple):
    """One case with one client. `why` tells why it failed or was not run; "" where it passed."""

    client: str
    speaks: str
    endpoint: str
    case: str
    outcome: str
    why: str = ""


class Table:
    """All cells so far."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []

    def read(self, report: Path) -> list[Cell]:
        """The cells of a JUnit report, which are added; those that did not pass are returned."""
        found = [_cell(case) for case in ElementTree.parse(report).iter("testcase")]
        self.cells += found
        return [cell for cell in found if cell.outcome != "passed"]

    def rows(self) -> Iterator[tuple[str, dict[str, list[Cell]]]]:
        """For each client and dialect its name and version, and the cells by the endpoint's dialect."""
        for key in dict.fromkeys((cell.client, cell.speaks) for cell in self.cells):
            client = CLIENTS[key[0]]
            mine = [cell for cell in self.cells if (cell.client, cell.speaks) == key]
            columns = {name: [cell for cell in mine if cell.endpoint == name] for name in (*MODELS, ALL)}
            yield f"{client.title} {version(client.package, key[0])}, speaking {key[1]}", columns

    def lines(self) -> Iterator[str]:
        """The table for a terminal, and then everything that did not pass."""
        for title, columns in self.rows():
            yield f"{title:<52}" + "  ".join(f"{name} {_score(cells)}" for name, cells in columns.items() if cells)
        for cell in self.cells:
            if cell.outcome != "passed":
                yield f"{cell.client}, {cell.speaks} to {cell.endpoint}: {cell.case} {cell.outcome}: {cell.why}"

    def page(self) -> str:
        """The table as a page."""
        lines = [f"| client | {' | '.join(MODELS)} | {ALL} |", "|---" * (len(MODELS) + 2) + "|"]
        for title, columns in self.rows():
            lines.append(f"| {title} | {' | '.join(_told(cells) for cells in columns.values())} |")
        return _HEAD + "\n".join(lines) + "\n"


TABLE = pytest.StashKey[Table]()


def _score(cells: list[Cell]) -> str:
    counts = Counter(cell.outcome for cell in cells)
    more = "".join(f", {count} {name}" for name, count in counts.items() if name != "passed")
    return f"{counts['passed']}/{len(cells)}{more}"


def _told(cells: list[Cell]) -> str:
    return ", ".join(cell.case if cell.outcome == "passed" else f"({cell.case}: {cell.outcome})" for cell in cells)


def _cell(case: ElementTree.Element) -> Cell:
    """Pytest's and Node's reports: the name says case and parameters, the class or the file the client."""
    name, _, given = case.get("name", "").removeprefix("test_").rstrip("]").partition("[")
    source = re.split(r"[./]", (case.get("file") or case.get("classname", "")).removesuffix(".mjs"))[-1]
    words = given.split("-")
    endpoint = next((word for word in words if word in MODELS), ALL)
    speaks = next((word for word in words if word in _KINDS), CLIENTS[source].speaks)
    assert speaks, case.attrib
    bad = next((child for kind in ("failure", "error") for child in case.iter(kind)), None)
    why = "" if bad is None else " ".join((bad.get("message") or bad.text or "").split())
    refused = (source, speaks, endpoint) in REFUSED and _REFUSAL in why
    outcome = "passed" if bad is None else "refused" if refused else "failed"
    return Cell(source, speaks, endpoint, "parallel" if "parallel" in words else name, outcome, why[:600])


def version(package: str, client: str) -> str:
    """The version that the lock of a client's environment says."""
    if client.endswith("_node") or not client.startswith("client_"):
        return json.loads((HERE / "node" / "package.json").read_text())["dependencies"][package]
    locks = "\n".join((HERE / f"{name}.lock").read_text() for name in ("current", "earlier"))
    found = re.search(rf"^{re.escape(package)}==(\S+)", locks, re.MULTILINE)
    assert found, package
    return found[1]
