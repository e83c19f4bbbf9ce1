"""Writes turns as messages.

Whatever the system said goes to `system`, which stands before all messages. Turns of one speaker become one message,
with the results of tools at its head. Left out without a word: blank texts, which Bedrock refuses; reasoning that was
signed elsewhere, or by nobody; citations of earlier answers; caching marks where the model keeps no cache.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from intertie.core.chat import Chat, Mark, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from intertie.dialects.anthropic_messages.turns_to_messages import to_input
from intertie.dialects.bedrock.media_to_blocks import Json, MediaWriter
from intertie.dialects.dialect import Cannot

_SYSTEM = ("system", "developer")
_legal_id = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def cache_point(mark: Mark) -> Json:
    """What a caching mark becomes: a block behind what is to be kept. Five minutes are the rule and are not said."""
    return {"cachePoint": {"type": "default", "ttl": "1h"} if mark == "1h" else {"type": "default"}}


class MessageWriter:
    """Fills `system` and `messages` from the turns of a chat; `caches` tells whether the model keeps what is marked."""

    __slots__ = ("_caches", "_cannot", "_media", "messages", "system")

    def __init__(self, chat: Chat, caches: bool, cannot: Cannot) -> None:
        self._caches, self._cannot = caches, cannot
        self._media = MediaWriter(cannot)
        self.system: list[Json] = []
        self.messages: list[Json] = []
        for turn in chat.turns:
            if turn.name:
                cannot.say("name", "Bedrock does not tell speakers of one role apart")
            if turn.role in _SYSTEM:
                self.system += self._instruction(turn)
            else:
                self._say("assistant" if turn.role == "assistant" else "user", self._blocks(turn.parts))
        for message in self.messages:
            message["content"] = _results_first(message["content"])

    def _instruction(self, turn: Turn) -> list[Json]:
        words = [part for part in turn.parts if isinstance(part, Text)]
        if len(words) < len(turn.parts):
            self._cannot.say("turns", "the system speaks in plain text alone")
        return self._blocks(words)

    def _say(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        self.messages[-1]["content"] += blocks

    def _blocks(self, parts: Sequence[Part]) -> list[Json]:
        blocks: list[Json] = []
        for part in parts:
            block = self._block(part)
            if block is not None:
                blocks.append(block)
                if self._caches and (mark := _mark(part)):
                    blocks.append(cache_point(mark))
        return blocks

    def _block(self, part: Part) -> Json | None:
        match part:
            case Text() | Refusal():
                return {"text": part.text} if part.text.strip() else None
            case Reasoning():
                return _thought(part)
            case ToolCall():
                arguments = {"input": part.arguments} if part.free else to_input(part.arguments)
                return {"toolUse": {"toolUseId": _to_id(part.id), "name": part.name, "input": arguments}}
            case ToolResult():
                return self._result(part)
            case _:
                return self._media.block(part)

    def _result(self, result: ToolResult) -> Json:
        content = [block for part in result.parts if (block := self._block(part)) is not None]
        failed = {"status": "error"} if result.failed else {}
        return {"toolResult": {"toolUseId": _to_id(result.call), "content": content, **failed}}


def _mark(part: Part) -> Mark:
    """A part's mark; those inside a tool's result hold for all of it, for nothing can be marked in there."""
    if isinstance(part, Reasoning | Refusal):
        return ""
    if isinstance(part, ToolResult) and not part.mark:
        inner = {_mark(one) for one in part.parts}
        return "1h" if "1h" in inner else "5m" if "5m" in inner else ""
    return part.mark


def _thought(reasoning: Reasoning) -> Json | None:
    """Only what a model behind Bedrock signed or sealed, byte by byte."""
    if reasoning.origin != "bedrock":
        return None
    if reasoning.sealed:
        return {"reasoningContent": {"redactedContent": reasoning.sealed}}
    if not reasoning.signature:
        return None
    return {"reasoningContent": {"reasoningText": {"text": reasoning.text, "signature": reasoning.signature}}}


def _results_first(blocks: list[Json]) -> list[Json]:
    """The same blocks, each caching point still behind its own."""
    groups: list[list[Json]] = []
    for block in blocks:
        if "cachePoint" in block and groups:
            groups[-1].append(block)
        else:
            groups.append([block])
    groups.sort(key=lambda group: "toolResult" not in group[0])
    return [block for group in groups for block in group]


def _to_id(text: str) -> str:
    """An id as Bedrock allows it; one of another kind is replaced, in calls and results alike."""
    return text if _legal_id.fullmatch(text) else f"tooluse_{blake2b(text.encode(), digest_size=16).hexdigest()}"


def tools_used(chat: Chat) -> Iterator[str]:
    """The names of the tools that were called in the conversation, each as often as it was; "" for a lone result."""
    for turn in chat.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall | ToolResult):
                yield part.name
