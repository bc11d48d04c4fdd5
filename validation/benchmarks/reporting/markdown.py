"""Markdown tables of a record: times of contestants side by side, series, and what was asked."""

from collections.abc import Callable, Sequence
from itertools import groupby

from validation.benchmarks.reporting.table import CaseData, EntryData, duration, spread, three_digits
from validation.benchmarks.reporting.targets import Outcome
from validation.records.markdown import markdown_table


def label(case: CaseData, names: Sequence[str]) -> str:
    """Return the parameters of a case by name: "n = 4, knots = uniform" without the names of what is no number."""
    parameters = case["parameters"]
    parts = [f"{k} = {parameters[k]}" if isinstance(parameters[k], int) else str(parameters[k]) for k in names]
    return ", ".join(parts)


def times_table(cases: Sequence[CaseData], names: Sequence[str]) -> str:
    """Return a table of a line a case and a column a contestant: median time, and how many times ours."""
    if not cases:
        return "Not measured.\n"
    return _side_by_side(cases, names, lambda case, entry: _cell(entry, entry is case["entries"][0])) + _reasons(cases)


def differences_table(cases: Sequence[CaseData], names: Sequence[str]) -> str:
    """Return a table of the largest differences from the reference, relative to its largest value."""
    return _side_by_side(
        cases, names, lambda _, entry: f"{float(entry['difference']):.0e}" if "difference" in entry else ""
    )


def _side_by_side(cases: Sequence[CaseData], names: Sequence[str], cell: Callable[[CaseData, EntryData], str]) -> str:
    """Return a table of a line a case and a column a contestant, empty where a case has no such contestant."""
    contestants = list(dict.fromkeys(entry["name"] for case in cases for entry in case["entries"]))
    rows = []
    for case in cases:
        cells = {entry["name"]: cell(case, entry) for entry in case["entries"]}
        rows.append([label(case, names), *(cells.get(name, "") for name in contestants)])
    return markdown_table(["", *contestants], rows)


def _cell(entry: EntryData, is_ours: bool) -> str:
    if entry["status"] != "timed":
        return entry["status"]
    text = duration(entry["seconds"]["median"])
    return text if is_ours else f"{text} ({three_digits(entry['theirs_over_ours']['median'])})"


def _reasons(cases: Sequence[CaseData]) -> str:
    """Return why contestants have no time, once each."""
    found: dict[tuple[str, str], None] = {}
    for case in cases:
        for entry in case["entries"]:
            if entry["status"] == "disagrees":
                by = f"disagrees by {float(entry['difference']):.1e} in {case['title']}: no times there"
                found[entry["name"], by] = None
            elif "reason" in entry:
                found[entry["name"], f"{entry['status']}, {entry['reason']}"] = None
    return "".join(f"\n{name}: {reason}.\n" for name, reason in found)


def series_table(case: CaseData) -> str:
    """Return the entries of a case one below the other: time, and over the time of the first."""
    first = case["entries"][0]["name"]
    rows = [
        [entry["name"], duration(entry["seconds"]["median"]), spread(entry["theirs_over_ours"])]
        if entry["status"] == "timed"
        else [entry["name"], f"{entry['status']}: {entry.get('reason', '')}", ""]
        for entry in case["entries"]
    ]
    return markdown_table(["", "median", f"over {first} (quartiles)"], rows)


def asked(outcomes: Sequence[Outcome]) -> str:
    """Return what a group asked, "at least 8 / 20 / 40"."""
    first = outcomes[0].target
    numbers = dict.fromkeys(_number(o.target.asked, o) for o in outcomes)
    sign = "at least" if first.at_least else "at most"
    return f"{sign} {' / '.join(numbers if len(numbers) == 1 else [_number(o.target.asked, o) for o in outcomes])}"


def _number(value: float, outcome: Outcome) -> str:
    """Shares of a machine's rate are percentages."""
    return f"{100 * value:.0f} %" if "share" in outcome.target.group else three_digits(value)


def groups(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Return the outcomes by the line of the table that they belong to."""
    return [(name, list(members)) for name, members in groupby(outcomes, key=lambda outcome: outcome.target.group)]


def grouped_table(outcomes: Sequence[Outcome]) -> str:
    """Return a line a group: what was asked, the medians, how many are met."""
    rows = []
    for name, members in groups(outcomes):
        points = _points([o.target.point for o in members])
        medians = " / ".join("-" if o.measured is None else _number(o.measured["median"], o) for o in members)
        rows.append([f"{name} ({points})" if points else name, asked(members), medians, tally(members)])
    return markdown_table(["", "asked", "measured", "met"], rows)


def _points(points: Sequence[str]) -> str:
    """Return the points of a group in one text, a name that they share said once.

    Examples
    --------
    >>> _points(["n = 8", "n = 64"]), _points(["cached", ""]), _points([""])
    ('n = 8, 64', 'cached', '')
    """
    heads = {point.partition(" = ")[0] for point in points}
    if len(heads) == 1 and all(" = " in point for point in points):
        return f"{heads.pop()} = {', '.join(point.partition(' = ')[2] for point in points)}"
    return ", ".join(filter(None, points))


def tally(outcomes: Sequence[Outcome]) -> str:
    """Return "2 of 3", and how many were not measured."""
    measured = [o for o in outcomes if o.met is not None]
    text = f"{sum(bool(o.met) for o in measured)} of {len(measured)}"
    left = len(outcomes) - len(measured)
    return f"{text}, {left} not measured" if left else text


def outcome_cells(outcome: Outcome) -> list[str]:
    """Return the cells of one target: what, asked, measured with quartiles, compared with, met."""
    target = outcome.target
    what = f"{target.group}, {target.point}" if target.point else target.group
    if outcome.measured is None:
        measured, met = "not measured", "-"
    else:
        low, high = (_number(x, outcome) for x in outcome.measured["quartiles"])
        median = _number(outcome.measured["median"], outcome)
        measured = median if low == high == median else f"{median} ({low} to {high})"
        met = "yes" if outcome.met else "no"
    against = outcome.fastest + "".join(f"; without {name}" for name in outcome.missing)
    return [what, asked([outcome]), measured, against, met]


def targets_table(outcomes: Sequence[Outcome]) -> str:
    """Return a line a target."""
    header = ["", "asked", "measured (quartiles)", "fastest of those compared with", "met"]
    return markdown_table(header, map(outcome_cells, outcomes))
