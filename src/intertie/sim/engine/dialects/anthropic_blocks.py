"""The blocks of Anthropic's messages. Source: the types of Anthropic's SDK (`anthropic.types.*_param`).

What a vendor's own tools leave behind (searches, code, containers) is not simulated and not known.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw

from intertie.sim.engine.reading import ABSENT

_Id = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]


class Cache(msgspec.Struct, forbid_unknown_fields=True):
    """A caching mark."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class _Marked(msgspec.Struct, forbid_unknown_fields=True):
    cache_control: Cache | None = None


class Text(_Marked, tag_field="type", tag="text", kw_only=True):
    """Words."""

    text: Annotated[str, Meta(min_length=1)]
    citations: Raw = ABSENT


class Base64(msgspec.Struct, tag_field="type", tag="base64", forbid_unknown_fields=True):
    """Bytes by value."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"]
    data: str


class Url(msgspec.Struct, tag_field="type", tag="url", forbid_unknown_fields=True):
    """Bytes by reference."""

    url: str


class Plain(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A document's words."""

    media_type: Literal["text/plain"]
    data: str


class Image(_Marked, tag_field="type", tag="image", kw_only=True):
    """A picture."""

    source: Base64 | Url


class _Citations(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool = False


class Document(_Marked, tag_field="type", tag="document", kw_only=True):
    """A file."""

    source: Base64 | Url | Plain
    title: str | None = None
    context: str | None = None
    citations: _Citations | None = None


class ToolUse(_Marked, tag_field="type", tag="tool_use", kw_only=True):
    """The call of a tool."""

    id: _Id
    name: str
    input: dict[str, Raw]


class ToolResult(_Marked, tag_field="type", tag="tool_result", kw_only=True):
    """What it gave."""

    tool_use_id: _Id
    content: "str | list[Text | Image | Document]" = ""
    is_error: bool = False


class Thinking(msgspec.Struct, tag_field="type", tag="thinking", forbid_unknown_fields=True):
    """Thoughts, signed."""

    thinking: str
    signature: str


class Redacted(msgspec.Struct, tag_field="type", tag="redacted_thinking", forbid_unknown_fields=True):
    """Thoughts, sealed."""

    data: str


Block: TypeAlias = Text | Image | Document | ToolUse | ToolResult | Thinking | Redacted


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """What one side said."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]
