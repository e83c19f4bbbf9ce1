"""Output items while they grow: each tells what happens to it as stream events, and shows itself whole at any time."""

from abc import ABC, abstractmethod
from typing import TypeAlias

from intertie.core.chat import Citation, Reasoning, TokenChance
from intertie.core.events import Grew, Opened
from intertie.dialects.openai_responses import output
from intertie.dialects.openai_responses.namespaces import Grouped
from intertie.dialects.openai_responses.response import Item
from intertie.dialects.openai_responses.sealing import SignedCall, seal, sealed_for

Told: TypeAlias = tuple[str, Item]
"""A stream event: its type, and what it tells beside its number."""


class Slot:
    """A part of an item. `at` is its number among those of its kind, -1 while there is nothing to show of it."""

    __slots__ = ("at", "chances", "citations", "length", "opened", "pieces", "sealed", "signature", "whole")

    def __init__(self, opened: Opened, at: int) -> None:
        self.opened = opened
        self.at = at
        self.length = 0
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.chances: list[TokenChance] = []
        self.signature = ""
        self.sealed = ""
        self.whole = False

    @property
    def text(self) -> str:
        """All that came so far."""
        return "".join(self.pieces)


class Growing(ABC):
    """An item at its place in the output."""

    prefix: str

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.slots: list[Slot] = []
        self.status = ""
        self._index = index
        self._place: Item = {"item_id": item_id, "output_index": index}

    @abstractmethod
    def whole(self, status: str) -> Item:
        """The item as it is now."""

    @abstractmethod
    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """A part goes on."""

    @abstractmethod
    def close(self, slot: Slot) -> list[Told]:
        """A part is whole."""

    def takes(self, opened: Opened) -> bool:
        """Whether the next part is one of this item."""
        return False

    def open(self, opened: Opened) -> list[Told]:
        """A part begins; the first one brings the item."""
        self.slots.append(Slot(opened, len(self.slots)))
        if len(self.slots) > 1:
            return []
        return [("response.output_item.added", {"output_index": self._index, "item": self.whole("in_progress")})]

    def finish(self, status: str) -> list[Told]:
        """The item is whole."""
        self.status = status
        return [("response.output_item.done", {"output_index": self._index, "item": self.whole(status)})]

    @property
    def finished(self) -> bool:
        """Whether nothing more will be told of it."""
        return bool(self.status)

    @property
    def at_rest(self) -> bool:
        """Whether all of its parts are whole."""
        return all(slot.whole for slot in self.slots)


class GrowingMessage(Growing):
    """What the model says: texts and refusals, one behind the other."""

    prefix = "msg"

    def whole(self, status: str) -> Item:
        """See `Growing`. An item that was only just added has no content yet."""
        shown = self.slots if status != "in_progress" else []
        return output.message(self.id, status, [self._content(slot) for slot in shown])

    def takes(self, opened: Opened) -> bool:
        """See `Growing`."""
        return opened.kind in ("text", "refusal") and not self.finished

    def open(self, opened: Opened) -> list[Told]:
        """See `Growing`."""
        told = super().open(opened)
        slot = self.slots[-1]
        return [*told, ("response.content_part.added", self._at(slot) | {"part": self._content(slot)})]

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        if slot.opened.kind == "refusal":
            return [("response.refusal.delta", self._at(slot) | {"delta": grew.text})]
        chances = [output.logprob(chance) for chance in grew.chances]
        return [("response.output_text.delta", self._at(slot) | {"delta": grew.text, "logprobs": chances})]

    def cite(self, slot: Slot, citation: Citation) -> list[Told]:
        """The open text rests on this."""
        at = self._at(slot) | {"annotation_index": len(slot.citations) - 1}
        return [("response.output_text.annotation.added", at | {"annotation": output.annotation(citation)})]

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        content = self._content(slot)
        if slot.opened.kind == "refusal":
            told = ("response.refusal.done", self._at(slot) | {"refusal": slot.text})
        else:
            said: Item = {"text": slot.text, "logprobs": content["logprobs"]}
            told = ("response.output_text.done", self._at(slot) | said)
        return [told, ("response.content_part.done", self._at(slot) | {"part": content})]

    def _at(self, slot: Slot) -> Item:
        return self._place | {"content_index": slot.at}

    def _content(self, slot: Slot) -> Item:
        if slot.opened.kind == "refusal":
            return output.refusal(slot.text)
        return output.output_text(slot.text, slot.citations, slot.chances)


