"""The page of findings and those behind it, from the kept records: python docs/findings.py writes them with figures."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import refkan as rk

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE), str(HERE.parent)]  # of the clone, as the claims are

from findings_figures import FIGURES, Rows  # noqa: E402
from findings_pages import equations_page, statements_page, table_two_page  # noqa: E402
from findings_tables import (  # noqa: E402
    MISPRINTS,
    PROOFS,
    all_met,
    asked,
    bracketed,
    compared,
    counts,
    escaped,
    estimates,
    group,
    met,
    of_papers,
    often,
    rows,
)

from validation.ledger import row  # noqa: E402
from validation.records.markdown import markdown_table  # noqa: E402
from validation.records.pages import in_short  # noqa: E402

__all__ = ["all_met", "bracketed", "estimates", "group", "met", "of_papers", "often", "page", "rows"]

IN_SHORT = {
    "S4": ("figure 1", "eigenvalues of A^T A are roughly l^(2r)",
           "for small l; over the upper half r on average, falling to 0", "enclosed"),
    "F1": ("2.3", "the ReLU form is faster by the degree", "by less; de Boor's local recursion beats both", "timed"),
    "F3": ("2.3", "powers take P Q (n + r) operations, splines P Q (n r + r^2)",
           "the sum over edges takes P Q (n + r) in both", "counted"),
    "T2": ("Table 1", "four pairs of equivalent updates",
           "for r >= 2, two inputs and twenty samples rows 2 and 4 diverge at any step", "drawn; limit proven"),
    "N4": ("Theorem 2", "it holds for the powers of x - t in (3)", "it holds for those of (x - t)/h alone", "exact"),
    "N1": ("Theorem 2", "rho(NTK_S) <= 4 rho(NTK_R)", "in general 16 for r = 2, 3; 4 in the cases above", "proven"),
    "N2": ("Remark 1", "learning rates of both bases are comparable",
           "what is stable for powers is for splines, on 99 % (not all: N5); not conversely", "{} networks"),
    "D1": ("Definition 1", "refined KANs are nested", "they are if tails are linear or polynomial", "float64"),
    "P2": ("4.2", "P = A I A'^-1, I is 0 or 1 for T in T'",
           "right; but exterior knots of the uniform refinement are not nested", "exact"),
    "R10": ("Table 2", "means of five runs compare trainings",
            "one run decides such means; see medians below", "{} runs"),
    "R7": ("Tables 2, 3", "splines in every layer",
           "is the first layer linear?", "exact"),
}  # fmt: skip
"""Row -> place, what is printed, what is right, and how that is known, in a few words, {} for the number of seeds."""

EQUATIONS = {
    "Q1": ("Poisson", "each refinement lowers the error; the ReLU basis ends slightly below 1"),
    "Q7": ("", "lower error than an MLP, sooner, with less noise"),
    "Q8": ("", "attention to residuals lowers error and loss"),
    "Q2": ("Burgers", "multilevel training 2 to 3 orders below coarse, and below fine"),
    "Q9": ("", "the coarsest KAN below both MLPs"),
    "Q3": ("Allen-Cahn", "ReLU basis and MLP worse in error, and in loss"),
    "Q4": ("", "the residual's band is wider than in the ReLU basis"),
}
"""Rows on differential equations: which one, and what of losses and errors is claimed."""


def link(id: str) -> str:
    """Return a link to a row."""
    return f"[{id}](verdicts.md#{id.lower()})"


def short_corrections(kept: Rows) -> str:
    """Return the corrections of this paper, misprints apart."""
    lines = []
    for id, texts in IN_SHORT.items():
        if is_corrected(kept, id):
            seeds = min((len(e.seeds) for e in estimates(kept, id).values()), default=0)
            lines.append([link(id), *(escaped(text.format(seeds)) for text in texts)])
    return markdown_table(["row", "where", "printed", "right", "known by"], lines)


def is_corrected(kept: Rows, id: str) -> bool:
    """Whether a row corrects this paper: it holds as corrected, or holds and corrects what is printed."""
    if id not in kept or group(id) != "this paper":
        return False
    status, corrects = kept[id]["status"], bool(row(id).corrects)
    return bool(status == "holds as corrected" or (corrects and status == "holds"))


def equations(kept: Rows) -> str:
    """Return the rows on differential equations, with the numbers that decide each under their bounds."""
    lines = []
    for id, (equation, claim) in EQUATIONS.items():
        deciding = [e for e in estimates(kept, id).values() if e.decides]
        of: dict[str, list[str]] = {}
        for e in deciding:
            of.setdefault(asked(e), []).append(bracketed(e))
        shown = "; ".join(f"{', '.join(ratios)}: {'each ' * (len(ratios) > 1)}{bound}" for bound, ratios in of.items())
        seeds = str(min(len(e.seeds) for e in deciding))
        answer = "undecided" if kept[id]["status"] == "undecided" else in_short(kept[id])
        lines.append([link(id), equation, claim, shown, seeds, answer])
    return markdown_table(["row", "equation", "claimed", "ratios: bounds", "runs", "answer"], lines)


def refuted(kept: Rows) -> str:
    """Return the rows that are refuted."""
    ids = [id for id in kept if kept[id]["status"] == "refuted"]
    return ", ".join(map(link, ids))


def together(kept: Rows, ids: Iterable[str]) -> str:
    """Tell the statuses of rows, those of one status together."""
    of: dict[str, list[str]] = {}
    for id in ids:
        of.setdefault(kept[id]["status"], []).append(id)
    parts = []
    for status, alike in sorted(of.items()):
        several = len(alike) > 1
        names = f"{', '.join(alike[:-1])} and {alike[-1]}" if several else alike[0]
        parts.append(f"{names} hold{'' if several else 's'}{status.removeprefix('holds')}" if status.startswith("holds")
                     else f"{names} {'are' if several else 'is'} {status}")  # fmt: skip
    return "; ".join(parts)


def page(kept: Rows) -> str:
    """Return the page of findings: two printed pages, with links to all that stands behind them."""
    typical = estimates(kept, "R10")
    over_coarse, over_fine = (typical[f"typical run, spline, {f} over spline, multilevel"] for f in ("coarse", "fine"))
    bad = typical["runs above ten times the median, spline, multilevel"]
    size = len(over_coarse.seeds)
    proofs = ", ".join(f"[{id}](theorems/{name}.md)" for id, name in PROOFS.items() if kept[id]["status"] == "holds")
    return f"""# Is the paper right?

