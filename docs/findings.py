"""The page of findings and its figures, from the kept records: python docs/findings.py writes docs/findings.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

HERE = Path(__file__).parent

sys.path.insert(0, str(HERE.parent))

from validation.table_two.table_two_estimates import Under  # noqa: E402

from refkan.claims.verdicts import Verdict  # noqa: E402  # of the clone, as the claims are
from validation.table_two import parameter_counts, printed_digits, table_two_rows  # noqa: E402
from validation.table_two.cells_of_table import BASES, FIDELITIES, GRID, MLPS, PUBLISHED  # noqa: E402

RECORD = HERE.parent / "validation" / "records" / "full.json"

QUICK = RECORD.with_name("quick.json")

CELLS = HERE.parent / "validation" / "records" / "table_two.json"

Rows = Mapping[str, Mapping[str, Any]]

CORRECTIONS = (
    ("Figure 1", "all eigenvalues grow like l^(2r)", "the low ones do; at l = n/2 the exponent is near r", "S4"),
    ("2.3", "faster by the degree", "bases alone, about 9 times; whole layers 1.1 to 1.3 times", "F3"),
    ("(19), (20)", "u + M^-1 grad: ascent", "a minus", "E19"),
    ("Lemma 4", "a difference up to the factor (r-1)!/h", "up to (-1)^r h/(r-1)!", "L4"),
    ("before (24)", "T in T' implies S_r(T') in S_r(T)", "S_r(T) in S_r(T')", "E24"),
    ("(25)", "2^-r C(r, s)", "2^(1-r) C(r, s)", "E25"),
    ("4.2", "P = A_T I A_T'^-1", "the transpose of it, and only for knots nested beyond [a, b] too", "P2"),
    ("Table 1, rows 2, 4", "updates for training", "no descent for r >= 2 and two inputs: they diverge", "T2"),
    ("4.3", "differences of order -r", "order -2r", "D2"),
    ("(40)", "n^(r-1) (1 - e^(ix))^r/(r-1)!", "(1 - e^(-ix))^r/(r-1)!; (41) is right", "E40"),
    ("Theorem 2", "for the powers of (3)", "for powers of (x - t_i)/h; with those of (3) the ratio grows with n", "N4"),
    ("Theorem 2", "rho(NTK_S) <= 4 rho(NTK_R)", "(2^r/(r-1)!)^2, which is 16 for r = 2, 3", "N1"),
    ("Remark 1", "comparable learning rates", "largest stable steps differ by orders", "N2"),
    ("5.2.3", "u_t = -eps u_xx + 5 u^3 - 5 u", "u_t = eps u_xx - 5 u^3 + 5 u: as printed it is ill-posed", "Q0"),
    ("5.1, Tables 2, 3", "KANs of splines", "a linear first layer, and splines after it", "R7"),
)
"""Where, what is printed, what is right, and the row that shows it."""

THEOREMS = ("N3", "T3", "H5", "M4", "S5")
"""Statements of this library that no paper has; they are exact, and the same in a quick run."""


def rows() -> dict[str, dict[str, Any]]:
    """Return the kept rows by id: at full size, of Table 2 judged anew from its cells, of algebra from quick runs."""
    exact = {row for *_, row in CORRECTIONS} | set(THEOREMS)
    small = {row["id"]: row for row in json.loads(QUICK.read_text(encoding="utf-8")) if row["id"] in exact}
    kept = small | {row["id"]: row for row in json.loads(RECORD.read_text(encoding="utf-8"))}
    kept |= {id: small[id] for id in THEOREMS if id in small}
    made: list[Verdict] = [*table_two_rows.verdicts(cells()), *printed_digits.run(True), *parameter_counts.run(True)]
    claims = {row.id: row for row in table_two_rows_of_ledger()}
    return kept | {
        verdict.id: {
            **{name: getattr(claims[verdict.id], name) for name in ("id", "source", "claim")},
            "status": verdict.status,
            "measured": verdict.measured,
        }
        for verdict in made
    }


def table_two_rows_of_ledger() -> list[Any]:
    """Return the rows of the ledger."""
    from validation.ledger import LEDGER

    return list(LEDGER)


def cells() -> dict[Any, dict[str, Any]]:
    """Return the kept trainings of Table 2."""
    kept = json.loads(CELLS.read_text(encoding="utf-8"))
    return {GRID.cell(cell["seed"], **cell["choice"]): cell for cell in kept["cells"]}


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    header = list(header)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *map(list, lines)])


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;")


def listed(kept: Rows, *statuses: str) -> str:
    """Return the rows of the papers with one of these statuses, a sentence each."""
    corrected = {row for *_, row in CORRECTIONS}
    of_papers = [row for row in kept.values() if row["source"] != "ours" and row["id"] not in corrected]
    chosen = [row for row in of_papers if row["status"] in statuses]
    return "\n".join(f"* **{row['id']}** ({escaped(row['source'])}): {escaped(row['claim'])}" for row in chosen)


def page(kept: Rows) -> str:
    """Return the page."""
    papers = [row for row in kept.values() if row["source"] != "ours"]
    counts = {status: sum(row["status"] == status for row in papers) for status in {row["status"] for row in papers}}
    counted = ", ".join(
        f"{status} {count}" for status, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    corrections = table(
        ("where", "printed", "right", "row", "status", "again"),
        (
            (
                escaped(where),
                escaped(printed),
                escaped(right),
                row,
                kept[row]["status"],
                f"`python -m validation {row}`",
            )
            for where, printed, right, row in CORRECTIONS
            if row in kept
        ),
    )
    estimates = table(
        ("row", "statement", "status", "what was estimated"),
        (
            (id, escaped(kept[id]["claim"]), kept[id]["status"], escaped(kept[id]["measured"]))
            for id in ("R1", "R2", "R3", "R4", "R6", "R7")
            if id in kept
        ),
    )
    multilevel = base().errors("spline", "multilevel")
    worst, seeds = max(multilevel.values()), len(multilevel)
    theorems = "\n".join(f"* **{id}**: {escaped(kept[id]['claim'])}." for id in THEOREMS if id in kept)
    return f"""# Is the paper right?

