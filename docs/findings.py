"""The page of findings, from the kept records: python docs/findings.py writes docs/findings.md and its figures."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import refkan as rk

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE), str(HERE.parent)]  # of the clone, as the claims are

from findings_figures import ERROR, FIGURES, LOSS, Rows, cells, speaking  # noqa: E402

from refkan.claims.estimates import Estimate, from_plain  # noqa: E402
from refkan.claims.experiments import written  # noqa: E402
from validation.ledger import LEDGER, row  # noqa: E402
from validation.records.markdown import markdown_table  # noqa: E402
from validation.records.pages import in_short  # noqa: E402
from validation.records.store import is_old, load  # noqa: E402

PROOFS = {
    "N3": "nullity",
    "T3": "one-input",
    "H5": "levels",
    "M4": "levels",
    "S5": "spectral-constants",
    "T4": "mixed-updates",
    "S6": "relu-kernel",
    "H7": "relu-kernel",
    "G2": "steps-on-levels",
    "M5": "steps-on-levels",
    "H6": "steps-on-levels",
    "N5": "two-layer-kernels",
    "H8": "scaled-splines",
    "H9": "scaled-splines",
}
"""Statements of this library for which no source was found, and the pages of docs/theorems that prove them."""

MISPRINTS = ("E19", "E20", "E24", "E25", "E40", "D2", "Q0")
"""Corrections of signs, exponents and factors that the text around them gets right."""

TABLE_TWO = ("R1", "R2", "R3", "R4", "R8", "R9", "R10", "R11", "R6", "R7")

GROUPS = ("this paper", "[A25]", "both, without a number", "other papers")


def group(id: str) -> str:
    """Return whose statement a row is."""
    source = row(id).source
    if source in ("summary", "next checks"):
        return GROUPS[2]
    return GROUPS[1] if source.startswith("[A25]") else GROUPS[3] if source.startswith("[") else GROUPS[0]


def rows() -> dict[str, dict[str, Any]]:
    """Return the kept rows in the order of the ledger: at full size, else of a quick run where no chance enters."""
    quick, full = ({id: r for id, r in load(size).items() if not is_old(r)} for size in ("quick", "full"))
    exact = {id: r for id, r in quick.items() if not (r["estimates"] or r["readings"])}
    kept = exact | full
    return {r.id: kept[r.id] for r in LEDGER if r.id in kept and not r.goal}


def of_papers(kept: Rows) -> dict[str, Mapping[str, Any]]:
    """Return the rows that are statements of papers."""
    return {id: each for id, each in kept.items() if row(id).source != "ours"}


def counts(kept: Rows) -> str:
    """Return how many statements of which papers came out how."""
    of = Counter((each["status"], group(id)) for id, each in of_papers(kept).items())
    statuses = sorted({s for s, _ in of}, key=lambda status: (-sum(of[status, name] for name in GROUPS), status))
    return markdown_table(["", *GROUPS], [[s, *(str(of[s, name] or "") for name in GROUPS)] for s in statuses])


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for mark in "\\|_*<`":
        text = text.replace(mark, f"\\{mark}")
    return text.rstrip(".")


def listed(kept: Rows, *statuses: str, numbers: bool = True) -> str:
    """Return the statements of papers with one of these statuses, those of this paper first, a sentence each.

    With `numbers` the first that decide stand beside them; the verdicts have all.
    """
    chosen = {id: each for id, each in of_papers(kept).items() if each["status"] in statuses}
    lines = []
    for id in sorted(chosen, key=lambda id: GROUPS.index(group(id))):
        over = in_short(chosen[id]) if chosen[id]["readings"] else ""
        told = f" ({over})" if over and over != chosen[id]["status"] else ""
        if deciding := [e for e in estimates(kept, id).values() if e.decides and numbers][:3]:
            told += f": {escaped('; '.join(e.told() for e in deciding))}"
        lines.append(f"* **{id}** ({escaped(row(id).source)}): {escaped(row(id).claim)}{told}.")
    return "\n".join(lines) or "None."


def corrections(kept: Rows, misprints: bool) -> str:
    """Return what is printed beside what is right: of rows that hold as corrected, and of ours that correct."""
    lines = []
    for id, each in kept.items():
        r = row(id)
        if (id in MISPRINTS) != misprints:
            continue
        if r.corrects and each["status"] == "holds":
            where, printed, right = (*r.corrects.split(": ", 1), r.claim)
        elif each["status"] == "holds as corrected":
            where, printed, right = r.source, r.claim, each["corrected"]
        else:
            continue
        lines.append([f"[{id}](verdicts.md#{id.lower()})", *map(escaped, (where, printed, right))])
    return markdown_table(["row", "where", "printed", "right"], lines)


def estimates(kept: Rows, id: str) -> dict[str, Estimate]:
    """Return the estimates of a row by name."""
    return {e["name"]: from_plain(e) for e in kept[id]["estimates"]} if id in kept else {}


def bracketed(e: Estimate | None) -> str:
    """Write an estimate with its interval, without its name."""
    return "" if e is None else f"{e.value:.3g}" + ("" if e.low == e.high else f" [{e.low:.3g}, {e.high:.3g}]")


def told(kept_row: Mapping[str, Any]) -> str:
    """Write what was estimated of a row, or measured where there is no estimate."""
    return "; ".join(from_plain(e).told() for e in kept_row["estimates"]) or kept_row["measured"]


def compared(kept: Rows) -> str:
    """Return the ratios of Table 2: printed, of means of all our runs, and of a typical run."""
    every = {name: (id, e) for id in ("R9", "R8", "R3", "R2", "R1") for name, e in estimates(kept, id).items()}
    lines = []
    for name in sorted((n for n in every if n.startswith("mean error, ")), key=lambda n: every[n][0]):
        id, of_means = every[name]
        pair = name.removeprefix("mean error, ")
        _, typical = every.get(f"typical run, {pair}", (id, None))
        asked = f"{id}: {of_means.asked}" if of_means.asked else ""
        lines.append([pair, f"{of_means.published:.3g}", bracketed(of_means), bracketed(typical), asked])
    return markdown_table(["errors", "printed", "of means", "of a typical run", "asked of means"], lines)


def statements(kept: Rows, ids: Iterable[str]) -> str:
    """Return rows with their statuses."""
    lines = [
        [f"[{id}](verdicts.md#{id.lower()})", escaped(row(id).claim), in_short(kept[id])] for id in ids if id in kept
    ]
    return markdown_table(["row", "statement", "status"], lines)


def estimated(kept: Rows, ids: Iterable[str]) -> str:
    """Return rows with what was estimated of them."""
    lines = ([id, escaped(row(id).claim), in_short(kept[id]), escaped(told(kept[id]))] for id in ids if id in kept)
    return markdown_table(["row", "statement", "status", "what was estimated"], lines)


def other_readings(kept: Rows) -> str:
    """Return medians of the cells of Table 2 under every reading that was tried, below the printed means."""
    readings = kept["R1"]["readings"]
    names = list(cells(readings[0]))[:6]
    base = readings[0]["choice"]
    lines = [["printed means of five", "20000", *(f"{cells(readings[0])[name]['published']:.1e}" for name in names)]]
    for r in readings:
        differing = ", ".join(f"{k}={v}" for k, v in r["choice"].items() if v != base[k] and k != "samples") or "base"
        runs = cells(r)
        medians = (float(runs[name]["median"]) for name in names)
        size = f"{r['choice']['samples']}, {len(runs[names[0]]['seeds'])}"
        lines.append([differing, size, *("diverged" if m >= 1e30 else f"{m:.1e}" for m in medians)])
    return markdown_table(["reading", "points, runs", *names], lines)


def met(reading: Mapping[str, Any]) -> str:
    """Tell how many of the printed cells a reading meets, and on which side of the printed means the others lie."""
    judged = {name: c for name, c in cells(reading).items() if c["meets"] is not None}
    sides: dict[str, list[str]] = {}
    for name, c in judged.items():
        if not c["meets"]:
            sides.setdefault("above" if c["mean"] > c["published"] else "below", []).append(name.replace(", ", " "))
    missed = "; ".join(f"{', '.join(names)} {side} the printed mean" for side, names in sides.items())
    return f"{sum(c['meets'] for c in judged.values())} of {len(judged)}" + (f" ({missed})" if missed else "")


def all_met(readings: Iterable[Mapping[str, Any]]) -> str:
    """Tell which readings meet every printed cell."""
    names = []
    for r in readings:
        judged = [c["meets"] for c in cells(r).values() if c["meets"] is not None]
        names += [written(r["choice"])] if judged and all(judged) else []
    return (
        f"These bring all printed numbers together: {'; '.join(names)}."
        if names
        else ("None brings all printed numbers together.")
    )


def often(multilevel: Estimate, fine: Estimate) -> str:
    """Tell whether 25 runs tell apart how often two trainings fail: whether an interval holds the other share."""
    apart = not (multilevel.low <= fine.value <= multilevel.high or fine.low <= multilevel.value <= fine.high)
    told = ("more often than" if multilevel.value > fine.value else "less often than") if apart else "as often as"
    return f"Multilevel training fails {told} fine training{'' if apart else ', as far as so many runs can tell'}"


def losses_and_errors(kept: Rows) -> str:
    """Tell medians of losses and errors where they part."""

    def medians(id: str, name: str) -> tuple[float, float, int]:
        loss, error = (cells(speaking(kept, id), unit)[name] for unit in (LOSS, ERROR))
        return float(loss["median"]), float(error["median"]), len(error["seeds"])

    (fine, far, size), (coarse, near, _) = (medians("Q2", f"KAN, {fidelity}") for fidelity in ("fine", "coarse"))
    loss, error, runs = medians("Q3", "spline")
    with_lower = "lower" if (fine < coarse) == (far < near) else "larger"
    return (
        f"Burgers: fine training ends at a loss of {fine:.1e} and a relative error of {far:.2g}, coarse training at\n"
        f"{coarse:.1e} and {near:.2g}: the lower loss has the {with_lower} error. Allen-Cahn: the splines end at a\n"
        f"loss of {loss:.1e} and a relative error of {error:.2g}. (Medians of {size} and {runs} runs.)"
    )


def reading_of(kept: Rows, powers: str) -> Mapping[str, Any]:
    """Return the first reading of Table 2 under a choice of the powers of the ReLU basis."""
    return next(r for r in kept["R1"]["readings"] if r["choice"]["powers"] == powers)


def gain(kept: Rows, powers: str) -> float:
    """Return by what factor refinement lowers the median error in the ReLU basis, under a choice of its powers."""
    runs = cells(reading_of(kept, powers))
    coarse, multilevel = (float(runs[f"ReLU, {fidelity}"]["median"]) for fidelity in ("coarse", "multilevel"))
    return coarse / multilevel


def page(kept: Rows) -> str:
    """Return the page."""
    waiting = [r.id for r in LEDGER if r.id in load("full") and r.id not in kept]
    runs = cells(speaking(kept, "R1"))["spline, multilevel"]
    typical = estimates(kept, "R10")
    bad = {f: typical[f"runs above ten times the median, spline, {f}"] for f in ("coarse", "fine", "multilevel")}
    size = len(runs["seeds"])
    theorems = "\n".join(
        f"* **{id}** ([proof](theorems/{name}.md)): {escaped(row(id).claim)}. {in_short(kept[id]).capitalize()}."
        for id, name in PROOFS.items()
        if id in kept
    )
    over_coarse, over_fine = (typical[f"typical run, spline, {f} over spline, multilevel"] for f in ("coarse", "fine"))
    return f"""# Is the paper right?

