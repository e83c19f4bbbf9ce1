"""The events of a streamed answer in the words that all dialects share, in the order in which they happen.

    Began → (Opened → Grew* → Signed* → Closed)* → Stopped → Metered? → Ended

Parts are numbered per choice from 0 as they open. Those of one choice may overlap (parallel tool calls of OpenAI do):
a dialect that wants them one after another puts them in order itself. `Broke` may come at any time and is the last.
"""

from typing import Literal, TypeAlias

import msgspec

from intertie.core.chat import Citation, StopReason, TokenChance
from intertie.core.endpoint import Dialect
from intertie.core.faults import Fault
from intertie.core.usage import Usage

PartKind: TypeAlias = Literal["text", "reasoning", "tool_call", "refusal", "audio", "image"]


class Began(msgspec.Struct, frozen=True):
    """The answer begins. `usage` is what is known of the prompt already."""

    id: str
    model: str
    created: int = 0
    usage: Usage | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A part begins. `id` and `name` are those of a tool call; `id` may also be a reasoning's own; `type` a media type.

    `origin` names the dialect that alone can read a sealed or signed reasoning.
    """

    part: int
    kind: PartKind
    choice: int = 0
    id: str = ""
    name: str = ""
    type: str = ""
    free: bool = False
    summary: bool = False
    origin: Dialect | None = None


class Grew(msgspec.Struct, frozen=True):
    """A part goes on: words, fragments of a tool call's arguments, or base64 of sound or picture.

    `transcript` is what the sound says.
    """

    part: int
    text: str
    choice: int = 0
    chances: tuple[TokenChance, ...] = ()
    transcript: str = ""


class Signed(msgspec.Struct, frozen=True):
    """What goes back byte by byte: a signature, or sealed content, of the open part."""

    part: int
    signature: str = ""
    sealed: str = ""
    choice: int = 0


class Cited(msgspec.Struct, frozen=True):
    """The open text rests on this."""

    part: int
    citation: Citation
    choice: int = 0


class Closed(msgspec.Struct, frozen=True):
    """A part is whole."""

    part: int
    choice: int = 0


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """A choice is whole, and why."""

    reason: StopReason
    choice: int = 0
    text: str = ""
    name: str = ""


class Metered(msgspec.Struct, frozen=True):
    """What the whole answer used: always the sum so far, never a difference. `tier` is the one really used."""

    usage: Usage
    tier: str = ""


class Pinged(msgspec.Struct, frozen=True):
    """A sign of life."""


class Broke(msgspec.Struct, frozen=True):
    """The endpoint told an error in the midst of its stream."""

    fault: Fault


class Ended(msgspec.Struct, frozen=True):
    """The dialect's own end came: the answer is whole."""


Event: TypeAlias = Began | Opened | Grew | Signed | Cited | Closed | Stopped | Metered | Pinged | Broke | Ended
