from pathlib import Path

import pytest

from intertie.cli.reference import main, pages
from intertie.config.fields import fields_of
from intertie.config.settings import AT_START, OF_CONTROL, SETTINGS, WITH_NEW_WORKERS
from intertie.config.wishes import Sections

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_in_the_repository_is_the_one_the_code_writes(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "run: python -m intertie.cli.reference docs/reference"


def test_every_setting_and_every_section_is_on_a_page() -> None:
    written = pages()
    for setting in SETTINGS:
        assert f"`{setting.environ}`" in written["settings.md"]
    for section in fields_of(Sections):
        assert f"\n## {section}\n" in written["configuration.md"]


def test_a_default_is_shown_as_it_is_written() -> None:
    rows = {line.split("|")[1].strip(): line for line in pages()["settings.md"].splitlines() if line.startswith("|")}
    assert "| `0.0.0.0` |" in rows["`host`"]
    assert "| `600` |" in rows["`drain_s`"]


def test_every_setting_says_when_a_new_value_takes_hold() -> None:
    when = {setting.name: setting.takes_hold for setting in SETTINGS}
    of_control = {name for name in when if name.partition(".")[0] in OF_CONTROL}
    assert {name for name, moment in when.items() if moment == "next start"} == AT_START | of_control
    assert set(WITH_NEW_WORKERS) == {name.partition(".")[0] for name, moment in when.items() if moment == "new worker"}
    assert when["retry.max_attempts"] == when["default_objective"] == "at once"


def test_the_command_writes_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["reference", str(tmp_path / "new")])
    main()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(pages())