What verifying Southworth, Actor, Harper and Cyr, "Multilevel Training for Kolmogorov Arnold Networks" (arXiv
2603.04827) found. Written by `python docs/findings.py` from the records behind [the verdicts](verdicts.md), where each
row has its criterion and every number; codes such as **L4** are its rows. `python -m validation L4` runs a row again in
seconds, which decides exact statements; experiments are decided by `python -m validation --full R1`.

{counts(kept)}
* **The algebra is right, once corrected.** B-splines are powers of ReLU under a banded change of basis, that basis
  preconditions descent in one layer and at the start of training (H1, H4), and knot insertion gives nested networks
  whose refinement changes no value. Of the corrections {len(MISPRINTS)} are misprints; the others change a constant, a
  hypothesis or a cost. Two rows of Table 1 diverge with two or more inputs.
* **Theorem 2 must name its node maps.** Its constant 4 is enough for up to four layers, splines of order 1 and 2 and
  maps that act on each sample by itself; in general it is 16 for orders 2 and 3 (N1).
* **Table 2 compares means of five runs, and one run decides such a mean.** By means of {size} runs, "1 to 3 orders" by
  the basis: {kept["R1"]["status"]} (R1); "orders" by levels: {kept["R2"]["status"]} (R2).
  A typical multilevel run is {bracketed(over_coarse)} times
  better than a coarse one, and {bracketed(over_fine)} times better than a fine one (R10).
