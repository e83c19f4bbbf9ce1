"""Which refusals are ours to bear: those of our own credential, whatever the status they come with."""

import pytest

from intertie.core.answers import fault_of, refused_us
from intertie.core.faults import UpstreamError, UpstreamRefused

WRONG_KEY = (
    b'{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":'
    b'[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}'
)


@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (403, b"{}"), (400, WRONG_KEY)])
def test_a_refused_credential_is_no_fault_of_the_caller(status: int, body: bytes) -> None:
    judged = refused_us(fault_of(status, {}, body))
    assert isinstance(judged, UpstreamError) and not isinstance(judged, UpstreamRefused)
    assert judged.elsewhere and b"API key" not in str(judged).encode()


def test_what_is_wrong_with_a_request_stays_the_callers() -> None:
    assert isinstance(refused_us(fault_of(400, {}, b'{"error":{"status":"INVALID_ARGUMENT"}}')), UpstreamRefused)
