"""Failures by what they follow from: groups with their evidence, and honest counts of what is not explained."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from refkan.conformance.cases.quantities_asked import QUANTITIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding


def groups(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Failures by leading hint, or message where there is none, the most frequent first."""
    by_cause: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status in f.BAD:
            by_cause.setdefault(finding.hint or _message_of(finding), []).append(finding)
    return sorted(by_cause.items(), key=lambda item: -len(item[1]))


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
        counts = Counter(finding.quantity for finding in self.members)
        return ", ".join(f"{count} {name}" for name, count in counts.most_common())

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
    """Sentences on how many failures follow from what."""
    bad = [finding for finding in findings if finding.status in f.BAD]
    names = Counter(name for finding in bad for name in {hint.name: None for hint in finding.hints})
    lines = [f"bears on {count} of {len(bad)} failures: {name}" for name, count in names.most_common(3)]
    silent = [finding for finding in bad if not finding.hints and finding.status == f.FAILED]
    if silent:
        plural = "s" * (len(silent) != 1)
        lines.append(f"{len(silent)} failure{plural} that no difference found of the layer bears on")
    return lines
