"""The report: one self-contained HTML page (`page`) and one JSON record of what became of every row."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from refkan.base.atomic_files import write_atomically
from refkan.base.plain_text import counted, printable
from refkan.claims.reporting.page import page
from refkan.claims.running.outcomes import DIRECTIONS, VOID, Outcome, plain
from refkan.claims.statuses import STATUSES

HTML_NAME = "report.html"
JSON_NAME = "record.json"

ORDER = (*STATUSES, *DIRECTIONS, VOID, "not run", "error")


def summary(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return the number of rows of each result of this run that occurs, in a fixed order, goals last."""
    count = Counter(outcome.here.partition(":")[0] for outcome in outcomes)
    order = (*ORDER, *sorted(count.keys() - {*ORDER}))
    return {status: count[status] for status in order if count[status]}


def counts_in_words(outcomes: Sequence[Outcome]) -> list[str]:
    """Count the results of this run, the recorded verdicts of the same rows, and the rows of other files."""
    now = [outcome for outcome in outcomes if outcome.now]
    others = [outcome for outcome in outcomes if not outcome.now]
    recorded = Counter(outcome.recorded for outcome in now if outcome.recorded)
    kept = [outcome for outcome in others if outcome.result is not None]
    lines = [_counted(f"this run: {counted(len(now), 'row')}", summary(now))]
    if recorded:
        lines.append(_counted("recorded at full size", recorded))
    if others:
        lines.append(f"not selected: {counted(len(others), 'row')}")
    if kept:
        lines[-1] += _counted(f"; {len(kept)} with results of earlier runs", summary(kept))
    return lines


def _counted(title: str, numbers: Mapping[str, int]) -> str:
    counts = ", ".join(f"{number} {status}" for status, number in numbers.items())
    return ": ".join(filter(None, (title, counts)))


def record(outcomes: Sequence[Outcome], capsule: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured, as JSON data; pictures are left to the page."""
    return {
        "capsule": capsule,
        "summary": summary(outcomes),
        "surviving_mutations": [f"{o.row.id}: {name}" for o in outcomes for name in o.surviving_mutations],
        "rows": [_row_record(outcome) for outcome in outcomes],
    }


def _row_record(outcome: Outcome) -> dict[str, Any]:
    row, verdict, result = outcome.row, outcome.verdict, outcome.result
    fields: dict[str, Any] = {
        "id": row.id,
        "source": row.source,
        "claim": row.claim,
        "what_is_measured": row.measured,
        "criterion": row.criterion,
        "status": outcome.status,
        "recorded": outcome.recorded,
        "said": outcome.said,
        "file": "" if outcome.file is None else outcome.file.name,
    }
    if result is not None:
        fields |= {"seconds_of_file": result.seconds, "finished": result.finished, "resumed": result.resumed}
        if result.error:
            fields["error"] = result.error
    if verdict is not None:
        figures = [{"name": figure.name, "caption": figure.caption} for figure in verdict.figures]
        fields = asdict(verdict) | {"figures": figures} | fields
    return fields


def write_report(
    folder: Path,
    outcomes: Sequence[Outcome],
    capsule: Mapping[str, Any],
    papers: Mapping[str, str],
) -> list[Path]:
    """Write the page and the record into `folder`, each atomically, and return where they are.

    `papers` are the full names of what sources abbreviate.
    """
    text = json.dumps(plain(record(outcomes, capsule)), indent=1, allow_nan=False, ensure_ascii=False)
    paths = [folder / HTML_NAME, folder / JSON_NAME]
    for path, content in zip(paths, (page(outcomes, counts_in_words(outcomes), capsule, papers), text), strict=True):
        write_atomically(path, printable(content).encode())
    return paths
