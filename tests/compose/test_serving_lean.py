"""What a worker must not load."""

import subprocess
import sys

_HEAVY = (
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "yaml",
    "numpy",
    "rich",
    "cyclopts",
    "genai_prices",
    "prometheus_client",
)
_NOT_OURS = ("opentelemetry", "requests", "multiprocessing", "tzdata")


def test_a_worker_loads_nothing_that_only_others_need() -> None:
    code = f"import sys, intertie.compose.worker; print(sorted(set(sys.modules) & set({_HEAVY + _NOT_OURS})))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
