"""More published layers: `python -m validation.records.other_libraries [NAME ...]` judges those that are installed.

A layer of B-splines is judged by the cases of one degree, in all families; of another basis, its gradients are compared
with differences of its own values. Results are kept in `validation/records/other_libraries.json`, one entry a library
with day and version, and `docs/backends.md` is written anew.
"""

import datetime
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base.atomic_files import write_atomically
from refkan.conformance import Adapter, Judge, catalogue
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.cases import QUANTITIES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.judging.proofs import proven
from refkan.conformance.reports.defects import error_of, in_short
from refkan.conformance.reports.findings_reported import line
from validation.implementations import layers_without_torch, other_layers
from validation.records import backends_page
from validation.records.backends_page import OTHERS

DEGREE = 3
STEP = 2.0**-20
"""Of central differences; their rounding errors are about eps / STEP, 2e-10."""

FRAMEWORKS = {"torch": "torch", "tensorflow-cpu": "tensorflow", "mlx": "mlx"}
"""Packages, and what is imported of them; their versions are kept."""

PATHS = re.compile(r"(?<![\w.])(?:/[^/\s\"]+)+/([^/\s\"]+)")
"""Absolute paths in messages, of which the last name is kept."""

CHECKED = "layer/degree-3/uniform/3x2/values"


def known() -> dict[str, type]:
    """The adapters, by the names of their classes."""
    modules = (other_layers, layers_without_torch)
    members = [(module.__name__, member) for module in modules for member in vars(module).values()]
    made = [member for name, member in members if isinstance(member, type) and member.__module__ == name]
    return {member.__name__: member for member in made if issubclass(member, Adapter)}


def version_of(adapter: Any) -> str:
    """The version of a package, or the commit of a copy."""
    name, _, pinned = getattr(adapter, "release", "").partition("==")
    folder = os.environ.get(getattr(adapter, "variable", ""), "")
    if folder and not name:
        told = subprocess.run(
            ["git", "-C", folder, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=False
        )
        return told.stdout.strip() or packages_in(Path(folder))
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return pinned or packages_in(Path(folder or "."))


def packages_in(folder: Path) -> str:
    """The versions of what pip has installed into a folder."""
    return ", ".join(
        sorted(part.name.removesuffix(".dist-info").partition("-")[2] for part in folder.glob("*.dist-info"))
    )


def judged(adapter: Adapter, call: str) -> dict[str, Any]:
    """Answers, and of each family with failures how many there are and the largest."""
    declared = adapter.capabilities
    degree = DEGREE if DEGREE in declared.degrees else declared.degrees[0]
    dtypes = [name for name in ("float64", "float32") if name in declared.dtypes]
    cases = catalogue(dtypes, [f"degree-{degree}/"], frame=declared.frame)
    cases = [case for case in cases if not declared.missing(case.needs())]
    findings = Judge(adapter, hints=False, proofs=False).run(cases)
    by_key = {case.key: case for case in cases}
    counts = Counter(x.family for x in findings)
    rows = []
    for family in counts:
        bad = [x for x in findings if x.family == family and x.status in f.BAD]
        for kind in ([x for x in bad if x.status == f.ERROR], [x for x in bad if x.status != f.ERROR]):
            if kind:
                worst = max(kind, key=size)
                if worst.quantity in QUANTITIES:
                    worst = proven(by_key[worst.key], worst)
                rows.append(
                    {"family": family, "failed": f"{len(kind)} of {counts[family]}",
                     "line": PATHS.sub(r"\1", line(worst)),
                     "call": f"{call} --select {worst.key}"}
                )  # fmt: skip
    return {"cases": len(cases), "degree": degree, "answers": in_short(findings), "rows": rows}


def size(finding: Finding) -> float:
    """The error of a failure; NaN is the largest."""
    return float(np.nan_to_num(error_of(finding), nan=np.inf))


def own_gradients(adapter: Adapter) -> dict[str, Any]:
    """Gradients of a layer of another basis against central differences of its own values, relative to the largest."""
    dtype = adapter.capabilities.dtypes[0]
    (case,) = catalogue([dtype], [CHECKED], frame=adapter.capabilities.frame)
    s = case.setting
    model, step = adapter.built(s.spec), STEP if dtype == "float64" else 2.0**-8

    def along(way: Any) -> Any:
        return ((adapter.forward(model, s.x + way) - adapter.forward(model, s.x - way)) * s.dy).sum(axis=1) / 2 / step

    dx = np.asarray(adapter.vjp(model, s.x, s.dy)["inputs"])
    central = np.stack([along(step * unit) for unit in np.eye(s.x.shape[1])], axis=1)
    factor = float((dx * central).sum() / (central * central).sum())
    off = float(np.abs(dx - central).max() / np.abs(central).max())
    return {"factor": f"{factor:.4g}", "off": f"{off:.1e}", "dtype": dtype}


def main(arguments: Sequence[str]) -> int:
    """Judge libraries by the names of their adapters, keep what was found, write the page."""
    adapters = known()
    if unknown := [name for name in arguments if name not in adapters]:
        print(f"no library {unknown[0]!r}; known: {', '.join(adapters)}", file=sys.stderr)
        return 2
    kept = json.loads(OTHERS.read_text(encoding="utf-8")) if OTHERS.exists() else []
    entries = {(entry["name"], entry["version"]): entry for entry in kept}
    for name, make in adapters.items():
        if arguments and name not in arguments:
            continue
        try:
            adapter = make()
        except (ImportError, OSError) as error:
            print(f"{name} is not judged: {error}", file=sys.stderr)
            continue
        print(f"judging {adapter.title}", file=sys.stderr, flush=True)
        call = f"refkan conform --backend {make.__module__}:{name}"
        entry: dict[str, Any] = {"name": adapter.title, "version": version_of(adapter), "call": call}
        entry["day"] = datetime.datetime.now(datetime.UTC).date().isoformat()
        entry["with"] = ", ".join(f"{name} {version(name)}" for name in FRAMEWORKS if FRAMEWORKS[name] in sys.modules)
        entry["about"] = " ".join((make.__doc__ or "").split())
        entry["basis"] = adapter.capabilities.basis
        entry |= judged(adapter, call) if entry["basis"] == BSPLINES else {"gradients": own_gradients(adapter)}
        entries[entry["name"], entry["version"]] = entry
        write_atomically(OTHERS, (json.dumps(list(entries.values()), indent=1) + "\n").encode())
    return backends_page.main([])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
