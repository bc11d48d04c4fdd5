"""What failing cases have in common and passing ones lack: said without a hypothesis about the cause."""

from __future__ import annotations

from collections.abc import Sequence

from refkan.conformance.cases.traits import PROPERTIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding

ENOUGH = 3
"""Cases on either side that a pattern takes."""

SHARE = 2 / 3
"""Of the cases that have the property, the part that must fail: else it says little of those that do."""

LINES = 2
"""Patterns told."""


def patterns(findings: Sequence[Finding]) -> list[str]:
    """Return sentences on properties that all failing cases have, where cases without them pass.

    Only quantities of which a case fails are looked at. Properties of which the largest part of the cases fail come
    first.

    Examples
    --------
    >>> def judged(property, status):
    ...     return [Finding(f"{status} {k}", "values", status, properties=frozenset(property)) for k in range(3)]
    >>> patterns(judged(["more than one input"], "failed") + judged([], "passed"))
    ['only cases with more than one input fail: 3 of 3; the 3 without pass']
    """
    failed = [x for x in findings if x.status in (f.FAILED, f.ERROR)]
    quantities = {x.quantity for x in failed}
    passed = [x for x in findings if x.status == f.PASSED and x.quantity in quantities]
    found = []
    for name in PROPERTIES:
        if len(failed) < ENOUGH or not all(name in x.properties for x in failed):
            continue
        without = sum(name not in x.properties for x in passed)
        all_with = len(failed) + len(passed) - without
        if without >= ENOUGH and len(failed) / all_with >= SHARE:
            text = f"only cases with {name} fail: {len(failed)} of {all_with}; the {without} without pass"
            found.append((-len(failed) / all_with, text))
    return [text for _, text in sorted(found, key=lambda pair: pair[0])[:LINES]]
