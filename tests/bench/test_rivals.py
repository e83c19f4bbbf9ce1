"""The rivals' data file, and what is said of a rival that is not installed."""

from bench.install_rivals import rivals
from bench.systems.line_up import SYSTEMS


def test_every_rival_is_pinned_dated_and_can_be_measured():
    names = {system.name for system in SYSTEMS}
    for rival in rivals():
        assert rival.name in names
        assert rival.version[0].isdigit()
        assert rival.source.startswith("https://")
        assert rival.checked.year >= 2026


def test_every_system_says_how_it_is_configured():
    assert len({system.name for system in SYSTEMS}) == len(SYSTEMS)
    assert all(system.about for system in SYSTEMS)
