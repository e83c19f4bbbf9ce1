"""What AWS's errors say, and what those in the midst of a stream mean."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from intertie.core.answers import told_under_200
from intertie.core.faults import Fault
from intertie.dialects.bedrock.frames import Frame

_STATUSES: Mapping[str, int] = MappingProxyType({
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
})  # fmt: skip
"""The status that AWS gives each error under HTTP (botocore's model of bedrock-runtime, 2023-09-30)."""


class _Error(msgspec.Struct):
    message: str = ""
    upper: str = msgspec.field(name="Message", default="")


_error = msgspec.json.Decoder(_Error).decode
_encode = msgspec.json.Encoder().encode


def told(body: bytes) -> str:
    """What an error's body says to people; "" if it is not in this shape. The signature's checkers write `Message`."""
    try:
        found = _error(body)
    except (ValueError, RecursionError):
        return ""
    return found.message or found.upper


def fault_in(frame: Frame) -> Fault:
    """The fault of an exception (`{"message"}`) or of an error without a model of its own (told by headers)."""
    status = _STATUSES.get(frame.name.lower(), 502)
    text = told(frame.payload) or frame.message or frame.name
    return told_under_200(status, _encode({"message": text}))
