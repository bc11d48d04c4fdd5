"""Two papers and their references, generated where numbers stand in them: python paper/build.py.

`rescience.md` is the replication of arXiv 2603.04827, `joss.md` the paper on the software with the sections that the
Journal of Open Source Software asks for. Numbers come from the kept records, the version and the title from
CITATION.cff; what only people can sign is left blank, as [...].
"""

from __future__ import annotations

import re
import runpy
from collections import Counter
from collections.abc import Mapping
from math import log10
from pathlib import Path
from textwrap import fill
from typing import Any

import refkan as rk

HERE = Path(__file__).parent

ROOT = HERE.parent

WORKS = {
    "southworth2026": (
        "Southworth, Ben S. and Actor, Jonas A. and Harper, Graham and Cyr, Eric C.",
        "Multilevel Training for Kolmogorov Arnold Networks", "2026", "2603.04827",
    ),
    "actor2025": (
        "Actor, Jonas A. and Harper, Graham and Southworth, Ben S. and Cyr, Eric C.",
        "Leveraging {KANs} for Expedient Training of Multichannel {MLPs} via Preconditioning and Geometric Refinement",
        "2025", "2505.18131",
    ),
    "liu2024": (
        "Liu, Ziming and Wang, Yixuan and Vaidya, Sachin and Ruehle, Fabian and Halverson, James and"
        " Solja{\\v{c}}i{\\'c}, Marin and Hou, Thomas Y. and Tegmark, Max",
        "{KAN}: {K}olmogorov-{A}rnold Networks", "2024", "2404.19756",
    ),
    "rigas2025": (
        "Rigas, Spyros and Verma, Dhruv and Alexandridis, Georgios and Wang, Yixuan",
        "Initialization Schemes for {K}olmogorov-{A}rnold Networks: An Empirical Study", "2025", "2509.03417",
    ),
    "wang2024": (
        "Wang, Yixuan and Siegel, Jonathan W. and Liu, Ziming and Hou, Thomas Y.",
        "On the Expressiveness and Spectral Bias of {KANs}", "2024", "2410.01803",
    ),
    "mysore2026": ("Mysore", "{FlashKAN}: {B}-Spline {KANs} via Truncated Power Form", "2026", "2609.01956"),
}  # fmt: skip
"""Key -> authors, title, year, arXiv number."""


THEOREMS = {
    "N3": "a bound on the nullity of two layers of splines at generic parameters, with conditions under which it is"
    " reached",
    "T3": "the convergence, with one input, of updates that mix both bases",
    "M4": "the condition number of a sum of diagonal scalings over levels in three cases",
    "S5": "the constant of the condition number of A^T A with a second-order remainder",
}
"""Statements of our own, in a few words."""


EQUATIONS = {
    **dict.fromkeys(("Q1", "Q7", "Q8"), "Poisson's"),
    **dict.fromkeys(("Q2", "Q9"), "Burgers'"),
    **dict.fromkeys(("Q3", "Q4"), "the Allen-Cahn equation"),
}
"""Rows on trainings for differential equations."""


def power_of_ten(order: int, n: int) -> int:
    """Return the rounded logarithm of the condition number of A^T A, enclosed, on uniform knots."""
    smallest, largest = rk.exact.extreme_eigenvalues(rk.SplineSpace.uniform(order, n))
    return round(log10(largest.high / smallest.low))


FINDINGS = runpy.run_path(str(ROOT / "docs" / "findings.py"))
"""The page of findings: its rows, and how it tells what was estimated of one."""


def bibliography() -> str:
    """Return the references in BibTeX."""
    return "\n".join(
        f"@misc{{{key},\n  author = {{{authors}}},\n  title = {{{title}}},\n  year = {{{year}}},\n"
        f"  eprint = {{{number}}},\n  archivePrefix = {{arXiv}},\n  doi = {{10.48550/arXiv.{number}}},\n"
        f"  url = {{https://arxiv.org/abs/{number}}}\n}}\n"
        for key, (authors, title, year, number) in WORKS.items()
    )


Rows = Mapping[str, Mapping[str, Any]]


def front_matter(title: str, date: str) -> str:
    """Return the head of a paper, its authors and their affiliations blank."""
    return f"""---
title: '{title}'
tags:
  - Python
  - Kolmogorov-Arnold networks
  - B-splines
  - verification
  - numerical analysis
authors:
  - name: "[names]"
    orcid: "[ORCID]"
    affiliation: 1
affiliations:
  - name: "[affiliation]"
    index: 1
date: {date}
bibliography: paper.bib
---
"""


def date_of(rows: Rows) -> str:
    """Return the day of the latest measurement."""
    return str(max(row.get("finished", "") for row in rows.values()))[:10]


