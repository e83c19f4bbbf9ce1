"""The request log: whole lines, at once, and never in the way."""

import json
import os
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from intertie.adapters.telemetry import requestlog
from intertie.adapters.telemetry.requestlog import RequestLog, one_line
from intertie.core.record import Observation


def _seen(number: int, **more: str) -> Observation:
    return Observation(at="2026-12-01T10:00:00Z", request=f"req_w_{number}", outcome="served", status=200, **more)


def _write_to(path: Path, seen: list[Observation]) -> bytes:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = RequestLog(fd)
    for one in seen:
        log.write(one)
    log.close()
    os.close(fd)
    return path.read_bytes()


def test_every_request_is_one_line_of_json_and_closing_flushes(tmp_path: Path) -> None:
    lines = _write_to(tmp_path / "log", [_seen(n) for n in range(5_000)]).splitlines()
    assert [json.loads(line)["request"] for line in lines] == [f"req_w_{n}" for n in range(5_000)]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_nothing_a_caller_sends_ends_a_line_or_reaches_a_terminal(text: str) -> None:
    line = one_line(_seen(1, caller_id=text))
    assert all(0x20 <= byte < 0x80 for byte in line)
    assert json.loads(line).get("caller_id", "") == text


def test_line_ends_and_escape_sequences_stay_inside_their_line(tmp_path: Path) -> None:
    wild = 'a\r\nb\x1b[31m\x00\u2028\u009b31m"}\n{'
    written = _write_to(tmp_path / "log", [_seen(1, caller_id=wild)])
    assert written.count(b"\n") == 1
    assert b"\x1b" not in written and b"\r" not in written
    assert json.loads(written)["caller_id"] == wild


def test_a_line_appears_within_the_flush_time(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = RequestLog(writer)
    begun = time.monotonic()
    log.write(_seen(7))
    line = os.read(reader, 65_536)
    took = time.monotonic() - begun
    log.close()
    os.close(writer)
    os.close(reader)
    assert json.loads(line)["request"] == "req_w_7"
    assert took < requestlog.FLUSH_S + 0.4


def test_lines_into_a_pipe_leave_in_parts_that_the_kernel_keeps_whole() -> None:
    reader, writer = os.pipe()
    log = RequestLog(writer)
    for number in range(60):
        log.write(_seen(number, user="u" * 300))
    log.close()
    os.close(writer)
    text = b""
    while part := os.read(reader, 4096):  # what the kernel took in one piece comes out in one piece of a page
        text += part
    os.close(reader)
    assert len(text.splitlines()) == 60


def test_a_reader_that_stops_costs_lines_but_no_time_and_the_loss_is_told() -> None:
    reader, writer = os.pipe()
    log = RequestLog(writer)
    long = "u" * 4_000
    slowest, sent = 0.0, 2 * requestlog.LIMIT_BYTES // 4_000
    for number in range(sent):
        before = time.monotonic()
        log.write(_seen(number, user=long))
        slowest = max(slowest, time.monotonic() - before)
    assert slowest < 0.25, "writing a line waits for nobody"
    assert log.dropped > 0
    rest, lines, told = b"", 0, 0
    while lines + told < sent:
        *whole, rest = (rest + os.read(reader, 1 << 20)).split(b"\n")
        notices = [json.loads(line)["lines"] for line in whole if b"request_log_lines_dropped" in line]
        told += sum(notices)
        lines += len(whole) - len(notices)
    log.close()
    os.close(writer)
    os.close(reader)
    assert told == log.dropped and lines + told == sent


def test_a_reader_that_left_is_counted_and_does_no_harm() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log = RequestLog(writer)
    log.write(_seen(1))
    log.close()
    os.close(writer)
    assert log.dropped == 1
