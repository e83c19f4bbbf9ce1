"""What a provider tells of its limits becomes room: never more than is left, never less for ever."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.policy.provider_limits import BELIEVED_S, ProviderLimits, Quota, limits_told

NOW = 1_000.0
DATE = b"Thu, 20 Nov 2026 12:00:00 GMT"


def openai(requests: tuple[int, int, str] = (500, 500, "0s"), tokens: tuple[int, int, str] = (200_000, 200_000, "0s")):
    """Headers as OpenAI sends them: limit, remaining and reset of both kinds."""
    told: dict[bytes, bytes] = {}
    for kind, figures in (("requests", requests), ("tokens", tokens)):
        for word, figure in zip(("limit", "remaining", "reset"), figures, strict=True):
            told[f"x-ratelimit-{word}-{kind}".encode()] = str(figure).encode()
    return told


def knowing(headers: dict[bytes, bytes]) -> ProviderLimits:
    limits = ProviderLimits()
    limits.told(headers, NOW)
    return limits


def waits(headers: dict[bytes, bytes], tokens: int = 1) -> float:
    return knowing(headers).free_at(tokens, NOW) - NOW


def test_an_account_with_nothing_left_has_room_when_the_next_unit_comes_back() -> None:
    assert waits(openai(requests=(60, 0, "1m0s"))) == pytest.approx(1.0)
    assert waits(openai(tokens=(60_000, 0, "1m0s")), tokens=5_000) == pytest.approx(5.0)
    assert waits(openai()) == 0.0


RESETS = {"6m0s": 360, "20ms": 0.02, "1s": 1, "1h2m3.5s": 3723.5, "2m59.56s": 179.56, "7.5": 7.5}


@pytest.mark.parametrize(("reset", "seconds"), RESETS.items())
def test_wire_fact_15_resets_are_read_as_providers_write_them(reset: str, seconds: float) -> None:
    limits = knowing(openai(requests=(2, 0, reset)))
    assert limits.free_at(1, NOW) - NOW == pytest.approx(seconds / 2 if seconds < 2 * BELIEVED_S else BELIEVED_S)


def test_wire_fact_15_anthropic_tells_dates_which_are_taken_against_the_answer_s_own() -> None:
    told = {
        b"date": DATE,
        b"anthropic-ratelimit-requests-limit": b"50",
        b"anthropic-ratelimit-requests-remaining": b"49",
        b"anthropic-ratelimit-requests-reset": b"2026-11-20T12:00:01Z",
        b"anthropic-ratelimit-input-tokens-limit": b"30000",
        b"anthropic-ratelimit-input-tokens-remaining": b"0",
        b"anthropic-ratelimit-input-tokens-reset": b"2026-11-20T12:01:00Z",
    }
    assert waits(told, tokens=3_000) == pytest.approx(6.0)
    assert knowing(told).part_left(NOW) == 0.0


def test_output_that_is_used_up_stops_requests_of_any_size() -> None:
    told = {
        b"anthropic-ratelimit-output-tokens-limit": b"6000",
        b"anthropic-ratelimit-output-tokens-remaining": b"0",
    }
    assert waits(told, tokens=1) == waits(told, tokens=5_000) > 0


def test_mistral_tells_no_reset_and_cerebras_tells_windows_in_names() -> None:
    mistral = {b"x-ratelimit-limit-req-minute": b"60", b"x-ratelimit-remaining-req-minute": b"0"}
    assert waits(mistral) == pytest.approx(1.0)
    cerebras = {
        b"x-ratelimit-limit-requests-day": b"86400",
        b"x-ratelimit-remaining-requests-day": b"0",
        b"x-ratelimit-reset-requests-day": b"864.0",
        b"x-ratelimit-limit-tokens-minute": b"60000",
        b"x-ratelimit-remaining-tokens-minute": b"60000",
    }
    assert waits(cerebras) == pytest.approx(0.01)


def test_a_limit_that_is_not_told_is_at_least_what_was_ever_left() -> None:
    limits = knowing({b"x-ratelimit-remaining-requests": b"100"})
    assert limits.part_left(NOW) == 1.0
    limits.told({b"x-ratelimit-remaining-requests": b"20"}, NOW, limits.sent(1, NOW))
    assert limits.part_left(NOW) == pytest.approx(0.2)


def test_what_was_sent_since_the_report_is_taken_off_and_what_it_counted_is_not() -> None:
    limits = knowing(openai(requests=(10, 3, "1h")))
    for _ in range(3):
        assert limits.free_at(1, NOW) == NOW
        mark = limits.sent(1, NOW)
    assert limits.free_at(1, NOW) > NOW
    limits.told(openai(requests=(10, 5, "1h")), NOW, mark)
    assert limits.free_at(1, NOW) == NOW


def test_a_late_answer_to_an_early_request_does_not_undo_what_a_newer_one_told() -> None:
    limits = knowing(openai())
    early, late = limits.sent(1, NOW), limits.sent(1, NOW)
    limits.told(openai(requests=(500, 0, "1m0s")), NOW, late)
    limits.told(openai(requests=(500, 400, "1m0s")), NOW, early)
    assert limits.free_at(1, NOW) > NOW


def test_a_report_is_believed_for_five_minutes_at_most() -> None:
    limits = knowing(openai(requests=(100, 0, "24h")))
    assert limits.free_at(1, NOW) == NOW + BELIEVED_S
    assert limits.part_left(NOW + BELIEVED_S) == 1.0


def test_a_request_larger_than_the_whole_limit_goes_once_half_is_left_for_only_the_provider_can_tell() -> None:
    assert waits(openai(tokens=(60_000, 30_000, "30s")), tokens=10**9) == 0.0
    assert waits(openai(tokens=(60_000, 0, "1m0s")), tokens=10**9) == pytest.approx(30.0)


def test_a_worker_learns_its_share_and_keeps_to_it_when_little_is_left() -> None:
    """Of each ten that go, we send two and a half."""
    limits, left, now = knowing(openai(requests=(1_000, 1_000, "1h"))), 1_000, NOW
    while left > 100:
        marks = [limits.sent(1, now) for _ in range(5)]
        left -= 20
        limits.told(openai(requests=(1_000, left, "1h")), now, marks[-1])
    admitted = 0
    while limits.free_at(1, now) <= now:
        limits.sent(1, now)
        admitted += 1
    assert 20 <= admitted <= 30


@given(
    st.dictionaries(
        st.sampled_from(sorted({*openai(), b"date", b"retry-after", b"anthropic-ratelimit-tokens-remaining",
                                b"anthropic-ratelimit-tokens-reset", b"anthropic-ratelimit-tokens-limit"})),
        st.one_of(
            st.binary(max_size=24),
            st.sampled_from([b"0", b"-1", b"nan", b"inf", b"1e400", b"9" * 400, b"0s", b"1m", b"99999999h", DATE,
                             b"2026-11-20T12:01:00Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59-14:00"]),
        ),
    ),
    st.integers(0, 10**12),
)  # fmt: skip
def test_whatever_is_told_the_endpoint_is_free_again_within_five_minutes(
    headers: dict[bytes, bytes], tokens: int
) -> None:
    limits = knowing(headers)
    assert NOW <= limits.free_at(tokens, NOW) <= NOW + BELIEVED_S
    assert 0.0 <= limits.part_left(NOW) <= 1.0
    assert limits_told(headers) == any(b"remaining" in name for name in headers)


@given(
    limit=st.integers(1, 10**9),
    part=st.floats(0, 1),
    refill_s=st.floats(0.001, 10**5),
    need=st.integers(1, 10**9),
    ours=st.integers(0, 10**6),
    earlier=st.integers(0, 100),
)
def test_when_it_is_free_there_is_room_and_more_sent_never_makes_it_sooner(
    limit: int, part: float, refill_s: float, need: int, ours: int, earlier: int
) -> None:
    quota = Quota("tokens")
    quota.told(limit, limit, 0.0, NOW - 1, 0)
    quota.told(limit, int(limit * part), refill_s, NOW, earlier)
    free = quota.free_at(need, earlier + ours)
    assert NOW <= free <= quota.free_at(need, earlier + ours + 1) <= NOW + BELIEVED_S
    assert free <= quota.free_at(need + 1, earlier + ours)
    assert 0 <= quota.left(free) <= limit
    if free < NOW + BELIEVED_S:
        capped = min(need, max(limit / 2, 1.0)) + ours
        assert quota.left(free) >= min(capped, limit) * (1 - 1e-9)


class Bucket:
    """A provider's account as providers keep it: a token bucket of requests."""

    def __init__(self, per_minute: int) -> None:
        self.limit, self.left, self.at, self.refused, self.served = per_minute, float(per_minute), NOW, 0, 0

    def ask(self, now: float) -> dict[bytes, bytes]:
        self.left = min(self.limit, self.left + (now - self.at) * self.limit / 60)
        self.at = now
        if self.left < 1:
            self.refused += 1
        else:
            self.left -= 1
            self.served += 1
        reset = (self.limit - self.left) * 60 / self.limit
        return openai(requests=(self.limit, int(self.left), f"{reset:.3f}s"))


