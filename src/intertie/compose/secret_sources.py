"""The sources of secrets as the control process has them: wired to the network, AWS's signatures and the settings."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from intertie.adapters.secrets.aws_identity import AwsIdentity
from intertie.adapters.secrets.aws_secrets import AwsSecrets
from intertie.adapters.secrets.azure_identity import AzureIdentity
from intertie.adapters.secrets.azure_secrets import AzureSecrets
from intertie.adapters.secrets.google_identity import GoogleIdentity
from intertie.adapters.secrets.google_secrets import GoogleSecrets
from intertie.adapters.secrets.identity import Identities
from intertie.adapters.secrets.source import Ask, Http, Kept, Source, Told
from intertie.adapters.secrets.vault import Vault
from intertie.config.settings import Settings, proxies
from intertie.core.clock import Clock
from intertie.core.faults import InvalidRequest, SecretFault
from intertie.dialects.signing import aws_signer
from intertie.wire.dial import NO_PROXY, Dialer
from intertie.wire.egress import EgressPolicy
from intertie.wire.fetch import fetch, parse_url
from intertie.wire.proxy import ProxySettings
from intertie.wire.tls import client_context


class _Anywhere(EgressPolicy):
    """Secrets are asked for where the operator and the clouds' own conventions say, metadata services among them."""

    def __init__(self) -> None:
        super().__init__(allow_private=True)

    def check(self, host: str, addresses: list[str]) -> None:
        """All are allowed: no caller has a say in them."""


class Network(Http):
    """Asks over the network: https through the proxy where one is set, http (metadata services) never."""

    def __init__(self, proxy: ProxySettings, authorities: str = "") -> None:
        self._proxy, self._authorities = proxy, authorities
        self._dialers: dict[str, Dialer] = {}

    async def __call__(self, ask: Ask) -> Told:
        """The answer. Raises a Fault where none came."""
        dialer = self._dialer(urlsplit(ask.url).scheme)
        try:
            parse_url(ask.url)
        except InvalidRequest:  # says the URL, in which an operator may have put a password
            raise SecretFault("its address is not an http or https URL without credentials") from None
        answer = await fetch(dialer, ask.method, ask.url, dict(ask.headers), ask.body, ask.timeout_s)
        return Told(answer.status, answer.body)

    def _dialer(self, scheme: str) -> Dialer:
        """Made with the first address of its kind: loading authorities takes time and memory."""
        if scheme not in self._dialers:
            proxy = self._proxy if scheme == "https" else NO_PROXY
            try:
                tls = client_context(authorities=self._authorities)
            except OSError:
                raise SecretFault(f"{self._authorities} is not a file of authorities") from None
            self._dialers[scheme] = Dialer(_Anywhere(), tls=tls, proxy=proxy)
        return self._dialers[scheme]


class Signed:
    """Signs for AWS with the moment of a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, keys: str, region: str, service: str, ask: Ask) -> Ask:
        """The request with the headers that say who sends it; those of AWS's own that it had are signed as well."""
        parts = urlsplit(ask.url)
        also = {name: value for name, value in ask.headers.items() if name.startswith("x-amz-")}
        signer = aws_signer(keys, region, service, also)
        lines = signer.sign(ask.method, parts.netloc, parts.path or "/", ask.body, self._clock.wall())
        return msgspec.structs.replace(ask, headers={**ask.headers, **dict(line.split(": ", 1) for line in lines)})


def sources(
    settings: Settings, environ: Mapping[str, str], clock: Clock, http: Http | None = None
) -> dict[str, Source]:
    """All sources by scheme. `http` stands in for the network in tests. Raises ConfigFault for a proxy that is none."""
    proxy = NO_PROXY if http else ProxySettings.from_environment(proxies(environ))
    ask = http or Network(proxy)
    to_vault = http or Network(proxy, settings.vault.ca_file or environ.get("VAULT_CACERT", ""))
    aws, google, azure = (
        AwsIdentity(ask, environ),
        GoogleIdentity(ask, environ, clock),
        AzureIdentity(ask, environ, clock),
    )
    return {
        "vault": Vault(settings.vault, to_vault, environ, clock),
        "aws-sm": AwsSecrets(Kept(aws, clock), Signed(clock), ask, environ, aws.region),
        "gcp-sm": GoogleSecrets(Kept(google, clock), ask, environ),
        "azure-kv": AzureSecrets(Kept(azure, clock), ask),
        "identity": Identities({"aws": aws, "gcp": google, "azure": azure}),
    }