What verifying Southworth, Actor, Harper and Cyr, "Multilevel Training for Kolmogorov Arnold Networks" (arXiv
2603.04827) found, with its predecessor [A25] (arXiv 2505.18131). A Kolmogorov-Arnold network (KAN) has a learned
function of one variable on each edge, here a spline; written in powers of ReLU it is a multilayer perceptron (MLP).
Rows are those of [the verdicts](verdicts.md); `python -m validation --full R1` measures one again.

{counts(kept)}
"As corrected": what is printed fails, and a corrected statement holds. "Undecided": the 95 % interval over runs
contains the bound that the claim implies, or runs are too few. A "reading" is a choice of what a description
leaves open; of those tried, the ones that meet the printed numbers of a baseline count. Refuted: {refuted(kept)}.

* **The algebra is right, once corrected.** B-splines are powers of ReLU under a banded change of basis A, the basis of
  splines preconditions descent in one layer and at the start of training (H1, H4), and knots can be inserted without
  changing the network. {len(MISPRINTS)} corrections are misprints; others change a constant, a hypothesis, a cost or a
  reading of numbers.
* **Theorem 2 must name the maps between its layers.** Its constant 4 is enough for up to four layers, order 1
  and 2 and maps that act on each sample by itself; in general it is 16 for orders 2 and 3 (N1).
* **Refinement helps; by how much cannot be read off Table 2.** It prints means of five runs, and one bad run in five
  decides such a mean: {bad.value:.0%} of our multilevel runs end above ten times the median. The median gain from the
  same start is {bracketed(over_coarse)} over coarse training and {bracketed(over_fine)} over fine training (R10).
* **On differential equations a small loss is no small error,** and most comparisons are still open: runs take
  minutes to an hour.

## What is printed, and what is right

r is the order of the splines, degree + 1; n the number of intervals, h their length, l numbers eigenvalues; P and Q are
inputs and outputs of a layer; A and A' are the changes of basis on coarse and fine knots, tails the splines outside
their domain; rho(NTK) is the largest eigenvalue of the tangent kernel, S in splines, R in powers.

{short_corrections(kept)}
Misprints: signs of (19), (20) and of the Allen-Cahn equation, which is ill-posed as printed; a power of n and a sign in
(40); 2^-r for 2^(1-r) in (25); S_r(T) and S_r(T') exchanged before (24); -r for -2r in 4.3. [All in
full](statements.md).

## Table 2: ratios of errors

Printed numbers of parameters fit a linear first layer (R7), which our runs have. Printed means and deviations nearly
determine the five runs behind them: fine and multilevel training were four good runs and a bad one each (R6). Brackets
are 95 % intervals over {size} starts; "median" is that of the ratio of two runs from one start. "1 to 3 orders" is
read as 10^0.5 to 10^3.5. [More](table-two.md).

{compared(kept)}
Of these claims {together(kept, ("R1", "R2", "R3", "R8", "R9"))}.

## Differential equations: errors and losses

{equations(kept)}
Ratios are the worse over the better of what is claimed, but for the last number of Q1, the error of the ReLU
basis. [Losses beside errors](differential-equations.md).

## What was not known

New, with proofs ({proofs}): how many parameter directions at least change nothing in a network of two
layers; where training with updates of both bases at once converges; constants of the condition numbers of A^T A and of
tangent kernels; what steps do after a refinement; bounds for scaled splines on every knot
vector.
"""


PAGES = {
    "findings": page,
    "statements": statements_page,
    "table-two": table_two_page,
    "differential-equations": equations_page,
}


def main() -> None:
    """Write the pages and their figures."""
    kept = rows()
    for name, draw in FIGURES.items():
        (HERE / f"findings-{name}.png").write_bytes(rk.plots.to_png(draw(kept), dpi=80))
    for name, made in PAGES.items():
        (HERE / f"{name}.md").write_text(made(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
