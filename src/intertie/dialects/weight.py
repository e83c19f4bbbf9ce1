"""How many tokens a prompt has: its text by its size, pictures and sound in it by what their headers tell.

The same for every dialect that callers speak: parts stand in the lists `content`, `parts` or `output` of messages, and
only there is base64 anything but text. What only looks like a picture (in the arguments of a tool, in a schema, in
words) is read by a model as text, and counts as text.
"""

import re
from binascii import Error, a2b_base64
from typing import Final, NamedTuple

import msgspec

from intertie.core.call import Fields
from intertie.core.endpoint import Dialect
from intertie.core.usage import NOTHING, Usage
from intertie.dialects import audio, images

BYTES_PER_TOKEN: Final = 4
"""The field's rule of thumb for English; what the endpoint counts settles the bill."""

_PDF_BYTES_PER_TOKEN: Final = 16  # 3,000 tokens for a page of 50 kB, text and picture together
_HEAD: Final = 8_192  # characters of base64 in which nearly every picture tells its size
_DEEPEST: Final = 4  # a picture in a tool's result in a message is three lists down
_MARKS: Final[dict[Dialect, tuple[bytes, ...]]] = {
    "openai_chat": (b'_url"', b'"input_audio"', b'"file"'),
    "openai_responses": (b'_url"', b'"input_image"', b'"input_file"'),
    "anthropic_messages": (b'"source"',),
    "gemini": (b'"inline', b'"file'),
}
"""What stands in every body with media in it; searched for in every body, so there are few."""

_ESCAPED: Final = b"\\u00"  # an escape of ASCII may hide a mark
_HOSTED: Final = re.compile(
    rb'"type"\s*:\s*"(?!function"|custom"|namespace")[a-z_]*(?:search|fetch|code|image|mcp|computer|shell|browser)'
    rb'|"(?:google_?[sS]earch|code_?[eE]xecution|url_?[cC]ontext|google_?[mM]aps|file_?[sS]earch|computer_?[uU]se)"\s*:'
)
"""Tools by their type (OpenAI, Anthropic) or their member (Gemini); a function of the caller's may have any name."""

_NONE = msgspec.Raw()


class Weight(NamedTuple):
    """`tokens` is what a prompt is likely to have; `units` the worst case (see `core.call`), NOTHING for mere text."""

    tokens: int
    units: Usage = NOTHING


class _Holder(msgspec.Struct):
    """What may stand beside the name of a medium: bytes as base64, a URL, or the name of a file elsewhere."""

    url: str = ""
    data: str = ""
    file_data: str = ""
    type: str = ""


_Media = str | _Holder | None


class _Part(msgspec.Struct):
    image_url: _Media = None
    audio_url: _Media = None
    input_audio: _Media = None
    file: _Media = None
    file_data: _Media = None
    file_id: _Media = None
    source: _Media = None
    inline_data: _Media = None
    inline: _Media = msgspec.field(default=None, name="inlineData")
    stored: _Media = msgspec.field(default=None, name="fileData")
    content: msgspec.Raw = _NONE
    parts: msgspec.Raw = _NONE
    output: msgspec.Raw = _NONE


class _Message(msgspec.Struct):
    content: str | list[msgspec.Raw] | None = None


class _Body(msgspec.Struct):
    messages: msgspec.Raw = _NONE
    contents: msgspec.Raw = _NONE
    input: msgspec.Raw = _NONE
    system: msgspec.Raw = msgspec.field(default=_NONE, name="systemInstruction")
    instruction: msgspec.Raw = msgspec.field(default=_NONE, name="system_instruction")


class _Sum:
    """What was found: likely tokens, the most of pictures and of sound, and the bytes of base64 that are no text."""

    __slots__ = ("audio", "base64", "found", "image", "likely", "marks")

    def __init__(self, marks: tuple[bytes, ...]) -> None:
        self.marks = marks
        self.found = False
        self.base64 = self.likely = self.image = self.audio = 0


