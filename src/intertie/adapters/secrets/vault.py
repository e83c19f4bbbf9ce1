"""HashiCorp Vault and OpenBao: secrets of the key-value store, version 2.

Source: developer.hashicorp.com/vault/api-docs: secret/kv/kv-v2, auth/approle, auth/kubernetes, auth/token.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from intertie.adapters.secrets.source import Ask, Found, Http, posted, read_file, send_json
from intertie.config import settings
from intertie.core.clock import Clock
from intertie.core.faults import SecretFault

_WHO: Final = "Vault"
_FOR_EVER: Final = float("inf")


class _Auth(msgspec.Struct):
    client_token: str
    lease_duration: float = 0.0


class _Login(msgspec.Struct):
    auth: _Auth


class _Version(msgspec.Struct):
    data: dict[str, msgspec.Raw] | None


class _Secret(msgspec.Struct):
    data: _Version


class Vault:
    """A source of `MOUNT/PATH#FIELD`; without a field, the only one that there is.

    Where a mount's own name has slashes the path is written as the API has it, with `/data/` behind the mount.
    """

    def __init__(self, wanted: settings.Vault, http: Http, environ: Mapping[str, str], clock: Clock) -> None:
        self._wanted, self._http, self._environ, self._clock = wanted, http, environ, clock
        self._address = (wanted.address or environ.get("VAULT_ADDR", "")).rstrip("/")
        self._namespace = wanted.namespace or environ.get("VAULT_NAMESPACE", "")
        self._session, self._until = "", 0.0

    async def read(self, name: str) -> Found:
        """The secret. A session that Vault does not honour any more is opened anew, once. Raises SecretFault."""
        path, _, field = name.partition("#")
        if not self._address:
            raise SecretFault("nothing says where Vault is: set vault.address, or VAULT_ADDR")
        resumed = self._clock.wall() < self._until
        try:
            secret = await self._get(path)
        except SecretFault as fault:
            if not resumed or fault.answered != 403:
                raise
            self._until = 0.0
            secret = await self._get(path)
        return Found(_field(secret, path, field))

    async def _get(self, path: str) -> dict[str, msgspec.Raw]:
        headers = {"x-vault-token": await self._token(), **self._headers()}
        url = f"{self._address}/v1/{quote(_api_path(path))}"
        secret = await send_json(self._http, Ask("GET", url, headers), _WHO, _Secret)
        if secret.data.data is None:
            raise SecretFault(f"{_WHO}: the newest version of {path} was deleted")
        return secret.data.data

    async def _token(self) -> str:
        wanted = self._wanted
        if wanted.role_id:
            return await self._login("approle", {"role_id": wanted.role_id, "secret_id": wanted.secret_id})
        if wanted.role:
            return await self._login("kubernetes", {"role": wanted.role, "jwt": read_file(wanted.jwt_file)})
        if wanted.token_file:
            return read_file(wanted.token_file)
        token = wanted.token or self._environ.get("VAULT_TOKEN", "")
        if not token:
            raise SecretFault("nothing says who we are to Vault: set vault.role_id, vault.role or vault.token")
        return token

    async def _login(self, method: str, fields: Mapping[str, str]) -> str:
        now = self._clock.wall()
        if now >= self._until:
            url = f"{self._address}/v1/auth/{quote(self._wanted.mount or method)}/login"
            auth = (await send_json(self._http, posted(url, fields, self._headers()), _WHO, _Login)).auth
            self._session = auth.client_token
            self._until = now + auth.lease_duration / 2 if auth.lease_duration > 0 else _FOR_EVER
        return self._session

    def _headers(self) -> dict[str, str]:
        own = {"x-vault-request": "true"}
        return own | {"x-vault-namespace": self._namespace} if self._namespace else own


def _api_path(path: str) -> str:
    if ".." in path.split("/"):
        raise SecretFault("a path in Vault has no ..")
    mount, _, rest = path.partition("/")
    return path if "/data/" in path else f"{mount}/data/{rest}"


def _field(secret: Mapping[str, msgspec.Raw], path: str, field: str) -> str:
    if not field and len(secret) != 1:
        raise SecretFault(f"{_WHO}: {path} has {len(secret)} fields: name one, as {path}#FIELD")
    raw = secret.get(field or next(iter(secret)))
    if raw is None:
        raise SecretFault(f"{_WHO}: {path} has no field {field!r}")
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        raise SecretFault(f"{_WHO}: {path}#{field} is not text") from None
