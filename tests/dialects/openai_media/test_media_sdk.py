"""What OpenAI's own SDK sends is read, and it understands what it would get: in this process, without a network."""

import json
from collections.abc import Callable

import httpx2
import openai
import pytest

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Operation, Origin
from intertie.core.usage import Usage
from intertie.dialects.dialect import Heard
from intertie.dialects.openai_media.both import PATHS
from intertie.dialects.openai_media.glance import glance
from intertie.dialects.openai_media.multipart import read_form
from intertie.dialects.openai_media.peek import pass_on, peek
from intertie.dialects.openai_media.peek_form import peek_form
from intertie.dialects.openai_media.watch import MediaWatch
from recordings import data_url, png, wav

UPSTREAM = Endpoint("e", "s", "m", "upstream-model", Origin("http", "h", 80))
FORM = b"multipart/form-data"


class Gateway:
    """Stands where the gateway will: reads the call, makes the endpoint's body, watches the answer."""

    def __init__(self, answer: bytes, content_type: str = "application/json") -> None:
        self.answer, self.content_type = answer, content_type
        self.call = Call("chat", "", b"")
        self.body = b""
        self.usage: Usage | None = None
        transport = httpx2.MockTransport(self._answered)
        self.sdk = openai.OpenAI(api_key="k", base_url="http://x", http_client=httpx2.Client(transport=transport))

    def _answered(self, request: httpx2.Request) -> httpx2.Response:
        operation = next(name for name, path in PATHS.items() if path == request.url.path)
        content_type = request.headers["content-type"].encode()
        read = request.read()
        self.call = peek_form(operation, read, content_type) if FORM in content_type else peek(operation, read)
        self.body = pass_on(self.call, UPSTREAM)
        answer = self.answer
        if self.call.stream:
            heard = Heard()
            watch = MediaWatch(self.call, heard)
            answer = watch.feed(self.answer) + watch.ended()
            self.usage = heard.usage
        else:
            self.usage = glance(answer, self.call).usage
        return httpx2.Response(200, content=answer, headers={"content-type": self.content_type})

    def parts(self) -> dict[str, bytes]:
        return {part.name: part.data for part in read_form(self.body, self.call.content_type).parts}


def events(*told: dict[str, object]) -> bytes:
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in told)


TRANSCRIPT = json.dumps({"text": "Hello", "usage": {"type": "duration", "seconds": 2}}).encode()
DONE = {"type": "transcript.text.done", "text": "Hello", "usage": {
    "type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17,
    "input_token_details": {"audio_tokens": 14, "text_tokens": 0}}}  # fmt: skip


def test_a_transcription_with_lists_and_objects_in_its_form() -> None:
    gateway = Gateway(TRANSCRIPT)
    sound = wav(2)
    told = gateway.sdk.audio.transcriptions.create(
        model="m", file=("ünïcode \"a\".wav", sound, "audio/wav"), timestamp_granularities=["word", "segment"],
        response_format="json", chunking_strategy={"type": "server_vad", "threshold": 0.5},
        extra_body={"intertie": {"tags": ["a", "b"]}},
    )  # fmt: skip
    assert (told.text, gateway.usage) == ("Hello", Usage(audio_ms=2_000))
    assert (gateway.call.model, gateway.call.units.audio_ms, gateway.call.ask.tags) == ("m", 2_000, ("a", "b"))
    parts = gateway.parts()
    assert parts["model"] == b"upstream-model" and parts["file"] == sound
    assert parts["chunking_strategy[threshold]"] == b"0.5" and not any(name.startswith("intertie") for name in parts)


def test_a_transcription_that_streams() -> None:
    gateway = Gateway(events({"type": "transcript.text.delta", "delta": "Hello"}, DONE), "text/event-stream")
    stream = gateway.sdk.audio.transcriptions.create(model="m", file=("a.wav", wav(1)), stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]
    assert gateway.call.stream and gateway.usage == Usage(14, 3, audio_in=14)


