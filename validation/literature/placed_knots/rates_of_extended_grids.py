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

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Factor, Grid, Reading, Readings, Verdict, judge
from refkan.claims.cells import Cell, Found, records, seeds_of
from refkan.claims.experiments import Choice, written
from refkan.splines.knots import uniform_breakpoints
from refkan.training.adaptivity.indicators import LayerState
from validation.literature.answers import refitted
from validation.measures import log_slope
from validation.statements import on_grid, raw

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
    return cells_of(EVERY, (1, 2, 3), {"100": "100", "300": "500", "1000": "1000"}, "1000")


def runs_of(measured: Found, choice: Choice) -> dict[str, dict[int, list[Mapping[str, Any]]]]:
    """Return the runs of one reading: those for the exponents by degree, those for the threshold by samples."""
    by_grids: dict[str, dict[int, list[Mapping[str, Any]]]] = {"rates": {}, "thresholds": {}}
    for cell, record in measured.items():
        if choice.items() <= set(cell.choice):
            key = int(cell["degree" if cell["grids"] == "rates" else "samples"])
            by_grids[cell["grids"]].setdefault(key, []).append(record)
    return by_grids


def medians(runs: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return the median test error over seeds on each grid."""
    return np.median([run["test"] for run in runs], axis=0)


def exponent(runs: Sequence[Mapping[str, Any]]) -> float:
    """Return p of the fit C G^-p to the median test errors on the grids `FITTED`."""
    chosen = [list(runs[0]["grids"]).index(G) for G in FITTED]
    return -log_slope(FITTED, medians(runs)[chosen])


def rates_hold(by_grids: Mapping[str, Any], shift: float = 1.0) -> bool:
    """Whether every exponent is within the tolerance of k + shift."""
    return all(abs(exponent(runs) - k - shift) <= TOLERANCE for k, runs in by_grids["rates"].items())


def threshold_holds(by_grids: Mapping[str, Any], share: float = 1.0) -> bool:
    """Whether errors are least where there are about share * N parameters, and the finest grid is clearly worse."""
    for N, runs in by_grids["thresholds"].items():
        errors, parameters = medians(runs), runs[0]["parameters"]
        best = int(np.argmin(errors))
        inside = share * N / FACTOR <= parameters[best] <= share * N * FACTOR
        if not (inside and parameters[-1] > FACTOR * N and errors[-1] >= FACTOR * errors[best]):
            return False
    return True


def nothing_gained_beyond(by_grids: Mapping[str, Any]) -> bool:
    """Whether no grid of more than 2N parameters is better than the best of the others by the factor."""
    for N, runs in by_grids["thresholds"].items():
        errors, below = medians(runs), np.array(runs[0]["parameters"]) <= FACTOR * N
        if errors[~below].min() * FACTOR < errors[below].min():
            return False
    return True


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
    by_grids = runs_of(measured, choice)
    rates, least = rates_hold(by_grids), threshold_holds(by_grids)
    exponents = ", ".join(f"k = {k}: {exponent(runs):.2f}" for k, runs in by_grids["rates"].items())
    best = []
    for N, runs in by_grids["thresholds"].items():
        errors, parameters = medians(runs), runs[0]["parameters"]
        at = int(np.argmin(errors))
        best.append(
            f"{N} samples: {errors[at]:.2g} with {parameters[at]} parameters, {errors[-1]:.2g} with {parameters[-1]}"
        )
    samples = next(cell["samples"] for cell in measured if cell["grids"] == "rates")
    return Reading(
        choice,
        rates and least,
        f"exponents {exponents}; least test error {'; '.join(best)}",
        rates and nothing_gained_beyond(by_grids),
        beside(measured, choice, "test"),
        beside(measured, choice, "training"),
        f"{len(seeds_of(measured))} seeds, exponents at {samples} samples",
    )


def verdict(measured: Found) -> Verdict:
    tried = [choice for choice in EVERY if records(measured, **choice, degree="1")]
    under = [runs_of(measured, choice) for choice in tried]
    exponents = [exponent(runs) for by_grids in under for runs in by_grids["rates"].values()]
    left = [choice for choice in EVERY if choice not in tried]
    return Readings([reading(measured, choice) for choice in tried], left).verdict(
        "O11",
        details=f"Exponents over readings and degrees lie between {min(exponents):.2f} and {max(exponents):.2f}.",
        data=raw(measured),
        mutations={
            "like G^-k": judge(any(rates_hold(by_grids, 0.0) for by_grids in under), experiment=True),
            "like G^-(k+2)": judge(any(rates_hold(by_grids, 2.0) for by_grids in under), experiment=True),
            "least with a tenth of the parameters": judge(
                any(threshold_holds(by_grids, 0.1) for by_grids in under), experiment=True
            ),
        },
        corrected="the exponents hold; with more parameters than samples finer grids gain nothing, and need not lose",
    )


run = on_grid(GRID, cells, verdict)
