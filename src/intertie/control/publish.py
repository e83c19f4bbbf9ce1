"""Publishing: watch the configuration and the stored keys, compile, and hand out the new snapshot, or keep the last.

A configuration with a problem changes nothing: the last good one stays, the fault is told once, loudly, and the files
are read again until they are whole. Keys that are made or revoked meanwhile take effect on the last good one. The
snapshot in force also lies in `<state>/snapshot.bin`, so that a host that starts with a broken file, or without its
database, serves what it served before.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from intertie.config.document import configured
from intertie.config.settings import Settings
from intertie.config.snapshot import Snapshot, pack, unpack
from intertie.config.wishes import Document
from intertie.control.compile import compile_snapshot
from intertie.control.pepper import pepper_of, write_private
from intertie.control.secrets import SecretKeeper
from intertie.core.clock import Clock
from intertie.core.faults import ConfigFault, Fault, StoreFault
from intertie.core.principal import StoredKey


class KeyStore(Protocol):
    """Where keys are stored. Both raise StoreFault if the database does not answer."""

    async def keys_revision(self) -> int:
        """A number that changes whenever a key is made, revoked or removed."""
        ...

    async def stored_keys(self) -> Sequence[StoredKey]:
        """All keys, revoked ones too."""
        ...


class KeyList:
    """Keys in a list; the fake that ships with `KeyStore`."""

    def __init__(self, *keys: StoredKey) -> None:
        self.keys = keys

    async def keys_revision(self) -> int:
        """The hash of the list."""
        return hash(self.keys)

    async def stored_keys(self) -> Sequence[StoredKey]:
        """The list."""
        return self.keys


class Inputs(msgspec.Struct, frozen=True):
    """What stays the same over the life of a process: flags, environment, and the state folder they led to."""

    state: str
    flags: dict[str, object] = {}
    environ: dict[str, str] = {}


class Audience(msgspec.Struct, frozen=True):
    """Who is told of a new snapshot, and of what stood in its way."""

    on_publish: Callable[[Snapshot], None]
    on_fault: Callable[[Fault], None]


class Publisher:
    """Keeps one snapshot current. `snapshot` is the one in force; `faults` counts since the start."""

    def __init__(
        self, inputs: Inputs, keys: KeyStore, clock: Clock, audience: Audience, secrets: SecretKeeper | None = None
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.faults = 0
        self._inputs, self._keys, self._clock, self._audience = inputs, keys, clock, audience
        self._state = Path(inputs.state)
        self._secrets = secrets or SecretKeeper({}, clock, 0.0, lambda _reference, _fault: None)
        self._seen: tuple[str, int, int, int] | None = None
        self._files: tuple[str, ...] = ()
        self._told = ""
        self._good: tuple[Document, Settings] | None = None  # what the snapshot in force was compiled from

    async def start(self) -> Snapshot:
        """The first snapshot: compiled, or else the last good one of this state folder; raises Fault without either."""
        last = _last_good(self._state / "snapshot.bin")
        try:
            compiled = await self._compile(last.version if last else 0)
        except (ConfigFault, StoreFault) as fault:
            if last is None:
                raise
            self.snapshot = last
            self._audience.on_publish(last)
            self._tell(fault)
            if isinstance(fault, ConfigFault):
                await self._rekey()
            return self.snapshot
        self._adopt(compiled)
        return compiled

    async def look(self) -> bool:
        """Publish if something has changed; returns whether it did. Never raises for a broken configuration."""
        try:
            revision = await self._keys.keys_revision()
            seen = (_fingerprint(self._files), revision, self._day(), self._secrets.revision)
            if seen == self._seen:
                self._told = ""
                return False
            compiled = await self._compile(self.snapshot.version if self.snapshot else 0)
        except ConfigFault as fault:
            self._tell(fault)
            return await self._rekey()
        except StoreFault as fault:
            self._tell(fault)
            return False
        return self._adopt_if_new(compiled)

    async def watch(self, every_s: float = 1.0) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def _rekey(self) -> bool:
        """The configuration is broken: put the keys as they are stored now on the last good one."""
        if self.snapshot is None:
            return False
        try:
            stored = await self._keys.stored_keys()
            version = self._version(self.snapshot.version)
            if self._good is None:  # what is in force is from an earlier life: all there is to it is the snapshot
                return self._adopt_if_new(_revoked(self.snapshot, stored, version))
            document, settings = self._good
            return self._adopt_if_new(compile_snapshot(document, settings, stored, self.snapshot.pepper, version))
        except (ConfigFault, StoreFault) as fault:
            self._tell(fault)
            return False

    async def _compile(self, last_version: int) -> Snapshot:
        self._seen = None  # until this has gone well, the next look reads again
        before = _fingerprint(self._files)
        revision = await self._keys.keys_revision()
        stored = await self._keys.stored_keys()
        settings, document, rotation = await self._read()
        pepper = pepper_of(self._state, settings.secret)
        compiled = compile_snapshot(document, settings, stored, pepper, self._version(last_version))
        after = _fingerprint(document.files)
        if before == after:  # else somebody may have written while we read: look once more
            self._seen = (after, revision, self._day(), rotation)
        self._files, self._told, self._good = document.files, "", (document, settings)
        return compiled

    async def _read(self) -> tuple[Settings, Document, int]:
        """The configuration, with all secrets that it names, and the revision of these."""
        while True:
            rotation = self._secrets.revision
            settings, document = configured(self._inputs.flags, self._inputs.environ, self._secrets.known)
            if not await self._secrets.want(document.references):
                return settings, document, rotation

    def _version(self, last: int) -> int:
        return max(last + 1, int(self._clock.wall() * 1_000))

    def _day(self) -> int:
        return int(self._clock.wall() // 86_400)  # list prices change at midnight UTC

    def _adopt_if_new(self, compiled: Snapshot) -> bool:
        if self.snapshot is not None and _same(self.snapshot, compiled):
            return False
        self._adopt(compiled)
        return True

    def _adopt(self, snapshot: Snapshot) -> None:
        target = self._state / "snapshot.bin"
        draft = target.with_suffix(".draft")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(draft, pack(snapshot))
            draft.replace(target)
        except OSError as error:  # a full disk must not keep a revoked key alive
            self._tell(ConfigFault(f"the snapshot cannot be kept: {error.strerror}", file=str(target)))
        self.snapshot = snapshot
        self._audience.on_publish(snapshot)

    def _tell(self, fault: Fault) -> None:
        if fault.message != self._told:
            self.faults += 1
            self._told = fault.message
            self._audience.on_fault(fault)


def _fingerprint(files: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in files:
        try:
            data = Path(name).read_bytes()
        except OSError as error:
            data = str(error.errno).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _revoked(snapshot: Snapshot, stored: Sequence[StoredKey], version: int) -> Snapshot:
    """The snapshot with the stored keys marked that are revoked by now."""
    keys = dict(snapshot.keys)
    for key in stored:
        principal = keys.get(key.digest)
        if principal is not None and principal.key_id == key.id and key.revoked is not None:
            keys[key.digest] = msgspec.structs.replace(principal, revoked=True)
    return msgspec.structs.replace(snapshot, keys=keys, version=version)


def _same(one: Snapshot, other: Snapshot) -> bool:
    return msgspec.structs.replace(other, version=one.version) == one


def _last_good(path: Path) -> Snapshot | None:
    try:
        return unpack(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


_: KeyStore = KeyList()
