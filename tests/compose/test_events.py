"""Events of the processes: JSON for machines, words on a terminal, and silence where nobody listens."""

import json
import os
import pty
import sys

import pytest

from intertie.compose.events import tell


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    tell("child_died", child="worker-0", code=-9, why="a\r\nb\x1b[31m")
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "\x1b" not in line
    told = json.loads(line)
    assert told["event"] == "child_died" and told["code"] == -9 and told["at"].endswith("+00:00")


def test_on_a_terminal_it_speaks_to_people_and_paints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        tell("child_died", child="worker-0", why="\x1b[31m")
        told = os.read(ours, 4096)
    os.close(ours)
    assert b"child died  child=worker-0" in told and b"\x1b" not in told


def test_a_reader_that_left_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", pipe)
    tell("ready")
    os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # so that closing can flush what is left
    pipe.close()
