"""Renders Anthropic's messages as a prompt, and refuses what the API refuses about their order."""

from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import msgspec

from intertie.core.faults import InvalidRequest
from intertie.sim.engine.conversation import Conversation
from intertie.sim.engine.dialects import anthropic_blocks as told
from intertie.sim.engine.media import decoded, is_what_it_says
from intertie.sim.engine.seals import unseal

_MOST_MARKS = 4
_encode = msgspec.json.Encoder().encode


class Told(NamedTuple):
    """What makes up a prompt: messages, the system's words, tools with their marks, marks on the whole call.

    `thinks`: with a budget, in which case a turn that calls tools must begin with thoughts.
    """

    messages: list[told.Message]
    system: str | list[told.Text] | None
    tools: list[tuple[bytes, told.Cache | None]]
    marks: list[told.Cache]
    thinks: bool


def render(asked: Told) -> Conversation:
    """The prompt: tools, system, messages; raises InvalidRequest."""
    writer = _Writer()
    for raw, mark in asked.tools:
        writer.seen.put(raw)
        writer.mark(mark)
    if asked.system:
        writer.seen.turn("system")
        system = asked.system
        writer.blocks([told.Text(text=system)] if isinstance(system, str) else system, ("system",))
    _check_pairs(asked.messages)
    if asked.thinks:
        _check_thoughts(asked.messages)
    for place, message in enumerate(asked.messages):
        writer.seen.turn(message.role)
        writer.blocks(_blocks(message, place), ("messages", place, "content"))
    for mark in asked.marks:
        writer.mark(mark)
    if writer.marks > _MOST_MARKS:
        _refuse(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {writer.marks}.")
    return writer.seen


class _Writer:
    def __init__(self) -> None:
        self.seen, self.marks = Conversation(), 0

    def mark(self, mark: told.Cache | None) -> None:
        if mark is not None:
            self.marks += 1
            self.seen.mark(lasting=mark.ttl == "1h")

    def blocks(self, blocks: Sequence[told.Block], where: tuple[str | int, ...]) -> None:
        for place, block in enumerate(blocks):
            self._block(block, ".".join(map(str, (*where, place))))
            if not isinstance(block, told.Thinking | told.Redacted):
                self.mark(block.cache_control)

    def _block(self, block: told.Block, where: str) -> None:
        match block:
            case told.Text():
                self.seen.say(block.text)
            case told.Image() | told.Document():
                self.seen.show(_bytes(block, where), image=isinstance(block, told.Image))
            case told.ToolResult():
                self._result(block, where)
            case told.Thinking():
                _check_signature(block, where)
            case told.Redacted():
                if unseal(block.data) is None:
                    _refuse(f"{where}: Invalid `data` in `redacted_thinking` block")
            case told.ToolUse():
                self.seen.put(_encode(block))

    def _result(self, block: told.ToolResult, where: str) -> None:
        self.seen.put(_encode([block.tool_use_id, block.is_error]))
        inner = [told.Text(text=block.content)] if isinstance(block.content, str) and block.content else block.content
        for place, one in enumerate(inner):
            if isinstance(one, told.Text):
                self.seen.put(one.text.encode())
            elif not isinstance(one, str):
                self._block(one, f"{where}.content.{place}")


def _blocks(message: told.Message, place: int) -> Sequence[told.Block]:
    if not isinstance(message.content, str):
        return message.content
    if not message.content:
        _refuse(f"messages.{place}: all messages must have non-empty content except for the optional final assistant "
                "message")  # fmt: skip
    return [told.Text(text=message.content)]


def _bytes(block: told.Image | told.Document, where: str) -> bytes:
    source = block.source
    if isinstance(source, told.Url):
        return source.url.encode()
    if isinstance(source, told.Plain):
        return source.data.encode()
    data = decoded(source.data)
    kind = "image" if isinstance(block, told.Image) else "document"
    if data is None:
        _refuse(f"{where}.{kind}.source.base64.data: Invalid base64 data")
    if not is_what_it_says(source.media_type, data) or (kind == "image") == (source.media_type == "application/pdf"):
        _refuse(f"{where}.{kind}.source.base64: The {kind} was specified using the {source.media_type} media type, but "
                "does not appear to be one")  # fmt: skip
    return data


def _check_signature(block: told.Thinking, where: str) -> None:
    """A signature signs the thoughts it came with; they may have been hidden."""
    if (text := unseal(block.signature)) is None or block.thinking not in ("", text):
        _refuse(f"{where}: Invalid `signature` in `thinking` block")


def _check_pairs(messages: list[told.Message]) -> None:
    """Every call is answered at the head of the very next turn, and nothing else is; turns of one role are joined."""
    waiting: list[str] = []
    for place, role, blocks in _joined(messages):
        answered = _answered(blocks)
        for at, block in enumerate(blocks):
            if isinstance(block, told.ToolResult) and (role != "user" or block.tool_use_id not in waiting):
                _refuse(f"messages.{place}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: "
                        f"{block.tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block in "
                        "the previous message.")  # fmt: skip
        _refuse_unanswered(place - 1, [name for name in waiting if name not in answered])
        waiting = [block.id for block in blocks if isinstance(block, told.ToolUse)]
    _refuse_unanswered(len(messages) - 1, waiting)


def _answered(blocks: Sequence[told.Block]) -> set[str]:
    """The calls that are answered before anything else is said."""
    answered: set[str] = set()
    for block in blocks:
        if not isinstance(block, told.ToolResult):
            break
        answered.add(block.tool_use_id)
    return answered


def _refuse_unanswered(place: int, names: list[str]) -> None:
    if names:
        _refuse(f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(names)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
                "message.")  # fmt: skip


def _joined(messages: list[told.Message]) -> list[tuple[int, str, list[told.Block]]]:
    turns: list[tuple[int, str, list[told.Block]]] = []
    for place, message in enumerate(messages):
        if message.role == "system":
            continue
        blocks = list(_blocks(message, place))
        if turns and turns[-1][1] == message.role:
            turns[-1][2].extend(blocks)
        else:
            turns.append((place, message.role, blocks))
    return turns


def _check_thoughts(messages: list[told.Message]) -> None:
    """While a tool's result is being answered, the turn that called it must begin with the thoughts that led to it."""
    turns = _joined(messages)
    if len(turns) < 2 or not _answered(turns[-1][2]):
        return
    place, _, blocks = turns[-2]
    if not isinstance(blocks[0], told.Thinking | told.Redacted):
        _refuse(f"messages.{place}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. "
                "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding "
                "the lastmost set of `tool_use` and `tool_result` blocks).")  # fmt: skip


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
