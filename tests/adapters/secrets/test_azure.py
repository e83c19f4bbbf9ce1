"""Tokens of Entra ID by each kind of identity, and secrets of Key Vault read with them."""

from pathlib import Path

import pytest

from intertie.adapters.secrets.source import Source
from intertie.core.clock import HandClock
from intertie.core.faults import SecretFault
from keepers import LIFE_S, Keepers

APP = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app"}
OPENAI = "https://cognitiveservices.azure.com/.default"


async def token(source: dict[str, Source], options: str = "") -> str:
    return (await source["identity"].read(f"azure{options}")).value


async def fault(source: dict[str, Source], name: str = "azure", scheme: str = "identity") -> str:
    with pytest.raises(SecretFault) as caught:
        await source[scheme].read(name)
    return caught.value.message


async def test_a_workload_proves_itself_with_the_token_of_its_cluster(kept: Keepers, reaching, tmp_path: Path) -> None:
    file = tmp_path / "jwt"
    file.write_text("pod-jwt")
    source = reaching(**APP, AZURE_FEDERATED_TOKEN_FILE=str(file))
    assert await token(source) == f"azure {OPENAI}-token-0"
    assert await token(source, "?scope=https://ai.azure.com/.default") == "azure https://ai.azure.com/.default-token-1"
    file.write_text("stolen")
    assert await fault(source) == "Entra ID answered 400 (invalid_client)"


async def test_a_client_s_secret_is_traded_and_expires(kept: Keepers, clock: HandClock, reaching) -> None:
    found = await reaching(**APP, AZURE_CLIENT_SECRET="entra-secret")["identity"].read("azure")
    assert found.expires == clock.wall() + LIFE_S
    assert "one of them is not set" in await fault(reaching(AZURE_CLIENT_SECRET="entra-secret"))


async def test_a_managed_identity_is_asked_where_it_runs(kept: Keepers, reaching) -> None:
    assert await token(reaching()) == f"azure {OPENAI}-token-0"
    own = {"IDENTITY_ENDPOINT": "http://127.0.0.1:42356/app-service", "IDENTITY_HEADER": "app-header"}
    assert await token(reaching(**own), "?client_id=mine") == f"azure {OPENAI} mine-token-1"
    told = await fault(reaching(**{**own, "IDENTITY_HEADER": "wrong"}))
    assert told == "Azure's managed identity answered 400 (invalid_request)"


async def test_key_vault_is_read_with_a_token_of_its_own_scope(kept: Keepers, clock: HandClock, reaching) -> None:
    kept.secrets["team.vault.azure.net/secrets/openai"] = "sk-azure"
    kept.secrets["team.vault.azure.net/secrets/both"] = '{"key": "sk-field"}'
    source = reaching()["azure-kv"]
    assert (await source.read("team/openai")).value == "sk-azure"
    assert (await source.read("team.vault.azure.net/both#key")).value == "sk-field"
    assert len(kept.issued) == 1
    clock.go_on(LIFE_S)
    assert (await source.read("team/openai")).value == "sk-azure"
    assert await fault(reaching(), "team/none", "azure-kv") == "Azure Key Vault answered 404 (SecretNotFound)"
