"""Backends by families of cases: `python -m validation.records.backends_matrix [BACKEND ...]` judges those installed.

Counts alone, without hints: a minute a backend. They are kept in `validation/records/matrix.json`, one row a backend
with day and version, and `docs/backends.md` is written anew; efficient-kan is taken from EFFICIENT_KAN as in B1.
"""

import datetime
import json
import sys
from collections.abc import Sequence
from typing import Any

from refkan.base.atomic_files import write_atomically
from refkan.conformance import Judge, catalogue
from refkan.conformance.cases.cases import VERSION
from refkan.conformance.reports.findings_reported import by_family
from validation.implementations.backends_judged import COMMIT, PAGES, PINNED, installed
from validation.records import backends_page
from validation.records.backends_page import MATRIX, read

PACKAGE = {"pykan, default dtype set first": "pykan"}


def row(adapter: Any, versions: Sequence[str], day: str) -> dict[str, Any]:
    """Judge all cases in float64 and float32 that a backend declares."""
    dtypes = [d for d in ("float64", "float32") if d in adapter.capabilities.dtypes]
    findings = Judge(adapter, hints=False).run(catalogue(dtypes, frame=adapter.capabilities.frame))
    name = PACKAGE.get(adapter.title, adapter.title)
    matching = (v.removeprefix(f"{name} ") for v in versions if v.startswith(f"{name} ") and "copy" not in v)
    version = next(matching, COMMIT)  # efficient-kan is on no package index
    return {
        "backend": adapter.title, "version": version.partition(" (")[0], "day": day, "cases": VERSION,
        "families": by_family(findings),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Judge backends by the names of their adapters (all that are installed by default), keep rows, write the page."""
    known = {make.__name__: make for make in PAGES}
    unknown = [name for name in arguments if name not in known]
    if unknown:
        print(f"no backend {unknown[0]!r}; known: {', '.join(known)} (pinned: {PINNED})", file=sys.stderr)
        return 2
    rows = {entry["backend"]: entry for entry in read()}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    for name, make in known.items():
        if arguments and name not in arguments:
            continue
        try:
            adapter = make()
        except ImportError as error:
            print(f"{name} is not judged: {error}", file=sys.stderr)
            continue
        print(f"judging {adapter.title}", file=sys.stderr)
        rows[adapter.title] = row(adapter, installed(), day)
        write_atomically(MATRIX, (json.dumps(list(rows.values()), indent=1) + "\n").encode())
    return backends_page.main([])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
