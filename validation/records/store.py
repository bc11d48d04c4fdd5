"""Keeping the rows of a run: verdicts, numbers, circumstances and readings with every seed, without other raw data."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from refkan import claims
from refkan.base.atomic_files import write_atomically
from refkan.claims import Beside, decide
from refkan.claims.estimates import from_plain
from refkan.claims.running.discovery import discover
from refkan.claims.running.outcomes import plain
from refkan.claims.seed_intervals import DESCRIPTIVE
from validation.ledger import LEDGER, row
from validation.statements import ByCells

FOLDER = Path(__file__).parent
SIZES = ("quick", "full")
KEPT = ("id", "source", "claim", "what_is_measured", "criterion", "status", "file", "seconds_of_file", "finished")
OF_VERDICT = ("measured", "corrected", "mutations", "controls", "estimates", "readings")
UNANSWERED = ("pending", "not run")
Kept = dict[str, dict[str, Any]]


def load(size: str, folder: Path = FOLDER) -> Kept:
    """Return the kept rows of a size, or the goals, by id; none where nothing has been kept."""
    path = folder / f"{size}.json"
    if not path.exists():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {row["id"]: {"readings": [], "estimates": [], "controls": {}, **row} for row in rows}


def is_old(kept: Mapping[str, Any]) -> bool:
    """Whether a kept row was judged by another criterion than the present one: its status says nothing about it."""
    return bool(kept["criterion"] != row(kept["id"]).criterion)


def beside_estimates(kept: Mapping[str, Any]) -> str:
    told = "; ".join(from_plain(e).told() for e in kept.get("estimates", ()))
    return str(kept["measured"]).partition(". Estimates")[0].removesuffix(told).removesuffix(". ")


def judged_again(row: Mapping[str, Any], by: ByCells, present: claims.Row) -> dict[str, Any]:
    """Return a kept row judged anew, by the present rules, from the numbers of every seed that it keeps."""

    def besides(cells: Sequence[Mapping[str, Any]]) -> tuple[Beside, ...]:
        published = ("published", "published deviation") if by.published else ()
        return tuple(
            Beside(
                c["cell"], c["unit"], dict(zip(c["seeds"], map(float, c["values"]), strict=True)),
                *[c[name] for name in published] or (None, None), c["again"],
            )
            for c in cells
        )  # fmt: skip

    results = [
        by.reading(
            r["choice"],
            besides(r["cells"]),
            calibration=besides(r["calibration"]),
            measured=beside_estimates(r),
            size=r["size"],
            reduced=r.get("reduced", False),
            speaks=r.get("speaks", False),
        )
        for r in row["readings"]
    ]
    verdict = by.verdict(row["id"], results, corrected=row["corrected"])
    return {
        **row,
        **_present(present),
        "judged": "again, from the kept numbers of every seed",
        "status": verdict.status,
        "measured": verdict.measured,
        "corrected": verdict.corrected,
        "readings": list(verdict.readings),
        "estimates": [asdict(e) for e in verdict.estimates],
        "controls": dict(verdict.controls),
        "mutations": {**row["mutations"], **verdict.mutations},  # some are of the runs themselves
    }


def uncovered(kept: Mapping[str, Any], present: claims.Row) -> dict[str, Any]:
    """Return a row that keeps no number of any seed, with no interval where an earlier one does not cover.

    Those are the intervals of means and geometric means; ValueError if the row has none of them.
    """
    before = [from_plain(e) for e in kept["estimates"]]
    bare = [e for e in before if e.method.startswith(DESCRIPTIVE)]
    if not bare:
        raise ValueError(f"{kept['id']} is judged by more than the numbers that its row keeps: run it again")
    beside = str(kept["measured"]).removeprefix("; ".join(e.told() for e in before)).lstrip("; ")
    lost = "no interval covers a mean, and the record keeps no number of a seed"
    estimates = [replace(e, low=-np.inf, high=np.inf, method=f"mean, {lost}") if e in bare else e for e in before]
    told = "; ".join(e.told() for e in estimates)
    return {
        **kept,
        **_present(present),
        "judged": f"again, from kept means: {lost}",
        "status": decide(estimates),
        "measured": f"{told}. {lost.capitalize()}; {beside}".removesuffix("; "),
        "estimates": [asdict(e) for e in estimates],
    }


def _present(row: claims.Row) -> dict[str, str]:
    """Return what the ledger says of a row now."""
    words = {"claim": row.claim, "source": row.source}
    return words | {"what_is_measured": row.measured, "criterion": row.criterion}


def judge_again(ids: Sequence[str], folder: Path = FOLDER) -> None:
    """Judge kept rows at full size by the present rules, from the numbers of every seed that they keep."""
    kept = load("full", folder)
    for id in ids:
        (file,) = (file for file in discover(FOLDER.parent, LEDGER) if id in file.ids)
        judged: Mapping[str, ByCells] = getattr(file.load(), "JUDGED", {})
        kept[id] = judged_again(kept[id], judged[id], row(id)) if id in judged else uncovered(kept[id], row(id))
    write("full", kept, folder)


def write(size: str, kept: Kept, folder: Path) -> None:
    """Write rows in the order of the ledger, one line for the numbers or the seeds of a cell."""
    ordered = [kept[row.id] for row in LEDGER if row.id in kept]
    text = json.dumps(plain(ordered), indent=1, ensure_ascii=False, allow_nan=False)
    text = re.sub(r"\[\s+([-+.e\d,\s]+?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text)
    write_atomically(folder / f"{size}.json", f"{text}\n".encode())


def rows_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is kept of a run's record: its answered rows, each with the circumstances of the run."""
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
        {name: row[name] for name in (*KEPT, *OF_VERDICT)} | {"said": row["said"], "circumstances": circumstances}
        for row in record["rows"]
        if row["status"] not in UNANSWERED
    ]


def keep(record: Mapping[str, Any], folder: Path = FOLDER) -> list[str]:
    """Take over the rows of a run's record in place of earlier ones of the same size; return their ids."""
    size = record["capsule"]["configuration"]["size"]
    if size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(SIZES)}; got {size!r}")
    new = {row["id"]: row for row in rows_of(record)}
    goals = {id: kept for id, kept in new.items() if row(id).goal}
    if goals and size == "full":  # a quick run says nothing of what was reached
        write("goals", load("goals", folder) | goals, folder)
    claims = {id: kept for id, kept in new.items() if id not in goals}
    write(size, load(size, folder) | claims, folder)
    return list(new)
