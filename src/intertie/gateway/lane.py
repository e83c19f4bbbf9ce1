"""A lane: one endpoint as this worker reaches it: its connections, its measured state, and bytes made once.

A lane outlives snapshots as long as its endpoint's address and credential stay the same.
"""

from intertie.core.endpoint import Endpoint, Operation
from intertie.core.site import Site
from intertie.core.usage import Usage
from intertie.dialects.openai_chat import PATHS
from intertie.policy.routing.reference import grams_per_token
from intertie.policy.routing.state import EndpointState
from intertie.wire.pool import Pool


class Lane:
    """`heads` are request heads up to the length of the body; `marks` the answer headers that name the place."""

    __slots__ = ("_grams", "endpoint", "heads", "marks", "pool", "site", "state")

    def __init__(self, endpoint: Endpoint, site: Site, pool: Pool, state: EndpointState) -> None:
        self.endpoint = endpoint
        self.site = site
        self.pool = pool
        self.state = state
        self._grams = grams_per_token(endpoint, site) or (0.0, 0.0)
        self.heads: dict[Operation, bytes] = {name: _head(endpoint, name) for name in endpoint.operations}
        marks = f"x-intertie-endpoint: {endpoint.id}\r\nx-intertie-site: {site.id}\r\n"
        self.marks = f"{marks}x-intertie-model: {endpoint.model}\r\n".encode("ascii", "replace")

    def footprint_g(self, usage: Usage) -> float:
        """Grams of CO2 of what was used here; 0 where power or grid is not known. Cached input is not computed anew."""
        return (usage.prompt - usage.cached) * self._grams[0] + usage.completion * self._grams[1]

    def serves(self, endpoint: Endpoint) -> bool:
        """Whether this lane's connections fit a newer description of the endpoint."""
        mine = self.endpoint
        return (mine.origin, mine.credential, mine.verify_tls, mine.allow_private, mine.max_connections) == (
            endpoint.origin, endpoint.credential, endpoint.verify_tls, endpoint.allow_private, endpoint.max_connections,
        )  # fmt: skip


def _head(endpoint: Endpoint, operation: Operation) -> bytes:
    origin = endpoint.origin
    lines = [
        f"POST {origin.path}{PATHS[operation]} HTTP/1.1",
        f"host: {origin.authority}",
        "content-type: application/json",
        "accept: application/json, text/event-stream",
        "accept-encoding: identity",
        "user-agent: intertie",
    ]
    if endpoint.credential:
        lines.append(f"authorization: Bearer {endpoint.credential}")
    return ("\r\n".join(lines) + "\r\ncontent-length: ").encode("latin-1")
