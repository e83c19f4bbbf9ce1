"""The command itself: every verb loads, help is complete, exit codes say what they promise."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App
from stand import Stand, admitted

from intertie import __version__
from intertie.cli.main import EXIT_CODES, build, load_all, run

COMMAND = Path(sys.executable).with_name("intertie")


def intertie(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *words.split()], cwd=folder, capture_output=True, text=True, timeout=60)


def verbs(app: App, path: str = "") -> Iterator[tuple[str, App]]:
    for name, each in app.resolved_commands().items():
        if not name.startswith("-"):
            yield f"{path} {name}".strip(), each
            yield from verbs(each, f"{path} {name}".strip())


def test_every_verb_loads_and_says_what_it_does() -> None:
    app = build()
    load_all(app)
    found = dict(verbs(app))
    assert {"serve", "demo", "check", "keys create", "keys list", "keys revoke", "groups", "budgets", "models", "usage",
            "ledger verify", "route explain", "engine sim", "bench overhead", "replay"} <= set(found)  # fmt: skip
    assert all(each.help.strip() for each in found.values())


def test_help_lists_every_verb_with_its_description_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("--help",)) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "usage What requests consumed and cost" in said
    assert all(f"{code} {meaning.split(':')[0]}" in said for code, meaning in EXIT_CODES.items())
    assert run(("keys", "--help")) == 0
    assert "Make a key." in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", ["nonsense", "keys lst", "usage --by nonsense", "usage --nonsense", "keys create", "route explain"]
)
def test_wrong_use_is_told_and_has_its_code(tmp_path: Path, words: str) -> None:
    said = intertie(tmp_path, words)
    assert said.returncode == 2 and "Error" in said.stderr and said.stdout == ""


def test_the_real_command_ends_with_the_promised_codes(stand: Stand) -> None:
    assert intertie(stand.folder, "--version").stdout.strip() == __version__
    assert intertie(stand.folder, "models --json").returncode == 0
    away = intertie(stand.folder, "usage")
    assert (away.returncode, away.stdout) == (3, "") and away.stderr.startswith("intertie: there are no books at")
    wrong = intertie(stand.folder, "keys create --name ci --group inter")
    assert wrong.returncode == 2 and "did you mean interns?" in wrong.stderr
    stand.configure("sites: [{id: }]\n")
    broken = intertie(stand.folder, "budgets")
    assert broken.returncode == 1 and "intertie.yaml:1:" in broken.stderr


def test_who_reads_only_the_beginning_gets_no_complaint(stand: Stand) -> None:
    stand.write(*(admitted(number, 1_793_700_000.0, model=f"model-{number}") for number in range(2_000)))
    line = f"{COMMAND} usage --since 2026-01-01 --until 2027-01-01 --by model --json | head -1"
    said = subprocess.run(["bash", "-c", line], cwd=stand.folder, capture_output=True, text=True, timeout=60)
    assert (said.stdout, said.stderr) == ("{\n", "")
