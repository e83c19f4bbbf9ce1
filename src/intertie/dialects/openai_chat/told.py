"""What endpoints tell, whole or in chunks: the shape of messages and deltas, why they end, how likely tokens were.

Read tolerantly: unknown fields are passed over (`obfuscation` among them), and what engines leave out may be absent.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.chat import Citation, StopReason, TokenChance
from intertie.core.faults import Fault
from intertie.dialects.openai_chat.glance import UsageTold, to_error
from intertie.dialects.openai_chat.messages import ExtraContent
from intertie.dialects.openai_chat.reasoning import Detail

REASONS: Final[dict[str, StopReason]] = {
    "stop": "end",
    "eos": "end",
    "eos_token": "end",
    "stop_sequence": "sequence",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
}
"""OpenAI's finish reasons, and those of Together (eos), TGI (eos_token, stop_sequence) and Mistral (model_length)."""


class Block(msgspec.Struct):
    """A piece of content where it is a list, as Mistral tells thoughts."""

    type: str = ""
    text: str | None = None
    thinking: str | list["Block"] | None = None

    @property
    def thoughts(self) -> str:
        """The words of a thought."""
        if isinstance(self.thinking, list):
            return "".join(block.text or "" for block in self.thinking)
        return self.thinking or ""


class FunctionTold(msgspec.Struct):
    """The function of a call; some engines give arguments as an object."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class CustomTold(msgspec.Struct):
    """A free tool of a call."""

    name: str | None = None
    input: str | None = None


class CallTold(msgspec.Struct):
    """A call of a tool, or a fragment of one."""

    index: int | None = None
    id: str | None = None
    function: FunctionTold | None = None
    custom: CustomTold | None = None
    extra_content: ExtraContent | None = None

    @property
    def free(self) -> bool:
        """Whether it takes free text."""
        return self.custom is not None

    @property
    def name(self) -> str:
        """The tool's name, "" where it is not told here."""
        named = self.custom or self.function
        return (named.name or "") if named else ""

    @property
    def arguments(self) -> str:
        """The arguments, or the fragment of them."""
        if self.custom is not None:
            return self.custom.input or ""
        return arguments_of(self.function.arguments) if self.function else ""

    @property
    def signature(self) -> str:
        """Google's signature."""
        return self.extra_content.signature if self.extra_content else ""


class UrlCitation(msgspec.Struct):
    """A page that a text cites; `content` is what OpenRouter quotes of it."""

    url: str = ""
    title: str | None = None
    content: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct):
    """A remark on a text."""

    type: str = ""
    url_citation: UrlCitation | None = None


class AudioTold(msgspec.Struct):
    """Sound, or a piece of it."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class PictureUrl(msgspec.Struct):
    """A picture by value."""

    url: str = ""


class Picture(msgspec.Struct):
    """A picture that the model made, as OpenRouter tells it."""

    image_url: PictureUrl | None = None


class MessageTold(msgspec.Struct):
    """A message, or a delta of one."""

    content: str | list[Block] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Detail] | None = None
    annotations: list[Annotation] | None = None
    audio: AudioTold | None = None
    function_call: FunctionTold | None = None
    tool_calls: list[CallTold] | None = None
    images: list[Picture] | None = None

    @property
    def words(self) -> str:
        """The words of the content."""
        if isinstance(self.content, list):
            return "".join(block.text or "" for block in self.content)
        return self.content or ""

    @property
    def thoughts(self) -> str:
        """The plain text of the reasoning, wherever it stands."""
        blocks = self.content if isinstance(self.content, list) else []
        return self.reasoning_content or self.reasoning or "".join(block.thoughts for block in blocks)


class TokenTold(msgspec.Struct):
    """A token and the logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list["TokenTold"] | None = None

    @property
    def chance(self) -> TokenChance:
        """The same in our words."""
        others = tuple(other.chance for other in self.top_logprobs or ())
        return TokenChance(self.token, self.logprob, None if self.bytes is None else tuple(self.bytes), others)


class Logprobs(msgspec.Struct):
    """The tokens of the words, and of the words of refusal."""

    content: list[TokenTold] | None = None
    refusal: list[TokenTold] | None = None

    @property
    def chances(self) -> tuple[TokenChance, ...]:
        """All of them in our words."""
        return tuple(told.chance for told in self.content or self.refusal or ())


class ChoiceTold(msgspec.Struct):
    """One of the answers, or a piece of it. vLLM tells in `stop_reason` which stop text came (or a token's number)."""

    index: int = 0
    message: MessageTold | None = None
    delta: MessageTold | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: Logprobs | None = None
    error: object = None


class AnswerTold(msgspec.Struct):
    """A whole answer, or a chunk of one."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[ChoiceTold] | None = None
    usage: UsageTold | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    error: object = None


def fault_of(told: AnswerTold) -> Fault | None:
    """The error that an answer or a chunk tells, of itself or of a choice, which OpenRouter then ends by `error`."""
    error = told.error
    for choice in told.choices or ():
        error = error or choice.error or (choice.finish_reason == "error" and {"message": "The endpoint broke off."})
    if not error:
        return None
    reading = to_error(error)
    return told_under_200(reading.status, reading.error)


Stop: TypeAlias = tuple[StopReason, str, str]
"""Why a choice ends, the stop text that came, and the name of a reason that is not ours."""


def stop_of(told: ChoiceTold, called: bool) -> Stop:
    """Why a choice ends. Whoever called tools wants their results, whatever the endpoint says (some say `stop`)."""
    name = told.finish_reason or "stop"
    reason = REASONS.get(name, "other")
    if reason == "end" and isinstance(told.stop_reason, str):
        reason = "sequence"
    if reason == "end" and called:
        reason = "tool"
    text = told.stop_reason if reason == "sequence" and isinstance(told.stop_reason, str) else ""
    return reason, text, name if reason == "other" else ""


def arguments_of(raw: msgspec.Raw) -> str:
    """Arguments as text: a string as it is, anything else as the JSON that it is."""
    text = bytes(raw)
    if text in (b"", b"null"):
        return ""
    return _string(text) if text.startswith(b'"') else text.decode()


def citations_of(told: list[Annotation] | None, offset: int) -> Iterator[Citation]:
    """Citations of a text that begins `offset` characters behind the message's beginning."""
    for annotation in told or ():
        cited = annotation.url_citation
        if cited is not None:
            yield Citation(
                url=cited.url,
                title=cited.title or "",
                quote=cited.content or "",
                start=_within(cited.start_index, offset),
                end=_within(cited.end_index, offset),
            )


def made_up_id(answer: str, choice: int, number: int) -> str:
    """The id of a call that got none."""
    return f"call_{answer}_{choice}_{number}"


def _within(index: int | None, offset: int) -> int:
    return -1 if index is None else max(0, index - offset)


_string = msgspec.json.Decoder(str).decode
