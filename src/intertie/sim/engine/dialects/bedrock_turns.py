"""Renders Converse's messages as a prompt, and refuses what the service refuses about them.

Source: docs.aws.amazon.com/bedrock, API reference of Converse; error texts as users report them.
"""

from collections.abc import Sequence
from typing import NoReturn

import msgspec

from intertie.core.faults import InvalidRequest
from intertie.sim.engine.conversation import Conversation
from intertie.sim.engine.dialects import bedrock_blocks as told
from intertie.sim.engine.media import decoded, is_what_it_says
from intertie.sim.engine.seals import unseal

_encode = msgspec.json.Encoder().encode


def render(body: told.Body) -> Conversation:
    """The prompt: tools, system, messages. Raises InvalidRequest."""
    writer = _Writer()
    for tool in body.tool_config.tools if body.tool_config is not None else ():
        _check_union(tool, "toolConfig.tools")
        writer.seen.put(_encode(tool))
        writer.mark(tool.cache_point)
    for place, block in enumerate(body.system):
        _check_union(block, f"system.{place}")
        writer.seen.turn("system")
        writer.seen.say(block.text or "")
        writer.mark(block.cache_point)
    _check_order(body)
    for place, message in enumerate(body.messages):
        writer.seen.turn(message.role)
        for at, block in enumerate(message.content):
            writer.block(block, f"messages.{place}.content.{at}")
    return writer.seen


class _Writer:
    def __init__(self) -> None:
        self.seen = Conversation()
        self._names: set[str] = set()

    def mark(self, point: told.CachePoint | None) -> None:
        if point is not None:
            self.seen.mark(lasting=point.ttl == "1h")

    def block(self, block: told.Block, where: str) -> None:
        _check_union(block, where)
        if block.text is not None:
            if not block.text.strip():
                _refuse(f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, "
                        "and try again.")  # fmt: skip
            self.seen.say(block.text)
        elif block.tool_use is not None:
            self.seen.put(_encode(block.tool_use))
        elif block.tool_result is not None:
            self._result(block.tool_result, where)
        elif block.reasoning_content is not None:
            _check_thought(block.reasoning_content, where)
        else:
            self.mark(block.cache_point)
            self._show(block)

    def _result(self, result: told.ToolResult, where: str) -> None:
        self.seen.put(_encode([result.tool_use_id, result.status]))
        for place, one in enumerate(result.content):
            _check_union(one, f"{where}.toolResult.content.{place}")
            self.seen.put((one.text or "").encode() + _encode(one.json))
            self._show(one)

    def _show(self, block: told.Block | told.ResultBlock) -> None:
        if block.image is not None:
            self.seen.show(_bytes(block.image.source.bytes, f"image/{block.image.format}"))
        elif block.document is not None:
            self._document(block.document)
        elif isinstance(block, told.Block) and block.audio is not None:
            self.seen.show(_bytes(block.audio.source.bytes, f"audio/{block.audio.format}"), image=False)

    def _document(self, document: told.Document) -> None:
        if document.name in self._names:
            _refuse("The model returned the following errors: Duplicate document names are not allowed.")
        self._names.add(document.name)
        source = document.source
        data = (source.text or "").encode() or _bytes(source.bytes or "", f"application/{document.format}")
        self.seen.show(data, image=False)


def _check_union(block: msgspec.Struct, where: str) -> None:
    given = [name for name in block.__struct_fields__ if getattr(block, name) is not None]
    if len(given) != 1:
        _refuse(f"The value at {where} must have exactly one member set, and has {len(given)}.")


def _check_order(body: told.Body) -> None:
    """Roles alternate, beginning with the user; calls are answered at once, and only while tools are declared."""
    waiting: list[str] = []
    for place, message in enumerate(body.messages):
        if message.role != ("user", "assistant")[place % 2]:
            _refuse("A conversation must start with a user message. Try again with a conversation that starts with a "
                    "user message." if place == 0 else "A conversation must alternate between user and assistant "
                    "roles. Make sure the conversation alternates between user and assistant roles and try "
                    "again.")  # fmt: skip
        if not message.content:
            _refuse(f"The content field in the Message object at messages.{place} is empty. Add a ContentBlock object "
                    "to the content field and try again.")  # fmt: skip
        _check_results(message.content, waiting, place)
        waiting = [block.tool_use.tool_use_id for block in message.content if block.tool_use is not None]
        if body.tool_config is None and any(block.tool_use or block.tool_result for block in message.content):
            _refuse("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    _check_results([], waiting, len(body.messages))


def _check_results(blocks: Sequence[told.Block], waiting: list[str], place: int) -> None:
    answered = [block.tool_result.tool_use_id for block in blocks if block.tool_result is not None]
    if missing := [name for name in waiting if name not in answered]:
        _refuse(f"Expected toolResult blocks at messages.{place}.content for the following Ids: {', '.join(missing)}")
    if len(answered) > len(waiting):
        _refuse(f"The number of toolResult blocks at messages.{place}.content exceeds the number of toolUse blocks of "
                "previous turn.")  # fmt: skip


def check_thoughts(messages: Sequence[told.Message]) -> None:
    """While a tool's result is being answered, the turn that called it must begin with the thoughts that led to it."""
    if len(messages) < 2 or not any(block.tool_result for block in messages[-1].content):
        return
    if messages[-2].content[0].reasoning_content is None:
        _refuse(f"The model returned the following errors: messages.{len(messages) - 2}.content.0.type: Expected "
                "`thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final "
                "`assistant` message must start with a thinking block.")  # fmt: skip


def _check_thought(reasoning: told.Reasoning, where: str) -> None:
    text = reasoning.reasoning_text
    sealed = reasoning.redacted_content if text is None else text.signature
    if unseal(sealed or "") is None:
        _refuse(f"The model returned the following errors: {where}: Invalid `signature` in `thinking` block")


def _bytes(data: str, kind: str) -> bytes:
    found = decoded(data)
    if found is None or not is_what_it_says(kind, found):
        _refuse("The model returned the following errors: Could not process image")
    return found


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message)
