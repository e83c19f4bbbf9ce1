"""How many tokens the next prompt of a session can have at most: what the endpoint told last, and all said since.

Text and whatever else is said: every byte may be a token. Speech comes as base64 of at least 8,000 bytes a second and
makes 10 tokens a second (OpenAI, "Managing costs": one for 100 ms), so 1,000 characters make less than one.
"""

from typing import Final

from intertie.core.usage import Usage

_CHARS_A_TOKEN: Final = 1_000
_FIRST: Final = 2_048
"""Tokens of what an endpoint says to its model by itself before anybody spoke."""


class Context:
    """One conversation. Truncating and deleting make it smaller; that is not counted."""

    __slots__ = ("_marks", "_since", "_speech", "_told")

    def __init__(self) -> None:
        self._told = _FIRST
        self._since = self._speech = 0
        self._marks: dict[str, tuple[int, int]] = {}

    @property
    def tokens(self) -> int:
        """The most that the next prompt can have, however long the model's context is."""
        return self._told + self._since + -(-self._speech // _CHARS_A_TOKEN)

    def said(self, size: int) -> None:
        """So many bytes were said."""
        self._since += size

    def heard(self, chars: int) -> None:
        """So many characters of base64 were heard."""
        self._speech += chars

    def began(self, response: str) -> None:
        """A response begins: its usage will tell of all that was said so far."""
        self._marks[response] = self._since, self._speech

    def ended(self, response: str, usage: Usage | None, in_conversation: bool) -> None:
        """It has ended. One that has a prompt of its own tells nothing of the conversation's."""
        since, speech = self._marks.pop(response, (0, 0))
        if usage is None or not in_conversation or not usage.prompt:
            return
        self._told = max(self._told, usage.prompt)
        self._since += usage.completion - since  # what it said is in no prompt of those that began before its end
        self._speech -= speech
        self._marks = {one: (a - since, b - speech) for one, (a, b) in self._marks.items()}
