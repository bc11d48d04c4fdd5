"""Keeping the rows of a run: verdicts, numbers, circumstances and readings with every seed, without other raw data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refkan.base.atomic_files import write_atomically
from validation.ledger import LEDGER

FOLDER = Path(__file__).parent

SIZES = ("quick", "full")

KEPT = ("id", "source", "claim", "what_is_measured", "criterion", "status", "file", "seconds_of_file", "finished")
OF_VERDICT = ("measured", "corrected", "mutations", "readings")
UNANSWERED = ("pending", "not run")

Kept = dict[str, dict[str, Any]]


def load(size: str, folder: Path = FOLDER) -> Kept:
    """Return the kept rows of a size by id; none where nothing has been kept."""
    path = folder / f"{size}.json"
    if not path.exists():
        return {}
    return {row["id"]: with_readings(row) for row in json.loads(path.read_text(encoding="utf-8"))}


def with_readings(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the present method judges it: those before it knew no readings, and said "not reproduced" of one.

    Without readings nothing is "not reproduced": a claim of a paper is undecided, one of ours refuted.
    """
    status = row["status"]
    if "readings" not in row and status == "not reproduced":
        status = "refuted" if row["source"] == "ours" else "undecided"
    return {"readings": [], **row, "status": status}


def rows_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is kept of a run's record: its answered rows, each with the circumstances of the run.

    Raises
    ------
    ValueError
        If a row ended with an error, or if the sources were not those of a commit.
    """
    failed = [row["id"] for row in record["rows"] if row["status"] == "error"]
    if failed:
        raise ValueError(f"the record must hold verdicts; got errors for {', '.join(failed)}")
    capsule = record["capsule"]
    commit = capsule["git"] or ""
    if not commit or commit.endswith("+changes"):
        raise ValueError(f"the record must come from the sources of a commit; got {commit or 'no commit'}")
    circumstances = {
        "commit": commit[:12],
        "versions": capsule["versions"],
        "engine": capsule["engine"],
        "cpu": capsule["cpu"],
        "processors": capsule["threads"]["processors"],
    }
    return [
        {name: row[name] for name in (*KEPT, *OF_VERDICT)} | {"circumstances": circumstances}
        for row in record["rows"]
        if row["status"] not in UNANSWERED
    ]


def beside_earlier(row: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return a row, with the earlier measurement of the published size if its own readings are all smaller."""
    if before is None or not is_reduced(row):
        return row
    if "earlier" in before or is_reduced(before):
        return row | {name: before[name] for name in ("earlier",) if name in before}
    names = ("measured", "file", "seconds_of_file", "finished", "circumstances")
    return row | {"earlier": {name: before[name] for name in names}}


def is_reduced(row: Mapping[str, Any]) -> bool:
    """Return whether a row has readings, and none at the published size."""
    return bool(row["readings"]) and all(reading.get("reduced", False) for reading in row["readings"])


def keep(record: Mapping[str, Any], folder: Path = FOLDER) -> list[str]:
    """Take over the rows of a run's record in place of earlier ones of the same size; return their ids."""
    size = record["capsule"]["configuration"]["size"]
    if size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}; got {size!r}")
    before = load(size, folder)
    new = {row["id"]: beside_earlier(row, before.get(row["id"])) for row in rows_of(record)}
    merged = before | new
    ordered = [merged[row.id] for row in LEDGER if row.id in merged]
    text = json.dumps(ordered, indent=1, ensure_ascii=False, allow_nan=False)
    # One line for the numbers or the seeds of a cell.
    text = re.sub(r"\[\s+([-+.e\d,\s]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    write_atomically(folder / f"{size}.json", f"{text}\n".encode())
    return list(new)
