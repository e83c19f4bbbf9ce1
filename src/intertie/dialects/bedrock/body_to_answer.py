"""Reads a whole answer of Converse."""

from collections.abc import Iterator

import msgspec

from intertie.core.chat import Answer, Audio, Choice, Image, Media, Part, Reasoning, Text, ToolCall
from intertie.dialects.bedrock.glance import Told, tier_of, usage_of
from intertie.dialects.bedrock.reasons import reason_of
from intertie.dialects.bedrock.shapes import Cite, Shape, ToolUse, Words, stop_text
from intertie.dialects.bedrock.shapes import Media as Sent


class _Thought(Shape):
    text: str = ""
    signature: str | None = None


class _Reasoning(Shape):
    reasoning_text: _Thought | None = None
    redacted_content: str = ""


class _Cited(Shape):
    content: list[Words] | None = None
    citations: list[Cite] | None = None


class _Block(Shape):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    image: Sent | None = None
    audio: Sent | None = None


class _Message(Shape):
    content: list[_Block]


class _Output(Shape):
    message: _Message


class _Body(Told, kw_only=True):
    output: _Output
    stop_reason: str
    additional_model_response_fields: msgspec.Raw = msgspec.Raw()


_body = msgspec.json.Decoder(_Body).decode


def body_to_answer(body: bytes) -> Answer:
    """The answer. Converse tells neither an id nor the model's name: both are "". Raises ValueError if it is none."""
    try:
        told = _body(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    parts = tuple(part for block in told.output.message.content for part in _parts(block))
    stop, name = reason_of(told.stop_reason)
    text = stop_text(told.additional_model_response_fields)
    choice = Choice(parts=parts, stop=stop, stop_text=text, stop_name=name)
    return Answer(id="", model="", choices=(choice,), usage=usage_of(told), tier=tier_of(told))


def _parts(block: _Block) -> Iterator[Part]:
    """One part, or none: a tool that the endpoint ran itself, and what came of it, is not the caller's affair."""
    if block.text is not None:
        yield Text(block.text)
    if block.citations_content is not None:
        words = "".join(words.text for words in block.citations_content.content or ())
        yield Text(words, citations=tuple(cite.citation() for cite in block.citations_content.citations or ()))
    if block.tool_use is not None and not block.tool_use.type:
        use = block.tool_use
        yield ToolCall(use.tool_use_id, use.name, bytes(use.input).decode())
    if block.reasoning_content is not None:
        yield _reasoning(block.reasoning_content)
    if block.image is not None:
        yield Image(Media(type=f"image/{block.image.format}", data=block.image.source.bytes))
    if block.audio is not None:
        yield Audio(Media(type=f"audio/{block.audio.format}", data=block.audio.source.bytes))


def _reasoning(told: _Reasoning) -> Reasoning:
    thought = told.reasoning_text or _Thought()
    return Reasoning(thought.text, thought.signature or "", told.redacted_content, origin="bedrock")
