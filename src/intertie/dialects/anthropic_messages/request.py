"""The shapes of a call, as strict as a call is read: a field that is not understood is not passed over.

Blocks are kept as they came (`Raw`) until their `type` is known to be one that all dialects have words for; whose
content such a block may stand in is told by `SPEAKERS`.
"""

from typing import Annotated, Final, Literal, NoReturn, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from intertie.core.faults import InvalidRequest, Unsupported

_ABSENT: Final = Raw()
_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Id = Annotated[str, Meta(min_length=1, max_length=1024)]
_Data = Annotated[str, Meta(min_length=1)]
_Budget = Annotated[int, Meta(ge=1024)]

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
DOCUMENT_TYPES: Final = ("application/pdf",)


class CacheControl(Struct):
    """A caching mark; `scope` and the like are hints to one endpoint alone."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Block(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    cache_control: CacheControl | None = None


class CitationsConfig(Struct, forbid_unknown_fields=True):
    """Whether citations are wanted."""

    enabled: bool = False


class TextBlock(_Block, tag="text"):
    """Words. Citations of an earlier answer are told again by nobody."""

    text: str
    citations: Raw = _ABSENT


class Base64Source(Struct, forbid_unknown_fields=True, tag="base64"):
    """Bytes by value."""

    media_type: str
    data: _Data


class UrlSource(Struct, forbid_unknown_fields=True, tag="url"):
    """Bytes by reference."""

    url: _Data


class FileSource(Struct, forbid_unknown_fields=True, tag="file"):
    """Bytes kept by Anthropic."""

    file_id: _Id


class TextSource(Struct, forbid_unknown_fields=True, tag="text"):
    """Plain words as a document."""

    data: str
    media_type: Literal["text/plain"]


class ContentSource(Struct, forbid_unknown_fields=True, tag="content"):
    """Blocks of text as a document."""

    content: str | list[TextBlock]


class ImageBlock(_Block, tag="image"):
    """A picture."""

    source: Base64Source | UrlSource | FileSource
    transformations: Raw = _ABSENT


class DocumentBlock(_Block, tag="document"):
    """A document."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None


class SearchResultBlock(_Block, tag="search_result"):
    """What the caller's own search found."""

    content: list[TextBlock]
    source: str
    title: str
    citations: CitationsConfig | None = None


class ThinkingBlock(_Block, tag="thinking"):
    """Thoughts of an earlier answer."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(_Block, tag="redacted_thinking"):
    """Thoughts that nobody but Anthropic can read."""

    data: str


class ToolUseBlock(_Block, tag="tool_use"):
    """A tool that was called; who called it (`caller`) matters to code that Anthropic runs, and to nobody else."""

    id: _Id
    name: _Name
    input: dict[str, Raw]
    caller: Raw = _ABSENT


class ToolResultBlock(_Block, tag="tool_result"):
    """What a tool gave back."""

    tool_use_id: _Id
    content: str | list[Raw] | None = None
    is_error: bool | None = None


class Named(Struct):
    """What tells blocks and tools apart."""

    type: str | None = None


class Message(Struct, forbid_unknown_fields=True):
    """One message."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Raw]


class ToolDefinition(Struct, forbid_unknown_fields=True):
    """A tool that the caller runs. How its input is streamed is left to the endpoint."""

    name: _Name
    input_schema: Raw
    type: str | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    eager_input_streaming: bool | None = None
    defer_loading: bool | None = None
    input_examples: Raw = _ABSENT
    allowed_callers: list[str] | None = None


class Choosing(Struct, forbid_unknown_fields=True):
    """Whether tools are to be called."""

    type: Literal["auto", "any", "tool", "none"]
    name: _Name | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingOn(Struct, forbid_unknown_fields=True, tag="enabled"):
    """Thinking with a budget in tokens."""

    budget_tokens: _Budget
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Struct, forbid_unknown_fields=True, tag="adaptive"):
    """Thinking as the model likes."""

    display: Literal["summarized", "omitted"] | None = None


class ThinkingOff(Struct, forbid_unknown_fields=True, tag="disabled"):
    """No thinking."""


class ThinkingBetweenTools(Struct, forbid_unknown_fields=True, tag="between_tools"):
    """No thinking but words on progress between calls of tools."""


class Format(Struct, forbid_unknown_fields=True):
    """The form of the answer: JSON of a schema."""

    type: Literal["json_schema"]
    schema: Raw


class OutputConfig(Struct, forbid_unknown_fields=True):
    """How much effort is to be made, and the form of the answer."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None
    task_budget: Raw = _ABSENT


class Metadata(Struct, forbid_unknown_fields=True):
    """Who uses the caller's application."""

    user_id: str | None = None


class Body(Struct):
    """The fields of a call that can be said in the words of all dialects."""

    model: str
    messages: list[Message]
    max_tokens: int
    system: str | list[Raw] | None = None
    stream: bool | None = None
    tools: list[Raw] | None = None
    tool_choice: Choosing | None = None
    thinking: ThinkingOn | ThinkingAdaptive | ThinkingOff | ThinkingBetweenTools | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    metadata: Metadata | None = None


Block: TypeAlias = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
)

SPEAKERS: Final[dict[str, tuple[str, ...]]] = {
    "text": ("system", "user", "assistant", "tool_result"),
    "image": ("user", "assistant", "tool_result"),
    "document": ("user", "assistant", "tool_result"),
    "search_result": ("user", "assistant", "tool_result"),
    "thinking": ("assistant",),
    "redacted_thinking": ("assistant",),
    "tool_use": ("assistant",),
    "tool_result": ("user",),
}
"""Whose content a block of a type may stand in."""

_named = msgspec.json.Decoder(Named).decode


def given(raw: Raw) -> bool:
    """Whether a field that is kept as it came was there, and not null."""
    return bytes(raw) not in (b"", b"null")


def kind_of(raw: Raw, where: str) -> str:
    """The type of a block or a tool that stands at `where`; "" if it has none."""
    try:
        return _named(raw).type or ""
    except msgspec.ValidationError as error:
        refuse_at(error, where)


def refuse_at(error: msgspec.ValidationError, where: str) -> NoReturn:
    """The decoder's complaint as the caller's, with the whole path of the field.

    A field that we do not know may be one that an Anthropic endpoint does: then another candidate can serve the call.
    """
    told, _, at = str(error).partition(" - at `$")
    field = (where + at.removesuffix("`")).removeprefix(".")
    if "unknown field" in told:
        raise Unsupported(f"'{field}' cannot be translated: {told}.", param=field) from None
    if told.startswith("Object missing required field"):
        field = f"{field}.{told.split('`')[1]}".removeprefix(".")
        message = f"Missing required parameter: '{field}'."
        raise InvalidRequest(message, code="missing_required_parameter", param=field) from None
    raise InvalidRequest(f"Invalid value for '{field}': {told}.", code="invalid_value", param=field) from None
