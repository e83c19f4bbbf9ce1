"""Secrets that are kept elsewhere: had before they are needed, had again in time, and never lost to an outage."""

from pathlib import Path

import pytest

from intertie.adapters.secrets.source import Found, SourceTable
from intertie.config.document import configured
from intertie.config.snapshot import Snapshot
from intertie.config.tree import Place
from intertie.control.publish import Audience, Inputs, KeyList, Publisher
from intertie.control.secrets import SecretKeeper
from intertie.core.clock import HandClock
from intertie.core.faults import ConfigFault, ConfigFaults, Fault, SecretFault

KEY = "vault:kv/openai#key"
AT = {KEY: Place("intertie.yaml", 7)}
TEXT = """
sites: [{id: s}]
endpoints:
- {id: a, site: s, model: m, url: "http://10.0.0.1/v1", credential: "vault:kv/openai#key"}
keys: [{name: dev, value: "vault:kv/caller#key"}]
"""


class Host:
    """A keeper over a table of secrets, and everything it said."""

    def __init__(self, folder: Path, **secrets: Found | None) -> None:
        self.clock, self.folder = HandClock(), folder
        self.vault = SourceTable({"kv/openai#key": Found("sk-1"), "kv/caller#key": Found("itk_caller"), **secrets})
        self.told: list[tuple[str, str]] = []
        self.keeper = SecretKeeper({"vault": self.vault, "identity": self.vault}, self.clock, 300.0, self._hear)
        self.published: list[Snapshot] = []
        self.faults: list[Fault] = []

    def _hear(self, reference: str, fault: SecretFault) -> None:
        self.told.append((reference, fault.message))

    def publisher(self, text: str = TEXT) -> Publisher:
        file = self.folder / "intertie.yaml"
        file.write_text(text)
        inputs = Inputs(str(self.folder / "state"), {"config": str(file)})
        audience = Audience(self.published.append, self.faults.append)
        return Publisher(inputs, KeyList(), self.clock, audience, self.keeper)

    async def after(self, seconds: float) -> None:
        self.clock.go_on(seconds)
        await self.keeper.refresh()

    def credential(self) -> str:
        return self.published[-1].endpoints["a"].credential


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_a_snapshot_holds_what_the_references_stand_for(host: Host) -> None:
    await host.publisher().start()
    assert host.credential() == "sk-1"
    assert [principal.name for principal in host.published[0].keys.values()] == ["dev"]
    assert sorted(host.vault.asked) == ["kv/caller#key", "kv/openai#key"]


