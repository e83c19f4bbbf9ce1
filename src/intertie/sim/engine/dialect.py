"""What the engine knows of a dialect: how it is spoken, what its operations ask for, and how they are answered."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from intertie.core.faults import Fault
from intertie.sim.engine.output import Output
from intertie.sim.engine.reading import Complaint
from intertie.sim.engine.requests import GenerationRequest, PrefillRequest


class Spent(msgspec.Struct, frozen=True):
    """Tokens as they are billed: `prompt` includes `cached`, `written` and `written_1h`, `completion` `thoughts`."""

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0
    written_1h: int = 0
    thoughts: int = 0

    @property
    def fresh(self) -> int:
        """Tokens of the prompt that were neither found in a cache nor written to one."""
        return self.prompt - self.cached - self.written - self.written_1h


class AnswerForm(ABC):
    """How one request for text is answered. A choice's index is its place among the outputs."""

    @abstractmethod
    def whole(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """The answer in one piece."""

    @abstractmethod
    def opening(self, index: int, output: Output, spent: Spent) -> bytes:
        """What a stream says before the first token of a choice."""

    @abstractmethod
    def token(self, index: int, output: Output, at: int) -> bytes:
        """One token of a choice, with what opens and closes the block it stands in."""

    @abstractmethod
    def closing(self, index: int, output: Output) -> bytes:
        """What a stream says when a choice is whole."""

    @abstractmethod
    def ending(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """What a stream says when all choices are whole."""

    @abstractmethod
    def done(self, outputs: Sequence[Output], spent: Spent) -> bytes:
        """The dialect's own end of a stream: without it, it was cut."""


class Refusal(NamedTuple):
    """An error as a whole answer: status, header lines, body; it is always JSON."""

    status: int
    headers: bytes
    body: bytes


class Asked(NamedTuple):
    """A request as an operation reads it: what its path names, its query, its headers and its body."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: bytes


class Speech(Protocol):
    """How a dialect speaks of whatever is no answer. `garbage` is what a broken engine says in the midst of a stream;
    `stream_type` the content type of streams."""

    garbage: bytes
    stream_type: bytes

    def refusal(self, fault: Fault, request: str) -> Refusal:
        """An error, given the request's id."""
        ...

    def broke(self, fault: Fault) -> bytes:
        """An error that is told in the midst of a stream."""
        ...

    def complaint(self, complaint: Complaint) -> Fault:
        """What is wrong with a body, in the vendor's words."""
        ...

    def welcomes(self, asked: Asked, key: str) -> bool:
        """Whether the request brings the key."""
        ...


MakeForm = Callable[[str, int], AnswerForm]
"""From an answer's id and the second in which it was made."""
Render = Callable[[int], tuple[bytes, bytes]]
"""From the tokens of a prompt: content type and body."""


class TextJob(NamedTuple):
    """Text to be generated, and how it is told."""

    request: GenerationRequest
    form: MakeForm


class PrefillJob(NamedTuple):
    """Inputs to be read, and what is told then."""

    request: PrefillRequest
    render: Render


Job = TextJob | PrefillJob


@dataclass(frozen=True, slots=True)
class Operation:
    """What may be asked at a path. `kind` is how the ids of its answers begin; `read` raises Complaint and Fault."""

    speech: Speech
    kind: str
    read: Callable[[Asked], Job]
