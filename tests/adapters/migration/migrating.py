"""Foreign files, read, written as ours, and taken up as a gateway would."""

from pathlib import Path

from intertie.adapters.migration.draft import Imported
from intertie.config.document import configured
from intertie.config.snapshot import Snapshot
from intertie.control.compile import compile_document

NOW = 1_795_000_000.0


def taken_up(folder: Path, made: Imported, **environ: str) -> Snapshot:
    """The snapshot of the written file. Raises ConfigFaults if `intertie check` would find a problem."""
    path = folder / "made.yaml"
    path.write_text(made.draft.text("theirs.yaml", made.left))
    settings, document = configured({"config": str(path)}, environ)
    return compile_document(document, settings, (), b"p" * 32, int(NOW * 1_000)).snapshot


def told(made: Imported) -> dict[str, str]:
    """Why each thing was left, by where it stood."""
    return {left.where: left.why for left in made.left}
