from pathlib import Path

import pytest
from stand import Stand


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stand:
    """A working directory with a configuration and, as yet, no books."""
    return Stand(tmp_path, monkeypatch, capsys)
