"""Bodies that strangers send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import InvalidRequest
from intertie.dialects.json_body import MAX_DEPTH, depth, read_fields, write_fields

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(st.text(), values, max_size=6)


@given(objects, st.sampled_from([None, 1, 4]), st.booleans())
def test_what_is_read_and_written_again_means_the_same(
    value: dict[str, object], indent: int | None, plain: bool
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    try:
        fields, canonical = read_fields(body)
    except InvalidRequest as fault:
        assert fault.code == "invalid_json"  # lone surrogates are not UTF-8
        return
    assert json.loads(canonical) == value
    assert write_fields(fields) == canonical


def test_compact_bodies_stay_as_they_are_to_the_byte() -> None:
    body = '{"model":"m","messages":[{"role":"user","content":"é \\u00e9 {[ \\" "}],"x":{"y":1.50}}'.encode()
    assert read_fields(body)[1] == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","x":1,"model":"b"}',
        b'{"model":"a", "messages": [] , "model":"a"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"x":[{"x":1}],"x":[]}',
    ],
)
def test_a_key_given_twice_is_refused_and_named(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_fields(body)
    assert (caught.value.code, caught.value.status) == ("duplicate_parameter", 400)


def test_equal_keys_further_down_decide_nothing_and_pass() -> None:
    assert read_fields(b'{"tools": [{"a": 1, "a": 2}]}')[1] == b'{"tools":[{"a": 1, "a": 2}]}'


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{'a':1}", b'{"a":NaN}', b'{"a":1}x', b"\xff", b'{"a":"\xff"}']
)
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_fields(body)


@given(st.integers(0, 80), st.integers(0, 80))
def test_depth_counts_nesting_and_no_brackets_in_strings(lists: int, objects_deep: int) -> None:
    body = (
        b'{"t":"[[[{{{ \\" ]","v":'
        + b"[" * lists
        + b'{"a":' * objects_deep
        + b"1"
        + b"}" * objects_deep
        + b"]" * lists
        + b"}"
    )
    expected = 1 + lists + objects_deep
    assert depth(body) == min(expected, MAX_DEPTH + 1)
    if expected <= MAX_DEPTH:
        read_fields(body)
    else:
        with pytest.raises(InvalidRequest, match="nested deeper"):
            read_fields(body)


def test_a_hundred_thousand_brackets_are_refused_quickly() -> None:
    with pytest.raises(InvalidRequest, match="nested deeper"):
        read_fields(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
