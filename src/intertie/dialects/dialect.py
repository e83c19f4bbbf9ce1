"""What a dialect can do on either side of the gateway, as tables of functions; `registry` holds one of each.

A caller speaks an `Inbound`, an endpoint an `Outbound`. Where both are the same dialect the bytes pass through
(`Outbound.pass_on`, `Outbound.watch`). Otherwise the call is read into a `Chat`, written for the endpoint, and what
comes back takes the same way in the other direction, whole (`Answer`) or as a stream of `Event`s.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from intertie.core.call import Call
from intertie.core.chat import Answer, Chat
from intertie.core.endpoint import Dialect, Endpoint, Operation
from intertie.core.events import Event
from intertie.core.faults import Fault, Unsupported
from intertie.core.usage import Usage

MOST_TOKENS = 1 << 28
"""Beyond any engine: who says more, caller or endpoint, is not believed."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What an answer or one stream event told: usage, whether it is nothing but the usage chunk, and an error.

    `error` is the error as a body of its own, `status` what it stands for under HTTP, else 502.
    """

    usage: Usage | None = None
    only_usage: bool = False
    error: bytes = b""
    status: int = 502


class Heard:
    """What an endpoint told so far. `events` counts what carried output: the estimate where no `usage` arrives, beside
    what was told of the prompt when the answer began.
    """

    __slots__ = ("events", "prompt", "usage")

    def __init__(self) -> None:
        self.events = 0
        self.prompt: Usage | None = None
        self.usage: Usage | None = None


class Watch(Protocol):
    """Stands between an endpoint's stream and its caller; it has a `Heard` to fill.

    The end of the stream is held back in `tail`: the books are closed before the caller can know that the answer is
    whole. `done` tells that the dialect's own end came.
    """

    done: bool
    tail: bytes

    def feed(self, data: bytes) -> bytes:
        """What the caller gets now, in the caller's dialect. Raises the Fault that the endpoint told, or committed."""
        ...

    def ended(self) -> bytes:
        """The tail. Raises StreamCut if the dialect's own end never came."""
        ...


class EventReader(Protocol):
    """Reads an endpoint's stream, split anywhere, into events."""

    def feed(self, data: bytes) -> Iterable[Event]:
        """The events that are whole by now. Raises UpstreamGarbled for what is not the dialect."""
        ...

    def ended(self) -> Iterable[Event]:
        """The message ended: the events that were waiting for it; no `Ended` among them or before means: cut."""
        ...


class EventWriter(Protocol):
    """Writes events as a stream for a caller."""

    def write(self, event: Event) -> bytes:
        """The bytes of an event; b"" where the dialect says nothing, or only later."""
        ...


class Cannot:
    """Collects what a target cannot express: refused with the field's name, or noted where the route says `drop`."""

    __slots__ = ("_drop", "_spelling", "_target", "dropped")

    def __init__(self, target: Dialect, spelling: Mapping[str, str], *, drop: bool) -> None:
        self._target, self._spelling, self._drop = target, spelling, drop
        self.dropped: list[str] = []

    def say(self, name: str, why: str = "") -> None:
        """The target has no way to say this field of `Chat`, or an extra. Raises Unsupported unless it is dropped."""
        spelled = self._spelling.get(name, name)
        if not self._drop:
            because = why or f"endpoints that speak {self._target} have no such parameter"
            raise Unsupported(f"'{spelled}' cannot be passed on: {because}.", param=spelled)
        if spelled not in self.dropped:
            self.dropped.append(spelled)

    def leave(self, name: str) -> None:
        """This field is left out of this one call, since the call would fail by it: noted, and never refused."""
        self.dropped.append(self._spelling.get(name, name))


@dataclass(frozen=True, slots=True)
class Inbound:
    """What callers speak.

    `peek` also takes the model that the path names, "" where the body does; functions that take a `Fault` take the
    request's id too. `standing` draws the headers that tell where a limit stands: its kind (requests, tokens), cap,
    what remains, seconds until it is whole again, and the wall clock. `peek_form` reads bodies that are forms, given
    their content type.
    """

    name: Dialect
    peek: Callable[[Operation, bytes, str], Call]
    error_body: Callable[[Fault, str], bytes]
    error_event: Callable[[Fault, str], bytes]
    standing: Callable[[str, int, int, float, float], bytes]
    read: Callable[[Call], Chat] | None = None
    write: Callable[[Answer, Call], bytes] | None = None
    writer: Callable[[Call], EventWriter] | None = None
    peek_form: Callable[[Operation, bytes, bytes], Call] | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """One operation other than chat for callers of another dialect: the body there, and the answer back."""

    write: Callable[[Call, Endpoint, Cannot], bytes]
    read: Callable[[bytes, Call], bytes]


@dataclass(frozen=True, slots=True)
class Outbound:
    """What endpoints speak.

    `path` is the HTTP path behind the endpoint's own (streamed or not), `headers` what every request says beside the
    common ones, the credential among them; `glance` finds usage and errors in a whole answer, `told` what an error's
    body says to people. `speaks` is the inbound dialect whose bytes it takes as they are: then `pass_on` makes the body
    (its output bounded where a budget needs it) and `watch` stands in the stream. `write`, `read` and `reader`
    translate chats; `conversions` other operations, by the caller's dialect. `sign` is asked at each request where what
    it says of us depends on it: header lines, from the whole path, the body and the wall clock in epoch seconds.
    `glance_at` is `glance` for answers that only the call explains: sound, transcripts, what is sold by the piece.
    """

    name: Dialect
    path: Callable[[Endpoint, Operation, bool], str]
    headers: Callable[[Endpoint], tuple[str, ...]]
    glance: Callable[[bytes], Reading]
    told: Callable[[bytes], str]
    speaks: Dialect | None = None
    pass_on: Callable[[Call, Endpoint, int | None], bytes] | None = None
    watch: Callable[[Call, Heard], Watch] | None = None
    write: Callable[[Chat, Endpoint, Cannot], bytes] | None = None
    read: Callable[[bytes], Answer] | None = None
    reader: Callable[[], EventReader] | None = None
    conversions: Mapping[tuple[Dialect, Operation], Conversion] = field(
        default_factory=dict[tuple[Dialect, Operation], Conversion]
    )
    sign: Callable[[Endpoint, str, bytes, float], tuple[str, ...]] | None = None
    glance_at: Callable[[bytes, Call], Reading] | None = None
