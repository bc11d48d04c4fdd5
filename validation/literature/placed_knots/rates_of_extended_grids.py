r"""O11 (Liu et al., arXiv 2404.19756): the error falls like G^-(k+1) under grid extension, and is least at a threshold.

Statements. Theorem 2.1 (approximation theory, KAT), their splines of degree k (here order r = k + 1) on G intervals: ::

    |f - (Phi_{L-1}^G o ... o Phi_0^G) x|_{C^m} <= C G^(-k-1+m)

Section 2.4, "Toy example: staircase-like loss curves", f = exp(sin(pi x) + y^2) on [-1, 1]^2: a KAN [2, 1, 1] shows
G^-4 for k = 3 (figure 2.3), and "the optimal test loss is achieved at the interpolation threshold when the number of
parameters match the number of data points", as a conjecture.

Set-up: that function, [2, 1, 1], test errors at 2000 fresh points of a fixed seed. The coarsest
grid is trained from four starts, of which the best on the samples goes on: alone, one in six ended in a local minimum.
The paper does not say how far trainings converge. A finer grid starts from the same function, by knot insertion from
the finest grid before whose intervals it cuts, or from least squares at the samples, as their code does.

Published numbers: test and training errors of "Example 8: KANs' Scaling Laws" of the documentation of their code
(pykan, KAN [2, 1, 1], k = 3), root mean squares. Those of training on coarse grids calibrate a reading.

Exponents are fitted to errors on G = 10, 20, 40 with many samples.

The corrected statement was written after a first look at one reading, exact extension by Levenberg-Marquardt, in which
errors stay where they are beyond the threshold.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Estimate, Factor, Grid, Reading, Verdict, estimate
from refkan.claims.cells import Cell, Found, records, seeds_of
from refkan.claims.experiments import Choice, written
from refkan.splines.knots import uniform_breakpoints
from refkan.training.adaptivity.indicators import LayerState
from validation.literature.answers import refitted
from validation.measures import log_slope
from validation.statements import ByCells, Cells, levelled, on_grid, raw

CLAIMS = ("O11",)
TOLERANCE = 0.3

FACTOR = 2.0
"""From the threshold, in parameters; and by how much errors must differ."""

DEGREES = (1, 2, 3)
RATE_GRIDS = (5, 10, 20, 40)
FITTED = (10, 20, 40)
STARTS = 4
STEPS = {"levenberg-marquardt": 100, "lbfgs": 300}

OPEN = (
    Factor("extension", ("exact", "refit"), "what a finer grid starts from"),
    Factor("method", tuple(STEPS), "to its end, or so many steps; L-BFGS as in their code"),
)

PLACE = (
    Factor("samples", ("300",), "training points", number=True),
    Factor("degree", ("3",), "k", number=True),
    Factor("finest", ("200",), "intervals of the finest grid", number=True),
    Factor("grids", ("thresholds", "rates"), "all up to the finest, or those for the exponents"),
)

PUBLISHED = {
    "test": {
        100: {5: 7.32e-3, 10: 8.06e-4, 20: 3.07e-4, 50: 3.15e-2, 100: 1.65},
        300: {5: 6.71e-3, 10: 3.15e-4, 20: 2.34e-5, 50: 5.00e-6, 100: 3.41e-2},
        1000: {5: 6.44e-3, 10: 3.76e-4, 20: 4.69e-5, 50: 1.30e-5, 100: 1.05e-5},
    },
    "training": {
        100: {5: 5.22e-3, 10: 2.20e-4},
        300: {5: 5.80e-3, 10: 3.19e-4},
        1000: {5: 6.45e-3, 10: 4.14e-4},
    },
}
"""Example 8 of the documentation of pykan: one run a cell; training errors of the grids that calibrate."""

GRIDS = (5, 10, 20, 50, 100, 200, 500, 1000)


def target(x: np.ndarray) -> np.ndarray:
    return np.exp(np.sin(np.pi * x[:, :1]) + x[:, 1:] ** 2)


def extend(choice: Choice | Cell, seed: int, grids: Sequence[int]) -> dict[str, Any]:
    """Train on one grid after the other; return parameters and errors, root mean squares, of each."""
    x = np.random.default_rng([seed, 0]).uniform(-1.0, 1.0, (int(choice["samples"]), 2))
    fresh = np.random.default_rng(20_000).uniform(-1.0, 1.0, (2000, 2))
    trained: dict[int, tuple[rk.Network, np.ndarray]] = {}
    record: dict[str, Any] = {"grids": list(grids), "parameters": [], "training": [], "test": []}
    for G in grids:
        method = choice["method"]
        if not trained:
            net = rk.kan([2, 1, 1], int(choice["degree"]) + 1, G, (-1.0, 1.0), node_map="mean-std")
            starts = [net.initialize(np.random.default_rng([seed, 1, k]), x) for k in range(STARTS)]
            net = starts[0][0]
            tried = [rk.minimize(rk.LeastSquares(net, x, target(x)), u, method, steps=STEPS[method]) for _, u in starts]
            theta = min(tried, key=lambda result: result.value).theta
        elif choice["extension"] == "exact":
            coarse = max(n for n in trained if G % n == 0)
            before, theta = trained[coarse]
            net = before.refine(G // coarse)
            theta = before.convert(theta, net)
        else:
            before, theta = trained[max(trained)]
            net, theta = refitted(before, theta, x, partial(uniform, G))
        result = rk.minimize(rk.LeastSquares(net, x, target(x)), theta, method, steps=STEPS[method])
        trained[G] = net, result.theta
        record["parameters"].append(net.n_params)
        record["training"].append(float(np.sqrt(2 * result.value)))
        record["test"].append(float(np.sqrt(np.mean((net(result.theta, fresh) - target(fresh)) ** 2))))
    return record


def uniform(intervals: int, state: LayerState) -> np.ndarray:
    """Return uniform breakpoints of every input of a layer."""
    return np.array([uniform_breakpoints(intervals, space.domain) for space in state.spaces])


def run_cell(cell: Cell) -> dict[str, Any]:
    up_to = [intervals for intervals in GRIDS if intervals <= int(cell["finest"])]
    return extend(cell, cell.seed, RATE_GRIDS if cell["grids"] == "rates" else up_to)


GRID = Grid("O11", OPEN, PLACE, run_cell)
EVERY = sorted(GRID.every(), key=lambda reading: list(STEPS).index(reading["method"]))


def cells_of(
    readings: Iterable[Choice], seeds: Sequence[int], thresholds: Mapping[str, str], samples: str
) -> list[Cell]:
    """Cells of readings: for the exponents with some samples, for the thresholds from samples to the finest grid."""
    places = [{"samples": samples, "degree": str(k), "grids": "rates"} for k in DEGREES]
    places += [{"samples": N, "finest": finest} for N, finest in thresholds.items()]
    return [GRID.cell(seed, **reading, **where) for reading, where in product(readings, places) for seed in seeds]


def cells(quick: bool) -> list[Cell]:
    """All readings; quickly the first one with a hundred samples."""
    if quick:
        return cells_of(EVERY[:1], (1, 2), {"100": "100"}, "600")
    return cells_of(EVERY, (1, 2, 3, 4, 5), {"100": "100", "300": "500", "1000": "1000"}, "1000")


EXPONENT, AT_LEAST_ERROR = "exponent", "parameters at the least error over samples"
FINEST, BEYOND = "error on the finest grid over the least", "least error beyond 2N parameters over that below"
COST = "one seed takes 18 s of processor time"


def exponents(measured: Found, choice: Choice) -> list[Beside]:
    """Return p of the fit C G^-p to the test errors on the grids `FITTED`, by seed, for every degree."""
    made = []
    for k in DEGREES:
        runs = records(measured, **choice, degree=str(k), grids="rates")
        values = {}
        for seed, run in runs.items():
            errors = [run["test"][list(run["grids"]).index(G)] for G in FITTED]
            values[seed] = -log_slope(FITTED, errors)
        made += [Beside(f"k = {k}", EXPONENT, values)] if values else []
    return made


def thresholds(measured: Found, choice: Choice) -> list[Beside]:
    """Return where errors are least, and how much larger they are on the finest grid and beyond 2N parameters."""
    made = []
    for N in sorted({int(cell["samples"]) for cell in measured if cell["grids"] == "thresholds"}):
        numbers: dict[str, dict[int, float]] = {AT_LEAST_ERROR: {}, FINEST: {}, BEYOND: {}}
        for seed, run in records(measured, **choice, samples=str(N), grids="thresholds").items():
            errors, parameters = np.array(run["test"]), np.array(run["parameters"])
            best, below = int(np.argmin(errors)), parameters <= FACTOR * N
            numbers[AT_LEAST_ERROR][seed] = float(parameters[best] / N)
            numbers[FINEST][seed] = float(errors[-1] / errors[best])
            numbers[BEYOND][seed] = float(errors[~below].min() / errors[below].min())
        made += [Beside(f"{N} samples", unit, values) for unit, values in numbers.items() if values]
    return made


def asked_of(**units: Mapping[str, float]) -> Callable[[Cells], tuple[Estimate, ...]]:
    """Ask for the exponents, and for numbers of thresholds within bounds."""
    bounds = {THRESHOLDS[name]: of for name, of in units.items()}

    def asked(cells: Cells) -> tuple[Estimate, ...]:
        made = []
        for cell in cells:
            if cell.unit == EXPONENT:
                expected = int(cell.cell.removeprefix("k = ")) + 1.0
                within = {"at_least": expected - TOLERANCE, "at_most": expected + TOLERANCE}
                made.append(estimate(f"{EXPONENT}, {cell.cell}", cell.values, cost=COST, **within))
            elif cell.unit in bounds:
                made.append(estimate(f"{cell.unit}, {cell.cell}", cell.values, cost=COST, **bounds[cell.unit]))
        return tuple(made)

    return asked


THRESHOLDS = {"least": AT_LEAST_ERROR, "finest": FINEST, "beyond": BEYOND}
TRUE_OF = {AT_LEAST_ERROR: 1.0, FINEST: 10.0, BEYOND: 10.0}


def true_of(cell: Beside) -> float:
    """Return a number of a cell of which the statement is true."""
    return int(cell.cell.removeprefix("k = ")) + 1.0 if cell.unit == EXPONENT else TRUE_OF.get(cell.unit, 1.0)


JUDGED = {
    "O11": ByCells(
        asked_of(least={"at_least": 1 / FACTOR, "at_most": FACTOR}, finest={"at_least": FACTOR}),
        control=levelled("with the exponents k + 1, and the least error at N parameters", true_of),
        twin=levelled("with the exponents k", lambda cell: true_of(cell) - (cell.unit == EXPONENT)),
        corrected=asked_of(beyond={"at_least": 1 / FACTOR}),
    )
}


def beside(measured: Found, choice: Choice, column: str) -> tuple[Beside, ...]:
    cells = []
    for N, by_grid in PUBLISHED[column].items():
        runs = records(measured, **choice, samples=str(N), grids="thresholds")
        for G, published in by_grid.items() if runs else ():
            values = {seed: float(run[column][run["grids"].index(G)]) for seed, run in runs.items()}
            again = written({**choice, "samples": str(N), "finest": str(G)})
            name = f"{N} samples, G = {G}, {column}"
            cells.append(Beside(name, "root mean square error", values, published, None, again))
    return tuple(cells)


def reading(measured: Found, choice: Choice) -> Reading:
    cells = (*exponents(measured, choice), *thresholds(measured, choice), *beside(measured, choice, "test"))
    samples = next(cell["samples"] for cell in measured if cell["grids"] == "rates")
    size = f"{len(seeds_of(measured))} seeds, exponents at {samples} samples"
    return JUDGED["O11"].reading(choice, cells, calibration=beside(measured, choice, "training"), size=size)


def verdict(measured: Found) -> Verdict:
    tried = [choice for choice in EVERY if records(measured, **choice, degree="1")]
    left = [choice for choice in EVERY if choice not in tried]
    corrected = "the exponents hold; with more parameters than samples finer grids gain nothing, and need not lose"
    results = [reading(measured, choice) for choice in tried]
    return JUDGED["O11"].verdict("O11", results, left, corrected=corrected, data=raw(measured))


run = on_grid(GRID, cells, verdict)
