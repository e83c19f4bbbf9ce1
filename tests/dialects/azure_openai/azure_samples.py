"""An endpoint of Azure's, and a stream with what its content filters add."""

import json

from intertie.core.endpoint import Endpoint, Origin

V1 = Endpoint(
    id="azure",
    site="azure",
    model="gpt",
    upstream_model="gpt-5 mini/eu",
    origin=Origin("https", "example.openai.azure.com", 443),
    dialect="azure_openai",
    credential="0123456789abcdef0123456789abcdef",
)
SEVERITY = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
FILTERED = {"prompt_index": 0, "content_filter_results": SEVERITY}


def event(**chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def said(delta: object, **choice: object) -> bytes:
    one = {"index": 0, "delta": delta, "finish_reason": None, "content_filter_results": SEVERITY, **choice}
    return event(id="chatcmpl-1", object="chat.completion.chunk", created=1, model="gpt-5-mini", choices=[one])


FIRST = event(choices=[], created=0, id="", model="", object="", prompt_filter_results=[FILTERED])
LAST = event(
    id="chatcmpl-1",
    object="chat.completion.chunk",
    created=1,
    model="gpt-5-mini",
    choices=[],
    usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
)
CHUNKS = FIRST + said({"role": "assistant", "content": ""}) + said({"content": "Hi"}) + said({}, finish_reason="stop")
STREAM = CHUNKS + LAST + b"data: [DONE]\n\n"
