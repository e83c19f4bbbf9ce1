"""What a simulated model says: deterministic, countable, and valid where a form was asked for."""

import math
import random
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.sim.engine.embedding import embed, packed
from intertie.sim.engine.logprobs import token_logprobs
from intertie.sim.engine.output import plan_output
from intertie.sim.engine.requests import GenerationRequest, Tool
from intertie.sim.engine.schema import Schema, json_for
from intertie.sim.engine.text import OPENING, lots_for, natural_length, prose, token_count, tokens_of


def asked(**fields: object) -> GenerationRequest:
    return GenerationRequest(**{"operation": "chat", "model": "m", "prompts": (b"hello",), **fields})


def plan(request: GenerationRequest, choice: int = 0, room: int = 10_000):
    return plan_output(request, request.prompts[0], choice, room)


@given(st.integers(0, 2**64), st.integers(1, 600))
def test_prose_has_exactly_the_tokens_it_was_asked_for(seed: int, tokens: int) -> None:
    text = prose(random.Random(seed), tokens)
    assert len(tokens_of(text)) == token_count(text.encode()) == tokens
    assert text.startswith(OPENING[: 4 * tokens - 1])


def test_lengths_that_nobody_limits_have_a_mean_of_about_150() -> None:
    lots = random.Random(1)
    lengths = [natural_length(lots) for _ in range(20_000)]
    assert 140 < sum(lengths) / len(lengths) < 160
    assert min(lengths) >= 16 and max(lengths) <= 1024


def test_the_same_question_gets_the_same_answer_and_another_seed_another() -> None:
    first, again, other = plan(asked()), plan(asked()), plan(asked(seed=7))
    assert first.words == again.words != other.words
    assert plan(asked(), choice=1).words != first.words


def test_another_process_gives_the_same_answer() -> None:
    program = (
        "from intertie.sim.engine.output import plan_output as p;"
        "from intertie.sim.engine.requests import GenerationRequest as R;"
        "print(p(R(operation='chat', model='m', prompts=(b'hello',)), b'hello', 0, 10000).words, end='')"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert answer == plan(asked()).words


def test_a_limit_cuts_and_says_so() -> None:
    cut = plan(asked(max_tokens=5))
    assert (len(cut.pieces), cut.finish) == (5, "length")
    assert plan(asked()).words.startswith(cut.words[:10])
    assert plan(asked(), room=3).finish == "length"


def test_an_exact_length_is_kept_up_to_the_limit() -> None:
    exact = plan(asked(exact_tokens=37, max_tokens=100))
    assert (len(exact.pieces), exact.finish) == (37, "stop")
    beyond = plan(asked(exact_tokens=200, max_tokens=100))
    assert (len(beyond.pieces), beyond.finish) == (100, "length")


def test_a_stop_sequence_ends_the_text_and_is_not_part_of_it() -> None:
    whole = plan(asked(exact_tokens=100)).words
    stopped = plan(asked(exact_tokens=100, stop=("zzz", whole[50:58])))
    assert stopped.words == whole[: whole.find(whole[50:58])]
    assert (stopped.finish, stopped.stop_text) == ("stop", whole[50:58])
    assert plan(asked(stop=("Simulated",))).words == ""


def test_tool_calls_come_with_arguments_that_fit_and_a_limit_cuts_them_too() -> None:
    schema = Schema(type="object", properties={"city": Schema(type="string", enum=[msgspec.Raw(b'"Oslo"')])})
    tools = (Tool("weather", schema), Tool("clock"))
    called = plan(asked(tools=tools))
    assert called.finish == "tool_calls" and called.words is None
    names = [(call.name, call.text) for call in called.calls]
    assert names == [("weather", '{"city":"Oslo"}'), ("clock", "{}")]
    cut = plan(asked(tools=tools, max_tokens=2))
    assert cut.finish == "length" and cut.calls[0].text == '{"ci'


def test_log_probabilities_are_plausible_and_steady() -> None:
    output = plan(asked(exact_tokens=20))
    entries = token_logprobs(output, 3)
    assert entries == token_logprobs(output, 3)
    assert "".join(entry.token for entry in entries) == output.words
    for entry in entries:
        assert entry.logprob <= 0 and bytes(entry.bytes) == entry.token.encode()
        tops = [top.logprob for top in entry.top_logprobs]
        assert len(tops) == 3 and tops == sorted(tops, reverse=True) and entry.top_logprobs[0].token == entry.token


def test_texts_that_share_words_lie_closer_than_others() -> None:
    one, near, far = (embed(text) for text in (b"the red house", b"a red house", b"quantum tides rise"))

    def cosine(first: list[float], second: list[float]) -> float:
        return sum(a * b for a, b in zip(first, second, strict=True))

    assert cosine(one, one) == pytest.approx(1.0)
    assert cosine(one, near) > 0.5 > abs(cosine(one, far))
    assert one == embed(b"the red house")


@given(st.binary(max_size=40), st.integers(1, 64))
def test_every_embedding_has_length_one(text: bytes, dimensions: int) -> None:
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1.0)
    assert packed(vector)


