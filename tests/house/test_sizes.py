"""The tail is capped from the first day: modules, functions, and no way around the rules."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "bench")
MODULES = sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py") if "rivals" not in path.parts)
ESCAPES = re.compile(
    r"#\s*(noqa|type:\s*ignore|pyright:|pragma: no cover|fmt: off)|mark\.(skip|xfail)|except (Base)?Exception\b|except:"
)
UNWELCOME = re.compile(r"(manager|handler|helper|utils?|common|deployment)s?$", re.IGNORECASE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_stays_small_and_keeps_the_rules(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    if path != Path(__file__):
        assert not ESCAPES.search(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno + 1 <= 40, f"{node.name} is too long"
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            assert not UNWELCOME.search(node.name), node.name


def test_every_folder_says_what_it_is() -> None:
    for init in (ROOT / "src").rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(init.read_text())), init


def test_every_module_of_the_tests_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert len(names) == len(set(names)), sorted(name for name in names if names.count(name) > 1)
