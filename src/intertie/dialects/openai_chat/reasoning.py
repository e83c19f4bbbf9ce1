"""Reasoning as this dialect tells it: `reasoning_content` for people, `reasoning_details` for what must come back.

OpenAI's own chat completions keep reasoning to themselves. DeepSeek's `reasoning_content` (vLLM and OpenRouter also
say `reasoning`) is plain text; OpenRouter's `reasoning_details` carry signatures and encrypted content, and `format`
names the vendor who made them: by it signed reasoning finds its way back through a client that repeats what it got.
Details of one reasoning share an `index`, so that fragments of a stream that a client only collected are joined again.
"""

from functools import partial
from typing import Final

import msgspec

from intertie.core.chat import Reasoning
from intertie.core.endpoint import Dialect

_FORMATS: Final[dict[Dialect, str]] = {
    "anthropic_messages": "anthropic-claude-v1",
    "openai_responses": "openai-responses-v1",
    "azure_openai": "azure-openai-responses-v1",
    "gemini": "google-gemini-v1",
    "vertex": "google-vertex-v1",
    "bedrock": "amazon-bedrock-v1",
    "cohere": "cohere-v2",
    "openai_chat": "unknown",
}
_ORIGINS: Final[dict[str, Dialect]] = {format_: origin for origin, format_ in _FORMATS.items()}


class Detail(msgspec.Struct, omit_defaults=True):
    """One of `reasoning_details`, as OpenRouter documents them: text, a summary or encrypted data."""

    type: str
    text: str | None = None
    signature: str | None = None
    summary: str | None = None
    data: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None

    @property
    def reasoning(self) -> Reasoning | None:
        """What it says; None if that is nothing, or of an unknown type."""
        words = {"reasoning.text": self.text, "reasoning.summary": self.summary}.get(self.type) or ""
        signature = (self.signature or "") if self.type == "reasoning.text" else ""
        sealed = (self.data or "") if self.type == "reasoning.encrypted" else ""
        if not (words or signature or sealed):
            return None
        summary = self.type == "reasoning.summary"
        return Reasoning(
            words, signature, sealed, self.id or "", summary, _ORIGINS.get(self.format or "", "openai_chat")
        )


class Thought:
    """A reasoning that details tell piece by piece: all of it but its words."""

    __slots__ = ("_index", "_told")

    def __init__(self, detail: Detail, told: Reasoning) -> None:
        self._index: int | None = detail.index
        self._told = told

    def takes(self, detail: Detail, more: Reasoning) -> bool:
        """Whether the next detail belongs to it, and then takes it.

        What is signed or sealed already takes no more of the same; words after a signature begin another.
        """
        told, index = self._told, detail.index
        if (told.signature and (more.text or more.signature)) or (told.sealed and (more.text or more.sealed)):
            return False
        if (told.id and more.id and told.id != more.id) or told.origin != more.origin:
            return False
        if (index is None or index != self._index) and not (told.id and told.id == more.id):
            return False
        self._index, self._told = (
            index,
            Reasoning(
                signature=told.signature or more.signature,
                sealed=told.sealed or more.sealed,
                id=told.id or more.id,
                summary=told.summary or more.summary,
                origin=told.origin,
            ),
        )
        return True

    def with_words(self, words: list[str]) -> Reasoning:
        """The reasoning, of these words."""
        return msgspec.structs.replace(self._told, text="".join(words))


def to_reasonings(plain: str | None, details: list[Detail] | None) -> tuple[Reasoning, ...]:
    """The reasoning of a message: its details, or where there are none, its plain text, which nobody signed."""
    found: list[tuple[Thought, list[str]]] = []
    for detail in details or ():
        more = detail.reasoning
        if more is None:
            continue
        if not (found and found[-1][0].takes(detail, more)):
            found.append((Thought(detail, more), []))
        found[-1][1].append(more.text)
    if not found and plain:
        return (Reasoning(plain),)
    return tuple(thought.with_words(words) for thought, words in found)


def to_details(reasoning: Reasoning, index: int) -> list[Detail]:
    """The details that say it, or a fragment of it: words, their signature, and what is sealed."""
    told = partial(Detail, id=reasoning.id or None, format=_FORMATS[reasoning.origin or "openai_chat"], index=index)
    words, signature = reasoning.text or None, reasoning.signature or None
    details: list[Detail] = []
    if words and reasoning.summary:
        details.append(told("reasoning.summary", summary=words))
        words = None
    if words or signature:
        details.append(told("reasoning.text", text=words, signature=signature))
    if reasoning.sealed:
        details.append(told("reasoning.encrypted", data=reasoning.sealed))
    return details


def thoughts_told(thoughts: list[Reasoning]) -> dict[str, object]:
    """The fields of a message that tell thoughts: as plain text, and in details where that does not say all."""
    told: dict[str, object] = {}
    if words := "".join(thought.text for thought in thoughts):
        told["reasoning_content"] = words
    if any(thought != Reasoning(thought.text) for thought in thoughts):
        details = [to_details(thought, index) for index, thought in enumerate(thoughts)]
        told["reasoning_details"] = [detail for some in details for detail in some]
    return told
