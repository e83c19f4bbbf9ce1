"""Schemas that one vendor takes and another refuses: closed where that is demanded, strict where that is allowed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.chat import Chat, Form, Text, Tool, Turn
from intertie.core.endpoint import Dialect, Endpoint, Origin
from intertie.dialects.dialect import Cannot
from intertie.dialects.registry import OUTBOUND
from intertie.dialects.strictness import closed, is_strict

OPEN = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]}
NAMES = st.sampled_from(["a", "b", "c"])
SCHEMAS: Any = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": ["object", "null"]}, {"enum": [1]}, True]),
    lambda inner: (
        st.builds(lambda properties: {"type": "object", "properties": properties}, st.dictionaries(NAMES, inner))
        | st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda defs: {"$defs": defs, "$ref": "#/$defs/a"}, st.dictionaries(NAMES, inner))
    ),
    max_leaves=12,
)


def raw(schema: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(schema).encode())


def objects(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return [one for inner in schema for one in objects(inner)] if isinstance(schema, list) else []
    own = [schema] if "object" in str(schema.get("type", "")) else []
    names = schema.get("properties", {}), schema.get("$defs", {})
    inner = [*(one for named in names for one in named.values()), *schema.get("anyOf", []), schema.get("items")]
    return own + objects(inner)


@given(SCHEMAS)
def test_every_object_is_closed_and_nothing_else_changes(schema: Any) -> None:
    told = json.loads(bytes(closed(raw(schema))))
    assert all(one["additionalProperties"] is False for one in objects(told))
    for one in objects(told):
        del one["additionalProperties"]
    assert told == schema


def test_what_an_object_says_of_its_other_fields_stands() -> None:
    for said, stands in ((False, False), ({"type": "string"}, {"type": "string"}), (True, False)):
        told = json.loads(bytes(closed(raw({**OPEN, "additionalProperties": said}))))
        assert told["additionalProperties"] == stands


@pytest.mark.parametrize("wrong", [b"7", b"null", b"[]", b'{"properties": 7}', b'{"anyOf": {}}', b'{"items": 3}'])
def test_what_is_no_schema_is_left_to_the_endpoint(wrong: bytes) -> None:
    assert json.loads(bytes(closed(msgspec.Raw(wrong)))) == json.loads(wrong)
    assert is_strict(msgspec.Raw(wrong)) in (True, False)


def test_openai_takes_for_strict_what_is_closed_and_required_throughout() -> None:
    inner = {"type": "object", "properties": {"x": OPEN}, "required": ["x"], "additionalProperties": False}
    whole = {**OPEN, "required": ["a", "b"], "additionalProperties": False}
    assert is_strict(raw(whole)) and is_strict(raw({**inner, "properties": {"x": whole}}))
    assert not is_strict(raw(OPEN)) and not is_strict(raw(inner)) and not is_strict(raw({**whole, "required": ["a"]}))


def written(target: Dialect, origin: Dialect) -> Any:
    form = Form(kind="schema", name="x", schema=raw(OPEN), strict=True)
    tools = (Tool(name="t", schema=raw(OPEN), strict=True),)
    chat = Chat(model="m", turns=(Turn("user", (Text("x"),)),), origin=origin, form=form, tools=tools)
    endpoint = Endpoint("e", "s", "m", "claude-opus-5", Origin("https", "api.example", 443), dialect=target)
    write = OUTBOUND[target].write
    assert write is not None
    return json.loads(write(chat, endpoint, Cannot(target, {}, drop=False)))


def test_openai_is_not_asked_to_be_strict_about_what_it_refuses_unless_its_own_caller_does_so() -> None:
    for origin, strict in (("anthropic_messages", False), ("gemini", False), ("openai_responses", True)):
        body = written("openai_chat", origin)
        assert body["response_format"]["json_schema"]["strict"] is body["tools"][0]["function"]["strict"] is strict
    for origin, strict in (("anthropic_messages", False), ("gemini", False), ("openai_chat", True)):
        body = written("openai_responses", origin)
        assert body["text"]["format"]["strict"] is body["tools"][0]["strict"] is strict


def test_anthropic_and_bedrock_get_closed_objects() -> None:
    body = written("anthropic_messages", "openai_chat")
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    body = written("bedrock", "openai_chat")
    schema = json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert schema["additionalProperties"] is False
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]["additionalProperties"] is False
