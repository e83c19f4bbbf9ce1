"""What answers used: counted by Anthropic without what a cache read or took, by us with it (wire facts 8 and 9)."""

import json
from typing import Any

import pytest
from anthropic_samples import dumped
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.usage import NOTHING, Usage
from intertie.dialects.anthropic_messages.both import OUTBOUND
from intertie.dialects.anthropic_messages.usage import of_message


def used(**figures: Any) -> Usage | None:
    return OUTBOUND.glance(dumped({"type": "message", "content": [], "usage": figures})).usage


def test_fact_9_the_prompt_includes_what_was_read_from_a_cache_and_what_was_written() -> None:
    usage = used(
        input_tokens=10,
        output_tokens=7,
        cache_read_input_tokens=100,
        cache_creation_input_tokens=30,
        cache_creation={"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        output_tokens_details={"thinking_tokens": 4},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1},
        service_tier="priority",
    )
    assert usage == Usage(
        prompt=140,
        completion=7,
        cached=100,
        reasoning=4,
        written=20,
        written_1h=10,
        searches=2,
        tier="priority",
    )


@pytest.mark.parametrize(
    ("total", "parts", "expected"),
    [
        (30, None, (30, 0)),
        (30, (10, 0), (30, 0)),
        (30, (0, 10), (0, 30)),
        (30, (10, 5), (20, 10)),
        (None, (10, 5), (10, 5)),
    ],
)
def test_fact_8_a_breakdown_of_the_first_iteration_stands_for_all(
    total: int | None, parts: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    split = parts and {"ephemeral_5m_input_tokens": parts[0], "ephemeral_1h_input_tokens": parts[1]}
    usage = used(input_tokens=1, output_tokens=1, cache_creation_input_tokens=total, cache_creation=split)
    assert usage is not None
    assert (usage.written, usage.written_1h) == expected
    assert usage.prompt == 1 + sum(expected)


def test_what_the_sums_leave_out_is_billed_too() -> None:
    beside = {"type": "compaction", "input_tokens": 1_000, "output_tokens": 50, "cache_read_input_tokens": 5}
    within = {"type": "message", "input_tokens": 10, "output_tokens": 7}
    usage = used(input_tokens=10, output_tokens=7, iterations=[beside, within])
    assert usage == Usage(prompt=1_015, completion=57, cached=5)


@pytest.mark.parametrize(
    ("figures", "tier"),
    [
        ({"service_tier": "standard"}, ""),
        ({"service_tier": "batch"}, "batch"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": None, "speed": "standard"}, ""),
    ],
)
def test_the_tier_is_the_one_that_was_used(figures: dict[str, Any], tier: str) -> None:
    usage = used(input_tokens=1, output_tokens=1, **figures)
    assert usage is not None and usage.tier == tier


def test_negative_figures_count_nothing_and_absurd_ones_are_not_believed() -> None:
    assert used(input_tokens=-5, output_tokens=-1) == Usage()
    with pytest.raises(ValueError, match="tokens"):
        used(input_tokens=1 << 40, output_tokens=1)


def test_a_count_of_tokens_used_nothing() -> None:
    assert OUTBOUND.glance(b'{"input_tokens":17}').usage is NOTHING


def test_an_answer_without_usage_tells_none() -> None:
    assert OUTBOUND.glance(b'{"type":"message","content":[]}').usage is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 529),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', 429),
        (b'{"error":{"message":"odd"}}', 502),
        (b'{"type":"error"}', 502),
    ],
)
def test_an_error_inside_a_200_is_found(body: bytes, status: int) -> None:
    reading = OUTBOUND.glance(body)
    assert (reading.status, reading.error) == (status, body)


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b'{"type":"\xff"}', b'{"usage":7}', b'{"usage":' * 5_000])
def test_what_is_not_the_dialect_is_told_so(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        OUTBOUND.glance(body)


usages = st.builds(
    lambda fresh, cached, written, hour, out, reasoning, searches, tier: Usage(
        prompt=fresh + cached + written + hour,
        completion=out + reasoning,
        cached=cached,
        reasoning=reasoning,
        written=written,
        written_1h=hour,
        searches=searches,
        tier=tier,
    ),
    *[st.integers(0, 1_000_000)] * 7,
    st.sampled_from(["", "priority", "batch", "fast"]),
)


@given(usages)
def test_usage_survives_being_told_in_anthropics_counting(usage: Usage) -> None:
    assert used(**json.loads(json.dumps(of_message(usage)))) == usage
