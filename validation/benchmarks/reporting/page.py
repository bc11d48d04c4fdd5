"""The page on speed from a record: ``python -m validation.benchmarks.reporting.page RECORD [ROOT] [--beside]``.

It trims the record to validation/records/benchmarks.json below ROOT (by default the project's folder), one of a single
row to benchmarks_ROW.json, and makes docs/speed.md of all. No number of theirs is typed. With ``--beside`` the record
is that of another processor: what it says of targets is kept in benchmarks_on_PROCESSOR.json, and has a column.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

from refkan.base.atomic_files import write_atomically
from validation.benchmarks.measured.growth import AXES
from validation.benchmarks.measured.trainings import COMPARED
from validation.benchmarks.reporting import markdown
from validation.benchmarks.reporting.targets import TARGETS, judge
from validation.benchmarks.running.record import CaseData, by_row, cases, trimmed
from validation.records.markdown import markdown_table

ROOT = Path(__file__).parents[3]
RECORD = Path("validation/records/benchmarks.json")
PAGE = Path("docs/speed.md")
NAME = "speed.md"

_METHOD = """\
All libraries get the same number of threads on as many processors, and wait without spinning. Numbers are float64.
Each case is computed by all contestants, and its results are compared with a reference computed by SciPy and NumPy
before and after the timing; if one is off by more than its tolerance (1e-12 of the largest entry, unless a note says
otherwise), nobody gets a time. Rounds are interleaved, the first of a round taking turns; a contestant is compared with
ours within each round, and the median of these ratios counts; cases that take long have 5 rounds. A timing begins when
no thread of the process is busy any more: those of BLAS spin for a tenth of a second after a product. Times are of one
call, with inputs in memory and code compiled. In parentheses: how many times ours. Of peers whose SiLU branch cannot be
switched off, its time is included; the memory that a contestant would keep is estimated, and beyond 3 GB (6 GB of
Jacobians) it is left out.
"""

_GROWTH = """\
Calls of refkan alone, each point in a process of its own; memory is what calls add to what data and parameters take.
"""

LAYER, NET = ("P", "Q", "n"), ("widths", "n")
BOTH = "forward + backward"


def main(arguments: Sequence[str]) -> int:
    """Write record and page; the exit code is 2 for a wrong call."""
    names = [name for name in arguments if name != "--beside"]
    if len(names) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    document = trimmed(json.loads(Path(names[0]).read_text(encoding="utf-8")))
    root = Path(names[1]) if len(names) == 2 else ROOT
    for path in (RECORD, PAGE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    of = f"_{next(iter(document['rows']))}" if len(document["rows"]) == 1 else ""
    if names != list(arguments):
        document = of_targets(document)
        of = f"_on_{re.sub('[^a-z0-9]+', '-', document['capsule']['cpu'].lower()).strip('-')}"
    path = (root / RECORD).with_name(f"{RECORD.stem}{of}.json")
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    write_page((root / PAGE).parent, *recorded(root))
    return 0


def of_targets(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record to be shown beside another one: of the cases that targets are about, and of no others."""
    rows: dict[str, Any] = {}
    for row, case in cases(document):
        if any(target.fits(row, case["parameters"]) for target in TARGETS):
            rows.setdefault(row, {"cases": []})["cases"].append(case)
    return {**document, "rows": rows, "beside": True}


