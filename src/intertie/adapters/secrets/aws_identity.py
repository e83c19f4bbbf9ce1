"""Who a process is to AWS, as `ACCESS:SECRET[:SESSION]`: the chain in which AWS's own SDKs look.

    environment -> web identity (IRSA) -> shared profile -> container (ECS, EKS Pod Identity) -> instance (IMDSv2)

Sources: docs.aws.amazon.com/sdkref ("Standardized credential providers", each of them), STS API reference
(AssumeRoleWithWebIdentity), EC2 user guide ("Use IMDSv2"). Not done: single sign-on, commands, roles upon profiles.
"""

import configparser
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from intertie.adapters.secrets.source import QUICK_S, Ask, Found, Http, form, read_file, send, send_json
from intertie.core.faults import SecretFault

_OWN_HOSTS: Final = frozenset(("localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"))
"""Who may be asked for a container's credentials without TLS: the loopback interface, ECS and EKS."""
_TTL = {"x-aws-ec2-metadata-token-ttl-seconds": "300"}


class _Keys(msgspec.Struct, rename="pascal"):
    """As a container's and an instance's endpoint tell them."""

    access_key_id: str
    secret_access_key: str
    token: str = ""
    expiration: datetime | None = None

    def found(self) -> Found:
        expires = self.expiration.timestamp() if self.expiration else None
        return Found(_joined(self.access_key_id, self.secret_access_key, self.token), expires)


class AwsIdentity:
    """A source of credentials; its names are options: `profile=NAME` instead of the chain."""

    def __init__(self, http: Http, environ: Mapping[str, str]) -> None:
        self._http, self._environ = http, environ

    async def read(self, name: str) -> Found:
        """The first credentials that the chain has. Raises SecretFault if there are none, or those there are fail."""
        environ = self._environ
        profile = name.removeprefix("profile=")
        if not profile and environ.get("AWS_ACCESS_KEY_ID"):
            names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
            return Found(_joined(*[environ.get(name, "") for name in names]))
        if not profile and environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            return await self._web_identity(
                environ["AWS_WEB_IDENTITY_TOKEN_FILE"], environ.get("AWS_ROLE_ARN", ""), self.region
            )
        section = profile_of(environ, profile)
        if section:
            return await self._profile(section)
        if profile:
            raise SecretFault(f"AWS: there is no profile {profile!r}")
        if address := _container(environ):
            return await self._of_container(address)
        if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise SecretFault("AWS: no credentials in environment, profile or container, and asking EC2 is disabled")
        return await self._of_instance()

    @property
    def region(self) -> str:
        """The region of the environment or the profile, or nothing."""
        known = self._environ.get("AWS_REGION") or self._environ.get("AWS_DEFAULT_REGION")
        return known or profile_of(self._environ, "").get("region", "")

    async def _profile(self, section: Mapping[str, str]) -> Found:
        if "aws_access_key_id" in section:
            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            return Found(_joined(*[section.get(name, "") for name in names]))
        if "web_identity_token_file" in section:
            region = section.get("region") or self.region
            return await self._web_identity(section["web_identity_token_file"], section.get("role_arn", ""), region)
        raise SecretFault("AWS: the profile holds neither keys nor a web identity")

    async def _web_identity(self, token_file: str, role: str, region: str) -> Found:
        fields = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": self._environ.get("AWS_ROLE_SESSION_NAME") or "intertie",
            "WebIdentityToken": read_file(token_file),
        }
        host = f"sts.{region}.amazonaws.com" if region else "sts.amazonaws.com"
        address = self._environ.get("AWS_ENDPOINT_URL_STS") or f"https://{host}"
        body = (await send(self._http, form(f"{address.rstrip('/')}/", fields), "AWS STS")).decode("utf-8", "replace")
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        parts = [re.search(f"<{name}>([^<]+)</{name}>", body) for name in names]
        if None in parts:
            raise SecretFault("AWS STS gave something else than what was expected")
        *keys, expires = [part[1] for part in parts if part]
        return Found(_joined(*keys), datetime.fromisoformat(expires).timestamp())

    async def _of_container(self, address: str) -> Found:
        file, token = (self._environ.get(f"AWS_CONTAINER_AUTHORIZATION_TOKEN{end}", "") for end in ("_FILE", ""))
        token = read_file(file) if file else token
        ask = Ask("GET", address, {"authorization": token} if token else {}, timeout_s=QUICK_S)
        return (await send_json(self._http, ask, "AWS (container)", _Keys)).found()

    async def _of_instance(self) -> Found:
        base = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
        base, who = f"{base.rstrip('/')}/latest", "AWS (instance)"
        ask = Ask("PUT", f"{base}/api/token", _TTL, timeout_s=QUICK_S)
        session = {"x-aws-ec2-metadata-token": (await send(self._http, ask, who)).decode("latin-1").strip()}
        roles = f"{base}/meta-data/iam/security-credentials/"
        role = (await send(self._http, Ask("GET", roles, session, timeout_s=QUICK_S), who)).decode("latin-1").strip()
        ask = Ask("GET", roles + quote(role.partition("\n")[0], safe=""), session, timeout_s=QUICK_S)
        return (await send_json(self._http, ask, who, _Keys)).found()


def profile_of(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """A profile of the shared files, credentials laid over configuration, or nothing. Raises SecretFault."""
    name = name or environ.get("AWS_PROFILE") or "default"
    home = Path(environ.get("HOME", "/")) / ".aws"
    config = environ.get("AWS_CONFIG_FILE") or str(home / "config")
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / "credentials")
    found: dict[str, str] = {}
    for path, section in ((config, name if name == "default" else f"profile {name}"), (credentials, name)):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, ValueError):
            raise SecretFault(f"AWS: {path} is not a file of profiles") from None
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found


def _container(environ: Mapping[str, str]) -> str:
    """The address of a container's credentials, or nothing. Raises SecretFault for one that a token may not go to."""
    if relative := environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        return f"http://169.254.170.2{relative}"
    full = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    parts = urlsplit(full)
    if full and parts.scheme != "https" and parts.hostname not in _OWN_HOSTS:
        raise SecretFault("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor this host, ECS or EKS")
    return full


def _joined(access_key: str, secret: str, session: str = "") -> str:
    if not access_key or not secret:
        raise SecretFault("AWS: an access key without its secret, or the other way round")
    return ":".join((access_key, secret, session) if session else (access_key, secret))
