"""How requests say who sends them, where that depends on the request."""

from datetime import UTC, datetime

import pytest

from intertie.dialects.signing import aws_signer

MOMENT = datetime(2026, 10, 21, 12, 34, 56, 700_000, UTC).timestamp()
HOST = "bedrock-runtime.us-east-1.amazonaws.com"
PATH = "/model/anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse"
BODY = b'{"messages":[]}'
KEYS = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION = "FwoGZXIvYXdzEXAMPLE//=="
SCOPE = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261021/us-east-1/bedrock/aws4_request"


def signed(credential: str, path: str = PATH, body: bytes = BODY, wall: float = MOMENT) -> tuple[str, ...]:
    return aws_signer(credential, "us-east-1", "bedrock").sign("POST", HOST, path, body, wall)


def test_access_keys_sign_as_botocore_1_44_does() -> None:
    signature = "b7025fd2a882db6c3dfd7b1d873ce82b631487359b8a9426ee38ee871697e23d"
    assert signed(KEYS) == (
        "x-amz-date: 20261021T123456Z",
        f"authorization: {SCOPE}, SignedHeaders=host;x-amz-date, Signature={signature}",
    )


def test_a_session_token_is_sent_and_signed() -> None:
    signature = "fab23625e6173304d8943b4512eb097444f02b13f3623e40fd7bfe4275b9828a"
    assert signed(f"{KEYS}:{SESSION}") == (
        "x-amz-date: 20261021T123456Z",
        f"x-amz-security-token: {SESSION}",
        f"authorization: {SCOPE}, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={signature}",
    )


@pytest.mark.parametrize(
    "other",
    [{"path": PATH + "-stream"}, {"body": BODY + b" "}, {"wall": MOMENT + 1}],
    ids=["path", "body", "moment"],
)
def test_path_body_and_moment_are_part_of_what_is_signed(other: dict[str, object]) -> None:
    assert signed(KEYS, **other)[-1] != signed(KEYS)[-1]


def test_the_secret_shows_in_no_header() -> None:
    assert "wJalrXUtnFEMI" not in "".join(signed(KEYS))


def test_a_credential_without_a_colon_is_a_bearer_token() -> None:
    assert signed("ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl") == ("authorization: Bearer ABSKQmVkcm9ja0FQSUtleS1leGFtcGxl",)