def counted(rows: Rows) -> str:
    """Return how many statements of the paper came out how, in words."""
    own = [row["status"] for id, row in FINDINGS["of_papers"](rows).items() if FINDINGS["group"](id) == "this paper"]
    parts = (f"{status} {number}" for status, number in Counter(own).most_common())
    return f"The {len(own)} statements of @southworth2026 that are judged came out as follows: {', '.join(parts)}"


def on_equations(rows: Rows) -> str:
    """Tell how the claims on differential equations came out, and with how many runs."""
    deciding = [e for id in EQUATIONS for e in FINDINGS["estimates"](rows, id).values() if e.decides]
    few, many = (end(len(e.seeds) for e in deciding) for end in (min, max))
    of: dict[str, list[str]] = {}
    for id in EQUATIONS:
        of.setdefault(rows[id]["status"], []).append(f"{id} ({EQUATIONS[id]})")
    parts = "; ".join(f"{', '.join(ids)}: {status}" for status, ids in of.items())
    return f"Of {len(EQUATIONS)} claims on three differential equations, with {few} to {many} runs each: {parts}."


def table_of_five(rows: Rows, id: str, pair: str) -> str:
    """Tell what tables of five print of a ratio, and how often they show the claim."""
    of = FINDINGS["estimates"](rows, id)
    five, shown = of[f"means of five, {pair}"], of[f"share of tables of five that show it, {pair}"]
    printed = f"{FINDINGS['bracketed'](five)} (printed {five.published:.3g})"
    return f"{printed}, and {shown.value:.0%} of all choices of five seeds show the claim"


def typical(rows: Rows, fidelity: str) -> str:
    """Return the median gain of a multilevel run over another one of the same seed."""
    name = f"typical run, spline, {fidelity} over spline, multilevel"
    return str(FINDINGS["bracketed"](FINDINGS["estimates"](rows, "R10")[name]))


def rescience(rows: Rows) -> str:
    """Return the replication."""
    of_splines = FINDINGS["estimates"](rows, "Q3")
    error = of_splines["true error of the splines"].value
    losses = of_splines["loss of MLP over splines"].value
    pair = "spline, coarse over spline, multilevel"
    proven = [words for id, words in THEOREMS.items() if id in rows and rows[id]["status"] == "holds"]
    text = f"""# Introduction

@southworth2026, after @actor2025, write Kolmogorov-Arnold networks [@liu2024] with B-splines as multichannel multilayer
perceptrons with powers of ReLU, and train them on nested levels. This is an independent replication, without the
authors' code, which we did not find: formulas over rational numbers, spectra in enclosures, and trainings under every
reading of the description that we could name. Each statement is a row of a ledger with a criterion, a false variant
that must fail, and, where it fails itself, data on which it must hold. Criteria were fixed before the runs; those
that turned out badly chosen were changed in the open, with the earlier one beside them.

# Method

A statement on an experiment names a quantity and a bound. The quantity is a median over seeds, with two order
statistics as its interval, or a share, with the interval of Clopper and Pearson; neither assumes a distribution. The
interval covers with 95 % at least, with 93.75 % for five runs, and fewer than five decide nothing. Where a table
prints means of five runs, the quantity is what tables of five of our runs print. These intervals, and the verdicts,
were calibrated on invented papers with known truths. Earlier versions of this replication had bootstraps and
Student's intervals of means: one bad run in five makes them miss the truth in up to one sample of two, and verdicts
that rested on them were withdrawn.

# Results

{counted(rows)}. Corrections are misprints, constants, hypotheses and costs.

## Formulas and theorems

Theorem 2 bounds the ratio of tangent kernels in the two bases by 4. That is proven for up to four layers of orders 1
and 2 whose node maps act on each sample by itself; for other maps the least constant is 16 at orders 2 and 3. The
bound is for powers of (x - t)/h, not for those of equation (3).

## Table 2

The printed numbers of parameters fit networks whose first layer is linear, which the text does not describe; whether
they were trained is a question to the authors. The printed means and deviations nearly determine the five runs behind
them: fine and multilevel training in the spline basis were each four good runs and a bad one. Under the reading that
these numbers single out, tables of five of our 25 runs print a gain of multilevel over coarse training of
{table_of_five(rows, "R2", pair)}. A typical multilevel run is {typical(rows, "coarse")} times better than a coarse
one and {typical(rows, "fine")} times better than a fine one. Other readings give other numbers; the page on Table 2
has their range.

## Differential equations

{on_equations(rows)} A small loss is no small error: splines whose loss on the Allen-Cahn equation is {losses:.0f} times
below that of a dense network have a relative error of {error:.2g} (medians of
{len(of_splines["true error of the splines"].seeds)} runs).

## New

Proven, and found in no source, are {", ".join(proven[:-1])}, and {proven[-1]}.

# Limits

Which reading is the paper's is decided by printed means and deviations, a test that rejects one right set-up in five.
Many rows on equations have too few runs to decide. Times are those of one machine.

# References
"""
    return front_matter("[Re] Multilevel Training for Kolmogorov Arnold Networks", date_of(rows)) + "\n" + filled(text)


