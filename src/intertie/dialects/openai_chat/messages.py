"""The messages of a request, as callers write them: every role, and what its content is made of."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from intertie.core.chat import Mark
from intertie.dialects.openai_chat.reasoning import Detail

Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class CacheControl(msgspec.Struct):
    """A caching mark in Anthropic's words, as OpenRouter and LiteLLM take it here."""

    ttl: Literal["5m", "1h"] | None = None


class Breakpoint(msgspec.Struct):
    """A caching mark in OpenAI's words."""

    ttl: Literal["30m", "12h"] | None = None


class Markable(msgspec.Struct, kw_only=True):
    """What may carry a caching mark."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: Breakpoint | None = None

    @property
    def mark(self) -> Mark:
        """The mark in our words; OpenAI's longer times become the longest that there is."""
        if self.cache_control is not None:
            return self.cache_control.ttl or "5m"
        if self.prompt_cache_breakpoint is not None:
            return "1h" if self.prompt_cache_breakpoint.ttl else "5m"
        return ""


class TextPart(Markable, tag_field="type", tag="text"):
    """Words."""

    text: str


class ImageUrl(msgspec.Struct):
    """Where a picture is, or the picture itself in a `data:` URL."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Markable, tag_field="type", tag="image_url"):
    """A picture."""

    image_url: ImageUrl


class InputAudio(msgspec.Struct):
    """Sound in base64."""

    data: str
    format: str


class AudioPart(Markable, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: InputAudio


class FileRef(msgspec.Struct):
    """A file by value (a `data:` URL), or kept at the provider."""

    file_data: str | None = None
    file_id: Id | None = None
    filename: str | None = None


class FilePart(Markable, tag_field="type", tag="file"):
    """A file."""

    file: FileRef


class RefusalPart(msgspec.Struct, tag_field="type", tag="refusal"):
    """Words of refusal."""

    refusal: str


class Function(msgspec.Struct):
    """A call of a function: arguments as the model wrote them."""

    name: Name
    arguments: str


class Custom(msgspec.Struct):
    """A call of a tool that takes free text."""

    name: Name
    input: str


class GoogleSigned(msgspec.Struct):
    """Google's signature of the thought behind a call."""

    thought_signature: str = ""


class ExtraContent(msgspec.Struct):
    """What Google's endpoint of this dialect adds to a call, and wants back."""

    google: GoogleSigned | None = None

    @property
    def signature(self) -> str:
        """The signature, "" where there is none."""
        return self.google.thought_signature if self.google else ""


class FunctionCall(msgspec.Struct, tag_field="type", tag="function"):
    """A call of a function that the model wants."""

    id: Id
    function: Function
    extra_content: ExtraContent | None = None


class CustomCall(msgspec.Struct, tag_field="type", tag="custom"):
    """A call of a free tool that the model wants."""

    id: Id
    custom: Custom
    extra_content: ExtraContent | None = None


class AudioRef(msgspec.Struct):
    """An earlier answer's sound."""

    id: Id


Words: TypeAlias = str | list[TextPart]


class SystemMessage(Markable, tag_field="role", tag="system"):
    """The rules, as they were always told."""

    content: Words
    name: str | None = None


class DeveloperMessage(Markable, tag_field="role", tag="developer"):
    """The rules, as newer models are told."""

    content: Words
    name: str | None = None


class UserMessage(Markable, tag_field="role", tag="user"):
    """What a user says and shows."""

    content: str | list[TextPart | ImagePart | AudioPart | FilePart]
    name: str | None = None


class AssistantMessage(Markable, tag_field="role", tag="assistant"):
    """What the model said, as clients repeat it."""

    content: str | list[TextPart | RefusalPart] | None = None
    name: str | None = None
    refusal: str | None = None
    audio: AudioRef | None = None
    tool_calls: list[FunctionCall | CustomCall] | None = None
    function_call: Function | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Detail] | None = None
    images: list[ImagePart] | None = None


class ToolMessage(Markable, tag_field="role", tag="tool"):
    """What a tool gave back; OpenAI allows text alone, other endpoints more."""

    content: str | list[TextPart | ImagePart | FilePart]
    tool_call_id: Id


class FunctionMessage(msgspec.Struct, tag_field="role", tag="function"):
    """What a function gave back, before there were tools."""

    name: Name
    content: str | None = None


Message: TypeAlias = (
    SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage
)  # fmt: skip
ContentPart: TypeAlias = TextPart | ImagePart | AudioPart | FilePart | RefusalPart