_messages = msgspec.json.Decoder(list[_Message]).decode
_body = msgspec.json.Decoder(_Body).decode
_part = msgspec.json.Decoder(_Part).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def weigh(body: bytes, dialect: Dialect = "openai_chat") -> Weight:
    """What the prompt in a valid JSON body weighs. A body without media costs a few searches through it."""
    text, marks = len(body) // BYTES_PER_TOKEN + 1, _MARKS[dialect]
    if not _marked(body, marks):
        return Weight(text)
    found = _Sum(marks)
    seen = _body(body)
    for turns in (seen.messages, seen.contents, seen.input):
        _walk(turns, found, _DEEPEST)
    for one in (seen.system, seen.instruction):
        _visit(bytes(one), found, _DEEPEST)
    if not found.found:
        return Weight(text)
    rest = len(body) - found.base64
    worst = Usage(prompt=rest + found.image + found.audio, image_in=found.image, audio_in=found.audio)
    return Weight(rest // BYTES_PER_TOKEN + 1 + found.likely, worst)


def weigh_chat(body: bytes, messages: bytes) -> Weight:
    """As `weigh` for a chat of OpenAI's whose `messages` are at hand; that most hold but words is soon seen."""
    try:
        for message in _messages(messages):
            if isinstance(message.content, list):
                return weigh(body)
    except msgspec.DecodeError:
        return weigh(body)
    return Weight(len(body) // BYTES_PER_TOKEN + 1)


def runs_tools(fields: Fields) -> bool:
    """Whether a call lets the endpoint run tools of its own: search, fetch, code, pictures, other servers."""
    if "web_search_options" in fields or "plugins" in fields or "mcp_servers" in fields:
        return True
    tools = fields.get("tools")
    return tools is not None and _HOSTED.search(bytes(tools)) is not None


def prompt_tokens(body: bytes, dialect: Dialect = "openai_chat") -> int:
    """Tokens that the prompt in a valid JSON body is likely to have."""
    return weigh(body, dialect).tokens


def _marked(text: bytes, marks: tuple[bytes, ...]) -> bool:
    return any(mark in text for mark in marks) or _ESCAPED in text


def _walk(raw: msgspec.Raw, found: _Sum, levels: int) -> None:
    """The parts of a list of messages, or of parts."""
    text = bytes(raw)
    if text[:1] == b"[" and levels:
        for element in _list(text):
            _visit(bytes(element), found, levels)


def _visit(text: bytes, found: _Sum, levels: int) -> None:
    """One message or part; most are text, and not looked into."""
    if text[:1] != b"{" or not _marked(text, found.marks):
        return
    try:
        part = _part(text)
    except msgspec.ValidationError:
        _count_unseen(found)  # an endpoint may see more in it than we do
        return
    for media in (part.image_url, part.audio_url, part.input_audio, part.file, part.file_data):
        _add(media, found)
    for media in (part.file_id, part.inline_data, part.inline, part.stored):
        _add(media, found)
    if isinstance(part.source, _Holder) and part.source.type != "text":
        _add(part.source, found)
    for inner in (part.content, part.parts, part.output):
        _walk(inner, found, levels - 1)


def _add(media: _Media, found: _Sum) -> None:
    if media is None:
        return
    held = media if isinstance(media, str) else media.data or media.file_data or media.url
    scheme, _, data = held[:256].partition(",")
    payload = held[len(scheme) + 1 :] if data and scheme.endswith(";base64") else held
    head = _decoded(payload[:_HEAD])
    found.found = True
    if images.kind_of(head):
        size = images.size_of(head) or images.size_of(_decoded(payload))
        found.likely += images.typical(size)
        found.image += images.worst(size)
    elif audio.kind_of(head):
        tokens = audio.tokens(audio.length_ms(_decoded(payload)))
        found.likely += tokens
        found.audio += tokens
    elif head.startswith(b"%PDF"):
        found.likely -= len(payload) // BYTES_PER_TOKEN - len(payload) * 3 // 4 // _PDF_BYTES_PER_TOKEN
        return  # its bytes stay counted: no page costs more than they are, but for the emptiest
    else:
        _count_unseen(found)
        return
    found.base64 += len(payload)


def _count_unseen(found: _Sum) -> None:
    """Something behind a URL, in a file elsewhere, or of no kind that is known here."""
    found.found = True
    found.likely += images.UNKNOWN
    found.image += images.WORST


def _decoded(text: str) -> bytes:
    """The bytes of base64, of a part of it too; b"" if it is none."""
    try:
        return a2b_base64(text[: len(text) & ~3])
    except (Error, ValueError):
        return b""
