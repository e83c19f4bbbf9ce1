"""Tools in groups, as Codex brings them, for endpoints of dialects that know no groups; and the way back."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseFunctionToolCall
from responses_samples import events_of

from intertie.core.call import Call
from intertie.core.chat import Answer, Choice, Text, Tool, ToolCall, ToolResult, Turn
from intertie.core.faults import InvalidRequest
from intertie.dialects.openai_responses.answer_to_body import answer_to_body
from intertie.dialects.openai_responses.call_to_chat import call_to_chat
from intertie.dialects.openai_responses.events_to_stream import ResponsesWriter
from intertie.dialects.openai_responses.peek import peek
from intertie.dialects.sse import data_of
from intertie.dialects.sse import events as split

SPAWN = {"type": "function", "name": "spawn", "description": "Starts one.", "parameters": {"type": "object"}}
AGENTS = {"type": "namespace", "name": "agents", "description": "About agents.", "tools": [SPAWN]}
NOTES = {"type": "namespace", "name": "mcp__notes__", "description": "", "tools": [{"type": "custom", "name": "add"}]}


def call(**fields: Any) -> Call:
    return peek("chat", json.dumps({"model": "m", "input": "hi", "tools": [AGENTS, NOTES], **fields}).encode())


def test_a_tool_of_a_group_is_named_for_both_and_says_what_the_group_is() -> None:
    spawn, add = call_to_chat(call()).tools
    assert isinstance(spawn, Tool) and isinstance(add, Tool)
    assert (spawn.name, spawn.description) == ("agents__spawn", "About agents.\n\nStarts one.")
    assert (add.name, add.free) == ("mcp__notes__add", True)


def test_its_earlier_calls_and_their_results_are_of_the_same_name() -> None:
    asked = {"type": "function_call", "call_id": "c1", "namespace": "agents", "name": "spawn", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "done"}
    assert call_to_chat(call(input=[asked, result])).turns == (
        Turn("assistant", (ToolCall("c1", "agents__spawn", "{}"),)),
        Turn("user", (ToolResult("c1", (Text("done"),), name="agents__spawn"),)),
    )


def test_the_caller_gets_its_calls_by_both_names_whole_and_streamed() -> None:
    parts = (ToolCall("c1", "agents__spawn", "{}"), ToolCall("c2", "mcp__notes__add", "x", free=True))
    answer = Answer(id="1", model="m", choices=(Choice(parts=(*parts, ToolCall("c3", "agents__other", "{}"))),))
    output = json.loads(answer_to_body(answer, call()))["output"]
    assert [(item.get("namespace"), item["name"]) for item in output] == [
        ("agents", "spawn"), ("mcp__notes__", "add"), (None, "agents__other"),
    ]  # fmt: skip
    assert ResponseFunctionToolCall.model_validate(output[0]).namespace == "agents"
    writer = ResponsesWriter(call())
    stream = b"".join(writer.write(event) for event in events_of(answer, None))
    told = [json.loads(data_of(event)) for event in split(stream)]
    shown = [one["item"] for one in told if one["type"].startswith("response.output_item.")]
    assert [(item.get("namespace"), item["name"]) for item in shown[:2]] == [("agents", "spawn")] * 2
    assert told[-1]["response"]["output"] == output


def test_a_group_may_be_all_that_is_allowed() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "agents"}]}
    (left,) = call_to_chat(call(tool_choice=choice)).tools
    assert isinstance(left, Tool) and left.name == "agents__spawn"


@pytest.mark.parametrize(
    ("group", "param"),
    [
        ({**AGENTS, "tools": [SPAWN, {"type": "web_search"}]}, "tools[0].tools[1].type"),
        ({**AGENTS, "tools": [{**SPAWN, "parameters": 3}]}, "tools[0].tools[0].parameters"),
        ({"type": "namespace", "name": "agents"}, "tools[0].tools"),
    ],
)
def test_what_is_wrong_in_a_group_is_named_by_its_place(group: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        call_to_chat(call(tools=[group]))
    assert refused.value.param == param
