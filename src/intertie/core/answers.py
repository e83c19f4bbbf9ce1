"""What an endpoint's answer outside 2xx means: whose doing it is, and when to come again."""

from email.utils import parsedate_to_datetime
from typing import Final

from intertie.core.faults import Fault, UpstreamBusy, UpstreamError, UpstreamFault, UpstreamGarbled, UpstreamRefused

_SHOWN: Final = 500  # characters of an endpoint's error that a message repeats

_LEAST_SECRET: Final = 8  # characters; what is shorter may be a word

_STATUSES_THAT_REFUSE_US = (401, 402, 403, 404, 405, 407, 408, 424)
"""Statuses by which an endpoint refuses *us*: our credential, our credit, our name for the model; 424 is Bedrock's word
for a model that broke. Another may do."""

_WRONG_KEY: Final = b'"API_KEY_INVALID"'
"""Google's reason for refusing a key of its Gemini API, which comes with status 400."""


def fault_of(status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamFault:
    """What an answer outside 2xx means. 429, Anthropic's 529, and 503 with a time, are capacity; other 5xx are illness,
    other 4xx our request.
    """
    if status < 400:
        return UpstreamGarbled(f"the endpoint answered {status}: redirects are not followed")
    wait = retry_after(headers)
    message = f"the endpoint answered {status}: {body[:_SHOWN].decode('utf-8', 'replace')}"
    if status in (429, 529) or (status == 503 and wait is not None):
        return UpstreamBusy(message, status, body, wait)
    if status >= 500:
        return UpstreamError(message, status, body, wait)
    return UpstreamRefused(message, status, body, wait)


def retry_after(headers: dict[bytes, bytes]) -> float | None:
    """Seconds to wait, from `retry-after-ms`, or `retry-after` as seconds or as a date (against the answer's own)."""
    millis = _number(headers.get(b"retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        then = parsedate_to_datetime(value.decode("latin-1"))
        now = parsedate_to_datetime(headers.get(b"date", b"").decode("latin-1"))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0.0 <= number < 1e9 else None


def refused_us(fault: Fault) -> Fault:
    """The fault as it is to be judged: a status that refuses the gateway (its credential, its credit, its name for the
    model) tells nothing of the caller, so it becomes the endpoint's failure. Any other fault comes back as it is.
    """
    if not isinstance(fault, UpstreamError):
        return fault
    status = fault.upstream_status
    if status not in _STATUSES_THAT_REFUSE_US and not (status == 400 and _WRONG_KEY in fault.body):
        return fault
    return UpstreamError(f"The endpoint refused the gateway (status {status}).", status)


def hush(fault: Fault, credential: str) -> None:
    """Forget what an endpoint said in an error if that repeats our credential, or a part of one (`ACCESS:SECRET`)."""
    parts = [part for part in credential.split(":") if len(part) >= _LEAST_SECRET]
    said = fault.body.decode("utf-8", "replace") if isinstance(fault, UpstreamError) else ""
    if any(part in text for part in parts for text in (said, fault.message)):
        fault.message = "The endpoint's error repeated our credential; it is not shown."
        fault.args = (fault.message,)
        if isinstance(fault, UpstreamError):
            fault.body = b""


def told_under_200(status: int, body: bytes) -> Fault:
    """An error that the endpoint told under status 200, as if it had come with the status that it names."""
    return refused_us(fault_of(status, {}, body))
