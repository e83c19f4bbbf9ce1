"""Errors in Google's shape (wire fact 13: the shape follows the caller's dialect)."""

import json

from intertie.core.faults import InvalidRequest, RateLimited, StreamCut
from intertie.dialects.gemini.faults import error_body, error_event, standing, told


def test_an_error_has_googles_code_status_and_details() -> None:
    error = json.loads(error_body(InvalidRequest("No.", param="contents"), "req_1"))["error"]
    assert (error["code"], error["status"], error["message"]) == (400, "INVALID_ARGUMENT", "No.")
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
    assert kinds["ErrorInfo"]["reason"] == "invalid_request"
    assert kinds["BadRequest"]["fieldViolations"] == [{"field": "contents", "description": "No."}]
    assert kinds["RequestInfo"]["requestId"] == "req_1"


def test_a_wait_is_told_in_googles_way() -> None:
    error = json.loads(error_body(RateLimited("Wait.", retry_after=1.5)))["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"} in error["details"]


def test_an_error_in_a_stream_is_an_event_that_sdks_raise_on() -> None:
    event = error_event(StreamCut("Cut.\n\ndata: {}"))
    assert event.startswith(b'data: {"error":')
    assert event.count(b"\n\n") == 1


def test_what_an_error_says_is_found_in_an_object_and_in_an_array() -> None:
    assert told(b'{"error":{"message":"quota"}}') == told(b' [{"error":{"message":"quota"}}]') == "quota"
    assert told(b"[]") == told(b"<html>") == told(b'{"error":"x"}') == ""


def test_limits_stand_in_common_headers() -> None:
    assert b"x-ratelimit-remaining-tokens: 3\r\n" in standing("tokens", 9, 3, 1.2, 0.0)