What verifying Southworth, Actor, Harper and Cyr, "Multilevel Training for Kolmogorov Arnold Networks" (arXiv
2603.04827) found, in two pages. Written by `python docs/findings.py` from the records behind
[the verdicts](verdicts.md), where each row has its criterion and every number; bold codes such as **L4** are its rows.
Of the statements of this and other papers: {counted}.

Throughout, r is the order of the splines (degree + 1), n the number of intervals, h their length, A the matrix of the
change of basis. Brackets are 95 % intervals of the median over seeds. "(summary)" marks a statement of the paper's
text without a number, [A25] its predecessor, arXiv 2505.18131, [F24] and other keys papers named in the verdicts. A
row "holds as corrected" where the table of corrections, or its own text, says what is right.

## What holds

The algebra does, once corrected: B-splines are powers of ReLU under a banded change of basis, that basis acts as a
preconditioner of descent, and knot insertion gives nested networks whose refinement changes no value.

{listed(kept, "holds")}

![Ratio of the extreme eigenvalues of A^T A against dim + r/2.](findings-spectra.png)

## Corrections

A status is that of what is right, not of what is printed.

{corrections}

## What no paper has

{theorems}

## Table 2

The printed numbers of parameters belong to networks that the text does not describe: a linear first layer, and
cubic splines on 5 intervals after it, refined to 40. With the spline domain of a hidden node mapped from its
extremes on the samples, coefficients that start as N(0, 1), L-BFGS with a strong Wolfe line search, and the
target function itself turned by 0.175 counterclockwise, most cells come out: coarse spline runs that agree to
some per cent, one bad run among fine ones and good others, good multilevel runs near the printed ones, fine
ReLU runs that hardly descend, and a ReLU basis in which nothing moves after a refinement. Two things stay
apart: coarse (and with it multilevel) training in the ReLU basis ends higher than printed, and the worst of our
multilevel runs ends at {worst:.1e}, far above the bad one that R6 finds in the paper's five. The set-up was
found by trying others on these numbers; it was run from {seeds} seeds, and the larger MLPs were not.

{estimates}

![Published means of Table 2 on the runs of the reading that its numbers single out.](findings-table-two.png)