* **On differential equations a small loss is no small error** (last sections).

## Notation

r: order of the splines, degree + 1; n: intervals; h: their length; dim = n + r - 1; t_i: knots, T: all of them; b_i:
B-splines; psi_i = ReLU(x - t_i)^(r-1); b = A psi: the change of basis; x_3: a product along the third index; P: the
prolongation to refined knots, or the number of inputs of a layer of Q outputs; kappa: condition number; rho: spectral
radius; NTK = J J^T: the tangent kernel of a network with Jacobian J, NTK_S in the spline and NTK_R in the ReLU basis;
L: number of layers, or a loss; "tails": how functions go on outside the domain; "node maps": what is done to hidden
nodes between layers. "Reading": a choice of what the paper leaves open; "k of m readings": the statement holds under k
of the m that speak. [A25] is the paper's predecessor, arXiv 2505.18131; "summary" marks what both say without a number;
other keys are explained below the verdicts. Brackets are 95 % intervals, for Table 2 bootstraps over 25 seeds; the
verdicts say how each is made.

## What holds

{listed(kept, "holds", numbers=False)}

![Ratio of the extreme eigenvalues of A^T A against dim + r/2.](findings-spectra.png)

## Corrections

{corrections(kept, misprints=False)}
Misprints:

{corrections(kept, misprints=True)}
![Tangent kernels of both bases: their ratio at random parameters, and its bound.](findings-kernels.png)