def test_a_model_that_ignores_stream_still_reaches_the_sdk() -> None:
    gateway = Gateway(TRANSCRIPT, "text/event-stream")
    (event,) = gateway.sdk.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(1)), stream=True)
    assert event.type == "transcript.text.done" and event.text == "Hello"


def test_a_translation_without_a_file_name_of_its_own() -> None:
    gateway = Gateway(b"Hello")
    with pytest.deprecated_call():
        told = gateway.sdk.audio.translations.create(model="m", file=wav(3), response_format="text")
    assert told == "Hello"
    assert gateway.usage == Usage(97, audio_ms=3_000, estimated=True)


def test_pictures_to_be_changed() -> None:
    usage = {"input_tokens": 60, "input_tokens_details": {"image_tokens": 40, "text_tokens": 20}, "output_tokens": 500,
             "total_tokens": 560}  # fmt: skip
    gateway = Gateway(json.dumps({"created": 1, "data": [{"b64_json": "QQ=="}] * 2, "usage": usage}).encode())
    told = gateway.sdk.images.edit(
        model="m", prompt="a hat", n=2, image=[("a.png", png(64, 64)), ("b.png", png(32, 32))], mask=png(64, 64),
        size="1024x1024", quality="low",
    )  # fmt: skip
    assert len(told.data or ()) == 2
    assert (gateway.call.choices, gateway.call.max_output, gateway.call.units.images) == (2, 408, 2)
    assert gateway.usage == Usage(60, 500, image_in=40, image_out=500, images=2)
    assert gateway.parts()["image[]"] == png(32, 32)


def test_pictures_that_stream() -> None:
    shape = {"b64_json": "QQ==", "created_at": 1, "size": "1024x1024", "quality": "low", "background": "opaque",
             "output_format": "png"}  # fmt: skip
    usage = {"input_tokens": 6, "input_tokens_details": {"image_tokens": 0, "text_tokens": 6}, "output_tokens": 272,
             "total_tokens": 278}  # fmt: skip
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0, **shape}
    whole = {"type": "image_generation.completed", "usage": usage, **shape}
    gateway = Gateway(events(partial, whole), "text/event-stream")
    stream = gateway.sdk.images.generate(model="m", prompt="a cat", stream=True, partial_images=1)
    assert [event.type for event in stream] == ["image_generation.partial_image", "image_generation.completed"]
    assert gateway.usage == Usage(6, 272, image_out=272, images=1)


def test_speech_as_sound_and_as_events() -> None:
    sound = wav(10)
    gateway = Gateway(sound, "audio/wav")
    told = gateway.sdk.audio.speech.create(model="m", input="Hello", voice="alloy", response_format="wav")
    assert told.content == sound
    assert gateway.usage == Usage(2, 210, audio_out=210, characters=5, estimated=True)
    done = {"type": "speech.audio.done", "usage": {"input_tokens": 5, "output_tokens": 42, "total_tokens": 47}}
    gateway = Gateway(events({"type": "speech.audio.delta", "audio": "QQ=="}, done), "text/event-stream")
    gateway.sdk.audio.speech.create(model="m", input="Hello", voice="alloy", stream_format="sse")
    assert gateway.usage == Usage(5, 42, audio_out=42, characters=5)


def test_a_moderation_with_pictures() -> None:
    gateway = Gateway(b'{"id": "x", "model": "m", "results": []}')
    picture = data_url("image/png", png(8, 8))
    gateway.sdk.moderations.create(input=[{"type": "image_url", "image_url": {"url": picture}}])
    assert gateway.call.model == "omni-moderation-latest"
    assert json.loads(gateway.body)["model"] == "upstream-model"


TRIES: dict[Operation, Callable[[openai.OpenAI], object]] = {
    "images": lambda sdk: sdk.images.generate(model="m", prompt="a cat"),
    "moderations": lambda sdk: sdk.moderations.create(input="x"),
}


@pytest.mark.parametrize("operation", TRIES)
def test_every_operation_has_a_path(operation: Operation) -> None:
    gateway = Gateway(b"{}")
    TRIES[operation](gateway.sdk)
    assert gateway.call.operation == operation
