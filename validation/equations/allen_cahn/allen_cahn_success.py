"""Q3: Allen-Cahn. Multilevel training of splines succeeds, networks in the ReLU basis and MLPs fail.

Figure 7 shows losses and pictures of one seed: no numbers can stand beside ours. Estimated under every reading that is
run (`allen_cahn_cells.OPEN`), paired by seed, geometric means: the loss of the ReLU basis and of the MLP over that of
the splines, and the same of true errors. That splines are ahead asks for more than 1. Beside them stands the splines'
true error itself: a loss a hundred times smaller goes with an error of one half.
"""

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Choice, Estimate, Figure, Verdict, estimate
from refkan.claims.cells import Found
from refkan.training.recipes.setups.space_time_setups import allen_cahn_solution
from validation.equations.allen_cahn.allen_cahn_cells import DENSE, RELU, SPLINE
from validation.equations.allen_cahn.allen_cahn_observed import X
from validation.equations.allen_cahn.allen_cahn_runs import (
    CURVES,
    DECAYED,
    SETUP,
    STATEMENT,
    after_levels,
    cells,
    of,
    written_curve,
    written_size,
)
from validation.statements import ByCells, Cells, Size, named, ratios, times

UNITS = {"error": "true error, relative, in the 2-norm", "loss": "loss on the points"}


COST = "one seed takes an hour of processor time"


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """Losses and errors of both rivals over those of the splines, above 1; the splines' error beside them."""
    made = [
        estimate(f"{key} of {rival} over splines", values, "geometric mean", at_least=1.0, cost=COST)
        for key, unit in UNITS.items()
        for rival in (RELU, DENSE)
        if (values := ratios(cells, rival, SPLINE, unit))
    ]
    return (
        *made,
        estimate("true error of the splines", named(cells, SPLINE, UNITS["error"]), "geometric mean", cost=COST),
    )


JUDGED = {"Q3": ByCells(asked, control=times(ReLU=1e6, MLP=1e6), twin=times(spline=1e6))}


def verdict(measured: Found) -> Verdict:
    """Judge ratios of losses and errors under every reading."""
    results = STATEMENT.judged(JUDGED["Q3"], measured, lambda *place: cells(*place, UNITS))
    return STATEMENT.verdict("Q3", JUDGED["Q3"], measured, results, [draw], details=SETUP)


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
