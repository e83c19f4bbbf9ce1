"""Where a session is opened, at an endpoint and here: paths, and what their queries may say."""

from typing import Final
from urllib.parse import parse_qsl, quote

from intertie.core.endpoint import Dialect, Endpoint
from intertie.core.faults import InvalidRequest, Unsupported

_DIALECTS: Final[tuple[Dialect, ...]] = ("openai_chat", "openai_responses", "azure_openai")
_IGNORED: Final = frozenset(
    {"api-version"}
)  # Azure's clients send it; which version is spoken is the endpoint's matter


def target(endpoint: Endpoint) -> str:
    """The whole path of a session at an endpoint, with its query. Raises Unsupported for other dialects.

    Azure's older API names the model as `deployment` (learn.microsoft.com, "How to use the GPT Realtime API").
    """
    base, model, version = endpoint.origin.path, quote(endpoint.upstream_model, safe=""), endpoint.api_version
    if endpoint.dialect not in _DIALECTS:
        raise Unsupported(f"The endpoint speaks {endpoint.dialect}, which has no realtime sessions.")
    if endpoint.dialect != "azure_openai":
        return f"{base}/realtime?model={model}"
    if version[:1].isdigit():
        return f"{base}/openai/realtime?api-version={quote(version, safe='')}&deployment={model}"
    return f"{base}/openai/v1/realtime?model={model}"


def model_of(query: bytes) -> str:
    """The model that a caller's query names, "" for none. Raises InvalidRequest for what would be another session."""
    model = ""
    try:
        asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise InvalidRequest("The query asks for too much.", code="invalid_value") from None
    for name, value in asked:
        if name in ("model", "deployment"):
            if model and value != model:
                raise InvalidRequest("The query names two models.", code="duplicate_parameter", param="model")
            model = value
        elif name not in _IGNORED:
            message = f"'{name[:64]}' cannot be asked for in the query of a session."
            raise InvalidRequest(message, code="unknown_parameter", param=name[:64])
    return model
