"""What a call asks for, operation by operation: the fields that decide, and the most that it can use.

Everything else is left alone. A field that is missing or out of bounds raises InvalidRequest, naming it.
"""

from typing import NoReturn

import msgspec

from intertie.core.call import Ask
from intertie.core.faults import InvalidRequest
from intertie.core.usage import NOTHING, Usage
from intertie.dialects import audio, images
from intertie.dialects.openai_media.bounds import image_tokens, searches, speech_tokens
from intertie.dialects.weight import BYTES_PER_TOKEN

_MOST_IMAGES = 128
_MOST_PARTIAL = 16
_MOST_DOCUMENTS = 10_000
_MOST_CHARACTERS = 1 << 20
_FRAMES = 9  # of a GIF where their number is not told
_ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")


class Worth(msgspec.Struct, frozen=True):
    """What a call can use: the text of its prompt in bytes, tokens of output per choice, and `units` (see `Call`)."""

    prompt_bytes: int
    max_output: int | None = 0
    choices: int = 1
    units: Usage = NOTHING


class Asked(msgspec.Struct):
    """What every operation has."""

    model: str | None = None
    stream: bool | None = False
    intertie: Ask | None = None

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream of events."""
        return bool(self.stream)


class Making(Asked):
    """A picture to be made."""

    prompt: str | None = None
    n: int | None = 1
    size: str | None = "auto"
    quality: str | None = "auto"
    partial_images: int | None = 0
    frame_count: int | None = None
    output_format: str | None = None

    def made_from(self, pictures: int) -> Worth:
        """What it can use; `pictures` is the most tokens of those that it is made from."""
        if not self.prompt:
            missing("prompt")
        count = _within("n", self.n, 1, 1, _MOST_IMAGES)
        partial = _within("partial_images", self.partial_images, 0, 0, _MOST_PARTIAL)
        frames = _within("frame_count", self.frame_count, _FRAMES, 1, _MOST_IMAGES)
        each = image_tokens(self.size or "auto", self.quality or "auto", partial)
        if self.output_format == "gif":
            each *= frames
        text = len(self.prompt.encode())
        prompt = text + pictures if pictures else 0
        units = Usage(prompt=prompt, image_in=pictures, image_out=each * count, images=count)
        drawn = self.output_format == "svg"  # by a model that writes as much as it likes
        return Worth(text, None if drawn else each, count, units)


class Rendering(Making):
    """A picture to be made from words, or (where `images` refers to some) from others."""

    images: list[msgspec.Raw] | None = None
    mask: msgspec.Raw = _ABSENT

    def worth(self) -> Worth:
        """What it can use. Pictures that are only referred to may be of any size."""
        return self.made_from((len(self.images or ()) + (bytes(self.mask) not in _NOTHING)) * images.WORST)


class Editing(Rendering):
    """Pictures to be changed, referred to by URL or file id: files come in a form."""

    def worth(self) -> Worth:
        """What it can use."""
        if not self.images:
            missing("images")
        return super().worth()


class Speaking(Asked):
    """Text to be spoken."""

    input: str = ""
    speed: float | None = 1.0
    stream_format: str | None = None

    @property
    def streamed(self) -> bool:
        """See `Asked`: sound is bytes, unless events are asked for."""
        return self.stream_format == "sse"

    def worth(self) -> Worth:
        """What it can use."""
        characters, speed = len(self.input), 1.0 if self.speed is None else self.speed
        if not characters:
            missing("input")
        if characters > _MOST_CHARACTERS:
            bad("input", f"'input' has at most {_MOST_CHARACTERS:,} characters.")
        if not 0.25 <= speed <= 4:
            bad("speed", "'speed' must lie between 0.25 and 4.")
        if self.stream_format not in (None, "audio", "sse"):
            bad("stream_format", "'stream_format' is audio or sse.")
        spoken = speech_tokens(characters, speed)
        return Worth(len(self.input.encode()), spoken, 1, Usage(characters=characters, audio_out=spoken))


class Ranking(Asked):
    """Documents to be put in the order in which they answer a query."""

    query: msgspec.Raw = _ABSENT
    documents: msgspec.Raw = _ABSENT

    def worth(self) -> Worth:
        """What it can use."""
        query, documents = _content("query", self.query, b'"{'), _content("documents", self.documents, b"[")
        if self.stream:
            bad("stream", "A rerank cannot be streamed.", "unsupported_parameter")
        each = [bytes(document) for document in msgspec.json.decode(documents, type=list[msgspec.Raw])]
        if not 1 <= len(each) <= _MOST_DOCUMENTS:
            bad("documents", f"There must be 1 to {_MOST_DOCUMENTS:,} documents.")
        for index, document in enumerate(each):
            _content(f"documents[{index}]", document, b'"{')
        together = len(documents) + len(query) * len(each)  # a cross-encoder reads the query with each of them
        return Worth(together, units=Usage(prompt=together, searches=searches(query, each)))


class Transcribing(Asked):
    """A recording to be written down, or translated."""

    prompt: str | None = None
    response_format: str | None = None

    def worth(self, length_ms: int) -> Worth:
        """What it can use, lasting so many milliseconds. How much is said in it, only the model's own limit bounds."""
        heard, told = audio.tokens(length_ms), len((self.prompt or "").encode())
        units = Usage(prompt=heard + told, audio_in=heard, audio_ms=length_ms)
        return Worth(heard * BYTES_PER_TOKEN + told, None, units=units)


class Moderating(Asked):
    """Text and pictures to be judged."""

    input: msgspec.Raw = _ABSENT

    def worth(self) -> Worth:
        """What it can use."""
        return Worth(len(_content("input", self.input, b'"[')))


def _content(name: str, raw: msgspec.Raw | bytes, openers: bytes) -> bytes:
    """A value that must be there, and be a string, an array or an object: `openers` are what it may begin with."""
    content = bytes(raw)
    if content in _NOTHING:
        missing(name)
    if content[:1] not in openers:
        kinds = {b'"': "a string", b"[": "an array", b"{": "an object"}
        expected = " or ".join(kind for opener, kind in kinds.items() if opener in openers)
        bad(name, f"Invalid type for '{name}': expected {expected}.", "invalid_type")
    return content


def _within(name: str, given: int | None, default: int, least: int, most: int) -> int:
    value = default if given is None else given
    if not least <= value <= most:
        bad(name, f"'{name}' must lie between {least} and {most}.")
    return value


def missing(name: str) -> NoReturn:
    """A field that must be there is not."""
    message = f"Missing required parameter: '{name}'."
    raise InvalidRequest(message, code="missing_required_parameter", param=name)


def bad(name: str, message: str, code: str = "invalid_value") -> NoReturn:
    """A field has a value that it must not have."""
    raise InvalidRequest(message, code=code, param=name)
