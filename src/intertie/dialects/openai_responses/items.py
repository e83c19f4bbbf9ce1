"""The items of a call's `input`, as callers write them. Strict: what is not of these types is refused by the reader."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Breakpoint(msgspec.Struct):
    """What stands before may be kept in a cache for `ttl`."""

    ttl: Literal["30m", "12h"] = "30m"


class InputText(msgspec.Struct, tag="input_text"):
    """Words of anybody but the model."""

    text: str
    prompt_cache_breakpoint: Breakpoint | None = None


class InputImage(msgspec.Struct, tag="input_image"):
    """A picture: `image_url` is an address or a data URL."""

    image_url: str | None = None
    file_id: Id | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class InputFile(msgspec.Struct, tag="input_file"):
    """A file: `file_data` is base64 or a data URL."""

    file_data: str | None = None
    file_id: Id | None = None
    file_url: str | None = None
    filename: str | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class Sound(msgspec.Struct):
    """Base64 of a sound."""

    data: str
    format: Literal["mp3", "wav"]


class InputAudio(msgspec.Struct, tag="input_audio"):
    """A sound."""

    input_audio: Sound


class OutputText(msgspec.Struct, tag="output_text"):
    """Words of the model; what it cited is not told again."""

    text: str


class OutputRefusal(msgspec.Struct, tag="refusal"):
    """The model declined."""

    refusal: str


Given: TypeAlias = InputText | InputImage | InputFile | InputAudio
Said: TypeAlias = OutputText | OutputRefusal


class Message(msgspec.Struct):
    """What somebody said."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Given | Said]


class FunctionCall(msgspec.Struct):
    """The model wanted a function run; `namespace` is the group of tools that it is of."""

    call_id: Id
    name: Id
    arguments: str
    namespace: str | None = None


class CustomCall(msgspec.Struct):
    """The model wanted a tool run that takes free text."""

    call_id: Id
    name: Id
    input: str
    namespace: str | None = None


class CallOutput(msgspec.Struct):
    """What a tool gave back."""

    call_id: Id
    output: str | list[Given]


class Words(msgspec.Struct):
    """A part of a reasoning or of its summary."""

    text: str


class ReasoningItem(msgspec.Struct):
    """How the model thought; `encrypted_content` goes back byte by byte."""

    id: str | None = None
    summary: list[Words] = []
    content: list[Words] | None = None
    encrypted_content: str | None = None


class Kind(msgspec.Struct):
    """What tells items apart: a message may leave its type out, and so may a reference."""

    type: str | None = None
    role: str | None = None
    id: str | None = None

    @property
    def name(self) -> str:
        """The type, told or not; "" where it cannot be known."""
        return self.type or ("message" if self.role else "item_reference" if self.id else "")


OWN: Final = frozenset({
    "additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction",
    "compaction_trigger", "computer_call", "computer_call_output", "configuration_update", "file_search_call",
    "image_generation_call", "item_reference", "local_shell_call", "local_shell_call_output", "mcp_approval_request",
    "mcp_approval_response", "mcp_call", "mcp_list_tools", "program", "program_output", "shell_call",
    "shell_call_output", "tool_search_call", "tool_search_output", "web_search_call",
})  # fmt: skip
"""Items that no other dialect has: calls of tools that the endpoint runs, and what lies only in its memory."""
