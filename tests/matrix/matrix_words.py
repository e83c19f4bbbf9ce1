"""What is asked in a cell of the matrix, and what came of it, whatever the client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Tool(NamedTuple):
    """A tool that the caller runs."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One turn of a conversation. `system` instructs the model; `more` are fields in the client's own words."""

    model: str
    text: str
    system: str = ""
    tools: tuple[Tool, ...] = ()
    images: tuple[bytes, ...] = ()
    schema: dict[str, Any] | None = None
    thinks: bool = False
    stream: bool = False
    limit: int = 4_000
    more: dict[str, Any] = field(default_factory=dict)


class Called(NamedTuple):
    """A tool that the model wants run."""

    id: str
    name: str
    arguments: Any


@dataclass
class Told:
    """One answer. `turn` is what the client sends back of it; `request` the gateway's id; tokens as the client reads
    them: `prompt` includes `cached`, `completion` includes thoughts. `chances` counts tokens with probabilities, and
    `choices` the answers.
    """

    request: str
    text: str = ""
    thoughts: str = ""
    calls: list[Called] = field(default_factory=list)
    stop: str = ""
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    turn: Any = None
    chances: int = 0
    choices: int = 1


class Past(NamedTuple):
    """What went before: the first question, its answer, and what its tools gave."""

    asked: Ask
    told: Told
    results: list[str]


class Refused(Exception):
    """An answer that is no success: status, the error's message, the field it names, when to come again."""

    def __init__(self, status: int, message: str, field: str = "", retry_after: str = "", kind: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message, self.field, self.retry_after, self.kind = status, message, field, retry_after, kind


class Broken(Exception):
    """A stream that began and did not end well."""


class Client(Protocol):
    """A real client: `dialect` is what it speaks."""

    name: str
    dialect: str

    async def ask(self, asked: Ask, past: Past | None = None) -> Told:
        """Raises Refused, Broken."""
        ...

    def pieces(self, asked: Ask) -> AsyncIterator[str]:
        """The pieces of text of a stream, the request's id before them; whoever stops reading leaves."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
