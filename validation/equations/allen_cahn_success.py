"""Q3: Allen-Cahn. Multilevel training of splines succeeds, networks in the ReLU basis and MLPs fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.parts import Parts
from refkan.claims.verdicts import Figure, Verdict, judge
from refkan.training.allen_cahn_setup import allen_cahn_solution
from validation.equations.allen_cahn_runs import DECAYED, DENSE, OURS, RELU, SETUP, SPLINE, X, runs
from validation.equations.pde_runs import medians, table, without

CLAIMS = ("Q3",)

SUCCESS, FAILURE = 0.1, 0.3
"""Relative errors that count as success and as failure."""


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Train all models: 2 seeds quickly, 6 at full size."""
    return [verdict(runs(quick, progress, checkpoints))]


def verdict(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Verdict:
    """Judge median errors; the corrected claim is about Levenberg-Marquardt in place of Adam."""
    error = {name: float(np.median([run["error"] for run in group])) for name, group in found.items()}
    failing = [error[RELU], error[DENSE]]
    seeds = [run["seed"] for run in found[SPLINE]]
    return Verdict(
        "Q3",
        judge(holds(error[SPLINE], failing), holds(error[OURS], failing), experiment=True),
        f"{len(seeds)} seeds, median and extremes: {table(found)}",
        corrected="with Levenberg-Marquardt and several starts in place of Adam",
        details=SETUP + " The corrected claim compares splines under Levenberg-Marquardt with the others under Adam.",
        data={"seeds": seeds, "runs": without(found, "residual", "solution")},
        figures=(draw(found),),
        mutations={
            "ReLU basis succeeds, splines fail": judge(
                holds(error[RELU], [error[SPLINE], error[DENSE]]), holds(error[RELU], [error[OURS]]), experiment=True
            ),
            "MLP succeeds, splines fail": judge(
                holds(error[DENSE], [error[SPLINE]]), holds(error[DENSE], [error[OURS]]), experiment=True
            ),
        },
    )


def holds(succeeding: float, failing: Sequence[float]) -> bool:
    """Whether one error is below 0.1 and all others are above 0.3."""
    return succeeding < SUCCESS and min(failing) > FAILURE


def draw(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw errors after each level, and the solution of the first seed at the last time."""
    canvas = Drawing(figsize=(9.5, 3.4), layout="constrained")
    errors, ends = canvas.subplots(1, 2)
    for name, group in found.items():
        sizes = [level["parameters"] for level in group[0]["levels"]]
        (line,) = errors.loglog(sizes, medians(group, "error"), "o-", ms=4, label=name)
        for each in group:
            errors.loglog(sizes, [e["error"] for e in each["levels"]], lw=0.5, alpha=0.4, color=line.get_color())
        if name != DECAYED:
            ends.plot(X, group[0]["levels"][-1]["solution"][-1], lw=1.2, color=line.get_color(), label=name)
    errors.set(xlabel="parameters", ylabel="relative error")
    ends.plot(X, exact_end(), "k--", lw=0.8, label="spectral solution")
    ends.set_xticks([-1, -0.5, 0, 0.5, 1])
    ends.set(xlabel="x", ylabel="u(x, 1), first seed")
    errors.legend(frameon=False, fontsize=7)
    return Figure.from_matplotlib(
        canvas, "allen-cahn-success", "Errors after each level, medians and all seeds; the solution at t = 1."
    )


def exact_end() -> np.ndarray:
    """The spectral solution at t = 1 on the grid."""
    return allen_cahn_solution(np.column_stack([X, np.ones_like(X)]))[:, 0]