def recorded(root: Path = ROOT) -> list[Mapping[str, Any]]:
    paths = sorted((root / RECORD).parent.glob(f"{RECORD.stem}*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def write_page(folder: Path, *documents: Mapping[str, Any]) -> Path:
    path = folder / NAME
    write_atomically(path, page(*documents).encode())
    return path


def page(document: Mapping[str, Any], *apart: Mapping[str, Any]) -> str:
    """Return the page on speed; of rows that were measured apart each section says where and with what.

    Records that `of_targets` made are those of other processors.
    """
    beside = {circumstances(other): judge(other) for other in apart if "beside" in other}
    apart = tuple(other for other in apart if "beside" not in other)
    begun, measured = circumstances(document), {row: circumstances(other) for other in apart for row in other["rows"]}
    rows = {row: cases for whole in (document, *apart) for row, cases in whole["rows"].items()}
    document = {**document, "rows": rows}
    outcomes = judge(document)
    parts = [
        "# Speed\n",
        f"{begun}\n",
        _METHOD,
        "## Asked and measured\n",
        f"Targets met: {markdown.tally(outcomes)}. What limits those that are not met, and how far the machine"
        " would go: [what limits](kernels.md#what-limits).\n",
        markdown.targets_table(outcomes, *beside.values()),
        *(f"On another processor ({k}): {where}\n" for k, where in enumerate(beside, 1)),
        *_rows(document, measured),
        *_peers(document),
    ]
    return "\n".join(parts)


def circumstances(document: Mapping[str, Any]) -> str:
    """Return in one paragraph where and with what a record was measured."""
    capsule: Mapping[str, Any] = document["capsule"]
    settings = capsule["configuration"]
    versions = ", ".join(f"{name} {number}" for name, number in capsule["versions"].items())
    size = "quick sizes, " if settings["quick"] else ""
    return (
        f"{capsule['cpu']}, {settings['threads']} threads, {size}medians of up to {settings['rounds']} interleaved"
        f" rounds, {_elsewhere(document)}; {versions}; {capsule['time'][:10]}."
    )


def _elsewhere(document: Mapping[str, Any]) -> str:
    shares = sorted(case["elsewhere"] for _, case in cases(document) if case["elsewhere"] is not None)
    if not shares:
        return "other load unknown"
    middle = shares[len(shares) // 2]
    return f"{middle:.2f} processors (at most {shares[-1]:.2f}) busy with something else during the timings"


def _rows(document: Mapping[str, Any], measured: Mapping[str, str]) -> list[str]:
    """Return the tables of every row that the record holds, in the order of the page."""
    rows = by_row(document)

    def some(row: str, **where: str) -> list[CaseData]:
        return [c for c in rows.get(row, []) if all(c["parameters"].get(k) == v for k, v in where.items())]

    layers, sweeps = "One cubic layer, N = 4096", ("forward", BOTH)
    parts = [
        "## One spline at many points\n",
        markdown.times_table(some("spline-evaluation"), ("n", "knots", "points")),
    ]
    for sweep in sweeps:
        parts += [f"## {layers}, {sweep}\n", markdown.times_table(some("layer", sweep=sweep), LAYER)]
    parts += ["## Time against n, Q and N\n"]
    parts += [markdown.times_table(some("curves", against=against), (against,)) for against in "nQN"]
    parts += ["## Threads\n", markdown.times_table(some("scaling", against="threads"), LAYER)]
    parts += ["## Many points in chunks\n", _chunks(some("scaling", against="points"))]
    parts += ["## The machine's limits\n", *_series(some("limits", of="machine"))]
    parts += ["Forward + backward of layers; in parentheses the share of the limit that is reached:\n"]
    parts += [markdown.times_table(some("limits", of="layer"), LAYER), "Evaluation of cubic splines:\n"]
    parts += [markdown.times_table(some("limits", of="evaluation"), ("n", "knots", "points"))]
    parts += ["## Other degrees, free knots\n", "Forward + backward, for as many operations as a cubic layer has:\n"]
    parts += [markdown.times_table(rows.get("degrees", []), LAYER)]
    parts += ["## Networks, forward + backward\n", markdown.times_table(some("network"), NET)]
    parts += ["## Gauss-Newton matrices\n", markdown.times_table(some("gauss-newton"), ("of", *NET, "N"))]
    parts += ["## u, u_x, u_xx and a gradient\n", markdown.times_table(some("jets"), NET)]
    if "growth" in rows:
        parts += ["## Growth\n", f"{measured['growth']}\n" if "growth" in measured else "", _GROWTH]
        parts += [_axis(some("growth", against=axis), axis) for axis in AXES] + [
            _sides(some("growth", against="sizes"))
        ]
    if "trainings" in rows:
        parts += ["## Trainings, to a mean square error over the square of the target's range\n"]
        parts += [f"{measured['trainings']}\n"] if "trainings" in measured else []
        parts += [markdown.times_table(some("trainings", of=of), ("error",)) for of in COMPARED]
    parts += ["## Starting up\n", *_series(some("startup", of="import")), *_series(some("startup", of="first call"))]
    parts += _series(some("first-run"))
    return parts


def _series(chosen: Sequence[CaseData]) -> list[str]:
    return [text for case in chosen for text in (f"{case['title']}:\n", markdown.series_table(case))]


def _chunks(chosen: Sequence[CaseData]) -> str:
    entries = [(case["parameters"]["points"], case["entries"][0]) for case in chosen]
    rows = [
        [f"{points:.0e}", markdown.duration(entry["seconds"]["median"]), f"{entry['megabytes']:.0f} MB"]
        for points, entry in entries
        if entry["status"] == "timed"
    ]
    text = "Forward and backward of a layer (2, 5), n = 16, in chunks of 1e5, each size in a process of its own:\n\n"
    return text + markdown_table(["points", "median", "largest memory of the process"], rows)


def _axis(chosen: Sequence[CaseData], axis: str) -> str:
    """Return time and memory along an axis, with the exponent p of t ~ value^p since the line above."""
    if not chosen:
        return "Not measured.\n"
    values = [case["parameters"][axis] for case in chosen]
    seconds = [case["entries"][0]["seconds"]["median"] for case in chosen]
    ratios = zip(pairwise(seconds), pairwise(values), strict=True)
    exponents = ["", *(f"{log(t / t0) / log(v / v0):.2f}" for (t0, t), (v0, v) in ratios)]
    memory = [f"{case['entries'][0]['megabytes']:.0f} MB" for case in chosen]
    header = [f"{AXES[axis][0]}: {axis}", "time", "exponent", "memory of calls"]
    return markdown_table(
        header, zip(map(str, values), map(markdown.duration, seconds), exponents, memory, strict=True)
    )


def _sides(chosen: Sequence[CaseData]) -> str:
    rows = []
    for case in chosen:
        times = [markdown.duration(entry["seconds"]["median"]) for entry in case["entries"]]
        ratio = markdown.spread(case["entries"][1]["theirs_over_ours"])
        rows.append(
            [case["parameters"]["size"], case["title"].split(", below")[0], case["entries"][1]["name"], *times, ratio]
        )
    return markdown_table(["size", "call", "from", "just below", "from it on", "ratio (quartiles)"], rows)


def _peers(document: Mapping[str, Any]) -> list[str]:
    said: dict[str, list[str]] = {}
    for name, note in markdown.notes(case for _, case in cases(document)):
        said.setdefault(name, []).append(note)
    lines = [f"* {name}: {'; '.join(texts)}.\n" for name, texts in said.items()]
    return ["## How the peers are run\n", "".join(lines)]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
