"""The shapes of Gemini's calls, in the camel case of its JSON; nothing that is not here is taken.

Sources: ai.google.dev/api/generate-content and the types of Google's SDK (`google.genai.types`). Whole numbers may come
as texts, as ProtoJSON has it; the proto's own spelling (`max_output_tokens`) is taken where Google's SDK for Python
uses it, for the schema of a function's parameters.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from intertie.sim.engine.reading import ABSENT
from intertie.sim.engine.schema import Schema


class _Closed(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class Blob(_Closed):
    """Bytes by value."""

    mime_type: str
    data: str


class FileData(_Closed):
    """Bytes by reference."""

    file_uri: str
    mime_type: str | None = None


class FunctionCall(_Closed):
    """The call of a tool."""

    name: str
    args: dict[str, Raw] = {}
    id: str | None = None


class ResultPart(_Closed):
    """What a tool showed."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(_Closed):
    """What a tool gave."""

    name: str
    response: dict[str, Raw]
    id: str | None = None
    parts: list[ResultPart] = []


class Part(_Closed):
    """One of its kinds of data, and what stands beside it."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    thought: bool = False
    thought_signature: str | None = None


class Content(_Closed):
    """What one side said."""

    parts: list[Part] = []
    role: str | None = None


class Declaration(_Closed):
    """A function."""

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: Raw = ABSENT
    parameters_json_schema: Schema | None = None
    spelled_as_proto: Schema | None = msgspec.field(name="parameters_json_schema", default=None)
    response: Raw = ABSENT
    response_json_schema: Raw = ABSENT
    behavior: str | None = None


class Tool(_Closed):
    """Functions; tools that Google runs itself are not simulated."""

    function_declarations: list[Declaration] = []


class CallingConfig(_Closed):
    """Whether functions are called, and which."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: list[str] = []


class ToolConfig(_Closed):
    """See `CallingConfig`."""

    function_calling_config: CallingConfig | None = None


class ThinkingConfig(_Closed):
    """How much is thought, and whether it is told."""

    include_thoughts: bool = False
    thinking_budget: Annotated[int, Meta(ge=-1)] | None = None
    thinking_level: Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"] | None = None


class GenerationConfig(_Closed):
    """How the answer is made."""

    candidate_count: Annotated[int, Meta(ge=1, le=8)] = 1
    stop_sequences: Annotated[list[str], Meta(max_length=5)] = []
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: float | None = None
    seed: int | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, lt=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, lt=2)] | None = None
    response_logprobs: bool = False
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] = "text/plain"
    response_schema: Raw = ABSENT
    response_json_schema: Schema | None = None
    response_modalities: list[Literal["TEXT", "IMAGE", "AUDIO"]] = []
    thinking_config: ThinkingConfig | None = None
    media_resolution: str | None = None


class Body(_Closed):
    """A call of `generateContent`."""

    contents: list[Content] = []
    system_instruction: Content | None = None
    tools: list[Tool] = []
    tool_config: ToolConfig | None = None
    safety_settings: list[Raw] = []
    generation_config: GenerationConfig = msgspec.field(default_factory=GenerationConfig)
    cached_content: str | None = None
    service_tier: Literal["unspecified", "standard", "flex", "priority"] | None = None
    store: bool | None = None
    model: str | None = None
    labels: dict[str, str] | None = None
