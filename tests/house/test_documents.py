"""Documents hold together: decisions are counted without gaps or doubles, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
WORD = re.compile(r"^\| \*\*(.+?)\*\* \|", re.MULTILINE)


def test_decisions_are_counted_without_gaps_or_doubles() -> None:
    assert [page.name[:5] for page in DECISIONS] == [f"{number:04}-" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_number_a_date_and_non_goals(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]} ")
    assert re.match(r"20\d\d-\d\d-\d\d · accepted$", text.splitlines()[2])
    assert "**Non-goals.**" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    words = [word.lower() for word in WORD.findall((ROOT / "docs/glossary.md").read_text())]
    assert words == sorted(set(words))
