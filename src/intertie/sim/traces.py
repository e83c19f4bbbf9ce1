"""Traces: when requests arrived somewhere, and how large they were, read from files that others published.

Two formats, each plain or gzipped, told apart by their first line: CSV with the columns `arrival_s,input_tokens,
output_tokens` (Azure's), and JSON lines with `timestamp` (ms), `input_length`, `output_length` and `hash_ids`, one id
per block of 512 tokens (Mooncake's): requests that begin with the same ids begin with the same text.
"""

import csv
import gzip
from collections.abc import Callable, Iterable
from itertools import takewhile
from pathlib import Path

import msgspec

from intertie.core.faults import ConfigFault

BLOCK_TOKENS = 512
_COLUMNS = ["arrival_s", "input_tokens", "output_tokens"]


class Arrival(msgspec.Struct, frozen=True):
    """One request of a trace: seconds since the trace began, tokens in and out, and the ids of its prompt's blocks."""

    at_s: float
    prompt_tokens: int
    output_tokens: int
    blocks: tuple[int, ...] = ()


class _Row(msgspec.Struct):
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: tuple[int, ...] = ()


_row = msgspec.json.Decoder(_Row).decode


def read_trace(path: Path, minutes: float | None = None) -> list[Arrival]:
    """The arrivals of the first `minutes` of a trace (all, if None), in order, the first at 0 seconds.

    Raises ConfigFault, naming file and line, if there is none or it is in neither format.
    """
    try:
        lines = _text(path).splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigFault(f"no trace can be read here: {error}", file=str(path)) from None
    heads = lines[:1]
    if heads and heads[0].split(",") == _COLUMNS:
        arrivals = _each(path, lines[1:], 2, _from_csv)
    else:
        arrivals = _each(path, lines, 1, _from_json)
    arrivals.sort(key=lambda arrival: arrival.at_s)
    if not arrivals:
        raise ConfigFault("the trace holds no requests", file=str(path))
    began = arrivals[0].at_s
    moved = (msgspec.structs.replace(arrival, at_s=arrival.at_s - began) for arrival in arrivals)
    return list(moved if minutes is None else takewhile(lambda arrival: arrival.at_s < minutes * 60, moved))


def _text(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()


def _each(path: Path, lines: Iterable[str], first: int, read: Callable[[str], Arrival]) -> list[Arrival]:
    arrivals: list[Arrival] = []
    for number, text in enumerate(lines, first):
        try:
            arrivals.append(read(text))
        except (ValueError, msgspec.DecodeError):
            wanted = f"a line of {','.join(_COLUMNS)}, or an object with timestamp, input_length and output_length"
            raise ConfigFault(f"expected {wanted}", file=str(path), line=number) from None
    return arrivals


def _from_csv(text: str) -> Arrival:
    at, prompt, output = next(csv.reader([text]))
    return Arrival(float(at), int(prompt), int(output))


def _from_json(text: str) -> Arrival:
    row = _row(text)
    return Arrival(row.timestamp / 1000, row.input_length, row.output_length, row.hash_ids)