def drawn(schema: dict[str, object], seed: int = 1):
    return msgspec.json.decode(
        json_for(msgspec.json.decode(msgspec.json.encode(schema), type=Schema), random.Random(seed))
    )


def test_a_schema_is_obeyed() -> None:
    value = drawn({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 30, "maxLength": 40},
            "age": {"type": "integer", "minimum": 3, "maximum": 5},
            "even": {"type": "integer", "multipleOf": 2, "exclusiveMinimum": 4},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "kind": {"enum": ["a", 7, None]},
            "fixed": {"const": None},
            "maybe": {"type": ["null", "boolean"]},
            "when": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2, "maxItems": 2},
            "either": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            "both": {"allOf": [{"properties": {"x": {"type": "null"}}}, {"properties": {"y": {"type": "null"}}}]},
            "free": {"type": "object"},
            "pair": {"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}], "minItems": 2, "maxItems": 2},
        },
        "required": ["name"],
        "$defs": {"tag": {"type": "string", "enum": ["t"]}},
    })  # fmt: skip
    assert 30 <= len(value["name"]) <= 40 and value["age"] in (3, 4, 5)
    assert value["even"] % 2 == 0 and value["even"] > 4 and 0 < value["share"] <= 1
    assert value["kind"] in ("a", 7, None) and value["fixed"] is None and isinstance(value["maybe"], bool)
    assert (value["when"], value["tags"], value["both"]) == ("2026-11-20", ["t", "t"], {"x": None, "y": None})
    assert isinstance(value["either"], int) and value["free"] == {}
    assert value["pair"] == [None, 1]


def test_a_schema_that_contains_itself_ends() -> None:
    again = {"$ref": "#"}
    properties = {"children": {"type": "array", "items": again}, "next": {"anyOf": [again, {"type": "null"}]}}
    assert drawn({"type": "object", "properties": properties, "required": ["next"]})["next"] is not None
    assert drawn({"type": "object", "properties": {"me": again}})["me"]["me"] is not None
    for names in (["me"], ["you", "me"]):
        endless = {"type": "object", "properties": dict.fromkeys(names, again), "required": names}
        assert "me" in drawn(endless)


@given(st.integers(-1000, 1000), st.integers(0, 50), st.integers(0, 2**32))
def test_numbers_stay_within_their_bounds(low: int, width: int, seed: int) -> None:
    bounds = {"minimum": low, "maximum": low + width}
    assert low <= drawn({"type": "integer", **bounds}, seed) <= low + width
    assert low <= drawn({"type": "number", **bounds}, seed) <= low + width


def test_the_draws_of_one_answer_depend_on_every_part() -> None:
    assert lots_for(b"ab", b"c").random() != lots_for(b"a", b"bc").random()
