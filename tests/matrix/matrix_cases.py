"""The columns of the matrix: what a client does with an endpoint of any dialect, and what must come of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from matrix_words import Ask, Broken, Client, Past, Refused, Told, Tool
from matrix_world import MatrixWorld

from recordings import png

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER, CLOCK = Tool("get_weather", CITY), Tool("get_time", {"type": "object", "properties": {}})
PLACE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "height": {"type": "integer"}},
    "required": ["name", "height"],
    "additionalProperties": False,
}
SEA = "Tell me about the sea. {{sim tokens=60}}"
HIDE_THOUGHTS, SHOW_THOUGHTS = ("azure_openai",), ("openai_chat", "anthropic_messages", "bedrock")
"""Endpoints that never show thoughts, and those that do so without being asked."""
BUSY = {"anthropic_messages": "rate_limit_error", "gemini": "RESOURCE_EXHAUSTED"}


@dataclass(frozen=True)
class Cell:
    """A client, an endpoint, and the world they meet in."""

    client: Client
    upstream: str
    world: MatrixWorld

    async def ask(self, text: str = SEA, past: Past | None = None, **more: Any) -> Told:
        """One answer, whose tokens are those that the engine counted."""
        told = await self.client.ask(Ask(self.upstream, text, **more), past)
        did = self.world.did(told.request)
        counted = (did.prompt_tokens, did.cached_tokens, did.completion_tokens)
        assert (told.prompt, told.cached, told.completion) == counted
        return told

    async def refused(self, text: str, **more: Any) -> Refused:
        """How it is refused before anything was said."""
        with pytest.raises(Refused) as caught:
            await self.client.ask(Ask(self.upstream, text, **more))
        return caught.value

    async def broken(self, text: str) -> None:
        """A stream that breaks: told as such, or by its status where nothing of it had left yet."""
        with pytest.raises((Broken, Refused)) as caught:
            await self.client.ask(Ask(self.upstream, text, stream=True))
        assert not isinstance(caught.value, Refused) or caught.value.status >= 500


Case = Callable[[Cell], Awaitable[None]]


async def plain(cell: Cell) -> None:
    told = await cell.ask()
    assert told.text.startswith("Simulated answer.") and told.stop == "end"
    told_more = await cell.ask(system="Be brief. " * 40)
    assert told_more.prompt >= told.prompt + 100 and told_more.text != told.text
    cut = await cell.ask(limit=20)
    assert (cut.stop, cut.completion) == ("length", 20)


async def stream(cell: Cell) -> None:
    whole, told = await cell.ask(), await cell.ask(stream=True)
    assert (told.text, told.stop) == (whole.text, "end")
    cut = await cell.ask(stream=True, limit=20)
    assert (cut.stop, cut.completion) == ("length", 20)


async def _tools(cell: Cell, text: str, names: list[str], **more: Any) -> None:
    for streamed in (False, True):
        asked = Ask(cell.upstream, text, tools=(WEATHER, CLOCK), stream=streamed, **more)
        told = await cell.ask(text, tools=asked.tools, stream=streamed, **more)
        assert [call.name for call in told.calls] == names and told.stop == "tool"
        ids = {call.id for call in told.calls}
        assert len(ids) == len(names) or ids == {""}  # Vertex AI goes by name and order
        assert isinstance(told.calls[0].arguments["city"], str)
        past = Past(asked, told, [f"result {call.name}" for call in told.calls])
        final = await cell.ask(text, past, tools=asked.tools, stream=streamed, **more)
        assert final.text.startswith("Simulated answer.") and not final.calls


async def tools(cell: Cell) -> None:
    await _tools(cell, "Please use get_weather.", ["get_weather"])


async def parallel_tools(cell: Cell) -> None:
    await _tools(cell, "Please use get_weather and get_time.", ["get_weather", "get_time"])


async def images(cell: Cell) -> None:
    for streamed in (False, True):
        told = await cell.ask("What is it? {{sim tokens=30}}", images=(png(8, 8), png(9, 9)), stream=streamed)
        assert told.text.startswith("Simulated answer to 2 images.")


async def structured_output(cell: Cell) -> None:
    for streamed in (False, True):
        told = await cell.ask(schema=PLACE, stream=streamed)
        value = json.loads(told.text)
        assert isinstance(value["name"], str) and isinstance(value["height"], int) and len(value) == 2


async def reasoning(cell: Cell) -> None:
    for streamed in (False, True):
        told = await cell.ask(thinks=True, stream=streamed)
        assert told.text.startswith("Simulated answer.")
        assert cell.world.did(told.request).reasoning_tokens > 0
        assert told.thoughts.startswith("Let me think") == _shows_thoughts(cell)
    await _tools(cell, "Please use get_weather.", ["get_weather"], thinks=True)


def _shows_thoughts(cell: Cell) -> bool:
    """Chat completions have no words to ask for thoughts to be shown: they come where endpoints show them anyway."""
    asks = cell.client.dialect != "openai_chat" or cell.upstream in SHOW_THOUGHTS
    return asks and cell.upstream not in HIDE_THOUGHTS


async def errors(cell: Cell) -> None:
    for streamed in (False, True):
        await _refusals(cell, streamed)
    for fault in ("cut:6", "malformed:6", "no_done"):
        await cell.broken(f"{{{{sim fault={fault} tokens=40}}}}")


async def _refusals(cell: Cell, streamed: bool) -> None:
    """Nothing was said yet: the status tells what happened, in the shape of the caller's dialect."""
    busy = await cell.refused("{{sim fault=status:429;retry-after=0.05}}", stream=streamed)
    assert (busy.status, busy.retry_after) == (429, "1")
    assert busy.kind == BUSY.get(cell.client.dialect, busy.kind)
    await asyncio.sleep(0.1)  # for so long the endpoint is left alone
    for fault in ("status:500", "status:401", "error_in_200", "html"):
        ill = await cell.refused(f"{{{{sim fault={fault}}}}}", stream=streamed)
        assert ill.status >= 500, fault
    for fault in ("rst",) if streamed else ("rst", "cut:0", "malformed:0"):
        ill = await cell.refused(f"{{{{sim fault={fault} tokens=20}}}}", stream=streamed)
        assert ill.status >= 500, fault


async def cancel(cell: Cell) -> None:
    pieces = cell.client.pieces(Ask(cell.upstream, "Go on. {{sim tokens=60000}}", limit=64_000))
    request = await anext(pieces)
    for _ in range(3):
        assert await anext(pieces)
    await pieces.aclose()
    did = cell.world.did(request, 3)
    assert did.aborted_at is not None and did.aborted_at < 60_000
    row = cell.world.row(request)
    assert row["outcome"] == "left" and 3 <= row["completion"] <= did.completion_tokens + 1


CASES: dict[str, Case] = {
    "plain": plain,
    "stream": stream,
    "tools": tools,
    "parallel tools": parallel_tools,
    "images": images,
    "structured output": structured_output,
    "reasoning": reasoning,
    "errors": errors,
    "cancel": cancel,
}
