"""The shapes of Converse. Source: botocore's model of the service (`bedrock-runtime/2023-09-30/service-2.json`).

A union has exactly one of its members. Video, guard rails, S3 and what other tools leave behind are not simulated.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from intertie.sim.engine.reading import ABSENT

ToolName = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
ToolId = Annotated[str, Meta(pattern="^[a-zA-Z0-9_.:-]{1,64}$")]
_Unit = Annotated[float, Meta(ge=0, le=1)]
_Words = Annotated[str, Meta(min_length=1)]


class _Closed(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class Bytes(_Closed):
    """By value, in base64."""

    bytes: str


class Image(_Closed):
    """A picture."""

    format: Literal["png", "jpeg", "gif", "webp"]
    source: Bytes


class Audio(_Closed):
    """A sound."""

    format: str
    source: Bytes


class DocumentSource(_Closed):
    """By value, or as words."""

    bytes: str | None = None
    text: str | None = None


class Citations(_Closed):
    """Whether they are wanted."""

    enabled: bool


class Document(_Closed):
    """A file; its name is one that no other has."""

    name: Annotated[str, Meta(pattern=r"^(?! )(?!.*  )[A-Za-z0-9 ()\[\]-]{1,200}$")]
    source: DocumentSource
    format: Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] = "txt"
    context: str | None = None
    citations: Citations | None = None


class ToolUse(_Closed):
    """The call of a tool."""

    tool_use_id: ToolId
    name: ToolName
    input: dict[str, Raw]


class ResultBlock(_Closed):
    """What a tool gave: exactly one of these."""

    text: str | None = None
    json: dict[str, Raw] | None = None
    image: Image | None = None
    document: Document | None = None


class ToolResult(_Closed):
    """What a tool gave."""

    tool_use_id: ToolId
    content: list[ResultBlock]
    status: Literal["success", "error"] = "success"


class CachePoint(_Closed):
    """What comes before may be kept."""

    type: Literal["default"]
    ttl: Literal["5m", "1h"] = "5m"


class ReasoningText(_Closed):
    """Thoughts, signed."""

    text: str
    signature: str | None = None


class Reasoning(_Closed):
    """Thoughts, told or sealed."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class Block(_Closed):
    """Exactly one of these."""

    text: str | None = None
    image: Image | None = None
    audio: Audio | None = None
    document: Document | None = None
    tool_use: ToolUse | None = None
    tool_result: ToolResult | None = None
    cache_point: CachePoint | None = None
    reasoning_content: Reasoning | None = None


class SystemBlock(_Closed):
    """Exactly one of these."""

    text: _Words | None = None
    cache_point: CachePoint | None = None


class Message(_Closed):
    """What one side said."""

    role: Literal["user", "assistant"]
    content: list[Block]


class Inference(_Closed):
    """How the answer is made."""

    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: _Unit | None = None
    top_p: _Unit | None = None
    stop_sequences: list[_Words] = []


class InputSchema(_Closed):
    """A JSON schema."""

    json: Raw


class ToolSpec(_Closed):
    """A tool."""

    name: ToolName
    input_schema: InputSchema
    description: _Words | None = None
    strict: bool = False


class Tool(_Closed):
    """Exactly one of these."""

    tool_spec: ToolSpec | None = None
    cache_point: CachePoint | None = None


class Nothing(_Closed):
    """An empty object."""


class Specific(_Closed):
    """One tool."""

    name: ToolName


class ToolChoice(_Closed):
    """Exactly one of these."""

    auto: Nothing | None = None
    any: Nothing | None = None
    tool: Specific | None = None


class ToolConfig(_Closed):
    """The tools, and whether they must be called."""

    tools: Annotated[list[Tool], Meta(min_length=1)]
    tool_choice: ToolChoice | None = None


class JsonSchema(_Closed):
    """A schema as text."""

    schema: str
    name: str | None = None
    description: str | None = None


class Structure(_Closed):
    """See `JsonSchema`."""

    json_schema: JsonSchema


class TextFormat(_Closed):
    """The form of the answer."""

    type: Literal["json_schema"]
    structure: Structure


class OutputConfig(_Closed):
    """The form of the answer, and how much effort it is worth."""

    text_format: TextFormat | None = None
    effort: str | None = None


class Tier(_Closed):
    """The service tier."""

    type: Literal["priority", "default", "flex", "reserved"]


class Body(_Closed):
    """A call of Converse; the path names the model."""

    messages: list[Message] = []
    system: list[SystemBlock] = []
    inference_config: Inference = msgspec.field(default_factory=Inference)
    tool_config: ToolConfig | None = None
    additional_model_request_fields: dict[str, Raw] = {}
    additional_model_response_field_paths: list[str] = []
    request_metadata: dict[str, str] = {}
    performance_config: Raw = ABSENT
    service_tier: Tier | None = None
    output_config: OutputConfig | None = None