## Why our numbers differ, where they do

A mean of five is not what a run is like where one run in five ends in another minimum: the printed deviations say so
themselves (R6). Without a line search most runs in the ReLU basis, and some in the spline basis, diverge. Which start,
which optimiser and which map between the layers is not printed: each is a factor of the rows. What decides whether
multilevel training wins over fine training is how often fine training meets another minimum, not how good it is
otherwise; and a multilevel run whose coarse level stops early can stay where it is.

![Losses of multilevel training: each line a seed.](findings-courses.png)

## Refuted, or not reproduced

{listed(kept, "refuted", "not reproduced")}

## Undecided

{listed(kept, "undecided")}

## True under some readings of what the paper leaves open

{listed(kept, "holds under some readings")}
"""


def spectra() -> Figure:
    """Draw the ratio of the extreme eigenvalues of A^T A."""
    drawing = Figure(figsize=(6, 3.4), layout="constrained")
    axis = drawing.subplots()
    for order in (1, 2, 3, 4):
        sizes, ratios = [], []
        for n in (8, 16, 32, 64, 128):
            A = rk.ChangeOfBasis(rk.SplineSpace.uniform(order, n)).dense()
            values = np.linalg.svd(A, compute_uv=False)
            sizes.append(n + order - 1 + order / 2)
            ratios.append((values[0] / values[-1]) ** 2)
        axis.loglog(sizes, ratios, "o-", ms=3, label=f"r = {order}")
        axis.loglog(sizes, ratios[0] * (np.array(sizes) / sizes[0]) ** (2 * order), "k:", lw=0.8)
    axis.set(xlabel="dim + r/2", ylabel="largest over smallest eigenvalue")
    axis.legend(fontsize="small", title="dotted: exponent 2r")
    return drawing


def base() -> Under:
    """Return the runs of the base reading at full size."""
    return Under(cells(), table_two_rows.BASE, table_two_rows.FULL)


def forest() -> Figure:
    """Draw runs, the 95 % of means of five of them, and the published means."""
    drawing = Figure(figsize=(7, 3.8), layout="constrained")
    axis = drawing.subplots()
    names = [cell for cell in PUBLISHED if base().errors(*cell)][::-1]
    rng = np.random.default_rng(0)
    for k, cell in enumerate(names):
        values = np.array(list(base().errors(*cell).values()))
        means = [rng.choice(values, 5, replace=False).mean() for _ in range(2000)]
        axis.plot(np.percentile(means, (2.5, 97.5)), [k, k], color="C0", lw=6, alpha=0.4)
        axis.plot(values, np.full(values.size, k + 0.2), ".", color="C0", ms=4)
        axis.plot(PUBLISHED[cell][0], k, "D", color="C3", ms=5)
    axis.set_yticks(range(len(names)), [model if model in MLPS else f"{model}, {what}" for model, what in names])
    axis.set(xscale="log", xlabel="mean square error; dots: runs, band: means of five, diamond: published")
    return drawing


def courses() -> Figure:
    """Draw the losses of multilevel training in both bases, epoch by epoch."""
    drawing = Figure(figsize=(7, 3.2), layout="constrained")
    for axis, model in zip(drawing.subplots(1, 2, sharey=True), BASES, strict=True):
        where = base().where(model, "multilevel")
        for cell, record in cells().items():
            if set(where.items()) <= cell.pairs:
                axis.semilogy(record["course"]["mse"], color="C0", lw=0.8, alpha=0.7)
        for epoch in np.cumsum([epochs + 1 for epochs in FIDELITIES["multilevel"]])[:-1]:
            axis.axvline(epoch - 0.5, color="0.7", lw=0.8)
        axis.set(title=f"{model} basis", xlabel="epoch; lines: refinements")
    drawing.axes[0].set_ylabel("mean square error")
    return drawing


def main() -> None:
    """Write the page and its figures."""
    kept = rows()
    drawn = {"spectra": spectra(), "table-two": forest(), "courses": courses()}
    for name, figure in drawn.items():
        (HERE / f"findings-{name}.png").write_bytes(rk.plots.to_png(figure, dpi=80))
    (HERE / "findings.md").write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
