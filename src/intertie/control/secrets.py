"""Secrets that are kept elsewhere: asked for when the configuration names them, and again in time, while we run.

A secret that has changed is published with the next snapshot. One that cannot be had again stays as it was, and people
are told, once per reason; it is asked for after a second, then two, up to a minute. A new one that cannot be had is a
fault of the configuration that names it, which then changes nothing (see `publish`). Times are epoch seconds.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import msgspec

from intertie.adapters.secrets.source import Found, Source
from intertie.config.references import one_line
from intertie.config.tree import Place
from intertie.core.clock import Clock
from intertie.core.faults import ConfigFaults, SecretFault

_LOOK_S = 1.0
_LEAST_S = 30.0
_LONGEST_PAUSE_S = 60.0
_ASK_S = 15.0
_RENEWED_AT = 0.8
"""A secret that expires is asked for again when this part of its remaining life is over."""

Tell = Callable[[str, SecretFault], None]
"""Hears by its reference that a secret could not be had again."""


class _Entry(msgspec.Struct):
    """One secret. `value` is empty until it was had; `due` when it is to be asked for; `fault` what came last."""

    value: str = ""
    due: float = 0.0
    failures: int = 0
    fault: SecretFault | None = None

    def __repr__(self) -> str:
        """Without the value."""
        return f"_Entry(due={self.due})"


class SecretKeeper:
    """Keeps the secrets that the configuration names. `known` are those that were had, by reference; `revision` changes
    whenever one of them does.
    """

    def __init__(self, sources: Mapping[str, Source], clock: Clock, refresh_s: float, tell: Tell) -> None:
        self.known: dict[str, str] = {}
        self.revision = 0
        self._sources, self._clock, self._refresh_s, self._tell = sources, clock, refresh_s, tell
        self._entries: dict[str, _Entry] = {}

    async def want(self, references: Mapping[str, Place]) -> bool:
        """Have all of these, and forget others; whether any is new.

        Raises ConfigFaults with those that cannot be had.
        """
        for left in self._entries.keys() - references.keys():
            del self._entries[left]
            self.known.pop(left, None)
        missing = [reference for reference in references if reference not in self.known]
        await self._read(missing)
        problems = [
            references[reference].fault(f"{reference}: {fault.message}")
            for reference in missing
            if (fault := self._entries[reference].fault) is not None
        ]
        if problems:
            raise ConfigFaults(tuple(problems))
        return bool(missing)

    async def refresh(self) -> None:
        """Ask for what is due."""
        await self._read(list(self.known))

    async def run(self) -> None:
        """Refresh again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.refresh()

    async def _read(self, references: Iterable[str]) -> None:
        now = self._clock.wall()
        entries = {reference: self._entries.setdefault(reference, _Entry()) for reference in references}
        due = [(reference, entry) for reference, entry in entries.items() if now >= entry.due]
        await asyncio.gather(*(self._ask(reference, entry) for reference, entry in due))

    async def _ask(self, reference: str, entry: _Entry) -> None:
        try:
            found = await self._found(reference)
        except SecretFault as fault:
            entry.due = self._clock.wall() + min(2.0**entry.failures, _LONGEST_PAUSE_S)
            entry.failures += 1
            if entry.value and (entry.fault is None or entry.fault.message != fault.message):
                self._tell(reference, fault)
            entry.fault = fault
            return
        entry.failures, entry.fault, entry.due = 0, None, self._due(found)
        if found.value != entry.value and self._entries.get(reference) is entry:
            entry.value = self.known[reference] = found.value
            self.revision += 1

    async def _found(self, reference: str) -> Found:
        scheme, _, name = reference.partition(":")
        source = self._sources.get(scheme)
        if source is None:
            raise SecretFault(f"nothing here reads {scheme}:")
        with suppress(TimeoutError):
            async with asyncio.timeout(_ASK_S):
                found = await source.read(name)
                return msgspec.structs.replace(found, value=_checked(found.value))
        raise SecretFault(f"no answer within {_ASK_S:g} s")

    def _due(self, found: Found) -> float:
        now = self._clock.wall()
        if found.expires is None:
            return now + self._refresh_s
        return now + max(_LEAST_S, _RENEWED_AT * (found.expires - now))


def _checked(value: str) -> str:
    try:
        return one_line(value.strip(), "what is kept there")
    except ValueError as error:
        raise SecretFault(str(error)) from None
