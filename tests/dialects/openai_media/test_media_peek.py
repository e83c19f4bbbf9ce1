"""What a call asks for beside chat, and the most that it can use."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.call import Call
from intertie.core.endpoint import Endpoint, Operation, Origin
from intertie.core.faults import InvalidRequest
from intertie.core.usage import Usage
from intertie.dialects.openai_media.multipart import Part, read_form, write_form
from intertie.dialects.openai_media.peek import pass_on, peek
from intertie.dialects.openai_media.peek_form import peek_form
from recordings import data_url, png, wav

TYPE = b"multipart/form-data; boundary=xyz"
BODIES: dict[Operation, dict[str, object]] = {
    "rerank": {"model": "m", "query": "what?", "documents": ["a", {"text": "b"}], "top_n": 1},
    "images": {"model": "m", "prompt": "a cat", "n": 2, "size": "1024x1024", "quality": "high"},
    "image_edits": {"model": "m", "prompt": "a hat", "images": [{"file_id": "file-1"}]},
    "speech": {"model": "m", "input": "hallo, wörld", "voice": "alloy"},
    "moderations": {"model": "m", "input": ["a", "b"]},
}


def asked(operation: Operation, **changes: object) -> Call:
    given = {**BODIES[operation], **changes}
    return peek(operation, json.dumps({name: value for name, value in given.items() if value is not ...}).encode())


def form(operation: Operation, *parts: Part) -> Call:
    return peek_form(operation, write_form(b"xyz", parts), TYPE)


def part(name: str, value: str) -> Part:
    return Part(name, value.encode())


def file(name: str, data: bytes) -> Part:
    return Part(name, data, b'; filename="f"')


def endpoint(model: str) -> Endpoint:
    return Endpoint("e", "s", "m", model, Origin("http", "h", 80))


def test_a_rerank_is_read_and_every_document_is_read_with_the_query() -> None:
    call = asked("rerank", documents=["d" * 996] * 250)
    assert (call.model, call.stream, call.max_output, call.operation) == ("m", False, 0, "rerank")
    assert call.units.prompt >= 250 * (1_000 + 7)
    assert call.units.searches == 5  # 1,000 bytes are no more than two chunks of 500 tokens


def test_pictures_are_bounded_by_their_size_and_quality() -> None:
    call = asked("images")
    assert (call.max_output, call.choices, call.units.images) == (7_024, 2, 2)  # OpenAI's calculator says 7,024
    assert call.units.image_out == 14_048
    assert asked("images", quality="low").max_output == 408
    assert asked("images", size=..., quality=...).max_output == 23_719  # what `auto` may turn out to be
    assert asked("images", n=None, partial_images=3, stream=True).max_output == 7_324
    assert asked("images", output_format="gif", frame_count=4, n=1).units.image_out == 4 * 7_024
    assert asked("images", output_format="svg").max_output is None


def test_pictures_to_be_changed_may_be_referred_to() -> None:
    assert asked("image_edits", mask={"file_id": "file-2"}).units.image_in == 72_000


def test_speech_is_counted_in_characters() -> None:
    call = asked("speech")
    assert call.units.characters == 12
    assert call.units.audio_out == call.max_output == 12 * 8 + 21
    assert asked("speech", speed=0.5).max_output == 12 * 16 + 21
    assert (call.stream, asked("speech", stream_format="sse").stream) == (False, True)


def test_a_moderation_may_leave_the_model_to_the_api() -> None:
    assert asked("moderations", model=...).model == "omni-moderation-latest"
    patched = pass_on(asked("moderations", model=...), endpoint("other"))
    assert json.loads(patched) == {"input": ["a", "b"], "model": "other"}


@pytest.mark.parametrize(
    ("operation", "changes", "param"),
    [
        ("rerank", {"query": ...}, "query"),
        ("rerank", {"query": 5}, "query"),
        ("rerank", {"documents": []}, "documents"),
        ("rerank", {"documents": "x"}, "documents"),
        ("rerank", {"documents": ["x", 5]}, "documents[1]"),
        ("rerank", {"documents": ["x"] * 10_001}, "documents"),
        ("rerank", {"stream": True}, "stream"),
        ("rerank", {"model": ...}, "model"),
        ("rerank", {"model": "m" * 257}, "model"),
        ("rerank", {"Model": "n"}, "model"),
        ("images", {"prompt": ...}, "prompt"),
        ("images", {"n": 0}, "n"),
        ("images", {"n": 129}, "n"),
        ("images", {"n": "2"}, "n"),
        ("images", {"partial_images": -1}, "partial_images"),
        ("images", {"frame_count": 0}, "frame_count"),
        ("image_edits", {"images": []}, "images"),
        ("speech", {"input": ""}, "input"),
        ("speech", {"input": "x" * (2**20 + 1)}, "input"),
        ("speech", {"speed": 0}, "speed"),
        ("speech", {"stream_format": "wav"}, "stream_format"),
        ("moderations", {"input": None}, "input"),
        ("moderations", {"input": 5}, "input"),
    ],
)
def test_what_is_wrong_is_named(operation: Operation, changes: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(operation, **changes)
    assert refused.value.param == param


@pytest.mark.parametrize("operation", BODIES)
def test_unknown_fields_survive_and_only_the_model_changes(operation: Operation) -> None:
    call = asked(operation, x_unknown={"deep": [1]}, intertie={"objective": "batch"})
    assert call.ask.objective == "batch"
    assert json.loads(pass_on(call, endpoint("other"), 7)) == {
        **BODIES[operation],
        "x_unknown": {"deep": [1]},
        "model": "other",
    }
    plain = asked(operation)
    assert pass_on(plain, endpoint("m")) is plain.body


@pytest.mark.parametrize(("operation", "other"), [("speech", "transcription"), ("transcription", "speech")])
def test_an_operation_that_comes_in_another_form_is_refused(operation: Operation, other: Operation) -> None:
    with pytest.raises(InvalidRequest) as refused:
        form("speech", part("model", "m")) if operation == "speech" else peek(operation, b"{}")
    assert refused.value.code == "unsupported_media_type"


def test_a_recording_is_read_from_a_form() -> None:
    call = form(
        "transcription", file("file", wav(60)), part("model", "m"), part("stream", "true"), part("prompt", "so")
    )
    assert (call.model, call.stream, call.max_output, call.content_type) == ("m", True, None, TYPE)
    assert call.units == Usage(prompt=60 * 32 + 2, audio_in=60 * 32, audio_ms=60_000)
    assert call.prompt_tokens == 60 * 32 + 1


def test_the_form_that_is_passed_on_differs_in_its_model_alone() -> None:
    sound = wav(1)
    call = form("translation", file("file", sound), part("x[]", "1"), part("x[]", "2"), part("model", "m"))
    for model in ("m", "upstream/model"):
        parts = read_form(pass_on(call, endpoint(model)), call.content_type).parts
        assert parts == (part("model", model), file("file", sound), part("x[]", "1"), part("x[]", "2"))


def test_what_the_choice_is_asked_for_stays_here() -> None:
    whole = form("translation", part("intertie", '{"tags": ["a"]}'), part("model", "m"), file("file", wav(1)))
    parts = [part("intertie[tags][]", "a"), part("intertie[weights][cost]", "0.5"), part("intertie[explain]", "true")]
    split = form("translation", *parts, part("model", "m"), file("file", wav(1)))
    assert (whole.ask.tags, split.ask.tags, split.ask.weights, split.ask.explain) == (
        ("a",),
        ("a",),
        {"cost": 0.5},
        True,
    )
    assert b"intertie" not in whole.body + split.body


def test_pictures_are_read_from_a_form() -> None:
    pictures = [file("image[]", png(1024, 1024)), file("image[]", png(4032, 3024)), file("mask", png(8, 8))]
    call = form("image_edits", part("model", "m"), part("prompt", "hat"), part("n", "3"), *pictures)
    assert call.units.image_in == 7_400 + 14_364 + 7_400
    assert (call.units.prompt, call.units.images) == (call.units.image_in + 3, 3)


BAD = Part("file", b"<!doctype html>", b'; filename="f"')
EDIT = (part("model", "m"), part("prompt", "hat"))


@pytest.mark.parametrize(
    ("operation", "parts", "param"),
    [
        ("transcription", (file("file", wav(1)),), "model"),
        ("transcription", (part("model", "m"),), "file"),
        ("transcription", (part("model", "m"), part("file", "x")), "file"),
        ("transcription", (part("model", "m"), BAD), "file"),
        ("transcription", (part("model", "m"), file("file", wav(1)), file("file", wav(1))), "file"),
        ("transcription", (part("model", "m"), part("model", "n"), file("file", wav(1))), "model"),
        ("transcription", (part("model[]", "m"), file("file", wav(1))), "model"),
        ("transcription", (file("model", b"m"), file("file", wav(1))), "model"),
        ("transcription", (part("model", "m"), part("MODEL", "n"), file("file", wav(1))), "model"),
        ("transcription", (Part("model", b"\xff"), file("file", wav(1))), "model"),
        ("transcription", (part("model", "m"), part("stream", "maybe"), file("file", wav(1))), "stream"),
        ("image_edits", EDIT, "image"),
        ("image_edits", (*EDIT, file("image", wav(1))), "image"),
        ("image_edits", (*EDIT, file("image", b"GIF89a" + bytes(20))), "image"),
        ("image_edits", (*EDIT, *[file("image[]", png(8, 8))] * 17), "image"),
        ("image_edits", (*EDIT, file("image", png(8, 8)), file("mask", b"\xff\xd8\xff")), "mask"),
        ("image_edits", (*EDIT, file("image", png(8, 8)), file("mask", png(8, 8, 4 * 2**20 + 1))), "mask"),
        ("image_edits", (*EDIT, part("n", "x"), file("image", png(8, 8))), "n"),
        ("image_edits", (part("model", "m"), file("image", png(8, 8))), "prompt"),
    ],
)
def test_what_is_wrong_with_a_form_is_named(operation: Operation, parts: tuple[Part, ...], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        form(operation, *parts)
    assert refused.value.param == param


def test_a_picture_by_value_is_not_counted_as_text() -> None:
    call = asked("image_edits", images=[{"image_url": data_url("image/png", png(8, 8, 500_000))}])
    assert call.prompt_tokens < 10 and call.units.prompt < 40_000


@given(
    st.sampled_from(sorted(BODIES)),
    st.binary(max_size=60) | st.from_regex(rb'\{"(model|input|query)":.{0,30}\}', fullmatch=True),
)
def test_garbage_is_refused_and_nothing_else(operation: Operation, body: bytes) -> None:
    try:
        peek(operation, body)
    except InvalidRequest:
        return
    assert b'"model"' in body or operation == "moderations"
