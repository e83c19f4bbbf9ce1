"""A prompt as the model sees it, while a dialect reads a conversation into it; and what is asked of the engine in it.

The last user may ask the engine itself for something, in the midst of words, so that every dialect can carry it:

    {{sim tokens=40 fault=cut:3}}       an answer of exactly 40 tokens, cut after three chunks
"""

import re
from typing import Any, Final

from intertie.sim.engine.media import stand_in

_asked = re.compile(r"\{\{sim ((?:[a-z]+=\S+ *)+)\}\}")
_INSTRUCTS: Final = ("system", "developer")


class Conversation:
    """Tools first, then each turn behind its role. `images` counts pictures; `spoken` is what the last user said.

    `marked` is how many bytes stand before the last caching mark, `lasting` whether that mark is for an hour.
    """

    def __init__(self, tools: bytes = b"") -> None:
        self._rendered = [tools]
        self._size = len(tools)
        self.images = self.marked = 0
        self.spoken = ""
        self.lasting = self._is_user = False

    def turn(self, role: str) -> None:
        """Somebody begins to speak."""
        self._put(f"\n<{role}>".encode())
        self._is_user = role == "user"
        if role not in _INSTRUCTS:
            self.spoken = ""

    def say(self, text: str) -> None:
        """Words."""
        self._put(text.encode())
        if self._is_user:
            self.spoken += text

    def show(self, seen: bytes, *, image: bool = True) -> None:
        """A picture, or a sound or file."""
        self._put(stand_in(seen))
        self.images += image

    def put(self, raw: bytes) -> None:
        """What is neither: calls of tools, their results, thoughts."""
        self._put(raw)

    def mark(self, *, lasting: bool = False) -> None:
        """What came so far may be kept in a cache."""
        self.marked, self.lasting = self._size, lasting

    def asked(self) -> dict[str, Any]:
        """What a `GenerationRequest` is told of it."""
        told = {"prompts": (b"".join(self._rendered),), "images": self.images, "spoken": self.spoken}
        wishes = wishes_in(self.spoken)
        return told | {"exact_tokens": int(wishes["tokens"])} if wishes.get("tokens", "").isdecimal() else told

    def _put(self, raw: bytes) -> None:
        self._rendered.append(raw)
        self._size += len(raw)


def wishes_in(spoken: str) -> dict[str, str]:
    """What is asked of the engine itself, by name."""
    found = _asked.search(spoken)
    return dict(wish.split("=", 1) for wish in found[1].split()) if found else {}
