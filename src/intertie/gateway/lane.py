"""A lane: one endpoint as this worker reaches it: its connections, its measured state, and bytes made once.

A lane outlives snapshots as long as its endpoint's address and credential stay the same.
"""

from intertie.core.endpoint import Endpoint, Operation
from intertie.core.site import Site
from intertie.core.usage import Usage
from intertie.dialects.registry import OUTBOUND
from intertie.policy.routing.reference import grams_per_token
from intertie.policy.routing.state import EndpointState
from intertie.wire.pool import Pool


class Lane:
    """`marks` are the answer headers that name the place."""

    __slots__ = ("_grams", "_heads", "endpoint", "marks", "outbound", "pool", "site", "state")

    def __init__(self, endpoint: Endpoint, site: Site, pool: Pool, state: EndpointState) -> None:
        self.endpoint = endpoint
        self.site = site
        self.pool = pool
        self.state = state
        self._grams = grams_per_token(endpoint, site) or (0.0, 0.0)
        self.outbound = OUTBOUND[endpoint.dialect]
        self._heads: dict[tuple[Operation, bool], bytes] = {}
        marks = f"x-intertie-endpoint: {endpoint.id}\r\nx-intertie-site: {site.id}\r\n"
        self.marks = f"{marks}x-intertie-model: {endpoint.model}\r\n".encode("ascii", "replace")

    def footprint_g(self, usage: Usage) -> float:
        """Grams of CO2 of what was used here; 0 where power or grid is not known. Cached input is not computed anew."""
        return (usage.prompt - usage.cached) * self._grams[0] + usage.completion * self._grams[1]

    def head(self, operation: Operation, stream: bool) -> bytes:
        """The request head of an operation, without what tells of the body; made once."""
        head = self._heads.get((operation, stream))
        if head is None:
            own = self.outbound.headers(self.endpoint)
            head = self._heads[operation, stream] = _head(self.endpoint, self.path(operation, stream), own)
        return head

    def path(self, operation: Operation, stream: bool) -> str:
        """The whole path of an operation here, with its query."""
        return self.endpoint.origin.path + self.outbound.path(self.endpoint, operation, stream)

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether this lane's connections fit a newer description of the endpoint."""
        mine = self.endpoint
        return (mine.origin, mine.credential, mine.verify_tls, mine.allow_private, mine.max_connections) == (
            endpoint.origin, endpoint.credential, endpoint.verify_tls, endpoint.allow_private, endpoint.max_connections,
        )  # fmt: skip


def _head(endpoint: Endpoint, path: str, own: tuple[str, ...]) -> bytes:
    origin = endpoint.origin
    lines = (
        f"POST {path} HTTP/1.1",
        f"host: {origin.authority}",
        "accept: application/json, text/event-stream, */*;q=0.1",
        "accept-encoding: identity",
        "user-agent: intertie",
        *own,
    )
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")
