"""What a provider's limits leave to one worker: read from the headers of its answers, or declared by the operator.

    left(t)  = what the last report said, refilled evenly since: at `reset` it is full   (never above the limit)
    ours(t)  = left(t) x our share where less than half is left, else left(t)
    room(t)  = ours(t) - what we sent after the request whose answer made the report

The limits of OpenAI, Anthropic and Groq are token buckets, so what is left grows evenly; where a provider counts in
fixed windows the belief is too rosy at first, which costs one 429 whose own headers correct it. The share is learned:
of what went between two reports, how much did we send? While more than half is left nobody needs to share; below that
each of several workers keeps to its part, and none starves, for the part grows as the whole does. A report is believed
for five minutes at most. Pure: times are monotonic seconds and arguments.

Sources of the headers: platform.openai.com/docs/guides/rate-limits, console.groq.com/docs/rate-limits,
platform.claude.com/docs/en/api/rate-limits, inference-docs.cerebras.ai/support/rate-limits, mistralai/client-ts#169.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, NamedTuple

from intertie.policy.limits import Purse, purse_for

BELIEVED_S: Final = 300.0
LEAST_SHARE: Final = 0.1
FADE: Final = 0.9
"""How much of what was learned of our share is kept with each report: the last ten count most."""
MOST: Final = 10**12
"""Figures above this are not believed."""

Headers = Mapping[bytes, bytes]
Unit = Literal["requests", "tokens", "output"]
Sent = tuple[int, int]
"""Requests and prompt tokens that were ever sent, when a request went out: it places a report among what we sent."""

NOTHING_SENT: Final[Sent] = (0, 0)
_MINUTE, _DAY = 60.0, 86_400.0
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Told(NamedTuple):
    """The headers of one limit: `window_s` is how long it takes to refill where none says."""

    left: bytes
    limit: bytes
    reset: bytes
    unit: Unit
    window_s: float = _MINUTE


def _openai(what: str, unit: Unit, window_s: float = _MINUTE) -> Told:
    left, limit, reset = (f"x-ratelimit-{word}-{what}".encode() for word in ("remaining", "limit", "reset"))
    return Told(left, limit, reset, unit, window_s)


def _anthropic(what: str, unit: Unit) -> Told:
    left, limit, reset = (f"anthropic-ratelimit-{what}-{word}".encode() for word in ("remaining", "limit", "reset"))
    return Told(left, limit, reset, unit)


_TOLD: Final = (
    _openai("requests", "requests"),
    _openai("tokens", "tokens"),
    _openai("tokens-prompt", "tokens"),  # Fireworks
    _openai("tokens-generated", "output"),
    _openai("req-minute", "requests"),  # Mistral, which tells no reset
    _openai("requests-minute", "requests"),  # Cerebras tells windows in the names
    _openai("tokens-minute", "tokens"),
    _openai("requests-day", "requests", _DAY),
    _openai("tokens-day", "tokens", _DAY),
    _anthropic("requests", "requests"),
    _anthropic("tokens", "tokens"),
    _anthropic("input-tokens", "tokens"),
    _anthropic("output-tokens", "output"),
)
_MARKS: Final = frozenset(told.left for told in _TOLD)


class Quota:
    """One limit as it was last told. `share` in (0, 1] is our part of what is used of it."""

    __slots__ = ("_at", "_left", "_ours", "_rate", "_sent", "_used", "limit", "share", "unit")

    def __init__(self, unit: Unit) -> None:
        self.unit: Unit = unit
        self.share = 1.0
        self._ours = self._used = self._left = 0.0
        self.limit = self._rate = 1.0
        self._at, self._sent = -BELIEVED_S, 0

    def told(self, limit: float, left: float, refill_s: float, now: float, sent: int) -> None:
        """Believe a newer report. `sent` is how much we had sent when the request went out that was answered with it;
        `refill_s` the seconds in which what is missing comes back.
        """
        if now < self._at + BELIEVED_S:
            if sent < self._sent:
                return  # an answer to an earlier request came later: what we know is newer
            self._ours = FADE * self._ours + sent - self._sent
            self._used = FADE * self._used + self.left(now) - left
            self.share = max(LEAST_SHARE, min(1.0, self._ours / self._used)) if self._used > 0 else 1.0
        self.limit, self._left, self._at, self._sent = max(limit, left, 1.0), left, now, sent
        self._rate = (self.limit - left) / refill_s if left < self.limit and refill_s > 0 else self.limit / _MINUTE

    def left(self, now: float) -> float:
        """How much is left for all who use it, by the last report."""
        return min(self.limit, self._left + self._rate * (now - self._at))

    def part_left(self, now: float, sent: int) -> float:
        """The part of the limit that is left, in [0, 1], less what we have `sent` since the report."""
        if now >= self._at + BELIEVED_S:
            return 1.0
        return max(0.0, self.left(now) - (sent - self._sent)) / self.limit

    def free_at(self, need: float, sent: int) -> float:
        """The moment from which `need` units have room.

        A need of more than half the limit waits until half is left: whether it fits at all is the provider's to say.
        """
        half, ours = self.limit / 2, sent - self._sent
        wanted = min(need, max(half, 1.0)) + ours
        if wanted / self.share < half:
            wanted /= self.share
        else:
            wanted = max(half, wanted)
        missing = min(wanted, self.limit) - self._left
        return min(self._at + max(0.0, missing / self._rate), self._at + BELIEVED_S)


class ProviderLimits:
    """All limits of one endpoint's account, as one worker knows them. `rpm` and `tpm` are declared: what this worker
    may send in any 60 seconds whatever is told.
    """

    __slots__ = ("_declared", "_quotas", "_requests", "_tokens")

    def __init__(self, rpm: int | None = None, tpm: int | None = None) -> None:
        self._requests = self._tokens = 0
        self._quotas: dict[bytes, Quota] = {}
        self._declared = (_purse(rpm), _purse(tpm))

    def sent(self, tokens: int, now: float) -> Sent:
        """A request with so many prompt tokens goes out."""
        self._requests += 1
        self._tokens += tokens
        self._spend((1, tokens), now)
        return self._requests, self._tokens

    def answered(self, completion: int, now: float) -> None:
        """An answer had so many tokens, which a declared limit of tokens counts as well."""
        self._spend((0, completion), now)

    def told(self, headers: Headers, now: float, sent: Sent = NOTHING_SENT) -> None:
        """Believe what the head of an answer says is left; `sent` is what `sent` answered for its request."""
        for told in _TOLD:
            if told.left in headers:
                self._believe(told, headers, now, sent)

    def free_at(self, tokens: int, now: float) -> float:
        """The moment from which a request with so many prompt tokens has room; `now` if it has it."""
        moment, sent = now, (self._requests, self._tokens)
        for quota in self._quotas.values():
            need = tokens if quota.unit == "tokens" else 1
            moment = max(moment, quota.free_at(need, _of(sent, quota.unit)))
        for purse, need in zip(self._declared, (1, tokens), strict=True):
            if purse is not None:
                moment = max(moment, now + (purse.wait_s(min(need, purse.granted), now) or 0.0))
        return moment

    def part_left(self, now: float) -> float:
        """The part of the scarcest limit that is left, in [0, 1]."""
        sent = (self._requests, self._tokens)
        parts = [quota.part_left(now, _of(sent, quota.unit)) for quota in self._quotas.values()]
        parts += [purse.remaining(now) / purse.granted for purse in self._declared if purse is not None]
        return min(parts, default=1.0)

    def _spend(self, amounts: Sent, now: float) -> None:
        for purse, amount in zip(self._declared, amounts, strict=True):
            if purse is not None:
                purse.settle(0, amount, now)

    def _believe(self, told: Told, headers: Headers, now: float, sent: Sent) -> None:
        left = _amount(headers.get(told.left))
        if left is None:
            return
        quota = self._quotas.get(told.left)
        if quota is None:
            quota = self._quotas[told.left] = Quota(told.unit)
        limit = _amount(headers.get(told.limit))
        if limit is None:  # Azure does not always tell it: the most that was ever left is known to be in it
            limit = max(left, quota.limit)
        refill_s = _seconds(headers.get(told.reset), headers.get(b"date"))
        if refill_s is None:
            refill_s = told.window_s * (1.0 - left / limit) if limit > left else 0.0
        quota.told(limit, left, refill_s, now, _of(sent, told.unit))


def limits_told(headers: Headers) -> bool:
    """Whether the head of an answer says anything of limits."""
    return not headers.keys().isdisjoint(_MARKS)


def _of(sent: Sent, unit: Unit) -> int:
    return sent[0] if unit == "requests" else sent[1] if unit == "tokens" else 0


def _purse(per_minute: int | None) -> Purse | None:
    """What may be sent in any 60 seconds; what was sent comes back 60 seconds later."""
    if per_minute is None:
        return None
    purse = purse_for("tokens")
    purse.adopt(max(1, per_minute))
    return purse


def _amount(value: bytes | None) -> float | None:
    try:
        amount = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return amount if 0.0 <= amount <= MOST else None


def _seconds(value: bytes | None, date: bytes | None) -> float | None:
    """Seconds until a limit is full: `6m0s`, `20ms` and `1.5` as they stand, a date against the answer's own."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if parts := _DURATION.findall(text):
        if "".join(f"{number}{unit}" for number, unit in parts) == text:
            return sum(float(number) * _SECONDS[unit] for number, unit in parts)
        return _until(text, date)
    return seconds if (seconds := _amount(value)) is not None and seconds < 1e9 else _until(text, date)


def _until(text: str, date: bytes | None) -> float | None:
    try:
        then = datetime.fromisoformat(text)
        at = parsedate_to_datetime((date or b"").decode("latin-1"))
        return max(0.0, (_aware(then) - _aware(at)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
