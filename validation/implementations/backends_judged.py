"""B1 (ours): what the conformance suite finds in published backends.

The backends are run at pinned versions where they are installed; efficient-kan, which is on no package index, from the
folder that the environment variable EFFICIENT_KAN names. What is reported are differences from the conventions stated
in `refkan.conformance.CONVENTIONS`; some of them are choices that a backend makes knowingly. `docs/backends.md` is
written from the record of a full run by `python -m validation.records.backends_page`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any

from refkan.base import Frozen
from refkan.claims import Verdict, judge
from refkan.conformance import Adapter, Judge, catalogue, identify
from refkan.conformance.adapters import backends
from refkan.conformance.adapters.backends import EfficientKan, Pykan
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.reports.findings_reported import causes, counts, hint_line, line
from tests.broken_layers.plain_numpy import PlainNumpy
from validation.implementations.published_layers import (
    Flashkan,
    Inkan,
    Jaxkan,
    JaxkanReplacedGrid,
    Kanditioned,
    Kanx,
    PykanDefaultDtype,
)
from validation.statements import Progress, Resume, answers, each

CLAIMS = ("B1",)

PINNED = {
    "pykan": "0.2.8", "jaxkan": "0.3.7", "flashkan": "0.2.0", "inkan": "0.5.2", "kanditioned": "1.0.4", "kanx": "0.2.1",
    "torch": None, "jax": None,
}  # fmt: skip

COMMIT = "7b6ce1c"
Make = Callable[[], Adapter]


class Trap(Frozen):
    """A finding known beforehand: the adapter, the case that shows it, and the hint that must be given."""

    defect: str
    adapter: Make
    case: str
    hint: str


NAN, F32, REFINED, UPDATED = (
    "NaN from repeated knots", "float32 knots", "function changed by refine", "function changed by update",
)  # fmt: skip
BASIS, REFINE, UPDATE = (f"float64/{of}/degree-3" for of in ("basis", "refine", "update"))
ON_SAMPLES = f"{UPDATE}/random-data/on-samples/values"

TRAPS = (
    Trap("clamped knots: the basis sums to 0 at the right end", Pykan, f"{BASIS}/clamped/ends/values", NAN),
    Trap("clamped knots: NaN gradients", Pykan, f"{BASIS}/clamped/ends/input-gradients", NAN),
    Trap("repeated knot: the basis is off", Pykan, f"{BASIS}/repeated/interior/values", NAN),
    Trap("repeated knot: input gradients are NaN", Pykan, f"{BASIS}/repeated/interior/input-gradients", NAN),
    Trap("grids are float32", Pykan, f"{BASIS}/uniform-fine/interior/values", F32),
    Trap("refinement to a grid that is not nested", PykanDefaultDtype, f"{REFINE}/6-to-9/off-samples/values", REFINED),
    Trap(
        "refinement with 20 samples", PykanDefaultDtype, f"{REFINE}/6-to-24-from-20-samples/off-samples/values", REFINED
    ),
    Trap("grid update", PykanDefaultDtype, ON_SAMPLES, UPDATED),
    Trap("grid update: the scaler is applied twice", EfficientKan, ON_SAMPLES, "constant factor"),
    Trap("knots are off after .double()", EfficientKan, f"{BASIS}/uniform-fine/interior/values", F32),
    Trap("clamped knots: NaN", EfficientKan, f"{BASIS}/clamped/interior/values", NAN),
    Trap("the grid stays float32 under x64", Jaxkan, f"{BASIS}/uniform-fine/interior/values", F32),
    Trap(
        "discrete data: NaN after a grid update",
        Jaxkan,
        f"{UPDATE}/discrete-data/on-samples/values",
        "NaN after update",
    ),
    Trap("update to twice the intervals", Jaxkan, f"{REFINE}/6-to-12/off-samples/values", REFINED),
)

PAGES = (Pykan, PykanDefaultDtype, EfficientKan, Jaxkan, Flashkan, Inkan, Kanditioned, Kanx)
"""Published backends of which everything found is told."""

CORRECT: tuple[Make, ...] = (backends.Refkan, backends.RefkanRelu, PlainNumpy, backends.PlainTorch, backends.PlainJax)
"""Of these no case may fail; in a quick run those of degree 3."""


@answers(True, False)
def run(quick: bool, progress: Progress, resume: Resume) -> list[Verdict]:
    adapters: dict[Any, Adapter] = {}
    missing: set[str] = set()
    for make in (*PAGES, JaxkanReplacedGrid, *CORRECT):
        try:
            adapters[make] = make()
        except ImportError as error:
            missing.add(str(error))

    def of_all_cases(name: str, function: Callable[..., Any], make: Make, more: dict[str, Any]) -> Any:
        title = adapters[make].title
        progress(f"{name}: {title}")
        return resume({"task": f"B1, {name}", "backend": title, "quick": quick, **more}, partial(function, make, quick))

    of_pages = [("page", page, make, {"installed": installed()}) for make in PAGES if make in adapters]
    of_alarms = [("alarms", alarms_of, make, {}) for make in CORRECT if make in adapters]
    answers = resume.each(lambda part: of_all_cases(*part), [*of_alarms, *of_pages])
    alarms, pages = list(chain(*answers[: len(of_alarms)])), answers[len(of_alarms) :]
    rows, named = [], []
    for trap in each(progress, "{0.defect}", [trap for trap in TRAPS if trap.adapter in adapters]):
        adapter = adapters[trap.adapter]
        finding = judged(adapter, [trap.case])[0]
        named.append(finding.status == f.FAILED and trap.hint in [hint.name for hint in finding.hints])
        rows.append({"what": trap.defect, **told(adapter, trap, finding), "found": named[-1]})
    replaced = adapters.get(JaxkanReplacedGrid)
    mended = [] if replaced is None else judged(replaced, [f"{BASIS}/uniform-fine/interior/"])

    alarms += [x.to_dict() for x in mended if x.status in f.BAD]
    plain = PlainNumpy()
    elsewhere = [judged(plain, [trap.case])[0].status == f.FAILED for trap in TRAPS[:6]]
    measured = (
        f"{sum(named)} of {len(named)} known traps found and named; {len(alarms)} false alarms; "
        f"versions: {', '.join(installed()) or 'none'}"
    )
    return [
        Verdict(
            "B1",
            judge(all(named) and not alarms) if len(named) == len(TRAPS) else "pending",
            measured if not missing else f"{measured}. Not judged: {' '.join(sorted(missing))}",
            details="\n\n".join([*(row["text"] for row in rows), *map(sentence, pages)]),
            data={"traps": rows, "backends": pages, "alarms": alarms, "versions": installed()},
            mutations={"the same traps in a correct layer": judge(all(elsewhere))},
            needs=needed(adapters),
        )
    ]


def needed(adapters: Mapping[Any, Adapter]) -> str:
    """Return what must be installed before all traps can be judged; "" if nothing."""
    absent = {trap.adapter for trap in TRAPS} - adapters.keys()
    needs = ["the extra backends"] if absent - {EfficientKan} else []
    if EfficientKan in absent:
        needs.append("a copy of efficient-kan (EFFICIENT_KAN)")
    return " and ".join(needs)


def judged(adapter: Adapter, select: Sequence[str]) -> list[Finding]:
    """Judge the cases whose keys contain all parts of `select`."""
    return Judge(adapter).run(catalogue(["float64"], select))


def call(adapter: Adapter, *select: str) -> str:
    extra = " --argument FOLDER" if isinstance(adapter, EfficientKan) else ""
    chosen = f" --select {' '.join(select)}" if select else ""
    made = type(adapter)
    module = made.__module__ if made.__module__.startswith("validation.") else backends.__name__
    return f"refkan conform --backend {module}:{made.__name__}{extra}{chosen}"


def told(adapter: Adapter, trap: Trap, finding: Finding) -> dict[str, str]:
    """A sentence with the numbers, and the call that reproduces it."""
    hints, again = hint_line(finding), call(adapter, trap.case)
    text = f"{adapter.title}, {trap.defect}. {line(finding)}. {hints}. Reproduced by: {again}"
    return {"backend": adapter.title, "text": text, "line": line(finding), "hints": hints, "call": again}


def alarms_of(make: Make, quick: bool) -> list[dict[str, Any]]:
    """What is found in a correct backend: nothing, if the suite is right."""
    select = ["float64", *(["layer/degree-3/uniform/3x2/"] if quick else [])]
    return [x.to_dict() for x in judged(make(), select) if x.status in f.BAD]


def page(make: Make, quick: bool) -> dict[str, Any]:
    """Everything that a full run finds in a backend, by kind; in a quick run its observations alone."""
    adapter = make()
    out: dict[str, Any] = {
        "backend": adapter.title,
        "adapter": " ".join((type(adapter).__doc__ or "").split("\n\n")[0].split()),
        "call": call(adapter),
        "observations": [str(stage) for stage in identify(adapter).stages],
    }
    if not quick:
        dtypes = [d for d in ("float64", "float32") if d in adapter.capabilities.dtypes]
        findings = Judge(adapter).run(catalogue(dtypes))
        out |= {"dtypes": dtypes, "counts": counts(findings)}
        out["kinds"] = [
            {"name": name, "count": len(members), "line": line(members[0]), "hints": hint_line(members[0]),
             "call": call(adapter, members[0].key)}
            for name, members in causes(findings).items()
        ]  # fmt: skip
    return out


def sentence(page: dict[str, Any]) -> str:
    parts = [f"{page['backend']}: {'; '.join(page['observations'])}."]
    if "counts" in page:
        kinds = "; ".join(f"{kind['name']} ({kind['count']}, first {kind['line']})" for kind in page["kinds"])
        parts.append(f"All cases: {', '.join(f'{n} {s}' for s, n in page['counts'].items())}. {kinds}.")
    return " ".join(parts)


def installed() -> list[str]:
    """Versions of the backends that are installed, those that differ from the pinned ones marked."""
    out = []
    for package, pinned in PINNED.items():
        try:
            have = version(package)
        except PackageNotFoundError:
            continue
        out.append(f"{package} {have}" + (f" (pinned: {pinned})" if pinned not in (None, have) else ""))
    if "EFFICIENT_KAN" in os.environ:
        out.append(f"efficient-kan from the user's copy (the traps were measured at {COMMIT})")
    return out
