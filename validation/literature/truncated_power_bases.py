r"""O12: truncated powers in the place of B-splines, for accuracy and training time ([B26], abstract).

An edge is, in the package of that name (0.0.1), sum_(j <= k) a_j u^j + sum_t c_t (u - t)_+^k on [-1, 1], t the interior
knots, all coefficients 0.01 N(0, 1) at the start. That is a basis of the same splines: networks in both bases are the
same functions, which is checked, and differ by their start and by what a step is.

Networks [2, 5, 1], degree 3, Adam on all samples, the same number of steps in both bases, each with the rate of two
that ends at its lowest loss. The paper's own experiments, image classifiers whose last layers are exchanged, are not
repeated. Open: the start, that of the package in each basis, or one function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Estimate, Factor, Grid, Verdict, estimate, exactly
from refkan.claims.cells import Cell, Found, numbers, seeds_of
from validation.statements import ByCells, Cells, on_grid, raw, times
from validation.theorems.operation_counts import counted_bases, local_recursion

CLAIMS = ("O12",)
ORDER, RATES = 4, (1e-2, 1e-1)
BASES = ("B-splines", "truncated powers")
OPEN = (Factor("start", ("package", "same"), "small coefficients in each basis, or one function"),)

TARGETS = {
    "exponential": lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2),
    "kink": lambda x: np.abs(x[:, 0] + 0.5 * x[:, 1]),
}

PLACE = (
    Factor("basis", BASES, "of the parameters"),
    Factor("target", tuple(TARGETS), "function"),
    Factor("intervals", ("7",), "of the splines", number=True),
    Factor("samples", ("300",), "training points", number=True),
    Factor("steps", ("300",), "of Adam", number=True),
)

QUICK = {"steps": "100", "samples": "100", "start": "package"}


def change(space: rk.SplineSpace) -> np.ndarray:
    """B-spline coefficients (dim, dim), by columns, of the powers and the truncated powers on [-1, 1]."""
    u = np.cos(np.pi * np.arange(8 * space.dim + 1) / (8 * space.dim))
    values = np.hstack([u[:, None] ** np.arange(ORDER), np.maximum(u[:, None] - space.breakpoints[1:-1], 0) ** 3])
    M, rest = np.linalg.lstsq(rk.bsplines.design_matrix(space, u).toarray(), values)[:2]
    assert np.abs(rest).max(initial=0) < 1e-20, "truncated powers are splines"
    assert np.linalg.matrix_rank(M) == space.dim, "and a basis of them"
    return M


@dataclass
class InPowers:
    """A problem in the coefficients of truncated powers: u = M w edge by edge."""

    problem: rk.LeastSquares
    M: np.ndarray

    def to_splines(self, w: np.ndarray) -> np.ndarray:
        return (w.reshape(-1, len(self.M)) @ self.M.T).ravel()

    def value_and_gradient(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.problem.value_and_gradient(self.to_splines(w))
        return value, (gradient.reshape(-1, len(self.M)) @ self.M).ravel()


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train at every rate; the error of the run with the lowest loss."""
    rng = np.random.default_rng([cell.seed, 12])
    x, fresh = rng.uniform(-1, 1, (int(cell["samples"]), 2)), rng.uniform(-1, 1, (4000, 2))
    f = TARGETS[cell["target"]]
    net = rk.kan([2, 5, 1], ORDER, int(cell["intervals"]), (-1.0, 1.0), node_map="mean-std", outside="polynomial")
    net, start = net.initialize(rng, x)
    problem = rk.LeastSquares(net, x, f(x)[:, None])
    M = change(rk.SplineSpace.uniform(ORDER, int(cell["intervals"]), (-1.0, 1.0)))
    own = 0.01 * rng.normal(size=start.size) if cell["start"] == "package" else start
    powers = InPowers(problem, M)
    if cell["basis"] == BASES[0]:
        runs = [rk.minimize(problem, own, "adam", int(cell["steps"]), learning_rate=rate) for rate in RATES]
        ends = [run.theta for run in runs]
    else:
        if cell["start"] == "same":
            own = np.linalg.solve(M, own.reshape(-1, len(M)).T).T.ravel()
        runs = [rk.minimize(powers, own, "adam", int(cell["steps"]), learning_rate=rate) for rate in RATES]
        ends = [powers.to_splines(run.theta) for run in runs]
    losses = [problem.value(theta) for theta in ends]
    best = int(np.argmin(losses))
    error = float(np.mean((net(ends[best], fresh)[:, 0] - f(fresh)) ** 2) / np.var(f(fresh)))
    return {"error": error, "loss": losses[best], "rate": RATES[best]}


GRID = Grid("O12", OPEN, PLACE, run_cell)


def cells(quick: bool) -> list[Cell]:
    places = [{"basis": basis, "target": target} for basis, target in product(BASES, TARGETS)]
    readings: list[Mapping[str, str]] = [QUICK] if quick else list(GRID.every())
    return [GRID.cell(s, **(place | dict(r))) for r in readings for place in places for s in range(2 if quick else 25)]


def accuracy(of: Cells, **asked: float) -> Estimate:
    (cell,) = of
    return estimate(cell.cell, cell.values, **asked)


def operations(name: str, count: int, **asked: float) -> Estimate:
    """Operations for a basis on 7 intervals over those of as many truncated powers."""
    return exactly(f"operations of the {name} over those of truncated powers", count / counted_bases(4, 7)[1], **asked)


DENSE = operations("recursion", counted_bases(4, 7)[0], at_least=1.0)

JUDGED = {
    "O12": ByCells(
        lambda of: (accuracy(of, at_least=1.0), DENSE),
        control=times(error_of=1e6),
        twin=times(error_of=1e-6),
        corrected=lambda of: (accuracy(of, at_most=1.0), DENSE),
    )
}


def verdict(measured: Found) -> Verdict:
    by, readings, left = JUDGED["O12"], [], []
    for choice in GRID.every():
        by_target = [
            [numbers(measured, "error", **choice, target=target, basis=basis) for basis in BASES] for target in TARGETS
        ]
        if not all(first and other for first, other in by_target):
            left.append(choice)
            continue
        ratios = {
            s: float(np.sqrt(np.prod([first[s] / other[s] for first, other in by_target]))) for s in by_target[0][0]
        }
        cell = Beside("error of B-splines over truncated powers, both targets", "ratio", ratios)
        steps = next(iter(measured))["steps"]
        readings.append(by.reading(choice, [cell], size=f"{steps} steps, {len(ratios)} seeds", reduced=steps != "300"))
    local = operations("local recursion", local_recursion(4))
    return by.verdict(
        "O12",
        readings,
        left,
        measured="; ".join(f"{'-'.join(r.choice.values())}: {r.estimates[0].told()}" for r in readings)
        + f"; {DENSE.told()}, {local.told()}; {len(seeds_of(measured))} seeds",
        corrected="the same functions, in fewer operations than the recursion over all knots takes, not than the local"
        " one; less accurate after as many steps of Adam",
        data=raw(measured),
    )


run = on_grid(GRID, cells, verdict)
