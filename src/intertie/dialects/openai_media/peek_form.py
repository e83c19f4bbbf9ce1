"""Reads forms: recordings to be written down, pictures to be changed. What is passed on is the form written anew."""

from typing import TypeVar

import msgspec

from intertie.core.call import Call
from intertie.core.endpoint import Operation
from intertie.core.faults import InvalidRequest
from intertie.dialects import audio, images
from intertie.dialects.json_body import read_fields, refuse, refuse_variants
from intertie.dialects.openai_media.asked import Asked, Making, Transcribing, Worth, bad, missing
from intertie.dialects.openai_media.multipart import Form, Part, read_form, write_form
from intertie.dialects.openai_media.peek import deciding, to_call

_MIB = 1024 * 1024
_LONGEST = {"file": 100 * _MIB, "image": 50 * _MIB, "mask": 4 * _MIB, "markup": 50 * _MIB}
"""Bytes of a file: what the API says of pictures; of recordings what the most generous of the known engines takes."""

_PICTURES = {"image": ("png", "webp", "jpeg"), "mask": ("png",), "markup": ("png",)}
_MOST_PICTURES = 16
_TOKENS_OF_PICTURE = 7_400  # gpt-image-1: 6,240 for fidelity, 65, 129 for each of eight tiles ("Images and vision")
_SOUNDS = "flac, mp3, mp4, mpeg, mpga, m4a, ogg, wav or webm"
_ABSENT = msgspec.Raw()

Shape = TypeVar("Shape", bound=Asked)


def peek_form(operation: Operation, body: bytes, content_type: bytes) -> Call:
    """Understand a form. Raises InvalidRequest, naming the field or saying what is wrong with the form."""
    if operation not in ("image_edits", "transcription", "translation"):
        bad("", f"{operation} takes JSON: content-type must be application/json.", "unsupported_media_type")
    form = read_form(body, content_type)
    asked, worth = _edits(form) if operation == "image_edits" else _recording(form)
    kept = [part for part in form.parts if part.name.partition("[")[0] != "intertie"]
    parts = sorted(kept, key=lambda part: part.name != "model")
    call = to_call(operation, asked, worth, write_form(form.boundary, parts), {})
    return msgspec.structs.replace(call, content_type=form.content_type)


def _recording(form: Form) -> tuple[Asked, Worth]:
    asked = _asked(form, Transcribing)
    files = _files(form, "file")
    if not files:
        missing("file")
    if len(files) > 1:
        raise InvalidRequest("'file' is given twice.", code="duplicate_parameter", param="file")
    if not audio.kind_of(files[0].data):
        bad("file", f"'file' is no recording of a kind that is known: {_SOUNDS}.", "unsupported_file")
    return asked, asked.worth(audio.length_ms(files[0].data))


def _edits(form: Form) -> tuple[Asked, Worth]:
    asked = _asked(form, Making)
    pictures = _files(form, "image")
    if not pictures:
        missing("image")
    if len(pictures) > _MOST_PICTURES:
        bad("image", f"There may be {_MOST_PICTURES} pictures.")
    tokens = 0
    for name, kinds in _PICTURES.items():
        for part in _files(form, name):
            if images.kind_of(part.data) not in kinds:
                bad(name, f"'{name}' must be a picture of type {' or '.join(kinds)}.", "unsupported_file")
            tokens += max(_TOKENS_OF_PICTURE, images.worst(images.size_of(part.data)))
    return asked, asked.made_from(tokens)


def _asked(form: Form, shape: type[Shape]) -> Shape:
    """The fields that decide. Each comes once, as plain text, and under no other name that may be read as its own."""
    names, given = deciding(shape), dict[str, object]()
    refuse_variants({part.name: _ABSENT for part in form.parts}, names)
    if ask := _ask(form):
        given["intertie"] = ask
    for part in form.parts:
        stem = part.name.partition("[")[0]
        if stem not in names or stem == "intertie":
            continue
        if part.name in given or part.name != stem or part.file:
            message = f"'{stem}' must be given once, as a field of that name and no file."
            raise InvalidRequest(message, code="duplicate_parameter", param=stem)
        given[stem] = _text(part)
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        refuse(error)


def _ask(form: Form) -> dict[str, object]:
    """The `intertie` object: JSON, or as SDKs write it into forms (`intertie[tags][]`, `intertie[weights][cost]`)."""
    ask: dict[str, object] = {}
    lists: dict[str, list[str]] = {}
    objects: dict[str, dict[str, str]] = {}
    for part in form.parts:
        stem, *keys = part.name.replace("]", "").split("[")
        if stem != "intertie":
            continue
        if not keys:
            ask |= {name: msgspec.json.decode(value) for name, value in read_fields(part.data)[0].items()}
        elif len(keys) == 1:
            ask[keys[0]] = _text(part)
        elif keys[1]:
            objects.setdefault(keys[0], {})[keys[1]] = _text(part)
        else:
            lists.setdefault(keys[0], []).append(_text(part))
    return ask | lists | objects


def _text(part: Part) -> str:
    try:
        return part.data.decode()
    except UnicodeDecodeError:
        bad(part.name, f"'{part.name}' is not valid UTF-8.")


def _files(form: Form, name: str) -> list[Part]:
    """The files of a field, which may be a list (`image[]`). Raises InvalidRequest for one that is too large."""
    files = [part for part in form.parts if part.name.partition("[")[0] == name and part.file]
    for part in files:
        if len(part.data) > _LONGEST[name]:
            bad(name, f"'{name}' has at most {_LONGEST[name] // _MIB} MiB.", "file_too_large")
    return files