async def test_a_rotated_secret_is_published_without_a_word_from_anybody(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    host.vault.secrets["kv/openai#key"] = Found("sk-2")
    await host.after(299)
    assert not await publisher.look()
    await host.after(1)
    assert await publisher.look()
    assert host.credential() == "sk-2"
    await host.after(300)
    assert not await publisher.look()


async def test_a_secret_that_expires_is_had_again_before_it_does(host: Host) -> None:
    host.vault.secrets["kv/openai#key"] = Found("token-1", host.clock.wall() + 3_600)
    await host.keeper.want(AT)
    host.vault.secrets["kv/openai#key"] = Found("token-2", host.clock.wall() + 7_200)
    await host.after(2_879)
    assert host.keeper.known == {KEY: "token-1"}
    await host.after(1)
    assert host.keeper.known == {KEY: "token-2"}


async def test_a_refresh_that_fails_keeps_the_old_value_is_told_once_and_is_tried_with_patience(host: Host) -> None:
    await host.keeper.want(AT)
    host.vault.secrets["kv/openai#key"] = None
    host.vault.asked.clear()
    for _ in range(300 + 600):
        await host.after(1)
    assert host.keeper.known == {KEY: "sk-1"}
    assert host.told == [(KEY, "the table has no such secret")]
    assert 10 <= len(host.vault.asked) <= 20
    host.vault.secrets["kv/openai#key"] = Found("sk-2")
    await host.after(60)
    assert host.keeper.known == {KEY: "sk-2"}


async def test_a_secret_that_cannot_be_had_at_first_is_a_fault_where_it_is_named(host: Host) -> None:
    host.vault.secrets["kv/openai#key"] = None
    with pytest.raises(ConfigFault) as caught:
        await host.publisher().start()
    assert str(caught.value).endswith("intertie.yaml:4: vault:kv/openai#key: the table has no such secret")
    assert not host.published


async def test_a_new_secret_that_cannot_be_had_changes_nothing_until_it_can(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    host.vault.asked.clear()
    (host.folder / "intertie.yaml").write_text(TEXT.replace("kv/openai#key", "kv/new#key"))
    for _ in range(4):
        assert not await publisher.look()
    assert host.vault.asked == ["kv/new#key"], "who does not answer is left alone for a while"
    assert "vault:kv/new#key: the table has no such secret" in host.faults[0].message
    assert host.credential() == "sk-1"
    host.vault.secrets["kv/new#key"] = Found("sk-new")
    host.clock.go_on(1)
    assert await publisher.look()
    assert host.credential() == "sk-new"


async def test_after_a_restart_while_the_keeper_is_away_the_last_snapshot_serves(host: Host) -> None:
    await host.publisher().start()
    again = Host(host.folder, **{"kv/openai#key": None, "kv/caller#key": None})
    await again.publisher().start()
    assert again.credential() == "sk-1"
    assert again.faults


async def test_what_is_named_no_more_is_asked_for_no_more(host: Host) -> None:
    await host.keeper.want(AT)
    await host.keeper.want({})
    host.vault.asked.clear()
    await host.after(1_000)
    assert host.vault.asked == []
    assert host.keeper.known == {}


@pytest.mark.parametrize("value", ["", " \n", "two\nlines", "sk\r\nx-evil: 1", "nul\0"])
async def test_a_secret_that_no_header_can_hold_is_refused_and_not_repeated(host: Host, value: str) -> None:
    host.vault.secrets["kv/openai#key"] = Found(value)
    with pytest.raises(ConfigFaults) as caught:
        await host.keeper.want(AT)
    assert caught.value.faults[0].problem == f"{KEY}: what is kept there does not hold one line of text"


async def test_a_line_end_that_slipped_in_at_the_end_is_taken_off(host: Host) -> None:
    host.vault.secrets["kv/openai#key"] = Found("sk-1\n")
    await host.keeper.want(AT)
    assert host.keeper.known == {KEY: "sk-1"}


async def test_schemes_that_nobody_reads_here_are_told(host: Host) -> None:
    with pytest.raises(ConfigFaults) as caught:
        await host.keeper.want({"azure-kv:v/n": Place("f", 1)})
    assert "nothing here reads azure-kv:" in caught.value.message


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("vault:kv", "vault: is written vault:MOUNT/PATH#FIELD"),
        ("vault:/kv/a", "vault: is written vault:MOUNT/PATH#FIELD"),
        ("aws-sm:", "aws-sm: is written aws-sm:NAME#FIELD, NAME being a name or an ARN"),
        ("gcp-sm:openai", "gcp-sm: is written gcp-sm:projects/PROJECT/secrets/NAME/versions/latest"),
        ("azure-kv:vault", "azure-kv: is written azure-kv:VAULT/NAME"),
        ("identity:ibm", "identity: is written identity:aws, identity:gcp or identity:azure"),
    ],
)
def test_references_that_are_not_well_formed_are_told_when_the_file_is_read(
    tmp_path: Path, written: str, told: str
) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text(TEXT.replace(KEY, written))
    with pytest.raises(ConfigFaults) as caught:
        configured({"config": str(file)}, {})
    assert [fault.problem for fault in caught.value.faults] == [f"endpoints[0].credential: {told}"]


@pytest.mark.parametrize(
    "reference",
    ["vault:kv/a", "vault:my/own/data/a/b#c", "aws-sm:team/openai#key", "aws-sm:arn:aws:secretsmanager:r:1:secret:n-x",
     "gcp-sm:projects/p/secrets/s", "gcp-sm:projects/p/locations/eu/secrets/s/versions/3#f", "azure-kv:v/n/0af1",
     "identity:aws?profile=x", "identity:gcp", "identity:azure?scope=https://ai.azure.com/.default"],
)  # fmt: skip
def test_references_are_told_apart_from_secrets_without_asking_anybody(tmp_path: Path, reference: str) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text(TEXT.replace(KEY, reference))
    _, document = configured({"config": str(file)}, {})
    assert document.references[reference].line == 4


def test_settings_are_read_before_anybody_can_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "intertie.yaml"
    file.write_text(f"gateway: {{secret: '{KEY}'}}\n")
    with pytest.raises(ConfigFaults, match=r"gateway.secret: settings are read before other hosts"):
        configured({"config": str(file)}, {})
    file.write_text("sites: []\n")
    with pytest.raises(ConfigFaults, match=r"vault: is for the lists of intertie.yaml"):
        configured({"config": str(file)}, {"INTERTIE_SECRET": KEY})
