"""Reads output items into parts. Tolerant: what is not known is skipped, whatever is odd in it."""

import msgspec

from intertie.core.chat import Citation, Image, Media, Part, Refusal, Text, TokenChance, ToolCall
from intertie.dialects.openai_responses.input_to_turns import reasoning_parts
from intertie.dialects.openai_responses.items import ReasoningItem


class Annotation(msgspec.Struct):
    """What a text rests on, of any kind."""

    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    index: int | None = None


class Rival(msgspec.Struct):
    """A token and its chance."""

    token: str = ""
    logprob: float = 0.0
    bytes: tuple[int, ...] | None = None


class Chance(Rival):
    """A token with its rivals."""

    top_logprobs: tuple[Rival, ...] | None = None


class Content(msgspec.Struct):
    """A part of a message."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None
    logprobs: tuple[Chance, ...] | None = None


class OutputItem(msgspec.Struct):
    """An item of any kind."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    result: str | None = None
    output_format: str | None = None
    content: msgspec.Raw = msgspec.Raw()


_item = msgspec.json.Decoder(OutputItem)
_content = msgspec.json.Decoder(list[Content] | None)
_reasoning = msgspec.json.Decoder(ReasoningItem)


def output_item(raw: msgspec.Raw) -> OutputItem:
    """An item, known by its type. Raises msgspec.DecodeError if it is none."""
    return _item.decode(raw)


def contents(item: OutputItem) -> list[Content]:
    """What a message holds. Raises msgspec.DecodeError."""
    return (_content.decode(item.content) or []) if bytes(item.content) else []


def parts_of(raw: msgspec.Raw) -> tuple[Part, ...]:
    """An item as parts, () for those of tools that the endpoint ran itself. Raises msgspec.DecodeError."""
    item = output_item(raw)
    match item.type:
        case "message":
            return tuple([part for content in contents(item) if (part := content_part(content)) is not None])
        case "reasoning":
            return tuple(reasoning_parts(_reasoning.decode(raw)))
        case "function_call":
            return (ToolCall(call_id(item), item.name or "", item.arguments or ""),)
        case "custom_tool_call":
            return (ToolCall(call_id(item), item.name or "", item.input or "", free=True),)
        case "image_generation_call" if item.result:
            return (Image(Media(type=media_type(item), data=item.result)),)
        case _:
            return ()


def call_id(item: OutputItem) -> str:
    """The id by which a result names its call; the item's own where there is no other."""
    return item.call_id or item.id or ""


def media_type(item: OutputItem) -> str:
    """The type of a picture."""
    return f"image/{item.output_format or 'png'}"


def content_part(content: Content) -> Text | Refusal | None:
    """A part of a message; None for what is not known."""
    if content.type == "output_text":
        return Text(content.text or "", citations=tuple([citation(one) for one in content.annotations or ()]))
    return Refusal(content.refusal or "") if content.type == "refusal" else None


def citation(told: Annotation) -> Citation:
    """What a text rests on; a file by its name."""
    at = -1 if told.index is None else told.index
    start = at if told.start_index is None else told.start_index
    end = at if told.end_index is None else told.end_index
    return Citation(url=told.url or "", title=told.title or told.filename or "", start=start, end=end)


def chances(told: tuple[Chance, ...] | None) -> tuple[TokenChance, ...]:
    """How likely each token was."""
    return tuple([_chance(one, tuple([_chance(rival) for rival in one.top_logprobs or ()])) for one in told or ()])


def _chance(told: Rival, others: tuple[TokenChance, ...] = ()) -> TokenChance:
    return TokenChance(told.token, told.logprob, told.bytes, others)
