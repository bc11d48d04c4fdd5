"""The table that a benchmark prints, and its JSON record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from validation.benchmarks.harness import CaseResult, Entry


def duration(seconds: float) -> str:
    """Return a duration with three significant digits and a unit.

    Examples
    --------
    >>> duration(0.00123), duration(2.5e-5), duration(3.0)
    ('1.23 ms', '25 us', '3 s')
    """
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def case_table(result: CaseResult) -> str:
    """Return the lines of one case: median, fastest, our time over theirs, difference from the reference."""
    lines = [result.title]
    for number, entry in enumerate(result.entries):
        lines.append(f"  {entry.name:<22} {_outcome(result, entry, is_ours=number == 0)}")
    for entry in result.disagreements:
        lines.append(f"  DISAGREES: {entry.name} by {entry.difference:.1e}, more than {entry.tolerance:.0e}: no times")
    return "\n".join(lines)


def _outcome(result: CaseResult, entry: Entry, is_ours: bool) -> str:
    if entry.status in ("skipped", "failed"):
        return f"{entry.status}: {entry.reason}"
    checked = "" if math.isnan(entry.difference) else f"difference {entry.difference:.0e}"
    if entry.status != "timed":
        return f"{entry.status} {checked}".rstrip()
    text = f"{duration(entry.median):>9}  fastest {duration(min(entry.seconds)):>9}"
    ratio = math.nan if is_ours else result.ratio(entry)
    text += f"  ours/theirs {ratio:8.3g}" if not math.isnan(ratio) else " " * 22
    return f"{text}  {checked}".rstrip()


def notes(results: Sequence[CaseResult]) -> str:
    """Return what the contestants' notes say, once each."""
    said = dict.fromkeys(
        f"  {entry.name}: {entry.note}"
        for result in results
        for entry in result.entries
        if entry.note and entry.status != "skipped"
    )
    return "\n".join(["notes", *said]) if said else ""


def case_record(result: CaseResult) -> dict[str, Any]:
    """Return a case as JSON data, with the seconds of every round."""
    return {
        "title": result.title,
        "agreed": not result.disagreements,
        "entries": [_entry_record(result, entry) for entry in result.entries],
    }


def _entry_record(result: CaseResult, entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {"name": entry.name, "status": entry.status}
    for name in ("reason", "note"):
        if getattr(entry, name):
            record[name] = getattr(entry, name)
    if not math.isnan(entry.difference):
        difference = entry.difference if math.isfinite(entry.difference) else repr(entry.difference)
        record |= {"difference": difference, "tolerance": entry.tolerance}
    if entry.seconds:
        record |= {"median": entry.median, "seconds": entry.seconds}
        ratio = result.ratio(entry)
        if not math.isnan(ratio):
            record["ours_over_theirs"] = ratio
    return record
