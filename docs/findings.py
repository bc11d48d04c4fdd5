"""The page of findings and those behind it, from the kept records: python docs/findings.py writes them with figures."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import refkan as rk

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE), str(HERE.parent)]  # of the clone, as the claims are

from findings_figures import FIGURES, Rows  # noqa: E402
from findings_pages import (  # noqa: E402
    equations_page,
    questions_page,
    statements_page,
    table_two_page,
)
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
    few,
    gauge,
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
    "F3": ("2.3", "powers take P Q (n + r) operations, splines P Q (n r + r^2)",
           "the sum over edges takes P Q (n + r) in both; de Boor's local recursion is the fastest (F1)", "counted"),
    "T2": ("Table 1", "four pairs of equivalent updates",
           "for r >= 2, two inputs and more samples than parameters rows 2 and 4 diverge at any step",
           "drawn; limit proven"),
    "N4": ("Theorem 2", "it holds for the powers of x - t in (3)", "it holds for those of (x - t)/h alone", "exact"),
    "N1": ("Theorem 2", "rho(NTK_S) <= 4 rho(NTK_R)", "in general 16 for r = 2, 3; 4 in the cases above", "proven"),
    "N2": ("Remark 1", "learning rates of both bases are comparable",
           "what is stable for powers is for splines, on 99 % (not all: N5); not conversely", "{} networks"),
    "D1": ("Definition 1", "refined KANs are nested", "they are if tails are linear or polynomial", "float64"),
    "P2": ("4.2", "P = A I A'^-1, I is 0 or 1 for T in T'",
           "right; but exterior knots of the uniform refinement are not nested", "exact"),
    "R10": ("Table 2", "means of five runs compare trainings",
            "one run decides such means; see medians below", "{} runs"),
    "R12": ("Table 2", "multilevel cells, spline basis",
            "a free scale makes one bad run in four, or more", "paired runs"),
    "R13": ("Table 2", "multilevel cells, ReLU basis",
            "half of the runs or more rest, two in five by it", "paired runs"),
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

## What is undisputed

But for the free scale, identities and enclosures, checked in seconds:

* **(25)** has 2^-r for 2^(1-r), **(39)** J A A^T J^T for J A^T A J^T, **(40)** a factor n^(r-1) too many and e^(ix) for
  e^(-ix); (19) and (20) lack a minus, and the Allen-Cahn equation is ill-posed as printed (Q0).
* **The constant of Theorem 2** is 16 for orders 2 and 3 in general (N1). It is 4, as printed, for up to four layers of
  orders 1 and 2 whose node maps act on each sample by itself, and for powers of (x - t)/h, not those of (3) (N4).
* **Five runs of Table 2.** Fine and multilevel training in the spline basis were, by means and deviations, four good
  runs and one bad one each (R6).
* **[A free scale](gauge.md).** {gauge(kept)}
* **The algebra is right.** B-splines are powers of ReLU under a banded change of basis A, the basis of splines
  preconditions descent in one layer and at the start of training (H1, H4), and knots can be inserted without changing
  the network.

r is the order of the splines, degree + 1; n the number of intervals, h their length, l numbers eigenvalues; P and Q are
inputs and outputs of a layer; A and A' are the changes of basis on coarse and fine knots, J is the Jacobian, tails the
splines outside their domain; rho(NTK) is the largest eigenvalue of the tangent kernel, S in splines, R in powers.

{short_corrections(kept)}
{len(MISPRINTS)} more corrections are misprints; [all in full](statements.md).

## Table 2

It prints means of five runs, and one bad run in five decides such a mean: {bad.value:.0%} of our multilevel runs end
above ten times the median. So what decides is what tables of five of our {size} runs print (median over five tables
that share no run, whose range covers with 93.75 %); beside it stand the share of all choices of five seeds that show
the claim, the median of the ratio of two runs from one start, and the range of such medians over all readings that
were tried. "1 to 3 orders" is read as 10^0.5 to 10^3.5. The reading that speaks has a linear first layer (R7) and meets
{met(kept["R1"]["readings"][0]).partition(" (")[0]} printed cells. [More](table-two.md).

{compared(kept)}
Of these claims {together(kept, ("R1", "R2", "R3", "R8", "R9"))}.
"Not reproduced" of R2 says that more than half of such tables show less than is claimed, not that the printed table
cannot come about. A typical multilevel run gains {bracketed(over_coarse)} over a coarse one and {bracketed(over_fine)}
over a fine one (R10), under this reading.

[What to ask the authors](questions.md).

## All statements

{counts(kept)}
"As corrected": what is printed fails, and a corrected statement holds. "Undecided": the interval over runs holds the
bound that the claim implies, or runs are too few. Refuted: {refuted(kept)}.

Earlier verdicts had bootstraps, Student's intervals of means, p values or counts; [calibration](calibration.md) says
what replaced them. Fewer than five seeds, and no interval, have {few(kept)}. O2 is closed: no reading meets the
published baseline.

## Differential equations: errors and losses

A small loss is no small error; most comparisons are open. Ratios are medians over seeds.

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
    "questions": questions_page,
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
