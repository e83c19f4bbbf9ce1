"""Forms: what is written is read as it was, and what could be read in two ways is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_media.multipart import MOST_PARTS, Form, Part, read_form, with_model, write_form

names = st.text("abcdefgh_[].-", min_size=1, max_size=20)
boundaries = st.text("abcXYZ019'()+_,./:=?-", min_size=12, max_size=70).map(str.encode)
data = st.binary(max_size=200)
fields = st.builds(Part, names, data, st.just(b""), st.just(b""))
files = st.builds(Part, names, data, st.sampled_from([b'; filename="a b.wav"', b'; filename=""']), st.just(b"a/b"))
SIMPLE = b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--xyz--\r\n'
XYZ = b"multipart/form-data; boundary=xyz"


@given(boundaries, st.lists(fields | files, max_size=10))
def test_a_form_is_read_as_it_was_written(boundary: bytes, parts: list[Part]) -> None:
    body = write_form(boundary, parts)
    form = Form(boundary, tuple(parts))
    if body.count(b"--" + boundary) == len(parts) + 1:
        assert read_form(body, form.content_type) == form


@given(boundaries, st.binary(max_size=300), st.text("abc-/", min_size=1, max_size=30))
def test_another_model_leaves_every_other_byte_alone(boundary: bytes, sound: bytes, model: str) -> None:
    parts = (Part("model", b"old"), Part("file", sound, b'; filename="a.wav"'))
    form = Form(boundary, parts)
    body = write_form(boundary, parts)
    if body.count(b"--" + boundary) == 3:
        changed = read_form(with_model(body, form.content_type, model), form.content_type)
        assert changed.parts == (Part("model", model.encode()), parts[1])


@given(st.binary(max_size=300) | st.builds(lambda cut: SIMPLE[:cut], st.integers(0, len(SIMPLE) - 1)))
def test_garbage_is_refused_in_words(body: bytes) -> None:
    try:
        read_form(body, XYZ)
    except InvalidRequest as fault:
        assert fault.message.startswith("The form cannot be read: ")
    else:
        assert body.startswith(b"--xyz") and body.rstrip(b"\r\n").endswith(b"--xyz--")


@given(st.data())
def test_a_form_with_bytes_changed_is_read_or_refused_but_never_breaks_the_reader(draw: st.DataObject) -> None:
    body = bytearray(SIMPLE)
    for _ in range(draw.draw(st.integers(1, 4))):
        body[draw.draw(st.integers(0, len(body) - 1))] = draw.draw(st.integers(0, 255))
    try:
        form = read_form(bytes(body), XYZ)
    except InvalidRequest:
        return
    assert len(form.parts) <= MOST_PARTS


@pytest.mark.parametrize(
    ("content_type", "why"),
    [
        (b"application/json", "content-type must be multipart/form-data"),
        (b"multipart/form-data", "boundary must be given once"),
        (b"multipart/form-data; boundary=", "boundary must be given once"),
        (b"multipart/form-data; boundary=" + b"a" * 71, "boundary must be given once"),
        (b'multipart/form-data; boundary="a b "', "boundary must be given once"),
        (b"multipart/form-data; boundary=a; boundary=b", "boundary must be given once"),
        (b'multipart/form-data; boundary="a\\"b"', "boundary must be given once"),
        (b"multipart/mixed; boundary=xyz", "content-type must be multipart/form-data"),
    ],
)
def test_a_content_type_without_a_good_boundary_is_refused(content_type: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        read_form(SIMPLE, content_type)


@pytest.mark.parametrize("content_type", [XYZ, b'Multipart/Form-Data;charset=utf-8; Boundary="xyz" ;'])
def test_a_content_type_may_be_spelled_as_http_allows(content_type: bytes) -> None:
    assert read_form(SIMPLE, content_type).parts == (Part("model", b"m"),)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "does not begin with its boundary"),
        (b"preamble\r\n" + SIMPLE, "does not begin with its boundary"),
        (SIMPLE.replace(b"\r\n--xyz--", b""), "last part has no end"),
        (SIMPLE.replace(b"m\r\n--xyz--", b"m\r\n--xyz "), "not followed by the end of its line"),
        (SIMPLE + b"x", "something follows its end"),
        (SIMPLE.replace(b"\r\nm\r\n", b"\r\nm\n--xyz\n\r\n"), "boundary stands inside a part"),
        (SIMPLE.replace(b"\r\n\r\nm", b"\r\nm"), "a part has no head"),
        (SIMPLE.replace(b"name=", b"x" * 9_000), "more than 8192 bytes"),
        (SIMPLE.replace(b"Content-", b"Content "), "no header"),
        (SIMPLE.replace(b'"model"', b'"model"\nX: y'), "no header"),
        (SIMPLE.replace(b"form-data", b"attachment"), "lacks the header"),
        (SIMPLE.replace(b"; name", b"; title"), "needs one name"),
        (SIMPLE.replace(b"model", b""), "needs one name"),
        (SIMPLE.replace(b"model", b"mod%22el"), "needs one name"),
        (SIMPLE.replace(b"model", b"m" * 65), "needs one name"),
        (SIMPLE.replace(b'"model"', b'"a"; name="b"'), "needs one name"),
        (SIMPLE.replace(b"\r\n\r\nm", b"\r\nContent-Disposition: form-data; name=b\r\n\r\nm"), "or one twice"),
        (SIMPLE.replace(b"\r\n\r\nm", b"\r\nContent-Transfer-Encoding: base64\r\n\r\nm"), "is encoded as 'base64'"),
        (SIMPLE.replace(b"\r\n\r\nm", b"\r\nX: y" * 16 + b"\r\n\r\nm"), "more than 16 lines"),
        (SIMPLE[:-9] + (b"\r\n" + SIMPLE[:-11]) * MOST_PARTS + b"\r\n--xyz--", f"more than {MOST_PARTS} parts"),
    ],
)
def test_a_broken_form_is_refused_with_what_is_wrong(body: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refused:
        read_form(body, XYZ)
    assert refused.value.code == "invalid_form"


def test_names_are_taken_as_clients_write_them() -> None:
    head = b"--xyz\r\ncontent-disposition: form-data; name=file; filename*=utf-8''t%C3%A4.wav; filename=t.wav\r\n"
    body = head + b"Content-Type: audio/webm;codecs=opus\r\nContent-Length: 1\r\n\r\nx\r\n--xyz--"
    (part,) = read_form(body, XYZ).parts
    assert part == Part("file", b"x", b"; filename=\"t.wav\"; filename*=utf-8''t%C3%A4.wav", b"audio/webm")


@pytest.mark.parametrize("filler", [b"\r\n--" + b"a" * 34, b"-", b"a", b"\r\n", b"\r\n--" + b"a" * 69 + b"b"])
def test_eight_megabytes_made_to_slow_the_search_take_well_under_a_second(filler: bytes) -> None:
    boundary = b"a" * 35 + b"-" + b"a" * 34
    sound = filler * (8_000_000 // len(filler))
    body = write_form(boundary, (Part("file", sound, b'; filename="a"'),))
    began = time.process_time()
    assert read_form(body, b"multipart/form-data; boundary=" + boundary).parts[0].data == sound
    assert time.process_time() - began < 1


@pytest.mark.parametrize("end", [b" " * 32_000 + b"!", b" " * 16_000 + b";" + b" " * 16_000 + b"!"])
def test_a_content_type_of_nothing_but_spaces_is_refused_at_once(end: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest, match="content-type must be"):
        read_form(SIMPLE, b"multipart/form-data; boundary=xyz" + end)
    assert time.process_time() - began < 0.5
