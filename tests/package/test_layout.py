"""The table of docs/layout.md names what there is, and nothing else; pages cite files and tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "layout.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def named(row):
    """Paths in the first cell of a row; those without a folder are in that of the first."""
    names = re.findall(r"`([^`]+)`", row.split("|")[1])
    folder = names[0].partition("/")[0]
    return {name.rstrip("/") if name.startswith(f"{folder}/") else f"{folder}/{name}".rstrip("/") for name in names}


def test_the_table_names_every_file_and_folder_and_no_other():
    rows = [line for line in TABLE.splitlines() if line.startswith("| `")]
    table = set().union(*map(named, rows))
    assert not {name for name in table if not (ROOT / name).exists()}
    there = {"docs", "tests", "validation"}
    for folder in (ROOT / "refkan", ROOT / "validation"):
        held = {p for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
        there |= {p.relative_to(ROOT).as_posix() for p in held if not p.name.startswith("__")}
    assert table == there


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_that_pages_cite_exist(page):
    for name, test in re.findall(r"`((?:refkan|tests|validation)/[\w/.-]+?)(?:::(\w+))?`", page.read_text()):
        assert (ROOT / name).exists(), name
        assert not test or f"def {test}(" in (ROOT / name).read_text(), f"{name}::{test}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)  # code has brackets of its own
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        built = link.startswith("gallery/")  # by Sphinx, which holds it to its links
        assert built or (page.parent / link).exists(), link
