"""Carries what other dialects signed through callers of this one, who only know `encrypted_content` to bring back.

Thoughts of another dialect are worth nothing without the signature that came with them, and no item here has a place
for it. So the whole part travels as the `encrypted_content` of a reasoning item, behind a prefix that no vendor writes,
and is unpacked when it returns. A caller who forges one deceives nobody but himself: its origin verifies it.
"""

import base64
import binascii
from typing import Final, TypeAlias

import msgspec

from intertie.core.chat import Reasoning
from intertie.core.faults import InvalidRequest

_PREFIX: Final = "intertie.reasoning.1:"


class SignedCall(msgspec.Struct, frozen=True, tag="signed_call"):
    """The signature of a tool call, by the call's id: Gemini signs those."""

    call: str
    signature: str


Sealed: TypeAlias = Reasoning | SignedCall

_decode = msgspec.json.Decoder(Sealed).decode
_encode = msgspec.json.Encoder().encode


def seal(what: Sealed) -> str:
    """What is to come back, as `encrypted_content`."""
    return _PREFIX + base64.b64encode(_encode(what)).decode()


def sealed_for(reasoning: Reasoning) -> str:
    """The `encrypted_content` of a reasoning: its own, or another dialect's whole part; "" if nothing is sealed."""
    if reasoning.origin in (None, "openai_responses"):
        return reasoning.sealed
    return seal(reasoning) if reasoning.sealed or reasoning.signature else ""


def unseal(content: str, where: str) -> Sealed | None:
    """What was sealed here; None for what a vendor sealed. Raises InvalidRequest if it came back damaged."""
    if not content.startswith(_PREFIX):
        return None
    try:
        return _decode(base64.b64decode(content[len(_PREFIX) :], validate=True))
    except (binascii.Error, msgspec.DecodeError):
        message = f"Invalid value for '{where}': it did not come back as it was given."
        raise InvalidRequest(message, code="invalid_value", param=where) from None
