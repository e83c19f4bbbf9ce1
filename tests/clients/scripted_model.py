"""A model that plays one scene with any coding agent, at an endpoint of three dialects.

It is offered tools, calls the one that prints a file, gets the result and quotes it. Asked without tools (for a title,
say) it says a word. What it told of usage is kept: the ledger must say the same.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from scripted import Script, Scripted, Visit, scripted

FILE = "note.txt"
"""What the tool is to print: a file in the folder in which the agent runs."""

_COMMAND = f"cat {FILE}"
_CALLS: Mapping[str, Mapping[str, object]] = {
    "Bash": {"command": _COMMAND, "description": "Print the note"},
    "bash": {"command": _COMMAND, "description": "Print the note"},
    "exec_command": {"cmd": _COMMAND},
    "shell_command": {"command": _COMMAND},
    "shell": {"command": ["cat", FILE]},
    "read_note": {"name": FILE},
}
"""The tool of each agent that prints a file, and its arguments."""


class Heard(NamedTuple):
    """What a request says to the script: the tools on offer, and what tools gave back."""

    tools: tuple[str, ...]
    results: tuple[str, ...]


class Said(NamedTuple):
    """What the model says: words, or a call of a tool with its arguments as JSON; and what it cost in tokens."""

    text: str
    tool: str
    arguments: str
    prompt: int
    completion: int


class Model:
    """The scripted model. `said` are all its answers, by the name under which it was asked."""

    def __init__(self) -> None:
        self.said: defaultdict[str, list[Said]] = defaultdict(list)

    def answer(self, heard: Heard, size: int) -> Said:
        """The next line of the scene, for a request of so many bytes."""
        tool = next((name for name in heard.tools if name in _CALLS), "")
        text = "Note." if not tool else "The note says: " + " ".join(heard.results)
        calls = tool and not heard.results
        arguments = json.dumps(_CALLS[tool]) if calls else ""
        words = arguments or text
        return Said("" if calls else text, tool if calls else "", arguments, size // 4 + 1, len(words) // 4 + 1)

    async def play(self, visit: Visit) -> None:
        """Answer one request in the dialect of its path, streamed or whole."""
        path = visit.head.split(b" ")[1].partition(b"?")[0].decode()
        body = visit.asked
        hear, stream, whole = _DIALECTS[path.rpartition("/")[2]]
        said, name = self.answer(hear(body), len(visit.body)), str(body["model"])
        self.said[name].append(said)
        if not body.get("stream"):
            visit.answer(200, json.dumps(whole(said, name)).encode())
            return
        visit.begin()
        for event in stream(said, name):
            visit.say(event)
        visit.end()


@asynccontextmanager
async def scripted_model() -> AsyncIterator[tuple[Model, Scripted]]:
    """The model behind an endpoint, for as long as the block lasts."""
    model = Model()
    script: Script = model.play
    async with scripted(script) as endpoint:
        yield model, endpoint


def _words(content: object) -> str:
    """The text of a content that is words or blocks of them."""
    if isinstance(content, str):
        return content
    return " ".join(str(block.get("text", "")) for block in content) if isinstance(content, list) else ""


def _hear_chat(body: dict[str, Any]) -> Heard:
    tools = [tool["function"]["name"] for tool in body.get("tools") or () if tool["type"] == "function"]
    return Heard(tuple(tools), tuple(_words(turn["content"]) for turn in body["messages"] if turn["role"] == "tool"))


def _hear_messages(body: dict[str, Any]) -> Heard:
    turns = [turn["content"] for turn in body["messages"] if isinstance(turn["content"], list)]
    results = [block for blocks in turns for block in blocks if block["type"] == "tool_result"]
    tools = tuple(tool["name"] for tool in body.get("tools") or ())
    return Heard(tools, tuple(_words(block.get("content")) for block in results))


def _hear_responses(body: dict[str, Any]) -> Heard:
    items = body["input"] if isinstance(body["input"], list) else []
    results = tuple(_words(item["output"]) for item in items if item.get("type") == "function_call_output")
    return Heard(tuple(tool["name"] for tool in body.get("tools") or () if tool["type"] == "function"), results)


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + 7] for at in range(0, len(text), 7))


def _data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _named(value: dict[str, object]) -> bytes:
    return f"event: {value['type']}\n".encode() + _data(value)


def _chat_usage(said: Said) -> dict[str, int]:
    total = said.prompt + said.completion
    return {"prompt_tokens": said.prompt, "completion_tokens": said.completion, "total_tokens": total}


def _chat_whole(said: Said, model: str) -> dict[str, object]:
    function = {"name": said.tool, "arguments": said.arguments}
    calls = [{"id": "call_1", "type": "function", "function": function}] if said.tool else None
    message = {"role": "assistant", "content": said.text or None, **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice],
        "usage": _chat_usage(said),
    }  # fmt: skip


def _chat_stream(said: Said, model: str) -> Iterator[bytes]:
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(delta: dict[str, object], reason: str | None = None) -> bytes:
        return _data({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    yield chunk({"role": "assistant", "content": ""})
    if said.tool:
        function = {"name": said.tool, "arguments": ""}
        yield chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
        for piece in _pieces(said.arguments):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    for piece in _pieces(said.text):
        yield chunk({"content": piece})
    yield chunk({}, "tool_calls" if said.tool else "stop")
    yield _data({**frame, "choices": [], "usage": _chat_usage(said)})
    yield b"data: [DONE]\n\n"


def _messages_usage(said: Said) -> dict[str, int]:
    """A third of the prompt was read from a cache, which this dialect does not count as input."""
    cached = said.prompt // 3
    return {
        "input_tokens": said.prompt - cached, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
        "output_tokens": said.completion,
    }  # fmt: skip


def _messages_whole(said: Said, model: str) -> dict[str, object]:
    call = {"type": "tool_use", "id": "toolu_1", "name": said.tool, "input": json.loads(said.arguments or "{}")}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "stop_sequence": None,
        "content": [call if said.tool else {"type": "text", "text": said.text}],
        "stop_reason": "tool_use" if said.tool else "end_turn", "usage": _messages_usage(said),
    }  # fmt: skip


def _messages_stream(said: Said, model: str) -> Iterator[bytes]:
    usage = _messages_usage(said)
    begun = _messages_whole(said, model) | {"content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield _named({"type": "message_start", "message": begun})
    empty: dict[str, object] = {"type": "text", "text": ""}
    if said.tool:
        empty = {"type": "tool_use", "id": "toolu_1", "name": said.tool, "input": {}}
    yield _named({"type": "content_block_start", "index": 0, "content_block": empty})
    yield _named({"type": "ping"})
    for piece in _pieces(said.arguments or said.text):
        delta = {"type": "input_json_delta", "partial_json": piece}
        if not said.tool:
            delta = {"type": "text_delta", "text": piece}
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    ended = {"stop_reason": "tool_use" if said.tool else "end_turn", "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": ended, "usage": usage})
    yield _named({"type": "message_stop"})


def _responses_item(said: Said) -> dict[str, object]:
    if said.tool:
        call = {"name": said.tool, "arguments": said.arguments, "call_id": "call_1"}
        return {"id": "fc_1", "type": "function_call", "status": "completed", **call}
    text = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}


def _responses_whole(said: Said, model: str) -> dict[str, object]:
    usage = {
        "input_tokens": said.prompt, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said.completion, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.prompt + said.completion,
    }  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": "completed", "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": 1, "tool_choice": "auto", "tools": [], "top_p": 1, "output": [_responses_item(said)],
        "usage": usage,
    }  # fmt: skip


def _responses_stream(said: Said, model: str) -> Iterator[bytes]:
    whole, item = _responses_whole(said, model), _responses_item(said)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    at = {"item_id": item["id"], "output_index": 0}
    events: list[dict[str, object]] = [{"type": "response.created", "response": begun}]
    events.append({"type": "response.output_item.added", "output_index": 0, "item": _begun(item)})
    if said.tool:
        kind = "response.function_call_arguments"
        events += [{"type": f"{kind}.delta", **at, "delta": piece} for piece in _pieces(said.arguments)]
        events.append({"type": f"{kind}.done", **at, "name": said.tool, "arguments": said.arguments})
    else:
        at |= {"content_index": 0}
        part = {"type": "output_text", "text": said.text, "annotations": []}
        events.append({"type": "response.content_part.added", **at, "part": part | {"text": ""}})
        kind = "response.output_text"
        events += [{"type": f"{kind}.delta", **at, "delta": piece, "logprobs": []} for piece in _pieces(said.text)]
        events.append({"type": f"{kind}.done", **at, "text": said.text, "logprobs": []})
        events.append({"type": "response.content_part.done", **at, "part": part})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    events.append({"type": "response.completed", "response": whole})
    return (_named({**event, "sequence_number": number}) for number, event in enumerate(events))


def _begun(item: dict[str, object]) -> dict[str, object]:
    empty: dict[str, object] = {"arguments": ""} if "arguments" in item else {"content": []}
    return item | {"status": "in_progress"} | empty


_Shape = tuple[
    Callable[[dict[str, Any]], Heard], Callable[[Said, str], Iterator[bytes]], Callable[[Said, str], dict[str, object]]
]
_DIALECTS: Mapping[str, _Shape] = {
    "completions": (_hear_chat, _chat_stream, _chat_whole),
    "messages": (_hear_messages, _messages_stream, _messages_whole),
    "responses": (_hear_responses, _responses_stream, _responses_whole),
}