class GrowingReasoning(Growing):
    """How the model thinks: summaries, thoughts, and what is sealed. A part without words is not shown."""

    prefix = "rs"

    def whole(self, status: str) -> Item:
        """See `Growing`."""
        shown = self.slots if status != "in_progress" else []
        words = [(slot.text, slot.opened.summary) for slot in shown if slot.at >= 0]
        seals = [_sealed(slot) for slot in shown]
        return output.reasoning(self.id, status, words, next((one for one in reversed(seals) if one), ""))

    def takes(self, opened: Opened) -> bool:
        """See `Growing`. Parts of one item share its id; a part of another dialect is sealed by itself."""
        last = self.slots[-1].opened
        same = opened.kind == "reasoning" and opened.id == last.id and opened.origin == last.origin
        return same and bool(opened.id) and opened.origin == "openai_responses" and not self.finished

    def open(self, opened: Opened) -> list[Told]:
        """See `Growing`. The part itself is told when its first words come."""
        told = super().open(opened)
        self.slots[-1].at = -1
        return told

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        summary, told = slot.opened.summary, list[Told]()
        if slot.at < 0:
            slot.at = sum(one.at >= 0 and one.opened.summary == summary for one in self.slots)
            name = "response.reasoning_summary_part.added" if summary else "response.content_part.added"
            told.append((name, self._at(slot) | {"part": _words(slot, "")}))
        name = "response.reasoning_summary_text.delta" if summary else "response.reasoning_text.delta"
        return [*told, (name, self._at(slot) | {"delta": grew.text})]

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        if slot.at < 0:
            return []
        text, summary = slot.text, slot.opened.summary
        done = "response.reasoning_summary_text.done" if summary else "response.reasoning_text.done"
        part = "response.reasoning_summary_part.done" if summary else "response.content_part.done"
        at = self._at(slot)
        return [(done, at | {"text": text}), (part, at | {"part": _words(slot, text)})]

    def _at(self, slot: Slot) -> Item:
        return self._place | {"summary_index" if slot.opened.summary else "content_index": slot.at}


def _words(slot: Slot, text: str) -> Item:
    return {"type": "summary_text" if slot.opened.summary else "reasoning_text", "text": text}


def _sealed(slot: Slot) -> str:
    told = slot.opened
    part = Reasoning(slot.text, slot.signature, slot.sealed, told.id, told.summary, told.origin)
    return sealed_for(part)


class GrowingCall(Growing):
    """A tool that the model wants run; `tool` is what the caller calls it."""

    prefix = "fc"
    tool: Grouped

    def whole(self, status: str) -> Item:
        """See `Growing`."""
        return output.function_call(self.id, status, self.call, self.tool, self.slots[0].text)

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        return [("response.function_call_arguments.delta", self._place | {"delta": grew.text})]

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        return [("response.function_call_arguments.done", self._place | {"arguments": slot.text})]

    @property
    def call(self) -> str:
        """The id of the call; made up of the item's where the endpoint gave none."""
        return self.slots[0].opened.id or f"call_{self.id.partition('_')[2]}"


class GrowingCustomCall(GrowingCall):
    """A tool that the model wants run and that takes free text."""

    prefix = "ctc"

    def whole(self, status: str) -> Item:
        """See `Growing`."""
        return output.custom_call(self.id, status, self.call, self.tool, self.slots[0].text)

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        return [("response.custom_tool_call_input.delta", self._place | {"delta": grew.text})]

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        return [("response.custom_tool_call_input.done", self._place | {"input": slot.text})]


class GrowingImage(Growing):
    """A picture that the model makes; it is shown when it is whole."""

    prefix = "ig"

    def whole(self, status: str) -> Item:
        """See `Growing`."""
        begun = status == "in_progress"  # a picture is never incomplete
        data = "" if begun else self.slots[0].text
        return output.image(self.id, status if begun else "completed", self.slots[0].opened.type, data)

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        return []

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        return [("response.image_generation_call.completed", self._place)]


class GrowingSignature(Growing):
    """The signature of a tool call, as a reasoning without words: there is no other place for it."""

    prefix = "rs"

    def __init__(self, item_id: str, index: int, call: GrowingCall) -> None:
        super().__init__(item_id, index)
        self.slots.append(call.slots[0])
        self._sealed = seal(SignedCall(call.call, call.slots[0].signature))

    def told(self) -> list[Told]:
        """All at once."""
        added: Item = {"output_index": self._index, "item": self.whole("in_progress")}
        return [("response.output_item.added", added), *self.finish("completed")]

    def whole(self, status: str) -> Item:
        """See `Growing`."""
        return output.reasoning(self.id, status, (), self._sealed if status != "in_progress" else "")

    def grow(self, slot: Slot, grew: Grew) -> list[Told]:
        """See `Growing`."""
        return []

    def close(self, slot: Slot) -> list[Told]:
        """See `Growing`."""
        return []
