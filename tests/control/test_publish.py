"""The publisher: a change is published, a mistake changes nothing, and the last good snapshot outlives the process."""

import asyncio
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from intertie.config.snapshot import Snapshot, unpack
from intertie.control.pepper import pepper_of
from intertie.control.publish import Audience, Inputs, KeyList, Publisher
from intertie.core.clock import HandClock
from intertie.core.faults import ConfigFault, ConfigFaults, Fault, StoreFault
from intertie.core.principal import StoredKey

SITE = "sites: [{{id: {}}}]\n"
KEY = StoredKey("key_1", "00", "dev")


class Away:
    """A store that does not answer."""

    async def keys_revision(self) -> int:
        raise StoreFault("the database does not answer")

    async def stored_keys(self) -> Sequence[StoredKey]:
        raise StoreFault("the database does not answer")


class Host:
    """A folder with a configuration, and everything a publisher said."""

    def __init__(self, folder: Path) -> None:
        self.file, self.state, self.clock = folder / "intertie.yaml", folder / "state", HandClock()
        self.published: list[Snapshot] = []
        self.faults: list[Fault] = []
        self.keys = KeyList()
        self.write("a")

    def write(self, site: str) -> None:
        self.file.write_text(SITE.format(site))

    def publisher(self, keys: KeyList | Away | None = None) -> Publisher:
        inputs = Inputs(str(self.state), {"config": str(self.file)})
        audience = Audience(self.published.append, self.faults.append)
        return Publisher(inputs, keys or self.keys, self.clock, audience)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_a_changed_file_is_published_once_with_a_higher_version(host: Host) -> None:
    publisher = host.publisher()
    first = await publisher.start()
    assert not await publisher.look()
    host.write("b")
    assert await publisher.look()
    assert not await publisher.look()
    assert [list(snapshot.sites) for snapshot in host.published] == [["a"], ["b"]]
    assert host.published[1].version > first.version
    assert publisher.snapshot is host.published[1]


async def test_a_changed_include_and_a_rotated_secret_are_noticed(host: Host) -> None:
    host.file.write_text("include: more.yaml\nkeys: [{name: k, value: 'file:token'}]\n")
    host.file.with_name("more.yaml").write_text(SITE.format("a"))
    host.file.with_name("token").write_text("one")
    publisher = host.publisher()
    await publisher.start()
    host.file.with_name("more.yaml").write_text(SITE.format("b"))
    assert await publisher.look()
    host.file.with_name("token").write_text("two")
    assert await publisher.look()
    assert host.published[1].keys.keys() != host.published[2].keys.keys()


