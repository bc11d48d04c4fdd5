"""The page of verdicts, its table first, written from the kept rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from validation.ledger import LEDGER, SOURCES, Row
from validation.records.store import Kept

HEADER = "| id | source | claim | quick | full size |\n|---|---|---|---|---|\n"

NONE = "-"

HOLDS = ("holds", "holds as corrected")


def counts(rows: Iterable[dict[str, Any]]) -> str:
    """Return how many rows came out how, the most frequent first."""
    return ", ".join(f"{number} {status}" for status, number in Counter(r["status"] for r in rows).most_common())


def table(quick: Kept, full: Kept) -> str:
    """Return the answered rows, in the order of the ledger, as a Markdown table."""

    def status(kept: Kept, row: Row) -> str:
        return kept[row.id]["status"] if row.id in kept else NONE

    rows = [row for row in LEDGER if row.id in quick or row.id in full]
    lines = [f"| {r.id} | {r.source} | {r.claim} | {status(quick, r)} | {status(full, r)} |\n" for r in rows]
    return HEADER + "".join(lines)


def page(quick: Kept, full: Kept) -> str:
    """Return the page of all verdicts: a table, then each with its criterion and numbers."""
    sections = [
        _section(row, quick.get(row.id), full.get(row.id)) for row in LEDGER if row.id in quick or row.id in full
    ]
    return f"""# Verdicts

Written by `python -m validation.records` from the rows kept in `validation/records/`; `python -m validation` measures
them anew, `python -m validation --full` at the sizes of the papers, and its report adds set-ups, figures and raw data.
Quick: {counts(quick.values())}. At full size: {counts(full.values())}.

"Holds as corrected" means that the claim as printed fails and a corrected statement, given with it, holds; "not
reproduced" is said of experiments. Every row also runs its claim mutated, which has to fail.

{SOURCES}

Quick sizes are small: a verdict on training is that of the size run. The full size is that of the papers, or what the
row's file states. B1 needs the backends that it judges (extra `backends`).

{table(quick, full)}
""" + "\n".join(sections)


def _section(row: Row, quick: dict[str, Any] | None, full: dict[str, Any] | None) -> str:
    lines = [f"## {row.id}: {row.claim}\n", f"*{row.source}.* Measured: {row.measured}. Holds if: {row.criterion}.\n"]
    for name, kept in (("Quick", quick), ("Full size", full)):
        if kept is not None:
            lines.append(f"**{name}: {kept['status']}.** {_text(kept['measured'])} ({_run(kept)})\n")
    # A corrected statement that was not measured to hold is no correction.
    held = [kept for kept in (full, quick) if kept and kept["status"] in HOLDS]
    if corrected := next((kept["corrected"] for kept in held if kept["corrected"]), ""):
        lines.append(f"As corrected: {_text(corrected)}\n")
    return "\n".join(lines)


def _run(kept: dict[str, Any]) -> str:
    where = kept["circumstances"]
    return f"`{kept['file']}`, {kept['seconds_of_file']:.3g} s, {kept['finished'][:10]}, commit {where['commit']}"


def _text(text: str) -> str:
    """Return a text in which Markdown sees no marks."""
    for mark in "\\*_|<>`":
        text = text.replace(mark, f"\\{mark}")
    return text
