"""The verdict table of the README comes from a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from validation.ledger import LEDGER
from validation.readme_table import HEADER, main, replace_table, table


def row(id, status):
    return {"id": id, "source": "s", "claim": "c", "status": status}


def test_rows_with_a_verdict_replace_the_old_ones(tmp_path):
    record, readme = tmp_path / "record.json", tmp_path / "README.md"
    record.write_text(json.dumps({"rows": [row("A", "refuted"), row("B", "pending"), row("C", "holds")]}))
    readme.write_text(f"before\n\n{HEADER}| A | s | c | holds |\n| Z | s | c | holds |\n\nafter\n")
    assert main([str(record), str(readme)]) == 0
    assert readme.read_text() == f"before\n\n{HEADER}| A | s | c | refuted |\n| C | s | c | holds |\n\nafter\n"


def test_errors_and_missing_tables_are_refused(capsys):
    with pytest.raises(ValueError, match="got errors for A"):
        table({"rows": [row("A", "error")]})
    with pytest.raises(ValueError, match="one verdict table; got 0"):
        replace_table("nothing", HEADER)
    assert main([]) == 2
    assert "RECORD README" in capsys.readouterr().err


def test_the_readme_quotes_the_ledger():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    lines = text.split(HEADER)[1].split("\n\n")[0].strip().splitlines()
    texts = {r.id: (r.source, r.claim) for r in LEDGER}
    quoted = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert quoted
    for id, source, claim, _ in quoted:
        assert (source, claim) == texts[id]
