"""The page of findings and its figures, from the kept records: python docs/findings.py writes docs/findings.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

HERE = Path(__file__).parent

sys.path.insert(0, str(HERE.parent))

from refkan.claims.estimates import from_plain  # noqa: E402  # of the clone, as the claims are
from validation.ledger import LEDGER, row  # noqa: E402
from validation.records.markdown import markdown_table  # noqa: E402
from validation.records.store import is_old, load  # noqa: E402

Rows = Mapping[str, Mapping[str, Any]]

THEOREMS = ("N3", "T3", "H5", "M4", "S5")
"""Statements of this library that no paper has, with a proof in docs/theorems."""

TABLE_TWO = ("R1", "R2", "R3", "R4", "R8", "R6", "R7")

LOSS, ERROR = ("loss on the points", "training loss"), "true error, relative, in the 2-norm"

HOLDING = ("holds", "holds as corrected", "holds under some readings")


def rows() -> dict[str, dict[str, Any]]:
    """Return the kept rows in the order of the ledger: at full size, else of a quick run where no chance enters."""
    quick, full = ({id: r for id, r in load(size).items() if not is_old(r)} for size in ("quick", "full"))
    exact = {id: r for id, r in quick.items() if not (r["estimates"] or r["readings"])}
    kept = exact | full
    return {r.id: kept[r.id] for r in LEDGER if r.id in kept and not r.goal}


def of_papers(kept: Rows) -> list[Mapping[str, Any]]:
    """Return the rows that are statements of papers."""
    return [each for id, each in kept.items() if row(id).source != "ours"]


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for mark in "\\|_*<`":
        text = text.replace(mark, f"\\{mark}")
    return text.rstrip(".")


def listed(kept: Rows, *statuses: str) -> str:
    """Return the rows of the papers with one of these statuses, a sentence each."""
    chosen = [r for r in of_papers(kept) if r["status"] in statuses]
    return "\n".join(
        f"* **{r['id']}** ({escaped(row(r['id']).source)}): {escaped(row(r['id']).claim)}." for r in chosen
    )


def corrections(kept: Rows) -> str:
    """Return what is printed beside what is right: of rows that hold as corrected, and of ours that correct."""
    cells = []
    for id, each in kept.items():
        r = row(id)
        if r.corrects and each["status"] == "holds":
            where, printed, right = (*r.corrects.split(": ", 1), r.claim)
        elif each["status"] == "holds as corrected":
            where, printed, right = r.source, r.claim, each["corrected"]
        else:
            continue
        cells.append([*map(escaped, (where, printed, right)), f"`python -m validation {id}`"])
    return markdown_table(["where", "printed", "right", "shown by"], cells)


def told(kept_row: Mapping[str, Any]) -> str:
    """Write what was estimated of a row, or measured where there is no estimate."""
    return "; ".join(from_plain(e).told() for e in kept_row["estimates"]) or kept_row["measured"]


def estimated(kept: Rows, ids: Iterable[str]) -> str:
    """Return rows with what was estimated of them."""
    cells = ([id, escaped(row(id).claim), kept[id]["status"], escaped(told(kept[id]))] for id in ids if id in kept)
    return markdown_table(["row", "statement", "status", "what was estimated"], cells)


def speaking(kept: Rows, id: str) -> Mapping[str, Any]:
    """Return the reading of a row that is told first."""
    readings = kept[id]["readings"]
    return next((r for r in readings if r.get("speaks") or r["calibrated"]), readings[0])


def cells(reading: Mapping[str, Any], unit: str | tuple[str, ...] = "") -> dict[str, Mapping[str, Any]]:
    """Return the cells of a reading by name, those of one unit."""
    every = [*reading["cells"], *reading["calibration"]]
    return {c["cell"]: c for c in every if not unit or c["unit"] == unit or c["unit"] in unit}


def other_readings(kept: Rows) -> str:
    """Return medians of the cells of Table 2 under every reading that was tried."""
    readings = kept["R1"]["readings"]
    names = list(cells(readings[0]))[:6]
    base, lines = readings[0]["choice"], []
    for r in readings:
        changed = ", ".join(f"{k}={v}" for k, v in r["choice"].items() if v != base[k] and k != "samples") or "base"
        found = cells(r)
        lines.append([changed, r["choice"]["samples"], *(f"{found[name]['median']:.1e}" for name in names)])
    return markdown_table(["reading", "points", *names], lines)


def share(kept: Rows, id: str) -> str:
    """Return how many of the printed cells a row's first reading meets."""
    every = [c for c in cells(speaking(kept, id)).values() if c["meets"] is not None]
    return f"{sum(c['meets'] for c in every)} of {len(every)}"


