"""Who a process is to Google Cloud, as an OAuth 2 access token: Application Default Credentials.

    the file that GOOGLE_APPLICATION_CREDENTIALS names, or gcloud's own -> the metadata server

Such a file is a service account's key (a signed assertion is traded for a token), an external account (workload
identity federation: somebody else's token is), or a person's login. Sources: google.aip.dev/auth/4110, 4112, 4113,
4115, 4117; cloud.google.com/iam/docs/reference/sts/rest. Not done: external accounts of AWS, and of commands.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec

from intertie.adapters.secrets.source import (
    QUICK_S,
    Ask,
    Found,
    Http,
    decoded,
    field_of,
    form,
    posted,
    read_file,
    send,
    send_json,
)
from intertie.core.clock import Clock
from intertie.core.faults import SecretFault

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_TOKENS: Final = "https://oauth2.googleapis.com/token"
_EXCHANGE: Final = "https://sts.googleapis.com/v1/token"
_WHO: Final = "Google's token service"
_LIFE_S: Final = 3_600

Sign = Callable[[str, bytes], bytes]
"""An RS256 signature by a PEM private key. Raises ValueError if it is none."""


class _Format(msgspec.Struct, frozen=True):
    type: str = "text"
    subject_token_field_name: str = ""


class _Source(msgspec.Struct, frozen=True):
    file: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    format: _Format = _Format()


class _Account(msgspec.Struct, frozen=True):
    """A credentials file of any type."""

    type: str
    client_email: str = ""
    private_key: str = ""
    private_key_id: str = ""
    token_uri: str = _TOKENS
    client_id: str = ""
    client_secret: str = ""
    refresh_token: str = ""
    audience: str = ""
    subject_token_type: str = ""
    token_url: str = ""
    credential_source: _Source = _Source()
    service_account_impersonation_url: str = ""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = _LIFE_S


class _Impersonated(msgspec.Struct, rename="camel"):
    access_token: str
    expire_time: datetime


class GoogleIdentity:
    """A source of access tokens; its names are options: `file=PATH` instead of what the environment names."""

    def __init__(self, http: Http, environ: Mapping[str, str], clock: Clock, sign: Sign | None = None) -> None:
        self._http, self._environ, self._clock, self._sign = http, environ, clock, sign or _sign

    async def read(self, name: str) -> Found:
        """A token, good for an hour as a rule. Raises SecretFault."""
        path = name.removeprefix("file=") or self._environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
        if not path:
            config = self._environ.get("CLOUDSDK_CONFIG") or f"{self._environ.get('HOME', '')}/.config/gcloud"
            own = Path(config) / "application_default_credentials.json"
            if not own.exists():
                return await self._of_metadata()
            path = str(own)
        account = decoded(read_file(path).encode(), path, _Account)
        if account.type == "service_account":
            return await self._traded(form(account.token_uri, self._asserted(account)))
        if account.type == "external_account":
            return await self._federated(account)
        if account.type == "authorized_user":
            names = ("client_id", "client_secret", "refresh_token")
            fields = {"grant_type": "refresh_token", **{name: getattr(account, name) for name in names}}
            return await self._traded(form(account.token_uri, fields))
        raise SecretFault(f"{path}: credentials of type {account.type!r} are not used here")

    async def _of_metadata(self) -> Found:
        host = self._environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
        url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token"
        ask = Ask("GET", url, {"metadata-flavor": "Google"}, timeout_s=QUICK_S)
        return self._found(await send_json(self._http, ask, "Google's metadata server", _Token))

    async def _traded(self, ask: Ask) -> Found:
        return self._found(await send_json(self._http, ask, _WHO, _Token))

    def _found(self, token: _Token) -> Found:
        return Found(token.access_token, self._clock.wall() + token.expires_in)

    def _asserted(self, account: _Account) -> dict[str, str]:
        """The form in which a service account says who it is (RFC 7523)."""
        now = int(self._clock.wall())
        head = {"alg": "RS256", "typ": "JWT", "kid": account.private_key_id}
        claims = {"iss": account.client_email, "scope": SCOPE, "aud": account.token_uri}
        said = b".".join(_base64(msgspec.json.encode(part)) for part in (head, {**claims, **_span(now)}))
        try:
            signature = self._sign(account.private_key, said)
        except ValueError:
            raise SecretFault("the service account's private key cannot be used") from None
        assertion = (said + b"." + _base64(signature)).decode()
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}

    async def _federated(self, account: _Account) -> Found:
        """Somebody else's token for Google's (RFC 8693), and that for a service account's where one is named."""
        fields = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "audience": account.audience,
            "scope": SCOPE,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token_type": account.subject_token_type,
            "subject_token": await self._subject(account.credential_source),
        }
        found = await self._traded(form(account.token_url or _EXCHANGE, fields))
        if not account.service_account_impersonation_url:
            return found
        wanted = {"scope": [SCOPE], "lifetime": f"{_LIFE_S}s"}
        bearer = {"authorization": f"Bearer {found.value}"}
        ask = posted(account.service_account_impersonation_url, wanted, bearer)
        token = await send_json(self._http, ask, "Google's IAM", _Impersonated)
        return Found(token.access_token, token.expire_time.timestamp())

    async def _subject(self, source: _Source) -> str:
        if source.file:
            text = read_file(source.file)
        elif source.url:
            ask = Ask("GET", source.url, source.headers, timeout_s=QUICK_S)
            text = (await send(self._http, ask, "the external account's source")).decode("utf-8", "replace")
        else:
            raise SecretFault("external accounts of AWS, and of commands, are not used here")
        field = source.format.subject_token_field_name if source.format.type == "json" else ""
        return field_of(text, field, "the external account's source")


def _span(now: int) -> dict[str, int]:
    return {"iat": now, "exp": now + _LIFE_S}


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _sign(key: str, data: bytes) -> bytes:
    """Signed with `cryptography`, which only those need who hold a service account's key, and so only they load."""
    try:
        rs256 = import_module("intertie.adapters.secrets.rs256")
    except ModuleNotFoundError as missing:
        raise SecretFault(f"keys of service accounts need {missing.name}: pip install 'intertie[gcp]'") from None
    signed: bytes = rs256.sign(key, data)
    return signed
