"""A run as plain data: all of it as JSON, its counts, families of cases and causes alone, and as a badge."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from refkan.conformance.cases.cases import VERSION
from refkan.conformance.cases.traits import FAMILIES
from refkan.conformance.identification import Identification
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes, leading_hint
from refkan.conformance.judging.findings import Finding

PACKAGES = ("refkan", "numpy", "torch", "jax", "pykan", "jaxkan")


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
        "versions": versions(),
        "counts": counts(findings),
        "families": by_family(findings),
        "causes": [
            {"name": cause.name, "cases": len(cause.members), "quantities": cause.quantities,
             "evidence": cause.evidence[0][0] if cause.evidence else "", "first": cause.members[0].key}
            for cause in causes(findings)
        ],
        "leading hint": leading_hint(findings) or (identification.leading if identification is not None else ""),
        "identification": None if identification is None else identification.to_dict(),
        "findings": [finding.to_dict() for finding in findings],
    }  # fmt: skip


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what is long: all that the layer is, and every finding."""
    return {name: part for name, part in document.items() if name not in ("identification", "findings")}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that are installed."""
    versions_by_name = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions_by_name[package] = version(package)
    return versions_by_name


def to_json(document: dict[str, Any]) -> bytes:
    """Return plain data as JSON."""
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode("ascii")


def badge(findings: Sequence[Finding], version: int, kind: str = ".svg") -> bytes:
    """Return two fields, how many cases passed, or how many of those judged failed: an SVG, or JSON for shields.io."""
    statuses = Counter(finding.status for finding in findings)
    failed, passed = sum(statuses[status] for status in f.BAD), statuses[f.PASSED]
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
