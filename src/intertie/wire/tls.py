"""TLS on both sides: at least 1.2, verified towards endpoints, sessions resumed."""

import ssl
from typing import Any, Final

_KEPT_SESSIONS: Final = 512


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """For the data port: a certificate chain and its key, both PEM files. Raises OSError (ssl.SSLError is one)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(*, verify: bool = True, authorities: str = "") -> "ResumingContext":
    """For endpoints: the system's authorities, or those of a PEM file. Without `verify` anybody is believed."""
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authorities:
        context.load_verify_locations(authorities)
    else:
        context.load_default_certs()
    return context


class ResumingContext(ssl.SSLContext):
    """A client context that offers each server its last session, which saves a round trip and the certificates."""

    _sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the loop calls it, with the session kept for this host."""
        kept = self._kept().get(str(server_hostname))
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or kept)

    def keep(self, tls: Any) -> None:
        """Keep the session of a connection that has answered (TLS 1.3 sends tickets only after the handshake)."""
        if isinstance(tls, ssl.SSLObject) and tls.session is not None:
            kept = self._kept()
            if len(kept) >= _KEPT_SESSIONS:
                kept.clear()
            kept[str(tls.server_hostname)] = tls.session

    def _kept(self) -> dict[str, ssl.SSLSession]:
        if "_sessions" not in self.__dict__:
            self._sessions = {}
        return self._sessions
