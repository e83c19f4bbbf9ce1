"""The journal: what was written can be read, whatever cut it off, and a dead worker is told from a living one."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.core.faults import StoreFault
from intertie.core.record import Admitted, Charge, JournalRow, Settled
from intertie.core.usage import Usage
from intertie.store.journal import (
    MAX_FRAME_BYTES,
    Fsync,
    JournalReader,
    JournalWriter,
    lock_if_dead,
    lock_path,
    segment_path,
)

WRITER = """
import sys, time
from pathlib import Path
from intertie.core.record import Admitted
from intertie.store.journal import JournalWriter
journal = JournalWriter(Path(sys.argv[1]), "w1", "never")
for sequence in range(1, 1_000_000):
    journal.admitted(Admitted(sequence, 0.0, "k", "u", "g", "p", "chat", "m" * (sequence % 300), ()))
    if sequence == 50:
        print("ready", flush=True)
"""


def admitted(sequence: int) -> Admitted:
    return Admitted(sequence, 1.5, "key", "ann", "interns", "", "chat", "small", (Charge("b@total", 10 * sequence),))


def settled(sequence: int) -> Settled:
    usage = Usage(10, 5, 3)
    return Settled(
        sequence, 2.5, "served", 200, "fra-1", "fra", "up", usage, 7, "list", (Charge("b@total", 7),), 0.1, 0.5, 0.01, 1
    )  # fmt: skip


def written(directory: Path, rows: int) -> Path:
    journal = JournalWriter(directory, "w1", "never")
    for sequence in range(1, rows + 1):
        journal.admitted(admitted(sequence))
        journal.settled(settled(sequence))
    journal.close()
    return segment_path(directory, "w1", 1)


def read_all(path: Path, step: int = 1000) -> tuple[list[JournalRow], JournalReader]:
    reader, rows = JournalReader(path), list[JournalRow]()
    while batch := reader.read(step):
        rows += batch
    return rows, reader


@pytest.mark.parametrize("fsync", ["50ms", "always", "never"])
def test_rows_are_read_as_they_were_written(tmp_path: Path, fsync: Fsync) -> None:
    journal = JournalWriter(tmp_path, "w1", fsync)
    journal.admitted(admitted(1))
    journal.settled(settled(1))
    path = segment_path(tmp_path, "w1", 1)
    assert read_all(path)[0] == [admitted(1), settled(1)]
    time.sleep(0.12)
    journal.settled(settled(2))
    journal.close()
    rows, reader = read_all(path, step=2)
    assert rows == [admitted(1), settled(1), settled(2)]
    assert reader.tail == "clean" and reader.position == path.stat().st_size


def test_segments_are_rotated_and_nothing_is_lost_between_them(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, "w1", segment_bytes=1_000)
    for sequence in range(1, 101):
        journal.admitted(admitted(sequence))
    journal.close()
    paths = sorted(tmp_path.glob("*.journal"), key=lambda path: int(path.suffixes[-2][1:]))
    assert len(paths) > 5
    rows = [row for path in paths for row in read_all(path)[0]]
    assert rows == [admitted(sequence) for sequence in range(1, 101)]


def test_a_row_larger_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, "w1", "never")
    large = Admitted(1, 0.0, "k", "u", "g", "p", "chat", "m" * 3_000_000, ())
    journal.admitted(large)
    journal.admitted(admitted(2))
    journal.close()
    assert read_all(segment_path(tmp_path, "w1", 1))[0] == [large, admitted(2)]


def test_a_row_that_no_reader_could_take_is_refused_and_nothing_of_it_is_written(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, "w1", "never")
    with pytest.raises(StoreFault, match="bytes"):
        journal.admitted(Admitted(1, 0.0, "k", "u", "g", "p", "chat", "m" * MAX_FRAME_BYTES, ()))
    with pytest.raises(StoreFault, match="row"):
        journal.admitted(admitted(2**64))
    journal.admitted(admitted(2))
    journal.close()
    assert read_all(segment_path(tmp_path, "w1", 1))[0] == [admitted(2)]


@given(st.integers(0, 600))
def test_a_file_cut_anywhere_yields_every_whole_row_and_says_torn(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = written(tmp_path_factory.mktemp("journal"), 5)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    rows, reader = read_all(path)
    expected = [row for sequence in range(1, 6) for row in (admitted(sequence), settled(sequence))]
    assert rows == expected[: len(rows)]
    assert reader.tail == ("clean" if reader.position == path.stat().st_size else "torn")


@given(st.data())
def test_a_changed_byte_is_never_taken_for_a_row(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = written(tmp_path_factory.mktemp("journal"), 5)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    rows, reader = read_all(path)
    expected = [row for sequence in range(1, 6) for row in (admitted(sequence), settled(sequence))]
    assert rows == expected[: len(rows)] and len(rows) < len(expected)
    assert reader.tail in ("torn", "corrupt") and reader.position <= at


def test_zeros_after_the_last_row_are_a_torn_end_and_anything_else_is_not(tmp_path: Path) -> None:
    path = written(tmp_path, 1)
    size = path.stat().st_size
    os.truncate(path, size + 4_096)
    assert read_all(path)[1].tail == "torn"
    path.write_bytes(path.read_bytes()[:size] + struct.pack("<II", 3, 1) + b"abc")
    assert read_all(path)[1].tail == "corrupt"


def test_what_was_written_survives_kill_9_and_the_lock_does_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        assert lock_if_dead(tmp_path, "w1") is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    fd = lock_if_dead(tmp_path, "w1")
    assert fd is not None
    os.close(fd)
    rows, reader = read_all(segment_path(tmp_path, "w1", 1))
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= 50
    assert reader.tail in ("clean", "torn")


def test_a_worker_without_a_lock_file_is_not_there(tmp_path: Path) -> None:
    assert lock_if_dead(tmp_path, "nobody") is None
    assert not lock_path(tmp_path, "nobody").exists()


def test_a_full_disk_refuses_the_row_and_leaves_no_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalWriter(tmp_path, "w1", "never")
    journal.admitted(admitted(1))
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    with pytest.raises(StoreFault, match="only a part"):
        journal.admitted(admitted(2))
    monkeypatch.setattr(os, "write", real)
    journal.admitted(admitted(3))
    journal.close()
    assert read_all(segment_path(tmp_path, "w1", 1))[0] == [admitted(1), admitted(3)]


def test_a_journal_that_cannot_be_mended_takes_no_more_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalWriter(tmp_path, "w1", "never")

    def broken(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", broken)
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(StoreFault, match="Input/output"):
            journal.admitted(admitted(1))
    with pytest.raises(StoreFault, match="Input/output"):
        journal.admitted(admitted(2))
    journal.close()


def test_a_directory_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFault, match="cannot be opened"):
        JournalWriter(tmp_path / "file" / "journal", "w1")


def test_the_journal_needs_no_database_library() -> None:
    code = "import sys, intertie.store.journal; print({'sqlalchemy', 'sqlite3'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "none\n"
