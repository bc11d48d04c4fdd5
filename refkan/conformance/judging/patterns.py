"""What failing cases have in common and passing ones lack: said without a hypothesis about the cause."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding

ENOUGH = 3
"""Cases on either side that a pattern takes."""

SHARE = 2 / 3
"""Of the cases that have the property, the part that must fail: else it says little of those that do."""

LINES = 2
"""Patterns told."""

Property = Callable[[list[str]], bool | None]


def patterns(findings: Sequence[Finding]) -> list[str]:
    """Return sentences on properties that all failing cases have, where cases without them pass.

    Only quantities of which a case fails are looked at, and cases whose key tells whether they have the property.
    Properties of which the largest part of the cases fail come first.

    Examples
    --------
    >>> def judged(shape, status):
    ...     return [Finding(f"float64/layer/degree-{d}/uniform/{shape}/values", "values", status) for d in (1, 2, 3)]
    >>> patterns(judged("3x2", "failed") + judged("3x1", "passed"))
    ['only cases with more than one input fail: 3 of 3; the 3 without pass']
    """
    bad = [x for x in findings if x.status in (f.FAILED, f.ERROR)]
    quantities = {x.quantity for x in bad}
    passed = [x.key.split("/") for x in findings if x.status == f.PASSED and x.quantity in quantities]
    failed = [x.key.split("/") for x in bad]
    found = []
    for name, has in PROPERTIES.items():
        if len(failed) < ENOUGH or not all(map(has, failed)):
            continue
        told = [has(key) for key in passed]
        with_it, without = told.count(True), told.count(False)
        share = len(failed) / (len(failed) + with_it)
        if without >= ENOUGH and share >= SHARE:
            text = f"only cases with {name} fail: {len(failed)} of {len(failed) + with_it}; the {without} without pass"
            found.append((-share, text))
    return [text for _, text in sorted(found, key=lambda pair: pair[0])[:LINES]]


def _shape(key: list[str]) -> tuple[int, int] | None:
    """Most outputs and inputs of a layer; None where the key does not tell."""
    for part in key:
        if match := re.fullmatch(r"(\d+)x(\d+)", part):
            return int(match[1]), int(match[2])
        if re.fullmatch(r"\d+(-\d+){2,}", part):
            widths = [int(width) for width in part.split("-")]
            return max(widths[1:]), max(widths[:-1])
    family = key[1:2]
    if family == ["basis"]:
        return 2, 1  # an output for each function
    return (3, 2) if family in (["refine"], ["update"]) else None


def _several(axis: int, key: list[str]) -> bool | None:
    shape = _shape(key)
    return None if shape is None else shape[axis] > 1


def _degree_from(least: int, key: list[str]) -> bool | None:
    degrees = [int(part.removeprefix("degree-")) for part in key if re.fullmatch(r"degree-\d", part)]
    return degrees[0] >= least if degrees else None


def _kind(kinds: tuple[str, ...], key: list[str]) -> bool | None:
    known = [part for part in key if part in ("uniform", "uniform-fine", "arbitrary", "clamped", "repeated")]
    return known[0] in kinds if known else None


def _any(*starts: str) -> Property:
    return lambda key: any(part.startswith(starts) for part in key[1:-1])


PROPERTIES: dict[str, Property] = {
    "more than one input": lambda key: _several(1, key),
    "more than one output": lambda key: _several(0, key),
    "order above 2": lambda key: _degree_from(2, key),
    "order above 3": lambda key: _degree_from(3, key),
    "samples outside the domain": _any("outside-", "far-"),
    "samples at knots or ends of the domain": lambda key: "knots" in key or "ends" in key,
    "knots that are not equally spaced": lambda key: _kind(("arbitrary", "clamped", "repeated"), key),
    "knots that repeat": lambda key: _kind(("clamped", "repeated"), key),
    "very short, long or unequal spans": _any("tiny-", "huge-", "graded-"),
    "samples that are not contiguous in memory": _any("strided", "transposed"),
    "several layers": _any("network"),
    "parts beside the splines": _any("with-"),
    "a state change": _any("refine", "update"),
    "formats below float64": lambda key: key[0] != "float64",
}
"""By words that follow "cases with"; None where a key does not tell."""