def joss(rows: Rows) -> str:
    """Return the paper on the software."""
    order, n = 4, 128
    condition = f"10^{power_of_ten(order, n)}"
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    title = re.search(r'title: "(.+)"', citation)[1]  # type: ignore[index]
    text = f"""# Summary

A Kolmogorov-Arnold network [@liu2024] puts a learned function of one variable on each edge. With B-splines it is a
multichannel multilayer perceptron with powers of ReLU in another basis, and the change of basis preconditions training
[@actor2025; @southworth2026]. `refkan` computes such networks on a CPU as a reference: values, and every gradient
derived by hand, are held by tests to the same formulas over rational numbers; there are explicit Gauss-Newton and
Hessian matrices, certified spectra, exact ranks, knot insertion that leaves the function as it is, and training from
first-order methods to variable projection. A ledger judges the statements of papers by measurements that state their
criterion, their estimates with intervals, and deliberately false variants of each claim, which the check must reject.

# Statement of need

Theory of such networks speaks of spectra, ranks, nested spaces and rates, which implementations for training in single
precision do not return and cannot be trusted to resolve: the condition number of A^T A, A the change of basis, is
{condition} for cubic splines on {n} intervals, which double precision cannot resolve. Three groups need a ground truth.
Authors of layers for accelerators need values and derivatives that they can check theirs against, and a diagnosis if
they differ. Numerical analysts who study these networks need spectra and ranks whose digits are proven. Readers of
experiments need to know which results reproduce, under which reading of a description, and how sure that is.

# State of the field

Libraries for training such networks on accelerators exist, from the first one [@liu2024] to fused kernels
[@mysore2026]; initialisations [@rigas2025] and spectral bias [@wang2024] have been studied with them. They are made
for speed and for training, and none of them is meant as a reference for others: none states the error of a value. To
contribute a reference to one of them would tie it to a framework, its precision and its automatic differentiation,
which are what is to be checked. Libraries of splines evaluate single splines with care, but have no networks, no
derivatives in coefficients and knots of compositions, and no refinement of networks. `refkan` therefore is a library
of its own, and reaches the others through adapters: it judges a layer of any framework with a suite of cases over
exact rationals, and identifies its arithmetic, its wiring, its functions and its gradients.

# Software design

A layer declares its parameters and the functions of single inputs that they multiply. From this declaration one module
derives values, gradients, Jacobians, jets in the inputs and Hessians, so that a new basis is one class of some twenty
lines and has all derivatives. The price is that a derivative is written for the declaration and not for a basis;
compiled kernels win back the time where a basis has one, and their results are
compared with those of the plain form.

Three layers of trust stand on one another. The package `truth` evaluates literal formulas over rational numbers or in
balls, apart from the code that it judges. Tests hold the library in double precision to it, with bounds that are
derived and not fitted. Certificates then enclose ranks, spectra and ranges of given networks. Core dependencies are
NumPy, SciPy, Numba and Matplotlib; exact arithmetic and adapters for other frameworks are extras.

Claims are data: a row names a source, a statement, a measured quantity and a criterion; a claim file returns verdicts
that are computed from estimates and never typed. An interval is formed in one place only, from order statistics or
binomial counts. Intervals of means were tried, calibrated on invented papers of known truth, and withdrawn, because
one bad run in five makes them useless. Cells of long experiments are kept one by one, so that a verdict can be judged
again by another criterion without a new training, and pages, figures and both papers are generated from the kept
records.

# Research impact statement

The ledger is the first use of the library. {counted(rows)}. Among the corrections are the constant of a theorem on
tangent kernels and the hypotheses under which it is 4, and a reading of a table of trainings whose printed means and
deviations show that one run in five decided them. {on_equations(rows)} The suite names defects of published layers;
pinned versions, cases and answers are in the repository, and `python -m validation` measures all of it again. Use by
others: [citations, projects, or none yet].

# AI usage disclosure

[To be stated by the authors: which tools were used, for what, and how results were checked.]

# Acknowledgements

[Names and funding, or none.]

# References
"""
    return front_matter(title, date_of(rows)) + "\n" + filled(text)


def filled(text: str) -> str:
    """Return text with every paragraph filled to 120 columns."""
    return "\n\n".join(fill(part, 120, break_long_words=False) for part in text.strip().split("\n\n")) + "\n"


def main() -> None:
    """Write both papers and their references."""
    kept = FINDINGS["rows"]()
    texts = {"paper.bib": bibliography(), "rescience.md": rescience(kept), "joss.md": joss(kept)}
    for name, text in texts.items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
