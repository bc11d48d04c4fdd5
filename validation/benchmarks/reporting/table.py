"""The table of one case, as a benchmark prints it, made of the record's data."""

from collections.abc import Iterable, Mapping
from typing import Any

CaseData = Mapping[str, Any]
EntryData = Mapping[str, Any]


def duration(seconds: float) -> str:
    """Return a duration with three significant digits and a unit.

    Examples
    --------
    >>> duration(0.00123), duration(2.5e-5), duration(3.0)
    ('1.23 ms', '25 us', '3 s')
    """
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{three_digits(seconds / unit)} {name}"
    return f"{three_digits(seconds / 1e-9)} ns"


def three_digits(number: float) -> str:
    """Return a number with three significant digits and without an exponent.

    Examples
    --------
    >>> three_digits(12.345), three_digits(1234.0), three_digits(0.01234)
    ('12.3', '1230', '0.0123')
    """
    rounded = float(f"{number:.3g}")
    return f"{rounded:.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def spread(numbers: Mapping[str, Any]) -> str:
    """Return a median with its quartiles.

    Examples
    --------
    >>> spread({"median": 12.345, "quartiles": [11.9, 1234.0]})
    '12.3 (11.9 to 1230)'
    """
    return "{} ({} to {})".format(*map(three_digits, (numbers["median"], *numbers["quartiles"])))


def case_table(case: CaseData) -> str:
    """Return the lines of a case: median, fastest, time over ours with quartiles, difference from the reference."""
    lines = [case["title"]]
    for number, entry in enumerate(case["entries"]):
        lines.append(f"  {entry['name']:<26} {_outcome(entry, is_ours=number == 0)}")
    for entry in case["entries"]:
        if entry["status"] == "disagrees":
            difference, tolerance = float(entry["difference"]), entry["tolerance"]
            lines.append(f"  DISAGREES: {entry['name']} by {difference:.1e}, more than {tolerance:.0e}: no times")
    return "\n".join(lines)


def _outcome(entry: EntryData, is_ours: bool) -> str:
    if entry["status"] in ("skipped", "failed"):
        return f"{entry['status']}: {entry['reason']}"
    checked = f"difference {float(entry['difference']):.0e}" if "difference" in entry else ""
    if entry["status"] != "timed":
        return f"{entry['status']} {checked}".rstrip()
    text = f"{duration(entry['seconds']['median']):>9}  fastest {duration(entry['seconds']['fastest']):>9}"
    has_ratio = "theirs_over_ours" in entry and not is_ours
    text += f"  theirs/ours {spread(entry['theirs_over_ours']):<22}" if has_ratio else " " * 36
    if "megabytes" in entry:
        checked = f"{entry['megabytes']:.0f} MB at most  {checked}"
    return f"{text}  {checked}".rstrip()


def notes(cases: Iterable[CaseData]) -> list[tuple[str, str]]:
    """Return what contestants that were not skipped say of themselves, (name, note) once each."""
    said = {
        (entry["name"], entry["note"]): None
        for case in cases
        for entry in case["entries"]
        if "note" in entry and entry["status"] != "skipped"
    }
    return list(said)
