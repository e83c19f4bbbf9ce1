"""Faults on demand: how they are written, and when one strikes.

    slow:3             everything takes three times as long      cut:5           the connection closes after 5 chunks
    hang               the head never comes                      malformed:5     garbage after 5 chunks
    hang_stream:5      silence after 5 chunks                    no_done         a stream without its [DONE]
    status:429         refused (;retry-after=2 says when)        html            200 with a web page
    rst                connection reset before the head          error_in_200    an error where an answer should be

`@0.1` behind a fault lets it strike one request in ten, drawn from the seed; without it, every request.
"""

import random
import re
from typing import Literal, TypeAlias, get_args

import msgspec

Kind: TypeAlias = Literal[
    "slow", "hang", "hang_stream", "status", "cut", "malformed", "no_done", "html", "error_in_200", "rst"
]

_SPELLING = re.compile(
    r"(?P<kind>[a-z_0-9]+)(?::(?P<number>[0-9.]+))?(?:;retry-after=(?P<after>[0-9.]+))?(?:@(?P<share>[0-9.]+))?"
)
_NUMBERED = frozenset({"slow", "hang_stream", "status", "cut", "malformed"})


class EngineFault(msgspec.Struct, frozen=True):
    """One fault. `number` is a factor, a count of chunks or a status; `share` how many of the requests it strikes."""

    kind: Kind
    number: float = 0.0
    retry_after: float | None = None
    share: float = 1.0


def parse_fault(text: str) -> EngineFault:
    """A fault from its spelling. Raises ValueError if it is none."""
    found = _SPELLING.fullmatch(text)
    kind = next((each for each in get_args(Kind) if found and each == found["kind"]), None)
    if found is None or kind is None or (kind in _NUMBERED) != (found["number"] is not None):
        raise ValueError(f"{text!r} is not a fault; they look like cut:3, status:429;retry-after=2 or hang@0.1")
    number, after, share = (float(value) if value else None for value in found.group("number", "after", "share"))
    if share is not None and not 0 <= share <= 1:
        raise ValueError(f"{text!r}: the share must lie between 0 and 1")
    if kind == "status" and not 400 <= (number or 0) <= 599:
        raise ValueError(f"{text!r}: the status must lie between 400 and 599")
    return EngineFault(kind, number or 0.0, after, 1.0 if share is None else share)


class FaultSchedule:
    """Draws at most one fault per request; `rules` may be replaced at any time."""

    def __init__(self, rules: list[EngineFault], lots: random.Random) -> None:
        self.rules = rules
        self._lots = lots

    def draw(self) -> EngineFault | None:
        """The first rule that strikes. Every rule draws its lot, so that one rule does not change another's."""
        struck = [rule for rule in self.rules if self._lots.random() < rule.share]
        return struck[0] if struck else None