## Statements of our own

For these we found no source; their pages say which parts are classical.

{theorems}

## Table 2

The printed numbers of parameters belong to networks that the text does not describe (R7): a linear first layer, and
cubic splines on 5 intervals after it, refined to 40. The other details that the text leaves open, listed below, were
found by trying values, {len(kept["R1"]["readings"])} sets of which are recorded, until printed means and deviations
came out: hidden nodes mapped to the spline domain by their extremes on the samples, coefficients that start as N(0, 1),
L-BFGS with a strong Wolfe line search, and the function itself turned by 0.175 rad counterclockwise. All errors are
mean squares over the squared range of the target. A printed cell is met where its mean and its deviation are in the
central 95 % of those of five of our runs: {met(kept["R1"]["readings"][0])}. With powers of
(x - t)/h in place of x - t: {met(reading_of(kept, "scaled"))};
refinement then gains a factor of {gain(kept, "scaled"):.2g} in the ReLU basis, where R3 claims effectively none.

Ratios of errors, of {size} runs from the same starts:

{compared(kept)}
Runs above ten times the median of their kind, in the spline basis: coarse {bracketed(bad["coarse"])}, fine
{bracketed(bad["fine"])}, multilevel {bracketed(bad["multilevel"])} of all.
{often(bad["multilevel"], bad["fine"])}.
A comparison of means of five says which of them met a bad run, as the printed deviations do (R6).

{statements(kept, TABLE_TWO)}
![Published means of Table 2 on the runs of the reading that its numbers single out.](findings-table-two.png)

### Under other readings

Medians; one detail is changed at a time.
Start: coefficients from N(0, 1) (base), N(0, 2/5) (he), uniform on [0, 1] (unit) or in +-1/sqrt(5) (uniform); search:
steps of 1 in place of a line search; precision: 32 bits; fine: fine training from the coarse start, prolonged; powers:
of (x - t)/h; target: not scaled. {all_met(kept["R1"]["readings"])}

{other_readings(kept)}
![Fine and multilevel training in the spline basis, by start and optimiser.](findings-starts.png)

## Differential equations: losses and errors

{losses_and_errors(kept)}

{estimated(kept, ("Q1", "Q7", "Q8", "Q2", "Q9", "Q3", "Q4"))}
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
runs say, stand with the verdicts. Where a criterion was changed after a measurement, it says so, with the earlier one.
"""


def main() -> None:
    """Write the page and its figures."""
    kept = rows()
    for name, draw in FIGURES.items():
        (HERE / f"findings-{name}.png").write_bytes(rk.plots.to_png(draw(kept), dpi=80))
    (HERE / "findings.md").write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
