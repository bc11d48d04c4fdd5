"""README's table "Where things are" names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "README.md").read_text().partition("## Where things are")[2].partition("\n## ")[0]


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
