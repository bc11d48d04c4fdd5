"""The long pages behind the page of findings: statements with their corrections, Table 2, differential equations."""

from __future__ import annotations

from findings_figures import Rows, speaking
from findings_tables import (
    OF_FIVE,
    SHOWN,
    TABLE_TWO,
    all_met,
    bracketed,
    compared,
    corrections,
    estimated,
    estimates,
    gain,
    gauge,
    listed,
    losses_and_errors,
    met,
    number,
    often,
    other_readings,
    proven,
    reading_of,
    statements,
    waiting,
)

WRITTEN = "Written by `python docs/findings.py` from the records behind [the verdicts](verdicts.md)"


EVALUATED = """\
A level of a multilevel training ends at its point of least loss (weighted, where residuals are attended to), not at the
last one; the next level starts there, and errors are taken there."""
"""Which point of a training is evaluated, on every page that shows one."""

LESSER_MISPRINTS = """\
* (39): J A A^T J^T for J A^T A J^T, if J is the Jacobian in the weights w = A^T u of the powers.
* After Lemma 5 D_u and D_w are exchanged; in Algorithm 1 u_l stands for u_k; the conclusion exchanges coarse and fine.
* Appendix B proves Lemma 2 "by Lemma 2", for Proposition 2.
* The proof of Lemma 6 needs that the fine basis contains the coarse one, which B-splines do not: that the spaces are
  nested is enough, and true.
* Footnote 1: repeated knots do break (3), whose powers coincide, and (5), which divides by their distance.
* A superscript [r-1] of a basis for [r]; closed intervals for r = 1, on which two functions are 1 at a knot; d^(2r)/dx
  for d^(2r)/dx^(2r)."""


def statements_page(kept: Rows) -> str:
    """Return the page of statements: what holds, what is right instead, what is open."""
    return f"""# Statements and corrections

Behind [the findings](findings.md): every statement of the papers by how it came out, and our own. {WRITTEN}, where
each row has its criterion and every number. `python -m validation L4` runs a row again in seconds, which decides exact
statements; experiments are decided by `python -m validation --full R1`.

## Notation

r: order of the splines, degree + 1; n: intervals; h: their length; dim = n + r - 1; t_i: knots, T: all of them; b_i:
B-splines; psi_i = ReLU(x - t_i)^(r-1); b = A psi: the change of basis; x_3: a product along the third index; P: the
prolongation to refined knots, or the number of inputs of a layer of Q outputs; kappa: condition number; rho: spectral
radius; NTK = J J^T: the tangent kernel of a network with Jacobian J, NTK_S in the spline and NTK_R in the ReLU basis;
L: number of layers, or a loss; "tails": how functions go on outside the domain; "node maps": what is done to hidden
nodes between layers. "Reading": a choice of what the paper leaves open; "k of m readings": the statement holds under k
of the m that speak. [A25] is the paper's predecessor, arXiv 2505.18131; "summary" marks what both say without a number;
other keys are explained below the verdicts. Brackets are 95 % intervals; the verdicts say how each is made.

## What holds

{listed(kept, "holds", numbers=False)}

![Ratio of the extreme eigenvalues of A^T A against dim + r/2.](findings-spectra.png)

## Corrections

{corrections(kept, misprints=False)}
Misprints:

{corrections(kept, misprints=True)}
Without a row, since nothing depends on them:

{LESSER_MISPRINTS}
![Tangent kernels of both bases: their ratio at random parameters, and its bound.](findings-kernels.png)

## Statements of our own

For these we found no source; their pages say which parts are classical.

{proven(kept)}

## Refuted, or not reproduced

{listed(kept, "refuted", "not reproduced")}

## Undecided

{listed(kept, "undecided")}

## True under some readings of what the paper leaves open

{listed(kept, "holds under some readings")}

## Not judged at full size since their criteria changed

{waiting(kept)}. Their earlier measurements, and what quick
runs say, stand with the verdicts. Where a criterion was changed after a measurement, it says so, with the earlier one.
"""


