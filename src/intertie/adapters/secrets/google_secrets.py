"""Google Secret Manager. Source: cloud.google.com/secret-manager/docs/reference/rest (versions.access)."""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from intertie.adapters.secrets.source import Ask, Found, Http, Source, field_of, send_json
from intertie.core.faults import SecretFault

_WHO: Final = "Google Secret Manager"


class _Payload(msgspec.Struct):
    data: str


class _Secret(msgspec.Struct):
    payload: _Payload


class GoogleSecrets:
    """A source of `projects/PROJECT/secrets/NAME/versions/VERSION#FIELD`; the latest version where none is named."""

    def __init__(self, identity: Source, http: Http, environ: Mapping[str, str]) -> None:
        self._identity, self._http = identity, http
        self._override = environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "").rstrip("/")

    async def read(self, name: str) -> Found:
        """The version. Raises SecretFault."""
        name, _, field = name.partition("#")
        full = name if "/versions/" in name else f"{name}/versions/latest"
        token = (await self._identity.read("")).value
        url = f"{self._override or _host(name)}/v1/{quote(full)}:access"
        secret = await send_json(self._http, Ask("GET", url, {"authorization": f"Bearer {token}"}), _WHO, _Secret)
        try:
            text = base64.b64decode(secret.payload.data, validate=True).decode()
        except ValueError:
            raise SecretFault(f"{_WHO}: {name} is not text") from None
        return Found(field_of(text, field, f"{_WHO}: {name}"))


def _host(name: str) -> str:
    """Secrets of one region are kept, and asked for, there."""
    _, _, rest = name.partition("/locations/")
    region = f".{rest.partition('/')[0]}.rep" if rest else ""
    return f"https://secretmanager{region}.googleapis.com"
