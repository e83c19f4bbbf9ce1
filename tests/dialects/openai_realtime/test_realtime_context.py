"""How long the next prompt can be is never thought too little, whatever a session's two sides do."""

from hypothesis import example, given
from hypothesis import strategies as st

from intertie.core.usage import Usage
from intertie.dialects.openai_realtime.context import Context

steps = st.lists(
    st.one_of(
        st.tuples(st.just("said"), st.integers(1, 5_000)),
        st.tuples(st.just("heard"), st.integers(1, 500_000)),
        st.tuples(st.just("begin"), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 4_000)),
    ),
    max_size=40,
)


@given(steps, st.integers(0, 1_000))
@example([("said", 1_403), ("begin", 1), ("said", 1), ("begin", 1), ("end", 1), ("end", 0)], 644)  # one ends in another
def test_the_bound_holds_for_an_endpoint_that_counts_as_many_as_it_may(
    steps: list[tuple[str, int]], first: int
) -> None:
    """A model of the endpoint: text is a token a byte at most, a second of speech (64,000 characters) makes ten."""
    context, number = Context(), 0
    true, running = float(first), list[tuple[str, float, bool]]()
    for step, size in steps:
        if step == "said":
            context.said(size)
            true += size
        elif step == "heard":
            context.heard(size)
            true += size / 6_400
        elif step == "begin":
            number += 1
            running.append((f"r{number}", true, bool(size)))
            context.began(f"r{number}")
        elif running:
            name, prompt, in_conversation = running.pop(0)
            true += size if in_conversation else 0
            context.ended(name, Usage(prompt=int(prompt) if in_conversation else 7, completion=size), in_conversation)
        assert context.tokens >= int(true) or any(one[2] for one in running)
    for name, prompt, in_conversation in running:
        context.ended(name, Usage(prompt=int(prompt), completion=0), in_conversation)
    assert context.tokens >= int(true)


def test_what_the_endpoint_counts_replaces_what_was_guessed() -> None:
    context = Context()
    context.said(100_000)
    context.began("r")
    context.said(50)
    context.ended("r", Usage(prompt=3_000, completion=500), True)
    assert context.tokens == 3_550


def test_a_response_without_usage_teaches_nothing() -> None:
    context = Context()
    context.said(1_000)
    before = context.tokens
    context.began("r")
    context.ended("r", None, True)
    context.ended("unknown", Usage(prompt=5), True)
    assert context.tokens == before
