"""A run in a few numbers: by family of cases, by cause; as JSON and as a badge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from refkan.conformance.cases.traits import FAMILIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes
from refkan.conformance.judging.findings import Finding


def by_family(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """Number of findings of each status in each family that has any; what was not declared is left out."""
    found: dict[str, Counter[str]] = {}
    for finding in findings:
        if finding.status != f.NOT_APPLICABLE:
            found.setdefault(finding.family, Counter())[finding.status] += 1
    return {name: dict(found[name]) for name in FAMILIES if name in found}


def summary(title: str, findings: Sequence[Finding], version: int, versions: dict[str, str]) -> dict[str, Any]:
    """What a run found, in plain data: counts, families, causes with their first case, and versions."""
    return {
        "backend": title,
        "cases": version,
        "versions": versions,
        "counts": dict(Counter(finding.status for finding in findings)),
        "families": by_family(findings),
        "causes": [
            {"name": cause.name, "cases": len(cause.members), "quantities": cause.quantities,
             "evidence": cause.evidence[0][0] if cause.evidence else "", "first": cause.members[0].key}
            for cause in causes(findings)
        ],
    }  # fmt: skip


def to_json(document: dict[str, Any]) -> bytes:
    """Return plain data as JSON."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def badge(findings: Sequence[Finding], version: int, kind: str = ".svg") -> bytes:
    """Return two fields, how many cases passed, or how many of those judged failed: an SVG, or JSON for shields.io."""
    counts = Counter(finding.status for finding in findings)
    failed, passed = sum(counts[status] for status in f.BAD), counts[f.PASSED]
    right = f"{failed} of {failed + passed} failed" if failed else f"{passed} passed"
    left, colour = f"refkan cases v{version}", "#b33" if failed or not passed else "#2a7d4f"
    if kind == ".json":
        return to_json({"schemaVersion": 1, "label": left, "message": right, "color": colour})
    wide, more = (7 * len(text) + 12 for text in (left, right))  # about what 11 px of a sans serif font take
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide + more}" height="20" role="img" '
        f'aria-label="{left}: {right}"><rect width="{wide}" height="20" fill="#444"/>'
        f'<rect x="{wide}" width="{more}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{wide / 2}" y="14">{left}</text><text x="{wide + more / 2}" y="14">{right}</text></g></svg>\n'
    ).encode("ascii")