def table_two_page(kept: Rows) -> str:
    """Return the page on Table 2."""
    size = len(speaking(kept, "R1")["cells"][0]["seeds"])
    typical = estimates(kept, "R10")
    bad = {f: typical[f"runs above ten times the median, spline, {f}"] for f in ("coarse", "fine", "multilevel")}
    return f"""# Table 2 again

Behind [the findings](findings.md). {WRITTEN}.

The printed numbers of parameters are those of networks that the text does not describe (R7): a linear first layer, and
splines on 5 intervals after it, refined to 40, which are cubic in Table 3, and in Table 2 cubic with biases in the
first layer, or of order 5 without. Table 2 fits two networks of quadratic splines in every layer, too: which ones were
trained is a question to the authors. The other details that the text leaves open, listed below, were
found by trying values, {len(kept["R1"]["readings"])} sets of which are recorded, until printed means and deviations
came out: hidden nodes mapped to the spline domain by their extremes on the samples, coefficients that start as N(0, 1),
L-BFGS with a strong Wolfe line search, and the function itself turned by 0.175 rad counterclockwise. All errors are
mean squares over the squared range of the target. A printed cell is met where its mean and its deviation are in the
central 95 % of those of five of our runs: {met(kept["R1"]["readings"][0])}. With powers of
(x - t)/h in place of x - t: {met(reading_of(kept, "scaled"))};
tables of five then print a gain by refinement of {bracketed(gain(kept, "scaled"))} in the ReLU basis, where R3 claims
effectively none. The calibration by those cells is rough: [one right set-up in five fails it](calibration.md).

{EVALUATED}

Ratios of errors, of {size} runs from the same starts: what tables of five print (median and ends over tables that
share no run), the share of tables that show what is claimed, the median of ratios of single runs, and that over all
{len(kept["R1"]["readings"])} readings. Before these were recorded, 384 readings were screened on fewer points.

{compared(kept)}
Runs above ten times the median of their kind, in the spline basis: coarse {bracketed(bad["coarse"])}, fine
{bracketed(bad["fine"])}, multilevel {bracketed(bad["multilevel"])} of all.
{often(bad["multilevel"], bad["fine"])}.
A comparison of means of five says which of them met a bad run, as the printed deviations do (R6).

{gauge(kept)} [Proofs and runs](gauge.md).

{statements(kept, TABLE_TWO)}
![Published means of Table 2 on the runs of the reading that its numbers single out.](findings-table-two.png)

## Under other readings

Medians; one detail is changed at a time.
Start: coefficients from N(0, 1) (base), N(0, 2/5) (he), uniform on [0, 1] (unit) or in +-1/sqrt(5) (uniform); search:
steps of 1 in place of a line search; precision: 32 bits; fine: fine training from the coarse start, prolonged; powers:
of (x - t)/h; target: not scaled. {all_met(kept["R1"]["readings"])}

{other_readings(kept)}
![Fine and multilevel training in the spline basis, by start and optimiser.](findings-starts.png)
"""


def equations_page(kept: Rows) -> str:
    """Return the page on differential equations."""
    return f"""# Differential equations: losses and errors

Behind [the findings](findings.md). {WRITTEN}.

{losses_and_errors(kept)}

{EVALUATED}

{estimated(kept, ("Q1", "Q7", "Q8", "Q2", "Q9", "Q3", "Q4"))}
![Loss against true error of every run, three equations.](findings-losses.png)

![Half-energy bandwidth of the residual on the last level, every run.](findings-bands.png)
"""


def questions_page(kept: Rows) -> str:
    """Return the page of open questions to the authors of [S26]."""
    coarse = estimates(kept, "R2")
    pair = "spline, coarse over spline, multilevel"
    shown, five = coarse[f"{SHOWN}, {pair}"], coarse[f"{OF_FIVE}, {pair}"]
    return f"""# Questions to the authors

One page, to be sent with [the findings](findings.md) to the authors of arXiv 2603.04827. {WRITTEN}.

1. **The five losses behind each cell of Table 2.** The printed means and deviations say that fine and multilevel
   training in the spline basis were four good runs and a bad one (R6). In our runs a table of five shows a gain of
   ten or more over coarse training in {shown.value:.0%} of all choices of five seeds; tables without a seed in common
   print {bracketed(five)}, yours {number(five.published or 0.0)}. With the five losses like is compared with like.
2. **Which networks were trained?** The printed numbers of parameters of both tables fit networks whose first layer is
   linear, with splines on 5 intervals after it (R7). Four networks fit Table 2: splines of order 3 in every layer, on
   (1, 3) or on (2, 1) intervals; a linear layer with biases and cubic splines; a linear layer and splines of order 5.
   Those of figure 5 are splines in every layer.
3. **What stands between the layers?** Which node map, and is it formed on the samples, on each level anew? Theorem 2
   holds with the constant 4 for maps that act on each sample by itself (N1).
4. **Starts, precision and optimiser:** distribution of the coefficients, 32 or 64 bits, fixed steps or a line search.
   [Other choices](table-two.md#under-other-readings) change medians by orders of magnitude.
5. **Which iterate is printed?** Ours is the point of least loss of each level, where the next level starts.
6. **Figure 8 and section 5.2.1:** energies of the modes as numbers, whether 4 intervals are 7 splines, and which terms
   and points the losses of Allen-Cahn and Burgers have.
7. **Learning rates (Remark 1):** is a comparison of steps meant in one basis, or of steps that are scaled by h?
"""
