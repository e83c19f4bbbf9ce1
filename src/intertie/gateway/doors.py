"""Which path means what. Paths work with and without `/v1`, as clients append them to either base URL."""

from intertie.core.endpoint import Operation
from intertie.dialects.openai_chat.both import PATHS
from intertie.dialects.registry import INBOUND
from intertie.gateway.door import Door
from intertie.wire.server import Request

_GEMINI = INBOUND["gemini"]
_ANTHROPIC = INBOUND["anthropic_messages"]
RESPONSES = Door("chat", INBOUND["openai_responses"])
_NAMED = (
    *((path, Door(operation, INBOUND["openai_chat"])) for operation, path in PATHS.items()),
    ("/responses", RESPONSES),
    ("/messages", Door("chat", _ANTHROPIC)),
    ("/messages/count_tokens", Door("count_tokens", _ANTHROPIC)),
)

DOORS: dict[bytes, Door] = {f"{prefix}{path}".encode(): door for path, door in _NAMED for prefix in ("/v1", "")}

REALTIME = Door("realtime", INBOUND["openai_chat"])
_SPOKEN = (("/responses", RESPONSES), ("/realtime", REALTIME))

SOCKETS: dict[bytes, Door] = {f"{prefix}{path}".encode(): door for path, door in _SPOKEN for prefix in ("/v1", "")}
"""What is reached by a WebSocket."""

KEPT = (b"/v1/responses/", b"/responses/")
"""What begins so names a response that is kept (see `visit`)."""

_PREFIXES = (b"/v1beta/models/", b"/v1/models/")
_METHODS: dict[bytes, Operation] = {
    b"generateContent": "chat", b"streamGenerateContent": "chat", b"countTokens": "count_tokens"
}  # fmt: skip


def by_prefix(request: Request) -> Door | None:
    """Gemini's way: the path names the model and the method, its query how the answer is sent."""
    for prefix in _PREFIXES:
        if request.path.startswith(prefix):
            tail = request.path[len(prefix) :]
            operation = _METHODS.get(tail.rpartition(b":")[2])
            if operation is not None:
                asked = tail + b"?" + request.query if request.query else tail
                return Door(operation, _GEMINI, asked.decode("latin-1"))
    return None
