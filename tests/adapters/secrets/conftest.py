"""Keepers of secrets on a clock that stands still, and sources that reach them over the network."""

from collections.abc import AsyncIterator, Callable

import pytest

from intertie.adapters.secrets.source import Source
from intertie.compose.secret_sources import sources
from intertie.config.settings import Settings, Vault
from intertie.core.clock import HandClock
from keepers import Gate, Keepers, keepers

Sources = Callable[..., dict[str, Source]]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def kept(clock: HandClock) -> AsyncIterator[Keepers]:
    async with keepers(clock) as kept:
        yield kept


@pytest.fixture
def reaching(kept: Keepers, clock: HandClock) -> Sources:
    """The sources of a process with this environment and these settings for Vault."""

    def made(vault: Vault | None = None, **environ: str) -> dict[str, Source]:
        return sources(Settings(vault=vault or Vault()), {"HOME": "/nowhere", **environ}, clock, Gate(kept))

    return made
