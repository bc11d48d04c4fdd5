"""Q3: Allen-Cahn. Multilevel training of splines succeeds, networks in the ReLU basis and MLPs fail.

The statement is judged under every reading that is run (`allen_cahn_cells.OPEN`): median relative error below 0.1 for
splines, above 0.3 for the others. The paper shows pictures of one seed and no numbers: none can stand beside ours, and
nothing is "not reproduced". As corrected: with Levenberg-Marquardt and several starts in place of Adam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.cells import Found, seeds_of
from refkan.claims.readings import Choice, Reading, Readings
from refkan.claims.verdicts import Figure, Verdict, judge
from refkan.training.recipes.setups.space_time_setups import allen_cahn_solution
from validation.equations.allen_cahn_cells import DENSE, OURS, RELU, SPLINE
from validation.equations.allen_cahn_observed import X
from validation.equations.allen_cahn_runs import (
    CURVES,
    DECAYED,
    FEW,
    PAPER,
    SETUP,
    STATEMENT,
    after_levels,
    cells,
    of,
    written_curve,
    written_size,
)
from validation.statements import Size

SUCCESS, FAILURE = 0.1, 0.3
"""Relative errors that count as success and as failure."""

UNITS = {"error": "true error, relative, in the 2-norm", "loss": "loss on the points"}


def errors_of(measured: Found, reading: Choice, size: Size) -> dict[str, float]:
    """Return the median error of each model that was run at the end, by its name."""
    every = {curve: after_levels(measured, reading, size, curve, "errors") for curve in (*CURVES, DECAYED)}
    return {written_curve(curve): errors[-1] for curve, errors in every.items() if errors}


def readings(measured: Found) -> Readings:
    """Return the statement under every reading that was run."""
    results = []
    for reading, size in STATEMENT.at_largest_size(measured):
        error = errors_of(measured, reading, size)
        failing = [error[RELU], error[DENSE]]
        seeds = len(of(measured, reading, size, CURVES[0]))
        enough = seeds >= FEW
        results.append(
            Reading(
                {**reading, "points": size["points"]},
                holds(error[SPLINE], failing) if enough else None,
                f"median true errors, {seeds} seeds: " + ", ".join(f"{name} {e:.2g}" for name, e in error.items()),
                corrected=bool(enough and OURS in error and holds(error[OURS], failing)),
                cells=cells(measured, reading, size, UNITS),
                size=written_size(size),
                reduced=size != PAPER,
            )
        )
    return STATEMENT.judged(measured, results)


def verdict(measured: Found) -> Verdict:
    """Judge median errors; the corrected claim is about Levenberg-Marquardt in place of Adam."""
    made = readings(measured)
    every = [errors_of(measured, *each) for each in STATEMENT.at_largest_size(measured)]
    return Verdict(
        "Q3",
        made.status,
        made.told(),
        corrected=CORRECTED if any(result.corrected for result in made.results) else "",
        details=SETUP + " The corrected claim compares splines under Levenberg-Marquardt with the others under Adam.",
        data={"seeds": seeds_of(measured)},
        figures=tuple(draw(measured, *each) for each in STATEMENT.at_largest_size(measured)[:1]),
        mutations={
            "ReLU basis succeeds, splines fail": judge(
                any(holds(e[RELU], [e[SPLINE], e[DENSE]]) for e in every), experiment=True
            ),
            "MLP succeeds, splines fail": judge(any(holds(e[DENSE], [e[SPLINE]]) for e in every), experiment=True),
        },
        readings=tuple(made.plain()),
    )


CORRECTED = "with Levenberg-Marquardt and several starts in place of Adam"


def holds(succeeding: float, failing: Sequence[float]) -> bool:
    """Whether one error is below 0.1 and all others are above 0.3."""
    return succeeding < SUCCESS and min(failing) > FAILURE


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw errors after each level, and the solution of the first seed at the last time."""
    canvas = Drawing(figsize=(9.5, 3.4), layout="constrained")
    errors, ends = canvas.subplots(1, 2)
    for k, curve in enumerate((*CURVES, DECAYED)):
        group = of(measured, reading, size, curve)
        if not group:
            continue
        first = group[min(group)]
        middle = after_levels(measured, reading, size, curve, "errors")
        errors.loglog(first["parameters"], middle, "o-", ms=4, color=f"C{k}", label=written_curve(curve))
        for each in group.values():
            errors.loglog(each["parameters"], each["errors"], lw=0.5, alpha=0.4, color=f"C{k}")
        if curve != DECAYED:
            ends.plot(X, np.asarray(first["solution"])[-1][-1], lw=1.2, color=f"C{k}", label=written_curve(curve))
    errors.set(xlabel="parameters", ylabel="relative error")
    ends.plot(X, exact_end(), "k--", lw=0.8, label="spectral solution")
    ends.set_xticks([-1, -0.5, 0, 0.5, 1])
    ends.set(xlabel="x", ylabel="u(x, 1), first seed")
    errors.legend(fontsize=7, framealpha=0.7)
    choice = ", ".join(f"{name}={value}" for name, value in reading.items())
    return Figure.from_matplotlib(
        canvas,
        "allen-cahn-success",
        f"Errors after each level, medians and all seeds; the solution at t = 1. {choice}, {written_size(size)}.",
    )


def exact_end() -> np.ndarray:
    """The spectral solution at t = 1 on the grid."""
    return allen_cahn_solution(np.column_stack([X, np.ones_like(X)]))[:, 0]
