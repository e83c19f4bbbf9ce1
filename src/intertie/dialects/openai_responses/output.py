"""Output items and what they are made of, whole; streams show the same items while they grow."""

from collections.abc import Sequence

from intertie.core.chat import Citation, TokenChance
from intertie.dialects.openai_responses.namespaces import Grouped
from intertie.dialects.openai_responses.response import Item


def message(item_id: str, status: str, content: Sequence[Item]) -> Item:
    """What the model said."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": list(content)}


def output_text(text: str, citations: Sequence[Citation] = (), chances: Sequence[TokenChance] = ()) -> Item:
    """Words."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": [annotation(one) for one in citations],
        "logprobs": [logprob(one) for one in chances],
    }


def refusal(text: str) -> Item:
    """The model declined."""
    return {"type": "refusal", "refusal": text}


def annotation(citation: Citation) -> Item:
    """What a text rests on: an address, or else a file by its title."""
    start, end = max(0, citation.start), max(0, citation.end)
    if citation.url:
        return {"type": "url_citation", "url": citation.url, "title": citation.title, "start_index": start,
                "end_index": end}  # fmt: skip
    return {"type": "file_citation", "file_id": citation.title, "filename": citation.title, "index": start}


def logprob(chance: TokenChance) -> Item:
    """A token's chance with those of its rivals; bytes are those of the text where none were told."""
    return _chance(chance) | {"top_logprobs": [_chance(other) for other in chance.others]}


def _chance(chance: TokenChance) -> Item:
    told = chance.token.encode() if chance.bytes is None else chance.bytes
    return {"token": chance.token, "logprob": chance.logprob, "bytes": list(told)}


def function_call(item_id: str, status: str, call: str, tool: Grouped, arguments: str) -> Item:
    """The model wants a function run."""
    return {"id": item_id, "type": "function_call", "status": status, "call_id": call, **_names(tool),
            "arguments": arguments}  # fmt: skip


def custom_call(item_id: str, status: str, call: str, tool: Grouped, text: str) -> Item:
    """The model wants a tool run that takes free text."""
    return {"id": item_id, "type": "custom_tool_call", "status": status, "call_id": call, **_names(tool),
            "input": text}  # fmt: skip


def _names(tool: Grouped) -> Item:
    return {"name": tool.name, "namespace": tool.namespace} if tool.namespace else {"name": tool.name}


def reasoning(item_id: str, status: str, words: Sequence[tuple[str, bool]], sealed: str) -> Item:
    """How the model thought: texts, each with whether it is a summary."""
    item: Item = {
        "id": item_id,
        "type": "reasoning",
        "status": status,
        "summary": [{"type": "summary_text", "text": text} for text, summary in words if summary],
    }
    thoughts = [{"type": "reasoning_text", "text": text} for text, summary in words if not summary]
    if thoughts:
        item["content"] = thoughts
    if sealed:
        item["encrypted_content"] = sealed
    return item


def image(item_id: str, status: str, media_type: str, data: str) -> Item:
    """A picture that the model made."""
    return {"id": item_id, "type": "image_generation_call", "status": status, "result": data or None,
            "output_format": media_type.removeprefix("image/") or "png"}  # fmt: skip
