"""Failures by what caused them: groups with their evidence, and honest counts of what a cause explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from refkan.conformance.cases.cases import QUANTITIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.agreement import FACTOR, agreed, factor_evidence
from refkan.conformance.judging.findings import Finding, Hint
from refkan.conformance.judging.patterns import patterns

ENOUGH = 3
"""Failures of a quantity that suffice to name a defect."""

SHARE = 0.1
"""Of these failures, the part that a hint must explain to lead: a few are explained by chance."""


WORTH = 0.25
"""The part of all failures that a hint must explain for its cause to be mended before anything else."""


def groups(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Failures by leading hint, or message where there is none, the most frequent first.

    One in which two defects show is in the groups of both.
    """
    return _groups(agreed(findings))


def _groups(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status in f.BAD:
            second = [hint.name for hint in finding.hints if hint.also]
            for name in dict.fromkeys([finding.hint or _message_of(finding), *second]):
                found.setdefault(name, []).append(finding)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _message_of(finding: Finding) -> str:
    if finding.status == f.FAILED:
        return "no hint"
    return finding.message if finding.status == f.ERROR else finding.status


def leading_hint(findings: Sequence[Finding]) -> str:
    """Return the hint to look at first, "" if none explains more than a few failures.

    Where values are wrong, gradients are wrong for the same reason, and say less about it: a hint on failures of the
    most basic quantity leads, of several that which explains most failures of all quantities. It gives way to one that
    explains many times as many.
    """
    return _leading_hint(agreed(findings))


def _leading_hint(findings: Sequence[Finding]) -> str:
    failed = [finding for finding in findings if finding.status in f.BAD]
    basic = failed
    for quantity in QUANTITIES:
        of_it = [finding for finding in failed if finding.quantity == quantity]
        if sum(bool(finding.hints) for finding in of_it) >= ENOUGH:
            basic = of_it
            break
    explained = Counter(name for finding in failed for name in {hint.name: None for hint in finding.hints})
    here = Counter(hint.name for finding in basic for hint in finding.hints)
    names = [name for name, count in here.most_common() if count >= SHARE * len(basic)]
    lead = max(names, key=explained.__getitem__, default="")
    most = max(explained, key=explained.__getitem__, default="")
    return most if lead and explained[lead] < WORTH * explained[most] else lead


def _having(findings: Sequence[Finding], name: str) -> list[Finding]:
    """Failures that have a hint of that name."""
    bad = (finding for finding in findings if finding.status in f.BAD)
    return [finding for finding in bad if any(hint.name == name for hint in finding.hints)]


@dataclass(frozen=True)
class Cause:
    """A group of failures that one thing explains, or nothing does.

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
        """A few failures, of different quantities and evidence first: a second defect of the same name is seen."""
        seen: set[tuple[str, str]] = set()
        first: list[Finding] = []
        rest: list[Finding] = []
        for finding in self.members:
            kind = finding.quantity, finding.hints[0].text if finding.hints else ""
            (rest if kind in seen else first).append(finding)
            seen.add(kind)
        spread = list({x.quantity: x for x in reversed(first)}.values())[::-1]
        others = [x for x in first if x not in spread]
        return (spread + others + rest)[:count]


def causes(findings: Sequence[Finding]) -> list[Cause]:
    """Groups with their evidence, the leading hint first, what has no hint last."""
    findings = agreed(findings)
    lead = _leading_hint(findings)
    out = []
    for name, members in _groups(findings):
        said = Counter(hint.text for finding in members for hint in finding.hints if hint.name == name)
        first = factor_evidence(members) if name == FACTOR else []
        out.append(Cause(name, members, first + said.most_common()))
    return sorted(out, key=lambda cause: (cause.name != lead, cause.name == "no hint", -len(cause.members)))


def verdict(findings: Sequence[Finding]) -> list[str]:
    """Sentences on what explains how many of the failures."""
    findings = agreed(findings)
    total = sum(finding.status in f.BAD for finding in findings)
    lead = _leading_hint(findings)
    if not lead:
        return ["no hint explains more than a few of the failures", *patterns(findings)] if total else []
    first = _having(findings, lead)
    lines = [f"explains {len(first)} of {total} failures: {lead}"]
    beside = Counter(hint.name for finding in first for hint in finding.hints if _together(finding, lead, hint))
    lines += [f"{number} of them show a second one, too: {name}" for name, number in beside.most_common(3)]
    known = {id(finding) for finding in first}
    rest = [finding for finding in findings if id(finding) not in known and finding.status in f.BAD]
    others = Counter(finding.hint for finding in rest if finding.hint)
    lines += [f"of the {len(rest)} others {number} have the hint: {name}" for name, number in others.most_common(3)]
    silent = [finding for finding in rest if not finding.hints and finding.status == f.FAILED]
    lines += [f"{_failures(silent)} without a hint"] if silent else []
    lines += _patterns(findings, silent)
    if silent and len(first) >= WORTH * total:
        what = f"{_failures(silent)} that no hint explains may come from a second mistake"
        lines.append(f'Mend "{lead}" first and run again: {what}.')
    return lines


def _together(finding: Finding, lead: str, hint: Hint) -> bool:
    """Whether a hint of a finding is the second of two, or the first where the second leads."""
    return hint.name != lead and (hint.also or any(one.also and one.name == lead for one in finding.hints))


def _failures(members: Sequence[Finding]) -> str:
    return f"{len(members)} failure{'s' * (len(members) != 1)}"


def _patterns(findings: Sequence[Finding], silent: Sequence[Finding]) -> list[str]:
    """What all failures have in common, or else those without a hint."""
    if found := patterns(findings):
        return found
    kept = {id(finding) for finding in silent}
    rest = [finding for finding in findings if finding.status not in f.BAD or id(finding) in kept]
    return [f"of failures without a hint {text}" for text in patterns(rest)]
