"""Signatures of thoughts that Gemini did not write, in the place where Gemini keeps its own.

A caller who speaks Gemini gives `thoughtSignature` back as it came. What another dialect signed or sealed travels there
with the name of that dialect, so that it returns to the one that can read it, byte by byte, and to nobody else.
"""

from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

import msgspec

from intertie.core.chat import Reasoning
from intertie.core.endpoint import Dialect

_MARK: Final = b"intertie:"
_URL_SAFE: Final = str.maketrans("-_", "+/")  # Google's SDK reads the one alphabet and writes the other


class _Seal(msgspec.Struct, array_like=True):
    origin: Dialect
    id: str = ""
    signature: str = ""
    sealed: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Seal).decode


def seal(thought: Reasoning) -> str:
    """The `thoughtSignature` of a thought: Gemini's own as it is, another's with its origin, "" where there is none."""
    if is_gemini(thought.origin):
        return thought.signature
    if thought.origin is None or not (thought.signature or thought.sealed):
        return ""
    packed = _Seal(thought.origin, thought.id, thought.signature, thought.sealed)
    return b64encode(_MARK + _encode(packed)).decode()


def unseal(text: str, signature: str) -> Reasoning:
    """The thought of these words and this `thoughtSignature`."""
    try:
        packed = b64decode(signature.translate(_URL_SAFE))
        found = _decode(packed.removeprefix(_MARK)) if packed.startswith(_MARK) else None
    except (Error, ValueError, msgspec.DecodeError):
        found = None  # Gemini's own, which nobody here can read
    if found is None:
        return Reasoning(text, signature, summary=True, origin="gemini")
    return Reasoning(text, found.signature, found.sealed, found.id, summary=True, origin=found.origin)


def is_gemini(origin: Dialect | None) -> bool:
    """Whether Gemini signed it, behind either of its doors."""
    return origin in ("gemini", "vertex")
