"""Azure Key Vault. Source: learn.microsoft.com/rest/api/keyvault/secrets/get-secret."""

from typing import Final
from urllib.parse import quote

import msgspec

from intertie.adapters.secrets.source import Ask, Found, Http, Source, field_of, send_json

_WHO: Final = "Azure Key Vault"
_VERSION: Final = "7.4"


class _Secret(msgspec.Struct):
    value: str


class AzureSecrets:
    """A source of `VAULT/NAME[/VERSION]#FIELD`. A vault with a dot is a whole host name, for other Azure clouds."""

    def __init__(self, identity: Source, http: Http) -> None:
        self._identity, self._http = identity, http

    async def read(self, name: str) -> Found:
        """The secret. Raises SecretFault."""
        name, _, field = name.partition("#")
        vault, _, secret = name.partition("/")
        host = vault if "." in vault else f"{vault}.vault.azure.net"
        scope = f"https://{host.partition('.')[2]}/.default"
        token = (await self._identity.read(f"scope={quote(scope, safe='')}")).value
        url = f"https://{host}/secrets/{quote(secret)}?api-version={_VERSION}"
        ask = Ask("GET", url, {"authorization": f"Bearer {token}"})
        return Found(field_of((await send_json(self._http, ask, _WHO, _Secret)).value, field, f"{_WHO}: {name}"))
