"""Where OpenAI-compatible endpoints depart from OpenAI, and the body each takes instead.

A quirk says the same in other words, or leaves out what changes nothing in the answer; it never gives up what the
caller asked for. What an endpoint cannot do at all it refuses by itself, and the caller reads its own words.

    max_tokens              the limit of output has this name only
    max_completion_tokens   the limit of output of a chat has this name only
    random_seed             the seed has this name
    no_stream_options       usage comes with the last chunk without being asked for, and asking is an error
    no_developer_role       developers speak as `system`
    text_content            the content of a message that is nothing but text is one text, not a list of parts
    no_hints                fields that it does not know are errors, even those that only help the provider
"""

import msgspec

from intertie.core.call import Fields
from intertie.core.endpoint import Operation, Quirk

_NULL = b"null"
_HINTS = ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user")
_SAID_BY_SILENCE = {"store": (b"false", _NULL), "service_tier": (b'"auto"', b'"default"', _NULL)}

_encode = msgspec.json.Encoder().encode


class _Part(msgspec.Struct, forbid_unknown_fields=True, tag="text"):
    text: str
    cache_control: msgspec.Raw = msgspec.Raw()


_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_parts = msgspec.json.Decoder(list[_Part]).decode
_count = msgspec.json.Decoder(int).decode


def adapt(fields: Fields, operation: Operation, quirks: frozenset[Quirk]) -> None:
    """Change the top level of a body into what an endpoint with these quirks takes. `fields` is the caller's to change.

    What cannot be read is left as it is: the endpoint says what is wrong with it.
    """
    if "max_tokens" in quirks:
        _rename(fields, "max_completion_tokens", "max_tokens")
    elif "max_completion_tokens" in quirks and operation == "chat":
        _rename(fields, "max_tokens", "max_completion_tokens")
    if "random_seed" in quirks and "seed" in fields:
        fields.setdefault("random_seed", fields.pop("seed"))
    if "no_stream_options" in quirks:
        fields.pop("stream_options", None)
    if "no_hints" in quirks:
        _drop_hints(fields)
    if operation == "chat" and quirks & {"no_developer_role", "text_content"}:
        _rewrite_messages(fields, quirks)


def _rename(fields: Fields, old: str, new: str) -> None:
    """Where both limits are given the smaller holds: it keeps both."""
    limit = fields.pop(old, None)
    if limit is None or bytes(limit) == _NULL:
        return
    other = fields.get(new)
    if other is not None and bytes(other) != _NULL:
        try:
            limit = min(limit, other, key=lambda raw: _count(bytes(raw)))
        except msgspec.DecodeError:
            limit = other
    fields[new] = limit


def _drop_hints(fields: Fields) -> None:
    for name in _HINTS:
        fields.pop(name, None)
    for name, words in _SAID_BY_SILENCE.items():
        if name in fields and bytes(fields[name]) in words:
            del fields[name]


def _rewrite_messages(fields: Fields, quirks: frozenset[Quirk]) -> None:
    try:
        messages = _messages(bytes(fields.get("messages", b"")))
    except msgspec.DecodeError:
        return
    changed = False
    for message in messages:
        if "no_developer_role" in quirks and bytes(message.get("role", b"")) == b'"developer"':
            message["role"], changed = msgspec.Raw(b'"system"'), True
        if "text_content" in quirks and bytes(message.get("content", b""))[:1] == b"[":
            text = _one_text(bytes(message["content"]))
            if text is not None:
                message["content"], changed = msgspec.Raw(_encode(text)), True
    if changed:
        fields["messages"] = msgspec.Raw(_encode(messages))


def _one_text(content: bytes) -> str | None:
    """Parts that are nothing but text as one, a line each; None if there is anything else among them."""
    try:
        return "\n".join(part.text for part in _parts(content))
    except msgspec.DecodeError:
        return None
