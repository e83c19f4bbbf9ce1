"""What another dialect cannot say is named as Gemini's callers wrote it."""

import json

import pytest

from intertie.core.endpoint import Endpoint, Origin
from intertie.core.faults import Unsupported
from intertie.dialects.dialect import Cannot
from intertie.dialects.registry import INBOUND, OUTBOUND


@pytest.mark.parametrize("target", ["anthropic_messages", "bedrock"])
def test_json_of_no_schema_is_asked_for_by_its_media_type(target: str) -> None:
    inbound, outbound = INBOUND["gemini"], OUTBOUND[target]
    config = {"responseMimeType": "application/json"}
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}], "generationConfig": config}
    assert inbound.read is not None and outbound.write is not None
    chat = inbound.read(inbound.peek("chat", json.dumps(body).encode(), "m:generateContent"))
    endpoint = Endpoint("e", "s", "m", "claude-opus-5", Origin("https", "api.example", 443))
    with pytest.raises(Unsupported) as refused:
        outbound.write(chat, endpoint, Cannot(outbound.name, chat.spelling, drop=False))
    assert refused.value.param == "generationConfig.responseMimeType"
