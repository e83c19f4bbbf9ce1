"""OpenAI's operations beside text: pictures, speech, transcripts, moderations; and ranks, as vLLM has them.

Sources: the types of OpenAI's SDK (`openai.types`), docs.vllm.ai (Re-rank API). Nothing of it streams here.
"""

import base64
import io
import struct
import wave
import zlib
from email import message_from_bytes
from email.policy import HTTP
from typing import Annotated, Final, Literal, NoReturn

import msgspec
from msgspec import Meta

from intertie.core.faults import InvalidRequest
from intertie.sim.engine.dialect import Asked, Job, PrefillJob
from intertie.sim.engine.dialects.cohere import ranked
from intertie.sim.engine.dialects.openai import refuse
from intertie.sim.engine.media import is_what_it_says
from intertie.sim.engine.reading import read
from intertie.sim.engine.requests import Pieces, PrefillRequest

_JSON: Final = b"application/json"
_IMAGE_TOKENS: Final = 272  # of one picture of 1024 by 1024 in low quality
_RATE: Final = 24_000  # samples per second
_PER_CHARACTER: Final = _RATE * 60 // 1_000  # samples: 60 ms of speech
_CATEGORIES: Final = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


class _Closed(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Rerank(msgspec.Struct):
    model: str
    query: str
    documents: Annotated[list[str], Meta(min_length=1)]
    top_n: int | None = None


class _Images(_Closed):
    model: str
    prompt: Annotated[str, Meta(min_length=1, max_length=32_000)]
    n: Annotated[int, Meta(ge=1, le=10)] | None = 1
    size: Literal["auto", "1024x1024", "1536x1024", "1024x1536"] | None = None
    quality: Literal["low", "medium", "high", "auto"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png"] | None = None
    moderation: Literal["low", "auto"] | None = None
    user: str | None = None


class _Speech(_Closed):
    model: str
    input: Annotated[str, Meta(min_length=1, max_length=4_096)]
    voice: str
    instructions: str | None = None
    response_format: Literal["wav", "pcm"] = "wav"
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None


class _Moderation(_Closed):
    input: str | list[str]
    model: str = "omni-moderation-latest"


_rerank = msgspec.json.Decoder(_Rerank)
_images = msgspec.json.Decoder(_Images)
_speech = msgspec.json.Decoder(_Speech)
_moderation = msgspec.json.Decoder(_Moderation)
_encode = msgspec.json.Encoder().encode


def read_rerank(asked: Asked) -> Job:
    """Ranks. Raises Complaint."""
    body = read(_rerank, asked.body)

    def render(tokens: int) -> tuple[bytes, bytes]:
        best = ranked(body.query, body.documents)[: body.top_n]
        results = [
            {"index": index, "document": {"text": body.documents[index]}, "relevance_score": score}
            for index, score in best
        ]
        told = {"id": "rerank", "model": body.model, "usage": {"total_tokens": tokens}, "results": results}
        return _JSON, _encode(told)

    inputs = tuple(f"{body.query}{document}".encode() for document in body.documents)
    return PrefillJob(PrefillRequest(body.model, inputs, body.query, "documents"), render)


def read_images(asked: Asked) -> Job:
    """Pictures. Raises Complaint."""
    body = read(_images, asked.body)
    return _drawn(body.model, body.prompt, body.n or 1)


def read_edits(asked: Asked) -> Job:
    """Pictures from pictures, by form. Raises InvalidRequest."""
    form = _Form(asked)
    for data in form.files("image", "image[]"):
        if not is_what_it_says("image/png", data):
            refuse("image", "Invalid image file or mode for image 1, please check your image file.", "invalid_image")
    return _drawn(form.text("model"), form.text("prompt"), int(form.text("n", "1")))


def _drawn(model: str, prompt: str, count: int) -> Job:
    made = count * _IMAGE_TOKENS

    def render(tokens: int) -> tuple[bytes, bytes]:
        data = [{"b64_json": base64.b64encode(_png(8, 8, index)).decode()} for index in range(count)]
        usage = {
            "input_tokens": tokens,
            "input_tokens_details": {"text_tokens": tokens, "image_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
            "total_tokens": tokens + made,
        }
        return _JSON, _encode({"created": 0, "data": data, "output_format": "png", "usage": usage})

    pieces = Pieces(output_tokens=made, images=count)
    return PrefillJob(PrefillRequest(model, (prompt.encode(),), prompt, "prompt", pieces), render)


def read_speech(asked: Asked) -> Job:
    """Speech, which is silence. Raises Complaint."""
    body = read(_speech, asked.body)
    silence = bytes(2 * _PER_CHARACTER * len(body.input))

    def render(tokens: int) -> tuple[bytes, bytes]:
        return (b"audio/wav", _wav(silence)) if body.response_format == "wav" else (b"audio/pcm", silence)

    pieces = Pieces(characters=len(body.input))
    return PrefillJob(PrefillRequest(body.model, (body.input.encode(),), body.input, "input", pieces), render)


def read_transcription(asked: Asked) -> Job:
    """What a recording says, by form: nothing but how long it is. Raises InvalidRequest."""
    form = _Form(asked)
    (sound,) = form.files("file") or (b"",)
    length_ms, kind = _length_ms(sound), form.text("response_format", "json")
    text = f"Simulated transcript of {length_ms} ms."

    def render(tokens: int) -> tuple[bytes, bytes]:
        usage = {"type": "duration", "seconds": -(-length_ms // 1_000)}
        if kind == "text":
            return b"text/plain; charset=utf-8", text.encode() + b"\n"
        if kind == "verbose_json":
            told = {"task": "transcribe", "language": "english", "duration": length_ms / 1_000, "text": text}
            return _JSON, _encode({**told, "segments": (), "usage": usage})
        return _JSON, _encode({"text": text, "usage": usage})

    billed_ms = length_ms if kind == "text" else -(-length_ms // 1_000) * 1_000
    request = PrefillRequest(
        form.text("model"), (sound[:64],), form.text("prompt", ""), "file", Pieces(audio_ms=billed_ms)
    )
    return PrefillJob(request, render)


def read_moderation(asked: Asked) -> Job:
    """What is wrong with texts: those that say `harmful` are violent. Raises Complaint."""
    body = read(_moderation, asked.body)
    texts = [body.input] if isinstance(body.input, str) else body.input

    def render(tokens: int) -> tuple[bytes, bytes]:
        return _JSON, _encode({"id": "modr-sim", "model": body.model, "results": [_judged(text) for text in texts]})

    inputs = tuple(text.encode() for text in texts)
    return PrefillJob(PrefillRequest(body.model, inputs, texts[-1]), render)


def _judged(text: str) -> dict[str, object]:
    found = {name: name == "violence" and "harmful" in text for name in _CATEGORIES}
    scores = {name: 0.99 if bad else 0.01 for name, bad in found.items()}
    kinds = {name: ["text"] for name in _CATEGORIES}
    return {"flagged": any(found.values()), "categories": found, "category_scores": scores,
            "category_applied_input_types": kinds}  # fmt: skip


class _Form:
    """A body of `multipart/form-data`. Raises InvalidRequest for what is none, or lacks a field."""

    def __init__(self, asked: Asked) -> None:
        kind = asked.headers.get(b"content-type", b"")
        message = message_from_bytes(b"content-type: %b\r\n\r\n%b" % (kind, asked.body), policy=HTTP)
        if not message.is_multipart():
            raise InvalidRequest("Invalid body: failed to parse multipart form data.")
        self._parts = list(message.iter_parts())

    def files(self, *names: str) -> list[bytes]:
        """The contents of files."""
        return [data for name, data, is_file in self._fields() if is_file and name in names]

    def text(self, wanted: str, default: str | None = None) -> str:
        """The value of a field."""
        for name, data, is_file in self._fields():
            if name == wanted and not is_file:
                return data.decode()
        if default is None:
            _missing(wanted)
        return default

    def _fields(self) -> list[tuple[str, bytes, bool]]:
        told: list[tuple[str, bytes, bool]] = []
        for part in self._parts:
            data = part.get_payload(decode=True)
            name = str(part.get_param("name", "", "content-disposition"))
            told.append((name, data if isinstance(data, bytes) else b"", part.get_filename() is not None))
        return told


def _missing(name: str) -> NoReturn:
    refuse(name, f"Missing required parameter: '{name}'.", "missing_required_parameter")


def _length_ms(sound: bytes) -> int:
    try:
        with wave.open(io.BytesIO(sound)) as recording:
            return recording.getnframes() * 1_000 // recording.getframerate()
    except (wave.Error, EOFError):
        refuse("file", "The audio file could not be decoded or its format is not supported.")


def _wav(samples: bytes) -> bytes:
    told = io.BytesIO()
    with wave.open(told, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(_RATE)
        recording.writeframes(samples)
    return told.getvalue()


def _png(width: int, height: int, shade: int) -> bytes:
    """A grey picture."""
    rows = (b"\0" + bytes([shade % 256]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    told = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        told += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return told
