"""The pages of verdicts, of readings and of goals, written from the kept rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from refkan.claims import Row
from refkan.claims.estimates import ENOUGH, from_plain
from refkan.claims.reporting import reading_tables
from validation.ledger import LEDGER
from validation.records.markdown import markdown_table
from validation.records.store import Kept, is_old
from validation.sources import SOURCES


def fewer_seeds(kept: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return the fewest seeds of what decides a kept row, and what one costs; None where 25 do, or chance does not."""
    deciding = [e for e in map(from_plain, kept["estimates"]) if e.decides and e.seeds]
    few = min(deciding, key=lambda e: len(e.seeds), default=None)
    return None if few is None or len(few.seeds) >= ENOUGH else (len(few.seeds), few.cost)


NONE = "-"
HOLDS = ("holds", "holds as corrected")

LONGEST = 900
"""Characters of measurements that a row of the page has room for; the report has all."""


def counts(rows: Iterable[dict[str, Any]]) -> str:
    """Return how many rows came out how, the most frequent first."""
    return ", ".join(f"{number} {status}" for status, number in Counter(map(status_of, rows)).most_common())


def status_of(kept: Mapping[str, Any]) -> str:
    """The status of a kept row; of one that an earlier criterion judged, that it is not judged."""
    return "not run since its criterion changed" if is_old(kept) else str(kept["status"])


def answered(quick: Kept, full: Kept) -> list[Row]:
    """Return the answered rows but goals, in the order of the ledger."""
    return [row for row in LEDGER if (row.id in quick or row.id in full) and not row.goal]


def table(quick: Kept, full: Kept) -> str:
    cells = []
    for r in answered(quick, full):
        link = f"[{r.id}](#{r.id.lower()})"
        cells.append([link, r.source, _text(r.claim), in_short(full.get(r.id)), of_quick(r, quick, full)])
    return markdown_table(["id", "source", "claim", "full size", "quick run"], cells)


def in_short(kept: dict[str, Any] | None) -> str:
    """Return the status of a row, with the number of readings that speak and of those under which it holds."""
    if kept is None:
        return NONE
    status = status_of(kept)
    every = kept["readings"]
    speaking = [r for r in every if r.get("speaks")] or [r for r in every if r["calibrated"]] or every
    decided = [reading["holds"] for reading in speaking if reading["holds"] is not None]
    if is_old(kept) or not decided:
        return status
    tried = len(kept["readings"])
    over = f"{sum(decided)} of {len(decided)} reading{'' if len(decided) == 1 else 's'}"
    over += f" ({tried} tried)" if tried > len(decided) else ""
    if len(decided) == 1:
        return f"{status} ({tried} readings tried)" if tried > 1 else status
    return f"holds under {over}" if any(decided) else f"{status}, under {over}"


def of_quick(row: Row, quick: Kept, full: Kept) -> str:
    """Return what a quick run says: its verdict where no chance enters, else whether it points as the record does."""
    kept = quick.get(row.id)
    if kept is None:
        return NONE
    if is_old(kept):
        return status_of(kept)
    chance = bool(kept["estimates"] or kept["readings"])
    if not chance or row.id not in full or is_old(full[row.id]):
        return status_of(kept)
    return str(kept.get("said", "")).partition("small run: ")[2] or status_of(kept)


def verdicts(quick: Kept, full: Kept) -> str:
    """Return the page of all verdicts: a table, then each on a screen."""
    return f"""# Verdicts

Written by `python -m validation.records` from the rows kept in `validation/records/`; `python -m validation` measures
them anew in minutes, `python -m validation --full` at the sizes of the papers, and its report adds figures, set-ups and
raw data. At full size: {counts(full.values())}.

A claim on an experiment is decided by estimates with intervals over seeds, which cover with 95 %, of five seeds with
93.75 % ([calibration](calibration.md)): it holds where they lie on its side, is refuted where they lie beyond, and is
undecided where they hold the bound or seeds are too few. A training is evaluated at the point of least loss of its last
level, and each level starts at that of the one before. What the description of an experiment leaves open is a
reading; those that meet the published means and deviations of cells that the claim is
not about speak, and [all that were tried](readings.md) stand beside. "Holds as corrected": the claim as printed fails,
and a corrected statement holds. "Not reproduced": published numbers stand beside ours, and no reading brings them
together. A quick run of an experiment decides nothing: it says whether it points as the record does. Every row runs its
claim mutated, which must fail, and rows that fail a positive control, which must hold. [Goals](goals.md) are no claims.

{table(quick, full)}
{"".join(_section(row, quick.get(row.id), full.get(row.id)) for row in answered(quick, full))}
## Sources

{SOURCES}
"""


