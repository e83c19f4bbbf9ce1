"""The output of one response while its parts arrive: which items there are, and what happens to them."""

from typing import Final

from intertie.core.events import Cited, Closed, Event, Grew, Opened, PartKind, Signed
from intertie.core.faults import UpstreamGarbled
from intertie.dialects.openai_responses.growing import (
    Growing,
    GrowingCall,
    GrowingCustomCall,
    GrowingImage,
    GrowingMessage,
    GrowingReasoning,
    GrowingSignature,
    Slot,
    Told,
)
from intertie.dialects.openai_responses.response import Item, Outcome, ResponseObject

_MOST_PARTS: Final = 128
_LONGEST_ARGUMENTS: Final = 1024 * 1024
_MOST_TEXT: Final = 32 * 1024 * 1024
_KINDS: Final[dict[PartKind, type[Growing]]] = {
    "text": GrowingMessage, "refusal": GrowingMessage, "reasoning": GrowingReasoning, "tool_call": GrowingCall,
    "image": GrowingImage,
}  # fmt: skip


class Gathering:
    """Takes the events of parts and says what a stream tells of them; sound has no place here and is left out.

    An item is finished when something else begins, or at the stop: only then is it known whether it is complete.
    """

    def __init__(self, response: ResponseObject) -> None:
        self.refused = False
        self._response = response
        self._items: list[Growing] = []
        self._parts: dict[int, tuple[Growing, Slot]] = {}
        self._seen = 0
        self._size = 0

    def take(self, event: Event) -> list[Told]:
        """What an event of a part becomes. Raises UpstreamGarbled beyond 128 parts, or for what is too long to keep."""
        match event:
            case Opened():
                return self._open(event)
            case Grew():
                return self._grow(event)
            case Cited():
                return self._cite(event)
            case Signed():
                _sign(self._parts.get(event.part), event)
            case Closed():
                return self._close(event.part)
            case _:
                pass
        return []

    def stop(self, how: Outcome) -> list[Told]:
        """The answer is whole: what is still open is closed, and all items are finished."""
        told: list[Told] = []
        for part in tuple(self._parts):
            told += self._close(part)
        last = self._items[-1] if self._items else None
        told += self._finish(how.of_last_item, last)
        return told

    def items(self) -> list[Item]:
        """The finished items, in their order."""
        return [item.whole(item.status) for item in self._items if item.finished]

    def _open(self, opened: Opened) -> list[Told]:
        self._seen += 1
        if self._seen > _MOST_PARTS:
            raise UpstreamGarbled(f"the answer has more than {_MOST_PARTS} parts")
        if opened.kind not in _KINDS:
            return []
        self.refused |= opened.kind == "refusal"
        told: list[Told] = []
        if not (self._items and self._items[-1].takes(opened)):
            told = self._finish("completed", None)
            self._add(GrowingCustomCall if opened.free else _KINDS[opened.kind], opened)
        item = self._items[-1]
        told += item.open(opened)
        self._parts[opened.part] = (item, item.slots[-1])
        return told

    def _add(self, kind: type[Growing], opened: Opened) -> None:
        """What this dialect sealed keeps the id that it was sealed under; all others get one of this response."""
        number = len(self._items)
        kept = opened.id if opened.kind == "reasoning" and opened.origin == "openai_responses" else ""
        item = kind(kept or self._response.item_id(kind.prefix, number), number)
        if isinstance(item, GrowingCall):
            item.tool = self._response.tool(opened.name)
        self._items.append(item)

    def _grow(self, grew: Grew) -> list[Told]:
        item, slot = self._parts.get(grew.part, (None, None))
        if item is None or slot is None or not (grew.text or grew.chances):
            return []
        self._size += len(grew.text)
        if self._size > _MOST_TEXT:
            raise UpstreamGarbled(f"the answer is longer than {_MOST_TEXT} characters")
        slot.length += len(grew.text)
        if slot.opened.kind == "tool_call" and slot.length > _LONGEST_ARGUMENTS:
            raise UpstreamGarbled(f"the arguments of a tool call are longer than {_LONGEST_ARGUMENTS} characters")
        told = item.grow(slot, grew)
        slot.pieces.append(grew.text)
        slot.chances += grew.chances
        return told

    def _cite(self, cited: Cited) -> list[Told]:
        item, slot = self._parts.get(cited.part, (None, None))
        if not isinstance(item, GrowingMessage) or slot is None or slot.opened.kind != "text":
            return []
        slot.citations.append(cited.citation)
        return item.cite(slot, cited.citation)

    def _close(self, part: int) -> list[Told]:
        item, slot = self._parts.pop(part, (None, None))
        if item is None or slot is None:
            return []
        slot.whole = True
        return item.close(slot)

    def _finish(self, status: str, last: Growing | None) -> list[Told]:
        """Finish the items whose parts are whole; `status` is that of the last one, if it is among them."""
        told: list[Told] = []
        for item in tuple(self._items):
            if item.finished or not item.at_rest:
                continue
            told += item.finish(status if item is last else "completed")
            if isinstance(item, GrowingCall) and item.slots[0].signature:
                number = len(self._items)
                signature = GrowingSignature(self._response.item_id("rs", number), number, item)
                self._items.append(signature)
                told += signature.told()
        return told


def _sign(found: tuple[Growing, Slot] | None, signed: Signed) -> None:
    if found is not None:
        found[1].signature += signed.signature
        found[1].sealed += signed.sealed
