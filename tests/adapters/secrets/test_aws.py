"""Who a process is to AWS by each link of the chain, and secrets that are asked for with signed requests."""

import base64
import json
from pathlib import Path

import pytest

from intertie.adapters.secrets.source import Found, Source
from intertie.core.clock import HandClock
from intertie.core.faults import SecretFault
from keepers import LIFE_S, Keepers

STATIC = {"AWS_ACCESS_KEY_ID": "AKIASTATIC", "AWS_SECRET_ACCESS_KEY": "static-secret"}
REGION = {"AWS_REGION": "eu-central-1"}


async def identity(source: dict[str, Source], options: str = "") -> Found:
    return await source["identity"].read(f"aws{options}")


async def fault(source: dict[str, Source], scheme: str, name: str) -> str:
    with pytest.raises(SecretFault) as caught:
        await source[scheme].read(name)
    return caught.value.message


async def test_keys_of_the_environment_come_first_and_never_expire(reaching) -> None:
    assert await identity(reaching(**STATIC)) == Found("AKIASTATIC:static-secret")
    assert await identity(reaching(**STATIC, AWS_SESSION_TOKEN="s")) == Found("AKIASTATIC:static-secret:s")


async def test_a_web_identity_is_traded_at_sts(kept: Keepers, clock: HandClock, reaching, tmp_path: Path) -> None:
    token = tmp_path / "jwt"
    token.write_text("pod-jwt")
    irsa = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}
    found = await identity(reaching(**irsa, AWS_ENDPOINT_URL_STS="http://sts.internal/sts/"))
    assert found.value == "ASIA1:aws-secret-1:aws-session-1"
    assert found.expires == clock.wall() + LIFE_S
    token.write_text("stolen")
    told = await fault(reaching(**irsa, AWS_ENDPOINT_URL_STS="http://sts.internal/sts/"), "identity", "aws")
    assert told == "AWS STS answered 400 (InvalidIdentityToken)"


async def test_profiles_of_the_shared_files_are_read(reaching, tmp_path: Path) -> None:
    home = tmp_path / ".aws"
    home.mkdir()
    (home / "credentials").write_text("[default]\naws_access_key_id=A\naws_secret_access_key=B%C\n")
    (home / "config").write_text("[default]\nregion = us-west-2\n[profile other]\naws_access_key_id=X\n"
                                 "aws_secret_access_key=Y\naws_session_token=Z\n")  # fmt: skip
    source = reaching(HOME=str(tmp_path))
    assert (await identity(source)).value == "A:B%C"
    assert (await identity(source, "?profile=other")).value == "X:Y:Z"
    assert (await identity(reaching(HOME=str(tmp_path), AWS_PROFILE="other"))).value == "X:Y:Z"
    assert await fault(source, "identity", "aws?profile=none") == "AWS: there is no profile 'none'"


async def test_a_container_is_given_keys_for_its_token(kept: Keepers, reaching, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("pod-token")
    eks = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/container"}
    found = await identity(reaching(**eks, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token)))
    assert found.value.startswith("ASIA1:")
    assert found.expires is not None
    ecs = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token"}
    assert (await identity(reaching(**ecs))).value.startswith("ASIA2:")


async def test_a_container_s_token_goes_to_no_stranger(kept: Keepers, reaching) -> None:
    source = reaching(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://evil.example/container",
                      AWS_CONTAINER_AUTHORIZATION_TOKEN="pod-token")  # fmt: skip
    assert "neither https nor this host" in await fault(source, "identity", "aws")
    assert kept.asked == []


async def test_an_instance_is_asked_last_and_by_a_session(kept: Keepers, reaching) -> None:
    assert (await identity(reaching())).value.startswith("ASIA1:")
    assert kept.asked[0] == "PUT /latest/api/token"
    told = await fault(reaching(AWS_EC2_METADATA_DISABLED="true"), "identity", "aws")
    assert told.endswith("asking EC2 is disabled")


async def test_secrets_manager_is_asked_with_a_signature_that_botocore_would_make(kept: Keepers, reaching) -> None:
    kept.secrets["openai"] = "sk-plain"
    kept.secrets["team/openai"] = json.dumps({"key": "sk-field", "count": 3})
    kept.secrets["binary"] = {"SecretBinary": base64.b64encode(b"sk-binary").decode()}
    arn = "arn:aws:secretsmanager:us-east-2:1:secret:openai-AbCdEf"
    kept.secrets[arn] = "sk-by-arn"
    named = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://sm.internal/sm/"}
    for environ in ({**STATIC, **REGION}, REGION):
        source = reaching(**environ, **named)["aws-sm"]
        assert (await source.read("openai")).value == "sk-plain"
        assert (await source.read("team/openai#key")).value == "sk-field"
        assert (await source.read("binary")).value == "sk-binary"
    assert (await reaching(**STATIC, **named)["aws-sm"].read(arn)).value == "sk-by-arn"


async def test_keys_that_expire_are_renewed_before_secrets_are_asked_for(
    kept: Keepers, clock: HandClock, reaching
) -> None:
    kept.secrets["openai"] = "sk-plain"
    source = reaching(**REGION, AWS_ENDPOINT_URL_SECRETS_MANAGER="http://sm.internal/sm/")["aws-sm"]
    for _ in range(4):
        assert (await source.read("openai")).value == "sk-plain"
        clock.go_on(LIFE_S * 0.4)
    assert kept.asked.count("PUT /latest/api/token") == 2


async def test_what_secrets_manager_refuses_is_told_by_the_name_of_its_error(kept: Keepers, reaching) -> None:
    named = {**REGION, "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://sm.internal/sm/"}
    told = await fault(reaching(**STATIC, **named), "aws-sm", "none")
    assert told == "AWS Secrets Manager answered 400 (ResourceNotFoundException)"
    wrong = {**STATIC, "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert "InvalidSignature" in await fault(reaching(**wrong, **named), "aws-sm", "none")
    assert "set AWS_REGION" in await fault(reaching(**STATIC), "aws-sm", "openai")
    kept.secrets["list"] = "[1]"
    told = await fault(reaching(**STATIC, **named), "aws-sm", "list#key")
    assert told == "AWS Secrets Manager: list gave something else than what was expected"