async def test_a_touched_file_with_the_same_meaning_is_not_published(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    host.file.write_text("# a remark\n" + SITE.format("a"))
    assert not await publisher.look()
    assert len(host.published) == 1


async def test_a_new_key_is_published(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    host.keys.keys = (KEY,)
    assert await publisher.look()
    assert host.published[-1].keys["00"].key_id == "key_1"


async def test_a_mistake_keeps_the_last_good_snapshot_and_is_told_once(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    host.file.write_text("sites: [{idd: a}]\n")
    for _ in range(3):
        assert not await publisher.look()
    assert publisher.snapshot is host.published[0]
    assert len(host.faults) == publisher.faults == 1
    assert "unknown key 'idd'" in str(host.faults[0])
    host.file.write_text("sites: [{id: a, x: 1}]\n")
    await publisher.look()
    assert publisher.faults == 2
    host.write("b")
    assert await publisher.look()
    assert list(host.published[-1].sites) == ["b"]


async def test_keys_are_made_and_revoked_while_the_file_is_broken(host: Host) -> None:
    host.keys.keys = (KEY,)
    publisher = host.publisher()
    await publisher.start()
    host.file.write_text("sites: 7\n")
    host.keys.keys = (msgspec.structs.replace(KEY, revoked=1.0), StoredKey("key_2", "01", "new"))
    assert await publisher.look() and not await publisher.look()
    snapshot = host.published[-1]
    assert {key: principal.revoked for key, principal in snapshot.keys.items()} == {"00": True, "01": False}
    assert list(snapshot.sites) == ["a"] and snapshot.version > host.published[0].version
    assert publisher.faults == 1


async def test_a_key_revoked_before_a_start_with_a_broken_file_is_revoked(host: Host) -> None:
    host.keys.keys = (KEY,)
    assert not (await host.publisher().start()).keys["00"].revoked
    host.file.write_text("sites: 7\n")
    host.keys.keys = (msgspec.structs.replace(KEY, revoked=1.0),)
    publisher = host.publisher()
    assert (await publisher.start()).keys["00"].revoked
    assert host.published[-1].keys["00"].revoked and not await publisher.look()


async def test_after_a_restart_with_a_broken_file_the_last_good_snapshot_serves(host: Host) -> None:
    good = await host.publisher().start()
    host.file.write_text("sites: 7\n")
    publisher = host.publisher()
    assert await publisher.start() == good
    assert host.published == [good, good]
    assert len(host.faults) == 1
    host.write("c")
    assert await publisher.look()
    assert host.published[-1].version > good.version


async def test_without_a_database_the_last_good_snapshot_serves(host: Host) -> None:
    good = await host.publisher().start()
    publisher = host.publisher(Away())
    assert await publisher.start() == good
    assert not await publisher.look()
    assert [type(fault) for fault in host.faults] == [StoreFault]


async def test_without_a_last_good_snapshot_a_broken_file_is_raised(host: Host) -> None:
    host.file.write_text("sites: 7\n")
    with pytest.raises(ConfigFaults):
        await host.publisher().start()


async def test_versions_grow_although_the_clock_goes_back(host: Host) -> None:
    first = await host.publisher().start()
    host.clock.jump(-86_400)
    host.write("b")
    assert (await host.publisher().start()).version == first.version + 1


async def test_the_snapshot_on_disk_is_whole_and_private(host: Host) -> None:
    snapshot = await host.publisher().start()
    path = host.state / "snapshot.bin"
    assert unpack(path.read_bytes()) == snapshot
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.state.stat().st_mode) == 0o700
    assert sorted(path.name for path in host.state.iterdir()) == ["pepper", "snapshot.bin"]


async def test_prices_are_looked_up_anew_every_day(host: Host) -> None:
    publisher = host.publisher()
    await publisher.start()
    assert not await publisher.look()
    host.clock.go_on(86_400)
    assert not await publisher.look()  # looked up, and found the same
    assert len(host.published) == 1


async def test_watching_publishes_by_itself(host: Host) -> None:
    changed = asyncio.Event()
    audience = Audience(lambda snapshot: changed.set() if "b" in snapshot.sites else None, host.faults.append)
    publisher = Publisher(Inputs(str(host.state), {"config": str(host.file)}), host.keys, host.clock, audience)
    await publisher.start()
    watching = asyncio.ensure_future(publisher.watch(every_s=0.01))
    host.write("b")
    await asyncio.wait_for(changed.wait(), 5)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


def test_the_pepper_is_made_once_and_private(tmp_path: Path) -> None:
    first = pepper_of(tmp_path / "state", "")
    assert len(first) == 32
    assert pepper_of(tmp_path / "state", "") == first
    assert stat.S_IMODE((tmp_path / "state" / "pepper").stat().st_mode) == 0o600


def test_a_secret_gives_the_same_pepper_everywhere(tmp_path: Path) -> None:
    one, other = (pepper_of(tmp_path / name, "correct horse") for name in ("one", "other"))
    assert one == other
    assert one != pepper_of(tmp_path / "one", "wrong horse")
    assert not (tmp_path / "one").exists()


def test_a_damaged_pepper_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_bytes(b"short")
    with pytest.raises(ConfigFault, match="not a pepper"):
        pepper_of(tmp_path, "")
