"""Sources that rows of the ledger name: papers, and what the short names are."""

import tomllib
from pathlib import Path

_TEXT = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")

PAPERS = {f"[{short}]": paper for short, paper in tomllib.loads(_TEXT).items()}
"""What sources are short for; a lemma, equation, table or section without one is that of [S26]."""

SOURCES = """\
Lemmas, equations, tables and sections are those of [S26]. Rows marked "summary" and "next checks" are statements that
are made about [S26] and [A25], rows marked "ours" are our own, and rows whose ids begin with O are statements of other
papers.

""" + "\n".join(f"* {short} {paper}." for short, paper in PAPERS.items())
"""What the sources of rows are, for readers of every table of rows."""
