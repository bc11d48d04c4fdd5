"""The short paper, in the form of the Journal of Open Source Software, and its references: python paper/build.py.

Numbers come from the kept records, the version and the authors from CITATION.cff.
"""

from __future__ import annotations

import re
import runpy
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
    "N3": "the nullity of two layers of splines at generic parameters",
    "T3": "the convergence, with one input, of updates that mix both bases",
    "M4": "the condition number of a sum of diagonal scalings over levels",
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
        f"  eprint = {{{number}}},\n  archivePrefix = {{arXiv}},\n  url = {{https://arxiv.org/abs/{number}}}\n}}\n"
        for key, (authors, title, year, number) in WORKS.items()
    )


def paper(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the paper."""
    order, n = 4, 128
    condition = f"10^{power_of_ten(order, n)}"
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    title, author = (re.search(rf'{name}: "(.+)"', citation)[1] for name in ("title", "name"))  # type: ignore[index]
    date = max(row.get("finished", "") for row in rows.values())[:10]
    own = [row for id, row in FINDINGS["of_papers"](rows).items() if FINDINGS["group"](id) == "this paper"]
    hold, corrected = (sum(row["status"] == status for row in own) for status in ("holds", "holds as corrected"))
    typical = FINDINGS["estimates"](rows, "R10")
    coarse, fine = (
        FINDINGS["bracketed"](typical[f"typical run, spline, {f} over spline, multilevel"]) for f in ("coarse", "fine")
    )
    means = FINDINGS["estimates"](rows, "R2")["mean error, spline, coarse over spline, multilevel"]
    deciding = [e for id in EQUATIONS for e in FINDINGS["estimates"](rows, id).values() if e.decides]
    few, many = (end(len(e.seeds) for e in deciding) for end in (min, max))
    statuses = {id: rows[id]["status"] for id in EQUATIONS}
    holding = [id for id, status in statuses.items() if status.startswith("holds")]
    where = " and ".join(dict.fromkeys(EQUATIONS[id] for id in holding))
    undecided = list(statuses.values()).count("undecided")
    of_splines = FINDINGS["estimates"](rows, "Q3")
    loss, error = (of_splines[name].value for name in ("loss of MLP over splines", "true error of the splines"))
    theorems = [words for id, words in THEOREMS.items() if id in rows and rows[id]["status"] == "holds"]
    new = f"""Of the {len(own)} statements of @southworth2026 that the ledger judges {hold} hold and {corrected} hold as
corrected: corrections are misprints, constants, hypotheses and costs. Its regression experiment is an example. The
printed numbers of parameters single out a kind of network that the text does not describe, and the printed means and
deviations nearly determine the five runs behind them: fine and multilevel training were each four good runs and a bad
one. Under the reading that these numbers single out, 25 runs leave open by how much multilevel training beats coarse
training in the mean ({means.value:.3g}, interval {means.low:.3g} to {means.high:.3g}; printed {means.published:.3g}),
because one run in five decides a mean. A typical multilevel run is {coarse} times better than a coarse one and {fine}
times better than a fine one. Theorem 2 of @southworth2026 bounds the ratio of tangent kernels in the two bases by 4:
that is proven for up to four layers of orders 1 and 2 whose node maps act on each sample by itself; for other maps the
least constant is 16 at orders 2 and 3. Of the {len(EQUATIONS)} claims on three differential equations, each judged by
{few} to {many} runs, {len(holding)} hold, on {where}, and {undecided} are undecided. A small loss is no small error:
splines whose loss on the Allen-Cahn equation is {loss:.0f} times below that of a dense network have a relative error of
{error:.2g}. Proven, and found in no source, are {", ".join(theorems[:-1])} and {theorems[-1]}."""
    return f"""---
title: '{title}'
tags:
  - Python
  - Kolmogorov-Arnold networks
  - B-splines
  - verification
  - numerical analysis
authors:
  - name: {author}
    affiliation: 1
affiliations:
  - name: Independent
    index: 1
date: {date}
bibliography: paper.bib
---

# Summary

A Kolmogorov-Arnold network [@liu2024] puts a learned function of one variable on each edge. With B-splines it is a
multichannel multilayer perceptron with powers of ReLU in another basis, and the change of basis preconditions training
[@actor2025; @southworth2026]. `refkan` computes such networks on a CPU as a reference: values, and every gradient
derived by hand, are held by tests to the same formulas over rational numbers; there are explicit Gauss-Newton and
Hessian matrices, certified spectra, exact ranks, knot insertion that leaves the function as it is, and training from
first-order methods to variable projection. A ledger judges the statements of papers by measurements that state their
criterion, their estimates with intervals, and deliberately false variants of each claim, which the
check must reject.

# Statement of need

Theory of such networks speaks of spectra, ranks, nested spaces and rates, which implementations for training in
single precision do not return and cannot be trusted to resolve: the condition number of A^T A, A the change of basis,
is {condition} for cubic splines on {n} intervals, which double precision cannot resolve. Authors of layers for
accelerators need values and derivatives that they can check theirs against, and a diagnosis. Readers of
experiments need to know which results reproduce.

# State of the field

Libraries for training such networks on accelerators exist, from the first one [@liu2024] to fused kernels
[@mysore2026]; initialisations [@rigas2025] and spectral bias [@wang2024] have been studied with them. None of them is
meant as a reference for others: none states the error of a value. `refkan` judges them with a suite of cases over exact
rationals, and identifies a layer: its arithmetic, its wiring, its functions and its gradients.

# What is new

{fill(new, 120)}

# References
"""


def main() -> None:
    """Write both files."""
    (HERE / "paper.bib").write_text(bibliography(), encoding="utf-8")
    (HERE / "paper.md").write_text(paper(FINDINGS["rows"]()), encoding="utf-8")


if __name__ == "__main__":
    main()
