"""Markdown tables of a record: times of contestants side by side, series, and what was asked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validation.benchmarks.reporting.targets import Outcome
from validation.benchmarks.running.record import CaseData, EntryData
from validation.records.markdown import markdown_table


def duration(seconds: float) -> str:
    """Return a duration with three significant digits and a unit."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{three_digits(seconds / unit)} {name}"
    return f"{three_digits(seconds / 1e-9)} ns"


def three_digits(number: float) -> str:
    """Return a number with three significant digits and without an exponent."""
    rounded = float(f"{number:.3g}")
    return f"{rounded:.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def spread(numbers: Mapping[str, Any]) -> str:
    return "{} ({} to {})".format(*map(three_digits, (numbers["median"], *numbers["quartiles"])))


def label(case: CaseData, names: Sequence[str]) -> str:
    """Return the parameters of a case by name: "n = 4, knots = uniform" without the names of what is no number."""
    parameters = case["parameters"]
    parts = [f"{k} = {parameters[k]}" if isinstance(parameters[k], int) else str(parameters[k]) for k in names]
    return ", ".join(parts)


def times_table(cases: Sequence[CaseData], names: Sequence[str]) -> str:
    """Return a table of a line a case and a column a contestant: median time, and how many times ours."""
    if not cases:
        return "Not measured.\n"
    contestants = list(dict.fromkeys(entry["name"] for case in cases for entry in case["entries"]))
    rows = []
    for case in cases:
        cells = {entry["name"]: _cell(entry, entry is case["entries"][0]) for entry in case["entries"]}
        rows.append([label(case, names), *(cells.get(name, "") for name in contestants)])
    return markdown_table(["", *contestants], rows) + _reasons(cases)


def _cell(entry: EntryData, is_ours: bool) -> str:
    if entry["status"] != "timed":
        return entry["status"]
    text = duration(entry["seconds"]["median"])
    return text if is_ours else f"{text} ({three_digits(entry['theirs_over_ours']['median'])})"


def _reasons(cases: Sequence[CaseData]) -> str:
    """Return why contestants have no time, once each."""
    reasons: dict[tuple[str, str], None] = {}
    for case in cases:
        for entry in case["entries"]:
            if entry["status"] == "disagrees":
                by = f"disagrees by {float(entry['difference']):.1e} in {case['title']}: no times there"
                reasons[entry["name"], by] = None
            elif "reason" in entry:
                reasons[entry["name"], f"{entry['status']}, {entry['reason']}"] = None
    return "".join(f"\n{name}: {reason}.\n" for name, reason in reasons)


def series_table(case: CaseData) -> str:
    """Return the entries of a case one below the other: time, and over the time of the first."""
    first = case["entries"][0]["name"]
    rows = [[entry["name"], *_times(entry)] for entry in case["entries"]]
    return markdown_table(["", "median", f"over {first} (quartiles)"], rows)


def _times(entry: EntryData) -> list[str]:
    if entry["status"] == "timed":
        ratio = spread(entry["theirs_over_ours"]) if "theirs_over_ours" in entry else ""  # none where ours is missing
        return [duration(entry["seconds"]["median"]), ratio]
    if entry["status"] == "disagrees":
        by, most = float(entry["difference"]), entry["tolerance"]
        return [f"disagrees by {by:.1e}, more than {most:.0e}: no times", ""]
    return [f"{entry['status']}: {entry.get('reason', '')}", ""]


def asked(outcome: Outcome) -> str:
    """Return what was asked, "at least 8"."""
    sign = "at least" if outcome.target.at_least else "at most"
    return f"{sign} {_number(outcome.target.asked, outcome)}"


def _number(value: float, outcome: Outcome) -> str:
    return f"{100 * value:.0f} %" if "share" in outcome.target.group else three_digits(value)


def tally(outcomes: Sequence[Outcome]) -> str:
    """Return "2 of 3", and how many were not measured."""
    measured = [o for o in outcomes if o.met is not None]
    text = f"{sum(bool(o.met) for o in measured)} of {len(measured)}"
    left = len(outcomes) - len(measured)
    return f"{text}, {left} not measured" if left else text


def outcome_cells(outcome: Outcome) -> list[str]:
    """Return the cells of one target: what, asked, measured with quartiles, compared with, met."""
    target = outcome.target
    place = f"{target.group}, {target.point}" if target.point else target.group
    if outcome.measured is None:
        measured, met = "not measured", "-"
    else:
        low, high = (_number(x, outcome) for x in outcome.measured["quartiles"])
        median = _number(outcome.measured["median"], outcome)
        measured = median if low == high == median else f"{median} ({low} to {high})"
        met = "yes" if outcome.met else "no"
    against = outcome.fastest + "".join(f"; without {name}" for name in outcome.missing)
    return [place, asked(outcome), measured, against, met]


def targets_table(outcomes: Sequence[Outcome], *beside: Sequence[Outcome]) -> str:
    """Return a line for each target, with what was measured on other processors in columns of their own."""
    header = ["", "asked", "measured (quartiles)", "fastest of those compared with", "met"]
    header += [f"on another processor ({k})" for k, _ in enumerate(beside, 1)]
    columns = [[outcome_cells(other)[2] for other in others] for others in beside]
    return markdown_table(header, [[*outcome_cells(o), *more] for o, *more in zip(outcomes, *columns, strict=True)])


def notes(cases: Iterable[CaseData]) -> list[tuple[str, str]]:
    """Return what contestants that were not skipped say of themselves, (name, note) once each."""
    said = {
        (entry["name"], entry["note"]): None
        for case in cases
        for entry in case["entries"]
        if "note" in entry and entry["status"] != "skipped"
    }
    return list(said)
