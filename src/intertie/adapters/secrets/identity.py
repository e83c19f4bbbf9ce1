"""Identities of the clouds as one source: `aws`, `gcp`, `azure`, with options behind a question mark."""

from collections.abc import Mapping

from intertie.adapters.secrets.source import Found, Source
from intertie.core.faults import SecretFault


class Identities:
    """A source of `CLOUD?OPTIONS`: what each cloud's identity makes of the options is its own."""

    def __init__(self, clouds: Mapping[str, Source]) -> None:
        self._clouds = clouds

    async def read(self, name: str) -> Found:
        """The credential. Raises SecretFault."""
        cloud, _, options = name.partition("?")
        source = self._clouds.get(cloud)
        if source is None:
            raise SecretFault(f"there is no identity of {cloud!r}")
        return await source.read(options)
