"""Who a process is to Azure, as a token of Entra ID: workload identity, a client's secret, or a managed identity.

Sources: learn.microsoft.com: "Microsoft identity platform and the OAuth 2.0 client credentials flow", "How to use
managed identities for App Service", "How managed identities for Azure resources work with Azure virtual machines".
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from intertie.adapters.secrets.source import QUICK_S, Ask, Found, Http, form, read_file, send_json
from intertie.core.clock import Clock
from intertie.core.faults import SecretFault

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
"""What Azure OpenAI asks for."""
_JWT: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Token(msgspec.Struct):
    """Managed identities tell figures as text."""

    access_token: str
    expires_in: float | str = 0.0
    expires_on: float | str = 0.0


class AzureIdentity:
    """A source of tokens; its names are options: `scope=URL` (else that of Azure OpenAI) and `client_id=ID`."""

    def __init__(self, http: Http, environ: Mapping[str, str], clock: Clock) -> None:
        self._http, self._environ, self._clock = http, environ, clock

    async def read(self, name: str) -> Found:
        """A token, good for an hour or a day. Raises SecretFault."""
        options = dict(parse_qsl(name))
        environ, scope = self._environ, options.get("scope", SCOPE)
        client = options.get("client_id") or environ.get("AZURE_CLIENT_ID", "")
        if file := environ.get("AZURE_FEDERATED_TOKEN_FILE"):
            proof = {"client_assertion_type": _JWT, "client_assertion": read_file(file)}
            return await self._granted(client, scope, proof)
        if secret := environ.get("AZURE_CLIENT_SECRET"):
            return await self._granted(client, scope, {"client_secret": secret})
        return await self._managed(client, scope.removesuffix("/.default"))

    async def _granted(self, client: str, scope: str, proof: Mapping[str, str]) -> Found:
        authority = self._environ.get("AZURE_AUTHORITY_HOST") or "https://login.microsoftonline.com"
        tenant = self._environ.get("AZURE_TENANT_ID", "")
        if not client or not tenant:
            raise SecretFault("Entra ID: AZURE_CLIENT_ID and AZURE_TENANT_ID say who we are; one of them is not set")
        fields = {"grant_type": "client_credentials", "client_id": client, "scope": scope, **proof}
        url = f"{authority.rstrip('/')}/{tenant}/oauth2/v2.0/token"
        return self._found(await send_json(self._http, form(url, fields), "Entra ID", _Token))

    async def _managed(self, client: str, resource: str) -> Found:
        """By the endpoint of App Service and Container Apps, or that of a virtual machine."""
        asked = {"resource": resource, **({"client_id": client} if client else {})}
        if own := self._environ.get("IDENTITY_ENDPOINT"):
            query = urlencode({"api-version": "2019-08-01", **asked})
            headers = {"x-identity-header": self._environ.get("IDENTITY_HEADER", "")}
        else:
            base = self._environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or "http://169.254.169.254"
            own, headers = f"{base.rstrip('/')}/metadata/identity/oauth2/token", {"metadata": "true"}
            query = urlencode({"api-version": "2018-02-01", **asked})
        ask = Ask("GET", f"{own}?{query}", headers, timeout_s=QUICK_S)
        return self._found(await send_json(self._http, ask, "Azure's managed identity", _Token))

    def _found(self, token: _Token) -> Found:
        try:
            on, after = float(token.expires_on), float(token.expires_in)
        except ValueError:
            raise SecretFault("Azure gave a token without saying for how long it is good") from None
        return Found(token.access_token, on or self._clock.wall() + after)
