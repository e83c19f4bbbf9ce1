"""How this worker reaches endpoints: under which egress policy, with which TLS, through which proxy."""

import ssl
from collections.abc import Callable

from intertie.config.snapshot import UpstreamLimits
from intertie.core.endpoint import Endpoint
from intertie.wire.dial import NO_PROXY, Dialer, Resolver
from intertie.wire.egress import EgressPolicy
from intertie.wire.pool import Pool
from intertie.wire.proxy import ProxySettings
from intertie.wire.tasks import Tasks
from intertie.wire.tls import ResumingContext, client_context


class Reach:
    """Makes pools, and lets them go in its own time. Dialers are shared by all endpoints of one kind.

    `tasks` own what runs beside the requests.
    """

    def __init__(self, tasks: Tasks, proxy: ProxySettings = NO_PROXY) -> None:
        self.tasks, self._proxy = tasks, proxy
        self._resolver = Resolver()
        self._dialers: dict[tuple[str, bool, bool], Dialer] = {}

    def pool(self, endpoint: Endpoint, limits: UpstreamLimits, on_rtt: Callable[[float], None] | None) -> Pool:
        """A pool for an endpoint; opens nothing yet."""
        most, dialer = endpoint.max_connections, self._dialer(endpoint)
        return Pool(endpoint.origin, limits, max_connections=most, dialer=dialer, on_rtt=on_rtt)

    def leave(self, pool: Pool) -> None:
        """Close a pool when its last answer is complete."""
        self.tasks.start(pool.close())

    def _dialer(self, endpoint: Endpoint) -> Dialer:
        kind = (endpoint.origin.scheme, endpoint.verify_tls, endpoint.allow_private)
        if kind not in self._dialers:
            self._dialers[kind] = Dialer(
                EgressPolicy(endpoint.allow_private),
                tls=_tls(endpoint),
                proxy=self._proxy,
                resolver=self._resolver,
            )
        return self._dialers[kind]


def _tls(endpoint: Endpoint) -> ResumingContext:
    """Loading the system's authorities takes time and memory: only where they are needed."""
    if endpoint.origin.scheme == "http":
        return ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    return client_context(verify=endpoint.verify_tls)
