"""Secrets of HashiCorp Vault, over HTTP, by every way to log in."""

from pathlib import Path

import pytest

from intertie.adapters.secrets.source import Source
from intertie.compose.secret_sources import sources
from intertie.config.settings import Settings, Vault
from intertie.core.clock import HandClock
from intertie.core.faults import SecretFault
from keepers import LIFE_S, Keepers

ADDRESS = "http://vault.internal:8200"
APP = Vault(address=ADDRESS, role_id="the-role", secret_id="the-secret-id")
KEY = "sk-in-vault"


@pytest.fixture
def kept(kept: Keepers) -> Keepers:
    kept.secrets["/kv/data/team/openai"] = {"key": KEY, "count": 3}
    kept.secrets["/kv/data/single"] = {"value": KEY}
    kept.secrets["/my/own/mount/data/openai"] = {"key": KEY}
    kept.secrets["teams/kv/data/team/openai"] = {"key": "sk-in-namespace"}
    return kept


async def value(source: dict[str, Source], name: str = "kv/team/openai#key") -> str:
    return (await source["vault"].read(name)).value


async def fault(source: dict[str, Source], name: str = "kv/team/openai#key") -> str:
    with pytest.raises(SecretFault) as caught:
        await source["vault"].read(name)
    return caught.value.message


def logins(kept: Keepers) -> int:
    return sum("/login" in asked for asked in kept.asked)


async def test_a_token_reads_a_field_and_the_only_field_needs_no_name(kept: Keepers, reaching) -> None:
    source = reaching(Vault(address=ADDRESS, token="root"))
    assert await value(source) == KEY
    assert await value(source, "kv/single") == KEY
    assert await value(source, "my/own/mount/data/openai#key") == KEY


async def test_the_usual_environment_of_vault_suffices(kept: Keepers, reaching) -> None:
    assert await value(reaching(VAULT_ADDR=ADDRESS, VAULT_TOKEN="root")) == KEY
    assert await value(reaching(VAULT_ADDR=ADDRESS, VAULT_TOKEN="root", VAULT_NAMESPACE="teams")) == "sk-in-namespace"


async def test_an_app_role_logs_in_once_and_again_before_its_token_expires(
    kept: Keepers, clock: HandClock, reaching
) -> None:
    source = reaching(APP)
    assert [await value(source), await value(source)] == [KEY, KEY]
    assert logins(kept) == 1
    clock.go_on(LIFE_S * 0.6)
    assert await value(source) == KEY
    assert logins(kept) == 2


async def test_a_token_that_was_revoked_is_replaced_at_once(kept: Keepers, reaching) -> None:
    source = reaching(APP)
    await value(source)
    kept.revoke_all()
    assert await value(source) == KEY
    assert logins(kept) == 2


async def test_a_pod_logs_in_with_its_service_account(kept: Keepers, reaching, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("pod-jwt\n")
    assert await value(reaching(Vault(address=ADDRESS, role="intertie", jwt_file=str(token)))) == KEY
    token.write_text("somebody-else")
    told = await fault(reaching(Vault(address=ADDRESS, role="intertie", jwt_file=str(token))))
    assert told == "Vault answered 400"


async def test_a_token_that_an_agent_renews_is_read_each_time(kept: Keepers, reaching, tmp_path: Path) -> None:
    file = tmp_path / "sink"
    file.write_text("stale")
    source = reaching(Vault(address=ADDRESS, token_file=str(file)))
    assert await fault(source) == "Vault answered 403"
    file.write_text("root")
    assert await value(source) == KEY


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kv/none#key", "Vault answered 404"),
        ("kv/team/openai#kee", "Vault: kv/team/openai has no field 'kee'"),
        ("kv/team/openai", "Vault: kv/team/openai has 2 fields: name one, as kv/team/openai#FIELD"),
        ("kv/team/openai#count", "Vault: kv/team/openai#count is not text"),
        ("kv/../../sys/raw#key", "a path in Vault has no .."),
    ],
)
async def test_what_cannot_be_read_is_told_without_what_was_answered(
    kept: Keepers, reaching, name: str, told: str
) -> None:
    assert await fault(reaching(APP), name) == told


async def test_it_is_told_what_is_missing_and_who_is_away(kept: Keepers, reaching) -> None:
    assert "set vault.address" in await fault(reaching())
    assert "vault.role_id" in await fault(reaching(Vault(address=ADDRESS)))
    kept.down = True
    assert await fault(reaching(APP)) == "Vault answered 503"
    kept.port = 1
    assert "Vault does not answer: 127.0.0.1:1 cannot be reached" in await fault(reaching(APP))


async def test_an_address_with_a_password_in_it_is_not_repeated(clock: HandClock) -> None:
    wanted = Settings(vault=Vault(address="http://me:hunter2@vault", token="root"))
    told = await fault(sources(wanted, {}, clock))
    assert told == "Vault does not answer: its address is not an http or https URL without credentials"
