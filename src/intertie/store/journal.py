"""The journal: what a worker writes before it spends and before it answers, in a file of its own.

    <directory>/<worker>.lock               locked (flock) for the worker's life; the kernel releases it at death
    <directory>/<worker>.<segment>.journal  frames: u32 length, u32 CRC-32, msgpack of a JournalRow (little-endian)

Each row is one `write` to a file opened for appending, so what was acknowledged survives the death of the process;
`fsync` decides what survives the death of the machine. Imports no database library: workers use this module.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from intertie.core.faults import StoreFault
from intertie.core.ids import WorkerId
from intertie.core.record import Admitted, JournalRow, Settled

Fsync = Literal["50ms", "always", "never"]

SEGMENT_BYTES = 64 * 1024 * 1024
MAX_FRAME_BYTES = 16 * 1024 * 1024
_SYNC_EVERY_S = 0.05
_CHUNK_BYTES = 1024 * 1024

_header = struct.Struct("<II")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(JournalRow).decode


class JournalUnreadable(StoreFault):
    """A journal is there and cannot be read: wait for whoever mends that, and do not take it for empty."""

    code = "journal_unreadable"


def lock_path(directory: Path, worker: WorkerId) -> Path:
    """The file whose lock says that the worker lives."""
    return directory / f"{worker}.lock"


def segment_path(directory: Path, worker: WorkerId, segment: int) -> Path:
    """The worker's journal file number `segment`, counted from 1."""
    return directory / f"{worker}.{segment}.journal"


