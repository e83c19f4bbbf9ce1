"""Access tokens for Google Cloud by each kind of Application Default Credentials, and secrets read with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from intertie.adapters.secrets.source import Found, Source
from intertie.core.clock import HandClock
from intertie.core.faults import SecretFault
from keepers import LIFE_S, Keepers

SECRET = "projects/p/secrets/openai"


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65_537, 2_048)


def written(folder: Path, **fields: Any) -> str:
    path = folder / "credentials.json"
    path.write_text(json.dumps(fields))
    return str(path)


def account(folder: Path, kept: Keepers, key: RSAPrivateKey, **fields: str) -> str:
    kept.google_key = key.public_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = {"type": "service_account", "client_email": "bot@p.iam", "private_key": pem, "private_key_id": "k1"}
    return written(folder, **{**own, "token_uri": "https://oauth2.googleapis.com/google/token", **fields})


def federated(folder: Path, source: dict[str, Any], **fields: str) -> str:
    return written(
        folder,
        type="external_account",
        audience="//iam.googleapis.com/pool",
        subject_token_type="urn:ietf:params:oauth:token-type:jwt",
        token_url="https://sts.googleapis.com/google/exchange",
        credential_source=source,
        **fields,
    )


async def token(source: dict[str, Source], options: str = "") -> Found:
    return await source["identity"].read(f"gcp{options}")


async def fault(source: dict[str, Source], name: str = "gcp", scheme: str = "identity") -> str:
    with pytest.raises(SecretFault) as caught:
        await source[scheme].read(name)
    return caught.value.message


async def test_a_service_account_s_signed_assertion_is_traded_for_a_token(
    kept: Keepers, clock: HandClock, key: RSAPrivateKey, reaching, tmp_path: Path
) -> None:
    file = account(tmp_path, kept, key)
    found = await token(reaching(GOOGLE_APPLICATION_CREDENTIALS=file))
    assert (found.value, found.expires) == ("google-token-0", clock.wall() + LIFE_S)
    assert (await token(reaching(), f"?file={file}")).value == "google-token-1"


async def test_what_the_token_service_refuses_is_told_without_the_assertion(
    kept: Keepers, key: RSAPrivateKey, reaching, tmp_path: Path
) -> None:
    source = reaching(GOOGLE_APPLICATION_CREDENTIALS=account(tmp_path, kept, key, client_email="stranger"))
    assert await fault(source) == "Google's token service answered 400 (invalid_grant)"
    source = reaching(GOOGLE_APPLICATION_CREDENTIALS=account(tmp_path, kept, key, private_key="not a key"))
    assert await fault(source) == "the service account's private key cannot be used"


@pytest.mark.parametrize("impersonate", [False, True])
async def test_somebody_else_s_token_is_exchanged(kept: Keepers, reaching, tmp_path: Path, impersonate: bool) -> None:
    (tmp_path / "jwt").write_text("pod-jwt\n")
    more = {"service_account_impersonation_url": "https://iam.example/google/impersonate"} if impersonate else {}
    file = federated(tmp_path, {"file": str(tmp_path / "jwt")}, **more)
    found = await token(reaching(GOOGLE_APPLICATION_CREDENTIALS=file))
    assert found.value == f"google-token-{int(impersonate)}"
    assert found.expires is not None


async def test_somebody_else_s_token_may_be_a_field_of_a_file(kept: Keepers, reaching, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text('{"id_token": "pod-jwt"}')
    form = {"type": "json", "subject_token_field_name": "id_token"}
    file = federated(tmp_path, {"file": str(tmp_path / "jwt"), "format": form})
    assert (await token(reaching(GOOGLE_APPLICATION_CREDENTIALS=file))).value == "google-token-0"


async def test_a_person_s_login_is_found_where_gcloud_left_it(kept: Keepers, reaching, tmp_path: Path) -> None:
    own = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    own.parent.mkdir(parents=True)
    login = {"client_id": "c", "client_secret": "my-client-secret", "refresh_token": "my-refresh-token"}
    own.write_text(json.dumps({"type": "authorized_user", "token_uri": "https://x/google/token", **login}))
    assert (await token(reaching(HOME=str(tmp_path)))).value == "google-token-0"


async def test_without_a_file_the_metadata_server_is_asked(kept: Keepers, reaching) -> None:
    assert (await token(reaching())).value == "google-token-0"


async def test_files_that_are_of_no_use_are_told(reaching, tmp_path: Path) -> None:
    file = written(tmp_path, type="gdch_service_account")
    assert "of type 'gdch_service_account' are not used here" in await fault(reaching(), f"gcp?file={file}")
    file = federated(tmp_path, {"environment_id": "aws1"})
    assert "external accounts of AWS" in await fault(reaching(), f"gcp?file={file}")
    assert "No such file" in await fault(reaching(), f"gcp?file={tmp_path}/none")


async def test_secret_manager_is_read_with_a_token_that_is_renewed(kept: Keepers, clock: HandClock, reaching) -> None:
    kept.secrets[f"{SECRET}/versions/latest"] = "sk-latest"
    kept.secrets[f"{SECRET}/versions/3"] = '{"key": "sk-three"}'
    kept.secrets["projects/p/locations/eu/secrets/s/versions/1"] = "sk-eu"
    source = reaching()["gcp-sm"]
    assert (await source.read(SECRET)).value == "sk-latest"
    assert (await source.read(f"{SECRET}/versions/3#key")).value == "sk-three"
    clock.go_on(LIFE_S)
    assert (await source.read("projects/p/locations/eu/secrets/s/versions/1")).value == "sk-eu"
    assert len(kept.issued) == 2
    told = await fault(reaching(), "projects/p/secrets/none", "gcp-sm")
    assert told == "Google Secret Manager answered 404 (NOT_FOUND)"
