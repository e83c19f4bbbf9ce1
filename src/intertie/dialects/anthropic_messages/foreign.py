"""Reasoning of endpoints that speak another dialect, carried through a caller who speaks this one.

Such a caller keeps a thinking block's signature without looking into it, and sends it back. So what another endpoint
signed or sealed travels there, under a mark of ours, and finds its way home; an Anthropic endpoint never sees it.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from intertie.core.chat import Reasoning
from intertie.core.endpoint import Dialect

_PREFIX: Final = "intertie."
MARK: Final = b'"intertie.'
"""How a body that carries foreign reasoning betrays it."""


class _Carried(msgspec.Struct, array_like=True, omit_defaults=True):
    origin: Dialect | None = None
    id: str = ""
    signature: str = ""
    sealed: str = ""
    summary: bool = False


class _Block(msgspec.Struct):
    type: str = ""
    signature: str = ""


_carried = msgspec.msgpack.Decoder(_Carried).decode
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_blocks = msgspec.json.Decoder(list[msgspec.Raw]).decode
_block = msgspec.json.Decoder(_Block).decode
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


def to_signature(reasoning: Reasoning) -> str:
    """The signature of a thinking block that carries what is not text of a foreign reasoning."""
    carried = _Carried(reasoning.origin, reasoning.id, reasoning.signature, reasoning.sealed, reasoning.summary)
    return _PREFIX + urlsafe_b64encode(_pack(carried)).decode()


def from_signature(text: str, signature: str) -> Reasoning | None:
    """The foreign reasoning that a thinking block carries; None if it is Anthropic's own, or has been tampered with."""
    if not signature.startswith(_PREFIX):
        return None
    try:
        carried = _carried(urlsafe_b64decode(signature.removeprefix(_PREFIX)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    return Reasoning(text, carried.signature, carried.sealed, carried.id, carried.summary, carried.origin)


def without_foreign(messages: msgspec.Raw) -> msgspec.Raw:
    """The messages without thinking blocks that carry foreign reasoning, and without those that had nothing else."""
    try:
        return msgspec.Raw(_encode([kept for message in _messages(messages) if (kept := _without(message))]))
    except msgspec.DecodeError:
        return messages  # the endpoint will say what is wrong with them


def _without(message: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    content = bytes(message.get("content", b""))
    if MARK not in content or content[:1] != b"[":
        return message
    kept = [block for block in _blocks(content) if not _is_foreign(block)]
    return {**message, "content": msgspec.Raw(_encode(kept))} if kept else {}


def _is_foreign(raw: msgspec.Raw) -> bool:
    if MARK not in bytes(raw):
        return False
    block = _block(raw)
    return block.type == "thinking" and block.signature.startswith(_PREFIX)