def lock_if_dead(directory: Path, worker: WorkerId) -> int | None:
    """The lock of a dead worker, as an open descriptor which the caller closes; None while the worker lives."""
    try:
        fd = os.open(lock_path(directory, worker), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


class JournalWriter:
    """The one writer of a worker's journal. Raises StoreFault where a row cannot be written: then nothing is served.

    `written` counts bytes over all segments.
    """

    def __init__(
        self, directory: Path, worker: WorkerId, fsync: Fsync = "50ms", *, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._directory, self._worker, self._fsync, self._segment_bytes = directory, worker, fsync, segment_bytes
        self.written = 0
        self._segment = 0
        self._size = 0
        self.written = 0
        self._dirty = False
        self._broken = ""
        self._full: list[int] = []  # descriptors of finished segments, still to be synced and closed
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(directory, worker)
            self._fd = self._next_segment()
        except OSError as error:
            raise StoreFault(f"the journal in {directory} cannot be opened: {error}") from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_syncing, name="journal-sync", daemon=True)
        if fsync == "50ms":
            self._thread.start()

    def admitted(self, row: Admitted) -> None:
        """Write that a request may cost up to its holds from now on."""
        self._append(row)

    def settled(self, row: Settled) -> None:
        """Write what a request was and what it cost."""
        self._append(row)

    def close(self) -> None:
        """Sync what was written and let the lock go: the worker's life is over."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._full.append(self._fd)
        self._sync_full()
        os.close(self._lock)

    def _append(self, row: JournalRow) -> None:
        if self._broken:
            raise StoreFault(f"the journal cannot be written: {self._broken}")
        try:
            body = _encode(row)
        except OverflowError as error:
            raise StoreFault(f"the journal cannot hold the row: {error}") from error
        if len(body) > MAX_FRAME_BYTES:
            raise StoreFault(f"the journal cannot hold a row of {len(body)} bytes")
        frame = _header.pack(len(body), zlib.crc32(body)) + body
        try:
            written = os.write(self._fd, frame)
            if written != len(frame):
                raise OSError("the disk took only a part of the row")
            self._size += written
            self.written += written
            if self._fsync == "always":
                os.fdatasync(self._fd)
        except OSError as error:
            self._cut_back(error)
        self._dirty = True
        if self._size >= self._segment_bytes:
            self._rotate()

    def _cut_back(self, error: OSError) -> None:
        try:
            os.ftruncate(self._fd, self._size)  # a frame begun and not finished would hide all that follows
        except OSError as second:
            self._broken = str(second)
        raise StoreFault(f"the journal cannot be written: {error}") from error

    def _rotate(self) -> None:
        full = self._fd
        try:
            self._fd = self._next_segment()
        except OSError as error:
            self._broken = str(error)  # the row itself is written; it is the next one that finds no place
            return
        self._full.append(full)
        if self._fsync != "50ms":
            self._sync_full()

    def _next_segment(self) -> int:
        self._segment += 1
        path = segment_path(self._directory, self._worker, self._segment)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0
        if self._fsync != "never":
            _sync_directory(self._directory)
        return fd

    def _keep_syncing(self) -> None:
        while not self._stop.wait(_SYNC_EVERY_S):
            self._sync_full()
            if self._dirty:
                self._dirty = False
                try:
                    os.fdatasync(self._fd)
                except OSError as error:
                    self._broken = str(error)

    def _sync_full(self) -> None:
        while self._full:
            fd = self._full.pop(0)
            try:
                if self._fsync != "never":
                    os.fdatasync(fd)
            except OSError as error:
                self._broken = str(error)
            os.close(fd)


def journals(directory: Path) -> dict[WorkerId, list[int]]:
    """The segments that are there, by worker, in order. Raises StoreFault if the directory cannot be read."""
    found: dict[WorkerId, list[int]] = {}
    try:
        names = [path.name for path in directory.glob("*.*.journal")]
    except OSError as error:
        raise StoreFault(f"the journals in {directory} cannot be read: {error}") from error
    for name in names:
        worker, number, _ = name.split(".", 2)
        if number.isdigit():
            found.setdefault(worker, []).append(int(number))
    return {worker: sorted(segments) for worker, segments in found.items()}


def locks(directory: Path) -> set[WorkerId]:
    """The workers, living and dead, whose lock file is there."""
    return {path.stem for path in directory.glob("*.lock") if not path.name.startswith(".")}


def remove_segments(directory: Path, worker: WorkerId, segments: Iterable[int]) -> None:
    """Delete segments that are folded for good. Raises StoreFault if the directory cannot be written."""
    try:
        for segment in segments:
            segment_path(directory, worker, segment).unlink(missing_ok=True)
    except OSError as error:
        raise StoreFault(f"the journal of {worker} cannot be removed: {error}") from error


Tail = Literal["clean", "torn", "corrupt"]
"""How a segment ends: after a whole frame, within one (still being written, or cut by a crash), or in bytes that are
no frame."""


class JournalReader:
    """Reads one segment from a position on, frame by frame."""

    def __init__(self, path: Path, position: int = 0) -> None:
        self.path, self.position = path, position
        self.tail: Tail = "clean"

    def read(self, limit: int) -> list[JournalRow]:
        """The next rows, at most `limit`; moves `position` behind them. Raises JournalUnreadable.

        An empty answer means that there is nothing more to read now, and `tail` tells what stands at `position`.
        """
        rows: list[JournalRow] = []
        data, at = self._bytes(_CHUNK_BYTES), 0
        self.tail = "clean"
        while len(rows) < limit and at < len(data):
            if not rows and len(data) >= _header.size:
                data = self._whole_frame(data)
            end, self.tail = _frame_end(data, at)
            if self.tail != "clean":
                break
            try:
                rows.append(_decode(data[at + _header.size : end]))
            except msgspec.DecodeError:
                self.tail = "corrupt"
                break
            at = end
        self.position += at
        return rows

    def _whole_frame(self, data: bytes) -> bytes:
        size = _header.unpack_from(data)[0] + _header.size
        return self._bytes(size) if len(data) < size <= MAX_FRAME_BYTES else data

    def _bytes(self, size: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.position)
                return file.read(size)
        except OSError as error:
            raise JournalUnreadable(f"the journal {self.path} cannot be read: {error}") from error


def _frame_end(data: bytes, at: int) -> tuple[int, Tail]:
    """Where the frame at `at` ends, or why there is no whole one."""
    if len(data) - at < _header.size:
        return at, "torn"
    length, checksum = _header.unpack_from(data, at)
    end = at + _header.size + length
    if not 0 < length <= MAX_FRAME_BYTES:
        # After a power failure a file may be longer than what was written to it; the rest is then zeros.
        return at, "corrupt" if any(data[at:]) else "torn"
    if end > len(data):
        return at, "torn"
    if zlib.crc32(data[at + _header.size : end]) != checksum:
        return at, "corrupt"
    return end, "clean"


def _locked(directory: Path, worker: WorkerId) -> int:
    # Made under another name and renamed: no one may ever see the file without its lock, and take the worker for dead.
    draft = directory / f".{worker}.lock"
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.rename(lock_path(directory, worker))
    return fd


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
