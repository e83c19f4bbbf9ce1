"""One of each dialect, by name."""

from intertie.core.endpoint import Dialect
from intertie.dialects.anthropic_messages import both as anthropic_messages
from intertie.dialects.azure_openai import both as azure_openai
from intertie.dialects.bedrock import both as bedrock
from intertie.dialects.cohere import both as cohere
from intertie.dialects.dialect import Inbound, Outbound
from intertie.dialects.gemini import both as gemini
from intertie.dialects.openai_chat import both as openai_chat
from intertie.dialects.openai_responses import both as openai_responses

INBOUND: dict[Dialect, Inbound] = {
    one.name: one for one in (openai_chat.INBOUND, openai_responses.INBOUND, anthropic_messages.INBOUND, gemini.INBOUND)
}
OUTBOUND: dict[Dialect, Outbound] = {
    one.name: one
    for one in (
        openai_chat.OUTBOUND,
        openai_responses.OUTBOUND,
        anthropic_messages.OUTBOUND,
        gemini.OUTBOUND,
        gemini.VERTEX,
        bedrock.OUTBOUND,
        azure_openai.OUTBOUND,
        cohere.OUTBOUND,
    )
}
