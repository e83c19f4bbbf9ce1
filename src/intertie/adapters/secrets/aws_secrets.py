"""AWS Secrets Manager. Source: its API reference (GetSecretValue), JSON 1.1 with Signature Version 4."""

import base64
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from intertie.adapters.secrets.source import Ask, Found, Http, Source, field_of, send_json
from intertie.core.faults import SecretFault

_WHO: Final = "AWS Secrets Manager"
_ACTION: Final = {"x-amz-target": "secretsmanager.GetSecretValue"}


class _Secret(msgspec.Struct, rename="pascal"):
    secret_string: str | None = None
    secret_binary: str | None = None


class Sign(Protocol):
    """Signs a request to an AWS service."""

    def __call__(self, keys: str, region: str, service: str, ask: Ask) -> Ask:
        """The request with the headers that say who sends it; `keys` are `ACCESS:SECRET[:SESSION]`."""
        ...


def unsigned(keys: str, region: str, service: str, ask: Ask) -> Ask:
    """The request as it is; the fake that ships with `Sign`."""
    return ask


class AwsSecrets:
    """A source of `NAME#FIELD`, NAME being a name or an ARN. `region` is where names are looked up."""

    def __init__(self, identity: Source, sign: Sign, http: Http, environ: Mapping[str, str], region: str) -> None:
        self._identity, self._sign, self._http, self._environ, self._region = identity, sign, http, environ, region

    async def read(self, name: str) -> Found:
        """The secret's current version. Raises SecretFault."""
        name, _, field = name.partition("#")
        region = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 6 else self._region
        if not region:
            raise SecretFault(f"{_WHO}: nothing says in which region: set AWS_REGION, or write the ARN")
        keys = (await self._identity.read("")).value
        named = (
            self._environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or f"https://secretsmanager.{region}.amazonaws.com"
        )
        body = msgspec.json.encode({"SecretId": name})
        headers = {"content-type": "application/x-amz-json-1.1", **_ACTION}
        ask = self._sign(keys, region, "secretsmanager", Ask("POST", f"{named.rstrip('/')}/", headers, body))
        secret = await send_json(self._http, ask, _WHO, _Secret)
        return Found(field_of(_text(secret), field, f"{_WHO}: {name}"))


def _text(secret: _Secret) -> str:
    if secret.secret_string is not None:
        return secret.secret_string
    try:
        return base64.b64decode(secret.secret_binary or "", validate=True).decode()
    except ValueError:
        raise SecretFault(f"{_WHO}: the secret is not text") from None


_: Sign = unsigned
