"""Findings as text and as JUnit XML."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from refkan.base.plain_text import printable
from refkan.conformance.cases.cases import VERSION
from refkan.conformance.identification import Identification
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes, verdict
from refkan.conformance.judging.findings import Finding
from refkan.conformance.reports.summaries import counts

LINES = 3
"""Failures shown of each kind, unless all are asked for."""


WIDTH = 120
"""Columns of the list of what is not applicable."""


def line(finding: Finding) -> str:
    """Return one line: key, index, both numbers, errors, what is proven, x and its span, or the message; then the hint.

    Examples
    --------
    >>> print(line(Finding("a/values", "values", "failed", index=(0, 1), ours=1.0, theirs=1.5, relative_error=0.5,
    ...                    ulps=2.0**51, wrong=1, total=8, x=(0.25,), span=((0.0, 0.5),))))
    a/values [0, 1]: ours 1, theirs 1.5, relative error 5.0e-01, 2.3e+15 ulps, 1 of 8 wrong; x = 0.25 in [0, 0.5)
    """
    parts = [finding.key]
    if finding.index:
        parts.append(f" [{', '.join(map(str, finding.index))}]: ours {finding.ours:.17g}, theirs {finding.theirs:.17g}")
        parts.append(f", relative error {finding.relative_error:.1e}")
        if finding.ulps == finding.ulps:
            parts.append(f", {finding.ulps:.1e} ulps")
        if finding.proven == finding.proven:
            parts.append(f", proven to differ from the exact value by at least {finding.proven:.3g}")
        parts.append(f", {finding.wrong} of {finding.total} wrong")
        if finding.x:
            pairs = zip(finding.x, finding.span, strict=True)
            parts.append("; x = " + ", ".join(f"{x:.10g} in [{low:.10g}, {high:.10g})" for x, (low, high) in pairs))
        if finding.message:
            parts.append(f"; {finding.message}")
    elif finding.message:
        parts.append(f": {finding.message}")
    return "".join(parts)


def hint_line(finding: Finding) -> str:
    """Return the hints of a finding as one line."""
    return "; ".join(f"{hint.name}: {hint.text}" for hint in finding.hints)


def text(
    title: str,
    findings: Sequence[Finding],
    identification: Identification | None = None,
    everything: bool = False,
    seconds: float = 0.0,
    tracebacks: bool = False,
    version: int = VERSION,
) -> str:
    """Return the report as plain text: what the layer is, what differs, then failing cases by what they follow from.

    Parameters
    ----------
    title : str
    findings : sequence of Finding
    identification : Identification, optional
    everything : bool
        Show every failure.
    seconds : float
    tracebacks : bool
        Show where exceptions of the adapter were raised.
    version : int
        Of the cases.
    """
    lines = [*str(identification).splitlines(), ""] if identification is not None else []
    lines.append(f"{title}, cases of version {version}")
    if any(finding.index for finding in findings if finding.status in f.BAD):
        lines.append("ours: refkan's exact value; theirs: that of the layer judged")
    for cause in causes(findings):
        members = cause.members
        lines += ["", f"{cause.name} ({len(members)} case{'s' * (len(members) != 1)}: {cause.quantities})"]
        for said, count in cause.evidence if everything else cause.evidence[:LINES]:
            lines.append(f"  evidence: {said} ({count} case{'s' * (count != 1)})")
        for finding in members if everything else cause.examples(LINES):
            lines.append(f"  {line(finding)}")
            if finding.hints:
                lines.append(f"    {hint_line(finding)}")
            if finding.traceback and tracebacks:
                lines += [f"    {row}" for row in finding.traceback.splitlines()]
        if not everything and len(members) > LINES:
            lines.append(f"  ... and {len(members) - LINES} more: --all, --json or --junit shows them")
        if not tracebacks and any(finding.traceback for finding in members):
            lines.append("  where it was raised: --traceback shows it, --json holds it")
    lines.append("")
    skipped = Counter(x.message for x in findings if x.status == f.NOT_APPLICABLE)
    if skipped:
        told = ", ".join(f"{name.removeprefix('not declared: ')} ({count})" for name, count in skipped.most_common())
        told = f"not applicable ({skipped.total()} case{'s' * (skipped.total() != 1)}): {told}"
        lines += textwrap.wrap(told, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    declined = Counter(x.message for x in findings if x.status == f.DECLINED)
    lines += [f"declined by the adapter ({count}): {reason}" for reason, count in declined.most_common()]
    lines += verdict(findings)
    total = ", ".join(f"{count} {status}" for status, count in counts(findings).items())
    lines.append(f"{total or 'no cases'}; {seconds:.1f} s")
    return "\n".join(lines)


def to_junit(title: str, findings: Sequence[Finding]) -> bytes:
    """Return the findings as JUnit XML, one test case each."""
    statuses = Counter(finding.status for finding in findings)
    suite = ElementTree.Element(
        "testsuite", name=f"refkan conform: {title}", tests=str(len(findings)),
        failures=str(statuses[f.FAILED] + statuses[f.UNEXPECTED_PASS]), errors=str(statuses[f.ERROR]),
        skipped=str(sum(statuses[s] for s in (*f.UNJUDGED, f.EXPECTED_FAILURE))),
        time=f"{sum(finding.seconds for finding in findings):.3f}",
    )  # fmt: skip
    for finding in findings:
        group, _, name = finding.key.rpartition("/")
        case = ElementTree.SubElement(suite, "testcase", classname=group.replace("/", "."), name=name)
        case.set("time", f"{finding.seconds:.3f}")
        if finding.status == f.PASSED:
            continue
        kinds = {f.FAILED: "failure", f.UNEXPECTED_PASS: "failure", f.ERROR: "error"}
        child = ElementTree.SubElement(case, kinds.get(finding.status, "skipped"), message=printable(line(finding)))
        child.text = printable(hint_line(finding))
    return ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
