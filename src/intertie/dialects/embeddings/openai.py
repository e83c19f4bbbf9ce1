"""An embeddings call as OpenAI words it, read for another dialect; and the answer in OpenAI's words."""

import struct
from base64 import b64encode

import msgspec

from intertie.core.call import Call
from intertie.core.faults import InvalidRequest, Unsupported
from intertie.dialects.dialect import Cannot
from intertie.dialects.json_body import refuse

_SAID = frozenset(("model", "input", "dimensions", "encoding_format", "user", "intertie", "provider"))
"""Fields that have a place, or need none: `user` is a hint to the provider."""


class Asked(msgspec.Struct):
    """What is to be embedded, and how the vectors are to be: of so many dimensions, `float` or `base64`."""

    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, one for each vector. Raises Unsupported where there are token ids: they are of one tokenizer."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) < len(given):
            raise Unsupported("'input' cannot be passed on: the endpoint takes text, not token ids.", param="input")
        return texts


class _Vector(msgspec.Struct):
    index: int
    embedding: msgspec.Raw | str
    object: str = "embedding"


class _Usage(msgspec.Struct):
    prompt_tokens: int
    total_tokens: int


class _Answer(msgspec.Struct):
    data: list[_Vector]
    model: str
    usage: _Usage
    object: str = "list"


_asked = msgspec.json.Decoder(Asked).decode
_floats = msgspec.json.Decoder(list[float]).decode
_encode = msgspec.json.Encoder().encode


def read(call: Call, cannot: Cannot, also: frozenset[str] = frozenset()) -> Asked:
    """What a call asks for; `also` are fields with a place at the endpoint that OpenAI does not know.

    Raises InvalidRequest, naming the field that is wrong, or Unsupported for one that has no place.
    """
    try:
        asked = _asked(call.body)
    except msgspec.DecodeError as error:
        refuse(error)
    if not asked.input:
        raise InvalidRequest("'input' must not be empty.", code="invalid_value", param="input")
    if asked.encoding_format not in (None, "float", "base64"):
        message = "'encoding_format' is float or base64."
        raise InvalidRequest(message, code="invalid_value", param="encoding_format")
    for name in call.fields:
        if name not in _SAID and name not in also:
            cannot.say(name)
    return asked


def write(call: Call, vectors: list[msgspec.Raw], prompt_tokens: int | None) -> bytes:
    """The answer; `vectors` are JSON lists, in the order of the texts; tokens are estimated where none are told.

    Raises ValueError if there are not as many vectors as texts, or one is no list of numbers.
    """
    asked = _asked(call.body)
    if len(vectors) != len(asked.texts):
        raise ValueError(f"{len(vectors)} vectors for {len(asked.texts)} texts")
    shaped = _packed if asked.encoding_format == "base64" else _plain
    data = [_Vector(index, shaped(bytes(vector))) for index, vector in enumerate(vectors)]
    tokens = call.prompt_tokens if prompt_tokens is None else prompt_tokens
    return _encode(_Answer(data, call.model, _Usage(tokens, tokens)))


def _plain(vector: bytes) -> msgspec.Raw:
    if not vector.startswith(b"["):
        raise ValueError("an embedding that is no list")
    return msgspec.Raw(vector)


def _packed(vector: bytes) -> str:
    """As OpenAI packs them: 32-bit floats, the lowest byte first."""
    try:
        numbers = _floats(vector)
        return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    except (msgspec.DecodeError, OverflowError, struct.error) as error:
        raise ValueError(f"an embedding that is no list of numbers: {error}") from None
