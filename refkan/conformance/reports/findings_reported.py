"""A run told: what failures follow from, the report as text, plain data and JSON of it, JUnit XML, a badge."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from refkan.base.extras import versions_of
from refkan.base.json_data import to_bytes
from refkan.base.plain_text import printable
from refkan.conformance.cases import FAMILIES, VERSION
from refkan.conformance.identification import Difference, Identification
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.reports.defects import always_raised, causes, first_line, in_short, largest_excess

PACKAGES = ("refkan", "numpy", "torch", "jax", "pykan", "jaxkan")
"""Whose versions are told."""

LINES = 3
"""Failures shown of each cause, unless all are asked for."""

WIDTH = 120
"""Columns of the list of what is not applicable."""


def leading_hint(findings: Sequence[Finding]) -> str:
    """Return the first cause that is a hint, "" if there is none."""
    named = {finding.hint for finding in findings} - {""}
    return next((name for name in causes(findings) if name in named), "")


def differences_by_size(identification: Identification, findings: Sequence[Finding]) -> list[Difference]:
    """Return the differences of a layer, those of the largest errors first, then those that no case shows."""
    sizes = {name: largest_excess(members) for name, members in causes(findings).items()}
    return sorted(identification.differences, key=lambda difference: -sizes.get(difference.name, 0.0))


def quantities_of(findings: Sequence[Finding]) -> str:
    """Numbers of findings by quantity, in words."""
    return ", ".join(f"{count} {name}" for name, count in Counter(x.quantity for x in findings).most_common())


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
    if identification is not None and not findings:
        return str(identification)
    lines: list[str] = []
    if identification is not None:
        lines += [identification.text(differences_by_size(identification, findings)), ""]
    lines.append(f"{title}, cases of version {version}")
    if any(finding.index for finding in findings if finding.status in f.BAD):
        lines.append("ours: refkan's exact value; theirs: that of the layer judged")
    raised_alike = always_raised(findings)
    if raised_alike and not tracebacks:
        lines += ["", f"{raised_alike}: --traceback shows more, --json holds it"]
        shown = dict[str, list[Finding]]()
    else:
        shown = causes(findings)
    for name, members in shown.items():
        lines += ["", f"{name} ({len(members)} case{'s' * (len(members) != 1)}: {quantities_of(members)})"]
        different = {finding.quantity: finding for finding in reversed(members)}.values()  # these first
        for finding in members if everything else sorted(members, key=lambda x: x not in different)[:LINES]:
            lines.append(f"  {line(finding)}")
            if finding.hints:
                lines.append(f"    {hint_line(finding)}")
            if finding.traceback and tracebacks:
                lines += [f"    {row}" for row in finding.traceback.splitlines()]
        if not everything and len(members) > LINES:
            lines.append(f"  ... and {len(members) - LINES} more: --all, --json or --junit shows them")
        raised = [finding.traceback for finding in members if finding.traceback]
        if raised and not tracebacks:
            lines.append(f"  raised at {first_line(raised[0])}: --traceback shows more, --json holds it")
    lines.append("")
    skipped = Counter(x.message for x in findings if x.status == f.NOT_APPLICABLE)
    if skipped:
        told = ", ".join(f"{name.removeprefix('not declared: ')} ({count})" for name, count in skipped.most_common())
        told = f"not applicable ({skipped.total()} case{'s' * (skipped.total() != 1)}): {told}"
        lines += textwrap.wrap(told, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    declined = Counter(x.message for x in findings if x.status == f.DECLINED)
    lines += [f"declined by the adapter ({count}): {reason}" for reason, count in declined.most_common()]
    lines += filter(None, [in_short(findings)])
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


def by_family(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """Number of findings of each status in each family that has any; what was not declared is left out."""
    families: dict[str, Counter[str]] = {}
    for finding in findings:
        if finding.status != f.NOT_APPLICABLE:
            families.setdefault(finding.family, Counter())[finding.status] += 1
    return {name: dict(families[name]) for name in FAMILIES if name in families}


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Number of findings of each status that occurs."""
    statuses = Counter(finding.status for finding in findings)
    return {status: statuses[status] for status in f.STATUSES if statuses[status]}


def document(
    title: str, findings: Sequence[Finding], identification: Identification | None = None, version: int = VERSION
) -> dict[str, Any]:
    """What a run found, in plain data: counts, families, causes with their first case, and every finding."""
    return {
        "backend": title,
        "cases": version,
        "versions": versions_of(PACKAGES),
        "counts": counts(findings),
        "families": by_family(findings),
        "causes": [
            {"name": name, "cases": len(members), "quantities": quantities_of(members),
             "evidence": hint_line(members[0]), "first": members[0].key}
            for name, members in causes(findings).items()
        ],
        "leading hint": leading_hint(findings) or (identification.leading if identification is not None else ""),
        "identification": None if identification is None else identification.to_dict(),
        "findings": [finding.to_dict() for finding in findings],
    }  # fmt: skip


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what is long: all that the layer is, and every finding."""
    return {name: part for name, part in document.items() if name not in ("identification", "findings")}


def badge(findings: Sequence[Finding], version: int, right: str, kind: str = ".svg") -> bytes:
    """Return two fields, the version of the cases and answers in short: an SVG, or JSON for shields.io."""
    statuses = {finding.status for finding in findings}
    right = right or "nothing judged"
    left, colour = f"refkan cases v{version}", "#2a7d4f" if f.PASSED in statuses else "#b33"
    if statuses & {*f.BAD, f.EXPECTED_FAILURE}:
        colour = "#b33" if "B-splines: no" in right or "B-splines: raises" in right else "#a70"
    if kind == ".json":
        return to_bytes({"schemaVersion": 1, "label": left, "message": right, "color": colour})
    wide, more = (7 * len(text) + 12 for text in (left, right))  # about what 11 px of a sans serif font take
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide + more}" height="20" role="img" '
        f'aria-label="{left}: {right}"><rect width="{wide}" height="20" fill="#444"/>'
        f'<rect x="{wide}" width="{more}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{wide / 2}" y="14">{left}</text><text x="{wide + more / 2}" y="14">{right}</text></g></svg>\n'
    ).encode("ascii")
