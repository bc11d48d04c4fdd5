"""Failures by what they follow from: groups with their evidence, and honest counts of what is not explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from refkan.conformance.cases.quantities_asked import QUANTITIES
from refkan.conformance.cases.traits import PROPERTIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding

ENOUGH = 3
"""Cases on either side that a pattern takes."""

SHARE = 2 / 3
"""Of the cases that have the property, the part that must fail: else it says little of those that do."""

TOLD = 2
"""Patterns told."""


def groups(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Failures by leading hint, or message where there is none, the most frequent first."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status in f.BAD:
            found.setdefault(finding.hint or _message_of(finding), []).append(finding)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _message_of(finding: Finding) -> str:
    if finding.status == f.FAILED:
        return "no hint"
    return finding.message if finding.status == f.ERROR else finding.status


def leading_hint(findings: Sequence[Finding]) -> str:
    """Return the hint that leads most failures of the most basic quantity, "" if no failure has one.

    Where values are wrong, gradients are wrong for the same reason, and say less about it.
    """
    bad = [finding for finding in findings if finding.status in f.BAD and finding.hints]
    for quantity in QUANTITIES:
        if of_it := Counter(finding.hint for finding in bad if finding.quantity == quantity):
            return of_it.most_common(1)[0][0]
    return bad[0].hint if bad else ""


@dataclass(frozen=True)
class Cause:
    """A group of failures that follow from one thing, or that nothing explains.

    Attributes
    ----------
    name : str
    members : list of Finding
    evidence : list of (str, int)
        What the hints say, with the number of failures of which they say it, the most frequent first.
    """

    name: str
    members: list[Finding]
    evidence: list[tuple[str, int]]

    @property
    def quantities(self) -> str:
        """Numbers of failures by quantity, in words."""
        found = Counter(finding.quantity for finding in self.members)
        return ", ".join(f"{count} {name}" for name, count in found.most_common())

    def examples(self, count: int) -> list[Finding]:
        """A few failures, of different quantities first."""
        first = list({finding.quantity: finding for finding in reversed(self.members)}.values())[::-1]
        return (first + [finding for finding in self.members if finding not in first])[:count]


def causes(findings: Sequence[Finding]) -> list[Cause]:
    """Groups with their evidence, the leading hint first, what has no hint last."""
    lead = leading_hint(findings)
    out = []
    for name, members in groups(findings):
        said = Counter(hint.text for finding in members for hint in finding.hints if hint.name == name)
        out.append(Cause(name, members, said.most_common()))
    return sorted(out, key=lambda cause: (cause.name != lead, cause.name == "no hint", -len(cause.members)))


def verdict(findings: Sequence[Finding]) -> list[str]:
    """Sentences on how many failures follow from what, and on what the others have in common."""
    bad = [finding for finding in findings if finding.status in f.BAD]
    names = Counter(name for finding in bad for name in {hint.name: None for hint in finding.hints})
    lines = [f"bears on {count} of {len(bad)} failures: {name}" for name, count in names.most_common(3)]
    silent = [finding for finding in bad if not finding.hints and finding.status == f.FAILED]
    if silent:
        plural = "s" * (len(silent) != 1)
        lines.append(f"{len(silent)} failure{plural} that no difference found of the layer bears on")
    kept = {id(finding) for finding in silent or bad}
    rest = [finding for finding in findings if finding.status not in f.BAD or id(finding) in kept]
    return lines + (patterns(rest) if bad else [])


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
    return [text for _, text in sorted(found, key=lambda pair: pair[0])[:TOLD]]