def page(kept: Rows) -> str:
    """Return the page."""
    papers = [r["status"] for r in of_papers(kept)]
    counts = sorted({status: papers.count(status) for status in papers}.items(), key=lambda item: (-item[1], item[0]))
    waiting = [r.id for r in LEDGER if r.id in load("full") and r.id not in kept]
    runs = cells(speaking(kept, "R1"))["spline, multilevel"]
    stuck = sum(value > 10 * runs["median"] for value in runs["values"])
    theorems = "\n".join(f"* **{id}**: {escaped(row(id).claim)}." for id in THEOREMS if id in kept)
    return f"""# Is the paper right?

What verifying Southworth, Actor, Harper and Cyr, "Multilevel Training for Kolmogorov Arnold Networks" (arXiv
2603.04827) found. Written by `python docs/findings.py` from the records behind [the verdicts](verdicts.md), where each
row has its criterion and every number; codes such as **L4** are its rows. Of {len(papers)} statements of this and other
papers: {", ".join(f"{count} {status}" for status, count in counts)}.

Throughout, r is the order of the splines (degree + 1), n the number of intervals, h their length, A the matrix of the
change of basis. Brackets are 95 % intervals over seeds. [A25] is the paper's predecessor, arXiv 2505.18131; "summary"
marks what both say without a number; other keys are explained below the verdicts.

* **The algebra is right, once corrected**: B-splines are powers of ReLU under a banded change of basis, that basis
  preconditions descent, and knot insertion gives nested networks whose refinement changes no value. The corrections
  are constants, signs and hypotheses; two rows of Table 1 are no descent.
* **The experiments come out in direction, not in size**: which network was trained has to be read off its number of
  parameters, and a mean of five runs tells little where one of five ends in another minimum.
* **A small loss is not a small error**: on all three differential equations the two part.

## What holds

{listed(kept, "holds")}

![Ratio of the extreme eigenvalues of A^T A against dim + r/2.](findings-spectra.png)

## Corrections

{corrections(kept)}
![Tangent kernels of both bases: their ratio at random parameters, and its bound.](findings-kernels.png)

## What no paper has

{theorems}

## Table 2

The printed numbers of parameters belong to networks that the text does not describe (R7): a linear first layer, and
cubic splines on 5 intervals after it, refined to 40. The hidden nodes mapped to the spline domain by their extremes on
the samples, coefficients that start as N(0, 1), L-BFGS with a strong Wolfe line search, and the target function itself
turned by 0.175 counterclockwise give coarse spline runs that agree to some per cent, one bad run among several fine
ones, good multilevel runs near the printed ones (median {runs["median"]:.1e} of {len(runs["seeds"])}), fine ReLU runs
that hardly descend, and a ReLU basis in which nothing moves after a refinement. Of the printed cells
{share(kept, "R1")} have a mean and a deviation like those of five of our runs. Two stay apart, coarse
and multilevel training in the ReLU basis, which end higher than printed; with powers of (x - t)/h in place of x - t the
coarse runs come out, and the fine ones no longer. {stuck} of our multilevel runs stay where their coarse level stopped.
The set-up was found by trying others on these numbers.

{estimated(kept, TABLE_TWO)}
![Published means of Table 2 on the runs of the reading that its numbers single out.](findings-table-two.png)

### Under other readings

Medians of at most ten runs on fewer points, one detail changed at a time: none brings all printed numbers together.

{other_readings(kept)}
![Fine and multilevel training in the spline basis, by start and optimiser.](findings-starts.png)

## Why our numbers differ, where they do

A mean of five is not what a run is like where one run in five ends in another minimum: the printed deviations say so
themselves (R6). Without a line search most runs in the ReLU basis, and some in the spline basis, diverge. Which start,
which optimiser and which map between the layers is not printed: each is a factor of the rows. What decides whether
multilevel training wins over fine training is how often fine training meets another minimum, not how good it is
otherwise; and a multilevel run whose coarse level stops early can stay where it is.

## Differential equations: losses and errors

{estimated(kept, ("Q1", "Q2", "Q3", "Q4"))}
![Loss against true error of every run, three equations.](findings-losses.png)

![Half-energy bandwidth of the residual on the last level, every run.](findings-bands.png)

## Refuted, or not reproduced

{listed(kept, "refuted", "not reproduced")}

## Undecided

{listed(kept, "undecided")}

## True under some readings of what the paper leaves open

{listed(kept, "holds under some readings")}

## Not judged at full size since their criteria changed

{", ".join(f"[{id}](verdicts.md#{id.lower()})" for id in waiting) or "None"}. Their earlier measurements, and what quick
runs say, stand with the verdicts.
"""