@pytest.mark.parametrize("workers", [1, 4])
@given(seed=st.integers(0, 10**6))
def test_workers_that_want_twice_the_limit_use_it_up_and_are_hardly_ever_refused(workers: int, seed: int) -> None:
    """Each worker sees only the answers to its own requests, a second after they were sent."""
    account, lots = Bucket(600), random.Random(seed)
    each = [ProviderLimits() for _ in range(workers)]
    under_way: list[tuple[float, ProviderLimits, dict[bytes, bytes], tuple[int, int]]] = []
    for step in range(1, 120 * 20):
        now = NOW + step / 20
        while under_way and under_way[0][0] <= now:
            _, limits, headers, mark = under_way.pop(0)
            limits.told(headers, now, mark)
        limits = lots.choice(each)
        if limits.free_at(1, now) <= now:
            mark = limits.sent(1, now)
            under_way.append((now + 1.0, limits, account.ask(now), mark))
    assert account.served >= 0.9 * (600 + 2 * 600)
    assert account.refused <= 0.02 * account.served


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_of_a_declared_limit_no_sixty_seconds_hold_more(steps: list[tuple[float, int, int]]) -> None:
    limits, now, sent = ProviderLimits(rpm=10, tpm=100), NOW, list[tuple[float, int]]()
    for pause, prompt, completion in steps:
        now += pause
        if limits.free_at(prompt, now) <= now:
            limits.sent(prompt, now)
            limits.answered(completion, now)
            sent.append((now, prompt))
        else:
            assert limits.free_at(prompt, now) <= now + 60.25 + 1e-6
    for begin, _ in sent:
        window = [prompt for at, prompt in sent if begin <= at < begin + 60]
        assert len(window) <= 10
        assert sum(window) <= 100
