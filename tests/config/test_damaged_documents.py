"""However a file is damaged, reading it ends in a document or in faults that say where."""

from importlib.resources import files
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intertie.config.document import load_document
from intertie.config.wishes import Document
from intertie.core.faults import ConfigFaults

WORLD = files("intertie.catalog").joinpath("data", "demo_world.yaml").read_text()
LINES = WORLD.splitlines(keepends=True)
PORTS = dict.fromkeys(("FRA", "STO", "PAR", "IAD", "PDX", "SIN", "IAD_70B", "PDX_70B", "SIN_70B"), "9000")
ENVIRON = {f"SIM_{name}": port for name, port in PORTS.items()}
SIGNS = ["{", "}", "[", "]", ":", ": ", "- ", "&a ", "*a", "<<: ", "${", "${A}", "!!int ", "'", '"', "\t", "\x00", "| "]
WORDS = ["null", "~", "nan", "-1", "1e400", "9" * 400, "env:", "file:/", "file:..", "vault:x", "é\U0001f600", "---\n"]
SHARDS = st.sampled_from(SIGNS + WORDS)

cut_lines = st.tuples(st.integers(0, len(LINES)), st.integers(0, len(LINES))).map(
    lambda ends: "".join(LINES[: min(ends)] + LINES[max(ends) :])
)
shards_put_in = st.lists(st.tuples(st.integers(0, len(WORLD)), SHARDS), min_size=1, max_size=4)
characters_lost = st.lists(st.tuples(st.integers(0, len(WORLD)), st.integers(1, 30)), min_size=1, max_size=3)


def read(folder: Path, data: bytes) -> Document | ConfigFaults:
    path = folder / "intertie.yaml"
    path.write_bytes(data)
    try:
        return load_document(path, ENVIRON)
    except ConfigFaults as faults:
        assert faults.faults
        assert all(fault.file and str(fault) for fault in faults.faults)
        return faults


def test_undamaged_it_is_a_document(tmp_path: Path) -> None:
    assert isinstance(read(tmp_path, WORLD.encode()), Document)


common = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@common
@given(shards_put_in)
def test_with_foreign_text_put_in(tmp_path: Path, shards: list[tuple[int, str]]) -> None:
    text = WORLD
    for place, shard in shards:
        text = text[:place] + shard + text[place:]
    read(tmp_path, text.encode())


@common
@given(characters_lost)
def test_with_characters_lost(tmp_path: Path, losses: list[tuple[int, int]]) -> None:
    text = WORLD
    for place, length in losses:
        text = text[:place] + text[place + length :]
    read(tmp_path, text.encode())


@common
@given(cut_lines)
def test_with_lines_cut_out(tmp_path: Path, text: str) -> None:
    read(tmp_path, text.encode())


@common
@given(st.binary(max_size=200))
def test_with_any_bytes_at_all(tmp_path: Path, data: bytes) -> None:
    read(tmp_path, data)