def spectra() -> Figure:
    """Draw the ratio of the extreme eigenvalues of A^T A."""
    drawing, axis = axes(6)
    for order in (1, 2, 3, 4):
        sizes, ratios = [], []
        for n in (8, 16, 32, 64, 128):
            values = np.linalg.svd(rk.ChangeOfBasis(rk.SplineSpace.uniform(order, n)).dense(), compute_uv=False)
            sizes.append(n + order - 1 + order / 2)
            ratios.append((values[0] / values[-1]) ** 2)
        axis.loglog(sizes, ratios, "o-", ms=3, label=f"r = {order}")
        axis.loglog(sizes, ratios[0] * (np.array(sizes) / sizes[0]) ** (2 * order), "k:", lw=0.8)
    axis.set(xlabel="dim + r/2", ylabel="largest over smallest eigenvalue")
    axis.legend(fontsize="small", title="dotted: exponent 2r")
    return drawing


def axes(width: float) -> tuple[Figure, Any]:
    """Return a figure with one place to draw."""
    drawing = Figure(figsize=(width, 3.4), layout="constrained")
    return drawing, drawing.subplots()


def kernels() -> Figure:
    """Draw the ratio of the largest eigenvalues of the tangent kernels of one layer, and the norm that bounds it."""
    drawing, axis = axes(6)
    rng = np.random.default_rng(0)
    for order in (1, 2, 3, 4):
        sizes, norms, drawn = (2, 4, 8, 16, 32, 64), [], []
        for n in sizes:
            space = rk.SplineSpace.uniform(order, n)
            A = rk.ChangeOfBasis(space).dense() / n ** (order - 1)
            norms.append(np.linalg.norm(A, 2) ** 2)
            for _ in range(5):
                psi = rk.relu_powers.design_matrix(space, rng.uniform(size=40)) * n ** (order - 1)
                drawn.append((n, (np.linalg.norm(psi @ A.T, 2) / np.linalg.norm(psi, 2)) ** 2))
        (line,) = axis.loglog(sizes, norms, "-", label=f"r = {order}")
        axis.loglog(*zip(*drawn, strict=True), ".", ms=3, color=line.get_color())
    axis.axhline(4.0, color="0.5", ls=":")
    axis.set_xticks(sizes, [str(n) for n in sizes])
    axis.minorticks_off()
    axis.set(xlabel="n", ylabel="spline over scaled ReLU basis")
    axis.legend(fontsize="small", title="lines: |A|^2, dots: kernels,\ndotted: 4, as printed", title_fontsize="small")
    return drawing


