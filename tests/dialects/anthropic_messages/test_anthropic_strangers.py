"""Whatever strangers send, callers or endpoints: a Fault that says what is wrong, and nothing else, comes of it."""

import json
from contextlib import suppress
from typing import Any

from anthropic_samples import BODY, CLAUDE, WHOLE, called, dumped, events_of
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.events import Broke
from intertie.core.faults import CallerFault, Unsupported, UpstreamFault, UpstreamGarbled
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND
from intertie.dialects.dialect import Cannot, Heard

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
RICH: dict[str, Any] = {
    **BODY,
    "system": [{"type": "text", "text": "be", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "intertie.AAAA"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "r"}]}],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "f"},
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inner for place in places(one, (*path, name)))]


def replaced(place: tuple[Any, ...], value: Any) -> Any:
    body = json.loads(json.dumps(RICH))
    if not place:
        return value
    holder = body
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    return body


@given(st.sampled_from(places(RICH)), values)
def test_a_call_with_anything_anywhere_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    assert INBOUND.read is not None and OUTBOUND.write is not None and OUTBOUND.pass_on is not None
    with suppress(CallerFault):
        call = INBOUND.peek("chat", dumped(replaced(place, value)), "")
        OUTBOUND.pass_on(call, CLAUDE, None)
        chat = INBOUND.read(call)
        with suppress(Unsupported):
            OUTBOUND.write(chat, CLAUDE, Cannot("anthropic_messages", chat.spelling, drop=False))
        OUTBOUND.write(chat, CLAUDE, Cannot("anthropic_messages", chat.spelling, drop=True))


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=8))
def test_a_stream_with_anything_anywhere_is_read_or_told_to_be_garbage(at: int, noise: bytes) -> None:
    stream = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    with suppress(UpstreamGarbled):
        assert all(isinstance(event.fault, UpstreamFault) for event in events_of(stream) if isinstance(event, Broke))
    assert OUTBOUND.watch is not None
    watch = OUTBOUND.watch(called(stream=True), Heard())
    with suppress(UpstreamFault):
        passed = watch.feed(stream)
        assert passed + watch.ended() == stream


@given(st.one_of(st.binary(), values.map(dumped)))
def test_an_answer_of_anything_is_read_or_told_to_be_none(body: bytes) -> None:
    assert OUTBOUND.read is not None
    OUTBOUND.told(body)
    with suppress(ValueError):
        OUTBOUND.glance(body)
    with suppress(ValueError):
        OUTBOUND.read(body)
