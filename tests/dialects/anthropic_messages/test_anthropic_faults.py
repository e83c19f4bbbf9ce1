"""How errors and limits look to callers of Anthropic's dialect, and what an endpoint's errors mean (wire fact 13)."""

import json

import pytest

from intertie.core.faults import (
    BudgetExhausted,
    Fault,
    FirstByteLate,
    InvalidRequest,
    NoCandidate,
    NotFound,
    Overloaded,
    StreamCut,
    TooLarge,
    Unauthenticated,
    UpstreamBusy,
    UpstreamError,
    UpstreamRefused,
)
from intertie.dialects.anthropic_messages.both import INBOUND, OUTBOUND


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (InvalidRequest("no"), "invalid_request_error"),
        (Unauthenticated("no"), "authentication_error"),
        (UpstreamRefused("no", 402), "billing_error"),
        (UpstreamRefused("no", 403), "permission_error"),
        (UpstreamRefused("no", 422), "invalid_request_error"),
        (NotFound("no"), "not_found_error"),
        (TooLarge("no"), "request_too_large"),
        (TooLarge("no", headers=True), "request_too_large"),
        (BudgetExhausted("no"), "rate_limit_error"),
        (UpstreamBusy("no", 429), "rate_limit_error"),
        (Fault("no"), "api_error"),
        (StreamCut("no"), "api_error"),
        (UpstreamError("no", 529), "overloaded_error"),
        (UpstreamError("no", 500), "api_error"),
        (FirstByteLate("no"), "timeout_error"),
        (Overloaded("no"), "overloaded_error"),
        (NoCandidate("no"), "overloaded_error"),
    ],
)
def test_fact_13_the_type_of_an_error_goes_with_its_status(fault: Fault, kind: str) -> None:
    assert json.loads(INBOUND.error_body(fault, "req_1_2"))["error"]["type"] == kind


def test_fact_13_an_error_has_anthropics_shape_and_our_stable_code() -> None:
    body = json.loads(INBOUND.error_body(InvalidRequest("'x' is wrong.", param="x"), "req_1_2"))
    details = {"error_code": "invalid_request", "param": "x"}
    error = {"type": "invalid_request_error", "message": "'x' is wrong.", "details": details}
    assert body == {"type": "error", "error": error, "request_id": "req_1_2"}


def test_fact_2_an_error_in_a_stream_is_an_event_of_its_own_name() -> None:
    event = INBOUND.error_event(InvalidRequest("cut\n\nevent: message_stop\n"), "req_1_2")
    name, data, *rest = event.split(b"\n")
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["message"] == "cut\n\nevent: message_stop\n"
    assert rest == [b"", b""]


def test_what_an_endpoint_says_of_an_error() -> None:
    assert OUTBOUND.told(b'{"type":"error","error":{"type":"x","message":"too long"}}') == "too long"
    for other in (b"<html>", b"{}", b'{"error":"x"}', b"[" * 100_000, b'{"error":{"message":"\xff"}}'):
        assert OUTBOUND.told(other) == ""


def test_fact_15_where_a_limit_stands_is_told_with_a_moment() -> None:
    lines = INBOUND.standing("tokens", 8_000, 250, 29.5, 1_700_000_000.25)
    assert lines == (
        b"anthropic-ratelimit-tokens-limit: 8000\r\n"
        b"anthropic-ratelimit-tokens-remaining: 250\r\n"
        b"anthropic-ratelimit-tokens-reset: 2023-11-14T22:13:50Z\r\n"
    )
