"""Traces are read as they were published; what is no trace is refused with file and line."""

import gzip

import pytest

from intertie.core.faults import ConfigFault
from intertie.sim.engine.text import token_count
from intertie.sim.prompts import prompt
from intertie.sim.traces import Arrival, read_trace

AZURE = "arrival_s,input_tokens,output_tokens\n5.0,374,44\n9.5,396,109\n4.0,7,0\n70.0,1,1\n"
MOONCAKE = """\
{"timestamp": 1000, "input_length": 1030, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 1027, "input_length": 600, "output_length": 490, "hash_ids": [0, 14]}
"""


def test_azures_rows_are_arrivals_in_order_from_zero(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text(AZURE)
    assert read_trace(file) == [Arrival(0.0, 7, 0), Arrival(1.0, 374, 44), Arrival(5.5, 396, 109), Arrival(66.0, 1, 1)]


def test_mooncakes_lines_keep_the_ids_of_their_blocks(tmp_path):
    file = tmp_path / "trace.jsonl.gz"
    file.write_bytes(gzip.compress(MOONCAKE.encode()))
    first, second = read_trace(file)
    assert first == Arrival(0.0, 1030, 500, (0, 1, 2))
    assert (second.at_s, second.blocks) == (pytest.approx(0.027), (0, 14))


def test_only_the_first_minutes_are_taken(tmp_path):
    file = tmp_path / "trace.csv.gz"
    file.write_bytes(gzip.compress(AZURE.encode()))
    assert len(read_trace(file, minutes=1)) == 3
    assert len(read_trace(file, minutes=0.05)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arrival_s,input_tokens,output_tokens\n0.0,1,2\n1.0,x,2\n", ":3: expected"),
        ('{"timestamp": 1}\n', ":1: expected"),
        ("when,how_much\n1,2\n", ":1: expected"),
        ("arrival_s,input_tokens,output_tokens\n", "holds no requests"),
        ("", "holds no requests"),
    ],
)
def test_what_is_no_trace_is_refused_with_file_and_line(tmp_path, text, said):
    file = tmp_path / "trace.txt"
    file.write_text(text)
    with pytest.raises(ConfigFault, match=r"trace\.txt") as refused:
        read_trace(file)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_or_cut_is_refused(tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(AZURE.encode())[:40])
    for file in (tmp_path / "none.csv", cut):
        with pytest.raises(ConfigFault, match="no trace can be read here"):
            read_trace(file)


def test_a_prompt_has_the_traces_tokens_and_is_the_same_for_the_same_seed():
    for tokens in (1, 7, 512, 5_000):
        text = prompt(Arrival(0.0, tokens, 1), 3, seed=1)
        assert token_count(text.encode()) == tokens
        assert text == prompt(Arrival(9.0, tokens, 5), 3, seed=1)
    assert prompt(Arrival(0.0, 100, 1), 3, seed=1) != prompt(Arrival(0.0, 100, 1), 3, seed=2)


def test_prompts_share_their_beginning_exactly_where_the_trace_says():
    one = prompt(Arrival(0.0, 1_200, 1, (0, 1, 2)), 0, seed=1)
    other = prompt(Arrival(0.0, 1_200, 1, (0, 1, 9)), 1, seed=1)
    shared = 2 * 512 * 4
    assert one[:shared] == other[:shared]
    assert one[shared : shared + 16] != other[shared : shared + 16]
    assert prompt(Arrival(0.0, 600, 1), 0, seed=1)[:16] != prompt(Arrival(0.0, 600, 1), 1, seed=1)[:16]
