"""The page of verdicts, its table first, written from the kept rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from refkan.claims.reporting.reading_tables import by_unit
from refkan.claims.rows import Row
from validation.ledger import LEDGER, SOURCES
from validation.records.markdown import markdown_table
from validation.records.store import Kept

NONE = "-"

HOLDS = ("holds", "holds as corrected")


def counts(rows: Iterable[dict[str, Any]]) -> str:
    """Return how many rows came out how, the most frequent first."""
    return ", ".join(f"{number} {status}" for status, number in Counter(r["status"] for r in rows).most_common())


def table(quick: Kept, full: Kept) -> str:
    """Return the answered rows, in the order of the ledger, as a Markdown table."""

    def status(kept: Kept, row: Row) -> str:
        return in_short(kept[row.id]) if row.id in kept else NONE

    rows = [row for row in LEDGER if row.id in quick or row.id in full]
    cells = ([r.id, r.source, r.claim, status(quick, r), status(full, r)] for r in rows)
    return markdown_table(["id", "source", "claim", "quick", "full size"], cells)


def in_short(kept: dict[str, Any]) -> str:
    """Return the status of a row, with the number of readings that were decided and of those under which it holds."""
    decided = [reading["holds"] for reading in kept["readings"] if reading["holds"] is not None]
    if not decided:
        return str(kept["status"])
    small = len(kept["readings"]) - len(decided)
    over = f"{sum(decided)} of {len(decided)} reading{'' if len(decided) == 1 else 's'}"
    over += f" ({small} too small to decide)" if small else ""
    return f"holds under {over}" if any(decided) else f"{kept['status']}, under {over}"


def page(quick: Kept, full: Kept) -> str:
    """Return the page of all verdicts: a table, then each with its criterion and numbers."""
    sections = [
        _section(row, quick.get(row.id), full.get(row.id)) for row in LEDGER if row.id in quick or row.id in full
    ]
    return f"""# Verdicts

Written by `python -m validation.records` from the rows kept in `validation/records/`; `python -m validation` measures
them anew, `python -m validation --full` at the sizes of the papers, and its report adds set-ups, figures and raw data.
Quick: {counts(quick.values())}. At full size: {counts(full.values())}.

"Holds as corrected" means that the claim as printed fails and a corrected statement, given with it, holds. What the
description of an experiment leaves open is a factor, and a reading is one choice of each: a claim holds under so many
of them. "Not reproduced" is said only where published numbers stand beside measured ones in one unit and no reading is
left; a claim that does not hold and has readings left is undecided. Every row also runs its claim mutated, which has to
fail.

{SOURCES}

Quick sizes are small: a verdict on training is that of the size run. The full size is that of the papers, or what the
row's file states. B1 needs the backends that it judges (extra `backends`).

{table(quick, full)}
""" + "\n".join(sections)


def _section(row: Row, quick: dict[str, Any] | None, full: dict[str, Any] | None) -> str:
    lines = [f"## {row.id}: {row.claim}\n", f"*{row.source}.* Measured: {row.measured}. Holds if: {row.criterion}.\n"]
    for name, kept in (("Quick", quick), ("Full size", full)):
        if kept is not None:
            lines.append(f"**{name}: {in_short(kept)}.** {_text(kept['measured'])} ({_run(kept)})\n")
            lines += _readings(row, kept)
            if "earlier" in kept:
                earlier = kept["earlier"]
                lines.append(f"At the published size, one set-up: {_text(earlier['measured'])} ({_run(earlier)})\n")
    # A corrected statement that was not measured to hold is no correction.
    held = [kept for kept in (full, quick) if kept and kept["status"] in HOLDS]
    if corrected := next((kept["corrected"] for kept in held if kept["corrected"]), ""):
        lines.append(f"As corrected: {_text(corrected)}\n")
    return "\n".join(lines)


def _readings(row: Row, kept: dict[str, Any]) -> list[str]:
    """Return the readings of a row as a table, and a table of published cells beside those of each reading."""
    readings = kept["readings"]
    if not readings:
        return []
    names = list(readings[0]["choice"])
    varied = [name for name in names if len({reading["choice"][name] for reading in readings}) > 1]
    fixed = ", ".join(f"{name}={readings[0]['choice'][name]}" for name in names if name not in varied)
    answers = {True: "yes", False: "no", None: "too few seeds"}
    lines = [f"Readings ({fixed}):\n"] if fixed else ["Readings:\n"]
    rows = []
    for r in readings:
        calibrated = "" if r["calibrated"] is None else answers[r["calibrated"]]
        rows.append([*(r["choice"][name] for name in varied), answers[r["holds"]], calibrated, _text(r["measured"])])
    lines.append(markdown_table([*varied, "holds", "calibrated", "measured"], rows))
    first = readings[0]
    for cells in by_unit([*first["cells"], *first["calibration"]]):
        printed = any(cell["published"] is not None for cell in cells)
        what = "Published beside measured" if printed else "Measured"
        lines.append(f"{what} under the first reading, {cells[0]['unit']}:\n")
        columns = ["cell", "published mean (deviation)", "median", "mean (deviation)", "seeds", "one cell again"]
        lines.append(markdown_table(columns, (_beside(row, cell) for cell in cells)))
    return lines


def _beside(row: Row, cell: Mapping[str, Any]) -> list[str]:
    printed = "" if cell["published"] is None else f"{cell['published']:.2e}"
    if printed and cell["published deviation"] is not None:
        printed += f" ({cell['published deviation']:.1e})"
    measured = [f"{cell['median']:.2e}", f"{cell['mean']:.2e} ({cell['deviation']:.1e})", str(len(cell["seeds"]))]
    line = f'`python -m validation {row.id} --cell "{cell["again"]}" --seed {cell["seeds"][0]}`'
    return [cell["cell"], printed, *measured, line]


def _run(kept: dict[str, Any]) -> str:
    where = kept["circumstances"]
    return f"`{kept['file']}`, {kept['seconds_of_file']:.3g} s, {kept['finished'][:10]}, commit {where['commit']}"


def _text(text: str) -> str:
    """Return a text in which Markdown sees no marks."""
    for mark in "\\*_|<>`":
        text = text.replace(mark, f"\\{mark}")
    return text