def forest(kept: Rows) -> Figure:
    """Draw runs, the 95 % of means of five of them, and the published means."""
    drawing, axis = axes(7)
    every = [c for c in cells(speaking(kept, "R1")).values() if c["published"]][::-1]
    for k, cell in enumerate(every):
        values = np.array(cell["values"], dtype=float)
        means = values[np.random.default_rng(0).integers(values.size, size=(2000, 5))].mean(axis=1)
        axis.plot(np.percentile(means, (2.5, 97.5)), [k, k], color="C0", lw=6, alpha=0.4)
        axis.plot(values, np.full(values.size, k + 0.2), ".", color="C0", ms=4)
        axis.plot(cell["published"], k, "D", color="C3", ms=5)
    axis.set_yticks(range(len(every)), [cell["cell"] for cell in every])
    axis.set(xscale="log", xlabel="mean square error; dots: runs, band: means of five, diamond: published")
    return drawing


def starts(kept: Rows) -> Figure:
    """Draw fine and multilevel training in the spline basis, by reading."""
    drawing, axis = axes(7)
    base, names = kept["R1"]["readings"][0]["choice"], []
    for r in kept["R1"]["readings"]:
        changed = [f"{k}={v}" for k, v in r["choice"].items() if v != base[k] and k != "samples"]
        if changed and changed[0].split("=")[0] not in ("start", "search", "fine"):
            continue
        for k, what in enumerate(("fine", "multilevel")):
            values = cells(r)[f"spline, {what}"]["values"]
            place = len(names) + 0.3 * k
            axis.plot(values, np.full(len(values), place), ".", ms=5, color=f"C{k}", label=None if names else what)
        names.append(changed[0] if changed else "base")
    axis.set_yticks(range(len(names)), names)
    axis.set(xscale="log", xlabel="mean square error in the spline basis, every run")
    axis.legend(fontsize="small")
    return drawing


def losses(kept: Rows) -> Figure:
    """Draw loss against true error of every run of three equations, whatever a criterion makes of them."""
    drawing = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, (id, title) in zip(
        drawing.subplots(1, 3), (("Q1", "Poisson"), ("Q2", "Burgers"), ("Q3", "Allen-Cahn")), strict=True
    ):
        reading = speaking(kept, id)
        errors = cells(reading, ERROR)
        for name, loss in cells(reading, LOSS).items():
            axis.loglog(loss["values"], errors[name]["values"], "o", ms=4, label=name)
        axis.set(title=title, xlabel="loss")
        axis.legend(fontsize=6)
    drawing.axes[0].set_ylabel("relative error")
    return drawing


def bands(kept: Rows) -> Figure:
    """Draw the half-energy bandwidth of the residual after the last level, every run."""
    drawing, axis = axes(6)
    found = list(cells(speaking(kept, "Q4"), "half-energy bandwidth of the residual, modes in x").values())
    for k, cell in enumerate(found):
        axis.plot(cell["values"], np.full(len(cell["values"]), k), "o", ms=5)
    axis.set_yticks(range(len(found)), [cell["cell"] for cell in found])
    axis.set(xscale="log", xlabel="modes in x below which half of the residual's energy lies")
    return drawing


def main() -> None:
    """Write the page and its figures."""
    kept = rows()
    drawn = {"spectra": spectra(), "kernels": kernels()}
    drawn |= {"table-two": forest(kept), "starts": starts(kept), "losses": losses(load("full")), "bands": bands(kept)}
    for name, figure in drawn.items():
        (HERE / f"findings-{name}.png").write_bytes(rk.plots.to_png(figure, dpi=80))
    (HERE / "findings.md").write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
