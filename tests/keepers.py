"""Those who keep secrets and know identities, over real HTTP: Vault and the three clouds, as strict as they are.

They check tokens and when these expire, signatures of AWS requests (by botocore) and of Google's assertions (by
cryptography), and the headers without which a metadata service refuses. `Gate` leads any host's requests here.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from intertie.adapters.secrets.source import Ask, Http, Told
from intertie.compose.secret_sources import Network
from intertie.core.clock import Clock
from intertie.wire.dial import NO_PROXY

STS = (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>"
    "<SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
    "</AssumeRoleWithWebIdentityResponse>"
)
LIFE_S = 3_600


class Visit(NamedTuple):
    """One request."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


Answer = tuple[int, object]
DENIED: Answer = (403, {"errors": ["permission denied"]})


class Keepers:
    """See the module. What may be read is in `secrets`, by path; `google_key` is the public key of a service account.

    `asked` are the requests that came, `issued` all that was ever given out that must stay secret; `down` answers 503.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.secrets: dict[str, Any] = {}
        self.google_key: RSAPublicKey | None = None
        self.asked: list[str] = []
        self.issued: list[str] = []
        self.down = False
        self.port = 0
        self._good: dict[str, float] = {"root": float("inf")}
        self._aws: dict[str, tuple[str, str, float]] = {"AKIASTATIC": ("static-secret", "", float("inf"))}
        self._doors: tuple[tuple[str, Callable[[Visit], Answer]], ...] = (
            (r"POST /v1/auth/[\w-]+/login", self._vault_login),
            (r"GET /v1/[\w/-]+/data/.+", self._vault_read),
            (r"POST /sts/", self._sts),
            (r"PUT /latest/api/token", self._imds_session),
            (r"GET /latest/meta-data/iam/security-credentials/.*", self._imds_keys),
            (r"GET /container", self._container),
            (r"POST /sm/", self._aws_secret),
            (r"POST /google/token", self._google_token),
            (r"POST /google/exchange", self._google_exchange),
            (r"POST /google/impersonate", self._google_impersonate),
            (r"GET /computeMetadata/v1/instance/service-accounts/default/token", self._google_metadata),
            (r"GET /v1/projects/.*:access", self._google_secret),
            (r"POST /tenant/oauth2/v2.0/token", self._entra),
            (r"GET /metadata/identity/oauth2/token", self._managed),
            (r"GET /app-service", self._app_service),
            (r"GET /secrets/.*", self._key_vault),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, visit: Visit) -> Answer:
        self.asked.append(f"{visit.method} {visit.path}")
        if self.down:
            return 503, {"errors": ["sealed"]}
        for pattern, door in self._doors:
            if re.fullmatch(pattern, f"{visit.method} {visit.path}"):
                return door(visit)
        return 404, {"errors": []}

    def revoke_all(self) -> None:
        """Nothing that was issued is good any more."""
        self._good = {"root": float("inf")}

    def _issue(self, kind: str) -> str:
        token = f"{kind}-token-{len(self.issued)}"
        self.issued.append(token)
        self._good[token] = self.clock.wall() + LIFE_S
        return token

    def _honoured(self, token: str, kind: str = "") -> bool:
        return token.startswith(kind) and self.clock.wall() < self._good.get(token, 0.0)

    def _vault_login(self, visit: Visit) -> Answer:
        said = visit.json
        app = said.get("role_id") == "the-role" and said.get("secret_id") == "the-secret-id"
        pod = said.get("role") == "intertie" and said.get("jwt") == "pod-jwt"
        if not (app and "/approle/" in visit.path) and not (pod and "/kubernetes/" in visit.path):
            return 400, {"errors": ["invalid role or secret ID"]}
        return 200, {"auth": {"client_token": self._issue("vault"), "lease_duration": LIFE_S, "renewable": True}}

    def _vault_read(self, visit: Visit) -> Answer:
        if not self._honoured(visit.headers.get("x-vault-token", "")):
            return DENIED
        name = visit.headers.get("x-vault-namespace", "") + visit.path.removeprefix("/v1")
        found = self.secrets.get(name)
        return (404, {"errors": []}) if found is None else (200, {"data": {"data": found, "metadata": {"version": 1}}})

    def _keys(self) -> tuple[str, str, str, str]:
        number = len(self._aws)
        key, secret, session = f"ASIA{number}", f"aws-secret-{number}", f"aws-session-{number}"
        self._aws[key] = (secret, session, self.clock.wall() + LIFE_S)
        self.issued += [secret, session]
        return key, secret, session, stamp(self.clock.wall() + LIFE_S)

    def _sts(self, visit: Visit) -> Answer:
        said = visit.form
        good = said.get("WebIdentityToken") == "pod-jwt" and said.get("RoleArn") == "arn:aws:iam::1:role/r"
        if not good or said["Action"] != "AssumeRoleWithWebIdentity" or said["Version"] != "2011-06-15":
            return 400, b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>"
        return 200, STS.format(*self._keys()).encode()

    def _imds_session(self, visit: Visit) -> Answer:
        if not 0 < int(visit.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "0")) <= 21_600:
            return 400, b""
        return 200, self._issue("imds").encode()

    def _imds_keys(self, visit: Visit) -> Answer:
        if not self._honoured(visit.headers.get("x-aws-ec2-metadata-token", ""), "imds"):
            return 401, b""
        role = visit.path.rpartition("/")[2]
        return (200, b"the-role") if not role else self._told_keys() if role == "the-role" else (404, b"")

    def _container(self, visit: Visit) -> Answer:
        return self._told_keys() if visit.headers.get("authorization") == "pod-token" else (401, b"")

    def _told_keys(self) -> Answer:
        names = ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")
        return 200, {"Code": "Success", **dict(zip(names, self._keys(), strict=True))}

    def _aws_secret(self, visit: Visit) -> Answer:
        if visit.headers.get("x-amz-target") != "secretsmanager.GetSecretValue" or not self._signed(visit):
            return 400, {"__type": "InvalidSignatureException"}
        found = self.secrets.get(visit.json["SecretId"])
        if found is None:
            return 400, {"__type": "ResourceNotFoundException", "Message": "no such secret"}
        return 200, found if isinstance(found, dict) else {"SecretString": found}

    def _signed(self, visit: Visit) -> bool:
        """Whether botocore would sign so, with keys that are still good, and all that AWS wants signed is."""
        head = visit.headers
        found = re.search(r"Credential=(\w+)/\d+/([\w-]+)/(\w+)/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)",
                          head.get("authorization", ""))  # fmt: skip
        if not found:
            return False
        key, region, service, names, signature = found.groups()
        secret, session, until = self._aws.get(key, ("", "", 0.0))
        wanted = {name for name in head if name.startswith("x-amz-")} | {"host"}
        if (
            self.clock.wall() >= until
            or set(names.split(";")) != wanted
            or head.get("x-amz-security-token", "") != session
        ):
            return False
        request = AWSRequest(visit.method, f"http://{visit.host}{visit.path}", data=visit.body)
        for name in wanted - {"host"}:
            request.headers[name] = head[name]
        request.context["timestamp"] = head["x-amz-date"]
        auth = SigV4Auth(Credentials(key, secret), service, region)
        return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request) == signature

    def _google(self) -> Answer:
        return 200, {"access_token": self._issue("google"), "expires_in": LIFE_S, "token_type": "Bearer"}

    def _google_token(self, visit: Visit) -> Answer:
        said = visit.form
        if said.get("grant_type") == "refresh_token":
            good = said["refresh_token"] == "my-refresh-token" and said["client_secret"] == "my-client-secret"
        else:
            good = self._asserted(said["assertion"])
        return self._google() if good else (400, {"error": "invalid_grant", "error_description": said})

    def _asserted(self, assertion: str) -> bool:
        head, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in assertion.split("."))
        assert self.google_key is not None
        said = assertion.rpartition(".")[0].encode()
        self.google_key.verify(signature, said, PKCS1v15(), SHA256())
        told, now = json.loads(claims), self.clock.wall()
        fresh = told["iat"] <= now < told["exp"] <= told["iat"] + LIFE_S
        return json.loads(head)["alg"] == "RS256" and told["iss"] == "bot@p.iam" and "scope" in told and fresh

    def _google_exchange(self, visit: Visit) -> Answer:
        said = visit.form
        good = said["subject_token"] == "pod-jwt" and said["audience"] == "//iam.googleapis.com/pool"
        return self._google() if good and "token-exchange" in said["grant_type"] else (400, {"error": "invalid_grant"})

    def _google_impersonate(self, visit: Visit) -> Answer:
        if not self._honoured(visit.bearer, "google") or "scope" not in visit.json:
            return 403, {"error": {"status": "PERMISSION_DENIED"}}
        return 200, {"accessToken": self._issue("google"), "expireTime": stamp(self.clock.wall() + LIFE_S)}

    def _google_metadata(self, visit: Visit) -> Answer:
        return self._google() if visit.headers.get("metadata-flavor") == "Google" else (403, b"")

    def _google_secret(self, visit: Visit) -> Answer:
        if not self._honoured(visit.bearer, "google"):
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        found = self.secrets.get(visit.path.removeprefix("/v1/").removesuffix(":access"))
        if found is None:
            return 404, {"error": {"status": "NOT_FOUND"}}
        return 200, {"name": "n", "payload": {"data": base64.b64encode(found.encode()).decode()}}

    def _entra(self, visit: Visit) -> Answer:
        said = visit.form
        proven = said.get("client_assertion") == "pod-jwt" or said.get("client_secret") == "entra-secret"
        if not proven or said["client_id"] != "app" or not said["scope"].endswith("/.default"):
            return 400, {"error": "invalid_client"}
        return 200, {"access_token": self._issue(f"azure {said['scope']}"), "expires_in": LIFE_S}

    def _managed(self, visit: Visit) -> Answer:
        if visit.headers.get("metadata") != "true" or visit.query.get("api-version") != "2018-02-01":
            return 400, {"error": "invalid_request"}
        return 200, {
            "access_token": self._issue(f"azure {visit.query['resource']}/.default"),
            "expires_in": str(LIFE_S),
            "expires_on": str(int(self.clock.wall()) + LIFE_S),
        }

    def _app_service(self, visit: Visit) -> Answer:
        if visit.headers.get("x-identity-header") != "app-header":
            return 400, {"error": "invalid_request"}
        token = self._issue(f"azure {visit.query['resource']}/.default {visit.query.get('client_id', '')}")
        return 200, {"access_token": token, "expires_on": str(int(self.clock.wall()) + LIFE_S)}

    def _key_vault(self, visit: Visit) -> Answer:
        if not self._honoured(visit.bearer, "azure https://vault.azure.net/.default"):
            return 401, {"error": {"code": "Unauthorized"}}
        found = self.secrets.get(visit.host + visit.path)
        return (200, {"value": found}) if found else (404, {"error": {"code": "SecretNotFound"}})


class Gate(Http):
    """Leads what is asked of any host to the keepers, over the network; they are told the host."""

    def __init__(self, keepers: Keepers) -> None:
        self._keepers, self._network = keepers, Network(NO_PROXY)

    async def __call__(self, ask: Ask) -> Told:
        parts = urlsplit(ask.url)
        url = self._keepers.url + ask.url.partition(parts.netloc)[2]
        headers = {**ask.headers, "x-meant-for": parts.netloc}
        return await self._network(msgspec.structs.replace(ask, url=url, headers=headers))


@asynccontextmanager
async def keepers(clock: Clock) -> AsyncIterator[Keepers]:
    """Serve for as long as the block lasts."""
    kept = Keepers(clock)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        host = headers.pop("x-meant-for", headers["host"])
        parts = urlsplit(target)
        status, told = kept.answer(Visit(method, host, parts.path, dict(parse_qsl(parts.query)), headers, body))
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        writer.write(
            b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(data), data)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    async with server:
        yield kept


def stamp(wall: float) -> str:
    """A moment as the clouds write it."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
