"""Posting alerts to webhooks, under the operator's egress policy."""

import ssl

from intertie.core.faults import UpstreamError
from intertie.wire.dial import Dialer
from intertie.wire.egress import EgressPolicy
from intertie.wire.fetch import fetch
from intertie.wire.tls import ResumingContext, client_context

_TIMEOUT_S = 10.0


class Webhooks:
    """Posts JSON. Authorities are loaded with the first https address: most gateways never need them."""

    def __init__(self, allow_private: bool) -> None:
        self._policy = EgressPolicy(allow_private)
        self._plain = Dialer(self._policy, tls=ResumingContext(ssl.PROTOCOL_TLS_CLIENT))
        self._secure: Dialer | None = None

    async def post(self, url: str, body: bytes) -> None:
        """Post; raises a Fault unless the answer is a success."""
        answer = await fetch(
            self._dialer(url), "POST", url, {"content-type": "application/json"}, body, timeout_s=_TIMEOUT_S
        )
        if not 200 <= answer.status < 300:
            raise UpstreamError(f"the webhook answered {answer.status}", answer.status)

    def _dialer(self, url: str) -> Dialer:
        if not url.startswith("https:"):
            return self._plain
        if self._secure is None:
            self._secure = Dialer(self._policy, tls=client_context())
        return self._secure
