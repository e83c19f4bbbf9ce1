"""What endpoints speak: Cohere's API behind `https://api.cohere.com/v2`."""

from intertie.core.endpoint import Dialect, Endpoint, Operation
from intertie.dialects.cohere import openai_to_rerank
from intertie.dialects.cohere.faults import told
from intertie.dialects.cohere.glance import glance
from intertie.dialects.dialect import Conversion, Outbound
from intertie.dialects.embeddings import openai_to_cohere
from intertie.dialects.openai_chat.both import bearer

_PATHS: dict[Operation, str] = {"rerank": "/rerank", "embeddings": "/embed"}
_CONVERSIONS: dict[tuple[Dialect, Operation], Conversion] = {
    ("openai_chat", "rerank"): openai_to_rerank.CONVERSION,
    ("openai_chat", "embeddings"): openai_to_cohere.CONVERSION,
}


def path(endpoint: Endpoint, operation: Operation, stream: bool) -> str:
    """The path of an operation behind the endpoint's base."""
    return _PATHS[operation]


OUTBOUND = Outbound("cohere", path, bearer, glance, told, conversions=_CONVERSIONS)