def _section(row: Row, quick: dict[str, Any] | None, full: dict[str, Any] | None) -> str:
    shown = full if full is not None and not (is_old(full) and quick is not None and not is_old(quick)) else quick
    assert shown is not None
    size = "at full size" if shown is full else "quick run"
    lines = [
        f"\n## {row.id}\n",
        f"*{_text(row.source)}.* {_text(row.claim)}.\n",
        f"**{in_short(shown)}** ({size}, {_run(shown)}). Holds if: {_text(row.criterion)}.\n",
    ]
    if shown is full and (few := fewer_seeds(shown)):
        lines.append(f"Seeds: {few[0]} of the {ENOUGH} that decide an experiment; {few[1]}.\n")
    if full is not None and is_old(full):
        lines.append(
            f"At full size not run since the criterion changed (it took {full['seconds_of_file']:.0f} s); by the"
            f" earlier one, {_text(full['criterion'])}: {full['status']}.\n"
        )
    if shown["estimates"]:
        lines.append(_estimates(shown))
    measured = _text(shown["measured"])
    lines.append(f"Measured: {measured[:LONGEST]}{' ...' if len(measured) > LONGEST else ''}\n")
    if shown["status"] in HOLDS and shown["corrected"] and not is_old(shown):
        lines.append(f"As corrected: {_text(shown['corrected'])}.\n".replace("..\n", ".\n"))
    twins = [f"{_text(name)} ({status})" for name, status in shown["mutations"].items()]
    controls = [f"{_text(name)} ({status})" for name, status in shown["controls"].items()]
    told = [f"Mutated: {'; '.join(twins)}."] if twins else []
    told += [f"Control: {'; '.join(controls)}."] if controls else []
    told += ["[All readings](readings.md)."] if shown["readings"] else []
    lines += [" ".join(told) + "\n", f"    python -m validation --full {row.id}\n"]
    return "\n".join(lines)


def _estimates(kept: Mapping[str, Any]) -> str:
    cells = ([_text(cell) for cell in e] for e in reading_tables.estimate_cells(map(from_plain, kept["estimates"])))
    return markdown_table(reading_tables.ESTIMATE_COLUMNS, cells)


def readings(full: Kept) -> str:
    """Return the page of readings: for each row that has any, all that were tried, and published cells beside ours."""
    sections = [
        f"\n## {row.id}\n\n{_text(row.claim)}.\n\n" + "\n".join(_readings(row, full[row.id]))
        for row in LEDGER
        if row.id in full and full[row.id]["readings"] and not row.goal
    ]
    return f"""# Readings

Every reading that was tried of what the descriptions of experiments leave open, at full size, and published cells
beside ours under the first: the tables behind the [verdicts](verdicts.md). Written by `python -m validation.records`.
{"".join(sections)}"""


def _readings(row: Row, kept: dict[str, Any]) -> list[str]:
    """Return the readings of a row as a table, and a table of published cells beside those of the first."""
    readings = kept["readings"]
    varied, fixed = reading_tables.varied_and_fixed(readings)
    answers = {True: "yes", False: "no", None: "undecided"}
    lines = [f"In all of them {fixed}.\n"] if fixed else []
    rows = []
    for r in readings:
        calibrated = "" if r["calibrated"] is None else answers[r["calibrated"]]
        rows.append([*(r["choice"][name] for name in varied), answers[r["holds"]], calibrated, _text(r["measured"])])
    lines.append(markdown_table([*varied, "holds", "calibrated", "measured"], rows))
    first = readings[0]
    for cells in reading_tables.by_unit([*first["cells"], *first["calibration"]]):
        lines.append(f"{reading_tables.heading(cells)} under the first reading, {cells[0]['unit']}:\n")
        columns = ["cell", "published mean (deviation)", "median", "mean (deviation)", "seeds", "one cell again"]
        lines.append(markdown_table(columns, (_beside(row, cell) for cell in cells)))
    return lines


def _beside(row: Row, cell: Mapping[str, Any]) -> list[str]:
    published = reading_tables.with_deviation(cell["published"], cell["published deviation"])
    mean = reading_tables.with_deviation(cell["mean"], cell["deviation"])
    line = reading_tables.again(cell, f"python -m validation {row.id}")
    seeds = str(len(cell["seeds"]))
    return [cell["cell"], published, f"{cell['median']:.2e}", mean, seeds, line and f"`{line}`"]


def goals(kept: Kept) -> str:
    """Return the page of goals: what is asked, and what was reached."""
    sections = []
    for row in (row for row in LEDGER if row.goal and row.id in kept):
        own = kept[row.id]
        numbers = _estimates(own) if own["estimates"] else f"Reached: {_text(own['measured'])}\n"
        sections.append(
            f"\n## {row.id}\n\n{_text(row.claim)}: {_text(row.measured)}. Asked: {_text(row.criterion)}.\n\n{numbers}\n"
            f"{_run(own)}\n\n    python -m validation --full {row.id}\n"
        )
    return f"""# Goals

What this library sets out to reach on the papers' problems, and what it reached: numbers of our own, beside the
[verdicts](verdicts.md) on claims, which they neither support nor refute. Written by `python -m validation.records`.
{"".join(sections)}"""


def _run(kept: dict[str, Any]) -> str:
    judged = "; judged again from the kept numbers" if "judged" in kept else ""
    day, seconds = kept["finished"][:10], kept["seconds_of_file"]
    return f"`{kept['file']}`, {seconds:.3g} s, {day}, commit {kept['circumstances']['commit']}{judged}"


def _text(text: str) -> str:
    for mark in "\\*_|<>`":
        text = text.replace(mark, f"\\{mark}")
    return text.rstrip(".")
