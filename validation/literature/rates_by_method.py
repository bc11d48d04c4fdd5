r"""O8 (arXiv 2602.19265): a mode's rate scales with its tangent-kernel eigenvalue only under first-order methods.

Abstract: "spectral bias is not simply representational but fundamentally
dynamical. In particular, second-order optimization methods substantially alter the spectral learning order". That each
mode's rate scales with its eigenvalue under first-order methods such as Adam, and not under second-order ones, is taken
as reported in the discussion of the paper: its equation was not at hand, nor are numbers published in a unit of rates.

Set-up: about a point where the residual can vanish, with K = J J^T = U diag(lambda) U^T there, amplitudes are U^T r.
The rate of a mode is log(10) over the first step from which on its amplitude stays below a tenth of what it was (as
seen at about 100 steps, spaced by a fixed ratio); where that is never reached, the mean decay of log |amplitude| a step
over the whole run (0 if there is none). Gradient descent has the step 1/(2 lambda_max), Levenberg-Marquardt its default
options. The layer, [1, 1], is least squares on random samples from a random start, exactly quadratic; the network is
[2, 3, 1] at a distance of 1e-3 from parameters that made the targets.

Modes count with lambda >= 1e-4 lambda_max and an amplitude at the start of at least 1e-6 of the largest.

Judged is the slope of log rate over log lambda by least squares over modes of non-zero rate, median over seeds.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Estimate, Factor, Grid, Verdict, estimate
from refkan.claims.cells import Cell, Found, records
from refkan.claims.experiments import Choice
from refkan.training.optimizers import State
from validation.measures import log_slope
from validation.statements import ByCells, Cells, exchanged, levelled, on_grid, raw

CLAIMS = ("O8",)
TOLERANCE = 0.25
FIRST_ORDER, SECOND_ORDER = ("gd", "adam"), ("levenberg-marquardt",)
METHODS = (*FIRST_ORDER, *SECOND_ORDER)

LEAST_EIGENVALUE, LEAST_AMPLITUDE = 1e-4, 1e-6
"""Relative to the largest: which modes count."""

DISTANCE = 1e-3
"""From the parameters of a network that made the targets, root mean square of the entries."""

OPEN = (
    Factor("model", ("layer", "network"), "one layer, or a network near its target"),
    Factor("basis", ("spline", "relu"), "of the parameters"),
    Factor("adam", ("0.01", "0.001"), "learning rate of Adam over the distance to go, root mean square of the entries"),
)

PLACE = (
    Factor("steps", ("2500",), "of the first-order methods", number=True),
    Factor("newton", ("60",), "steps of the second-order method", number=True),
)


def start_of(choice: Choice | Cell, seed: int) -> tuple[rk.LeastSquares, np.ndarray, float]:
    """Return a problem whose residual can vanish along all modes, a start, and the distance to go."""
    rng = np.random.default_rng(seed)
    if choice["model"] == "layer":
        x = rng.uniform(0.0, 1.0, (300, 1))
        net = rk.kan([1, 1], 3, 8, basis=choice["basis"])
        net, start = net.initialize(rng, x)
        problem = rk.LeastSquares(net, x, np.sin(6 * x) + 0.1 * rng.normal(size=x.shape))
        minimum = start + np.linalg.lstsq(problem.jacobian(start), -problem.residual(start))[0]
        return problem, start, float(np.sqrt(np.mean((minimum - start) ** 2)))
    x = rng.uniform(0.0, 1.0, (300, 2))
    net, true = rk.kan([2, 3, 1], 3, 2, node_map="mean-std", basis=choice["basis"]).initialize(rng, x)
    problem = rk.LeastSquares(net, x, net(true, x))
    return problem, true + DISTANCE * rng.normal(size=true.size), DISTANCE


def slopes(cell: Cell) -> dict[str, Any]:
    """Return eigenvalues, and of each method the rates of the modes with the slope over the eigenvalues."""
    problem, start, distance = start_of(cell, cell.seed)
    U, sigma, _ = np.linalg.svd(problem.jacobian(start), full_matrices=False)
    values, amplitudes = sigma**2, np.abs(U.T @ problem.residual(start))
    counted = (values >= LEAST_EIGENVALUE * values[0]) & (amplitudes >= LEAST_AMPLITUDE * amplitudes.max())
    values, U = values[counted], U[:, counted]
    options: dict[str, dict[str, Any]] = {
        "gd": {"learning_rate": 0.5 / values[0]},
        "adam": {"learning_rate": float(cell["adam"]) * distance, "epsilon": 1e-30},
        "levenberg-marquardt": {},
    }
    record: dict[str, Any] = {"eigenvalues": values / values[0]}
    for method in METHODS:
        steps = int(cell["newton" if method in SECOND_ORDER else "steps"])
        rates = rates_of(*course(problem, start, U, method, steps, options[method]))
        record[method] = {"rates": rates, "slope": slope(values, rates)}
    return record


def course(
    problem: rk.LeastSquares, start: np.ndarray, U: np.ndarray, method: str, steps: int, options: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return steps, about 100 that grow by a fixed ratio, and the amplitudes (steps, modes) after them."""
    looked = np.unique(np.geomspace(1, steps, 100).astype(int))
    points = {0: start}

    def look(state: State) -> None:
        if state.step in looked:
            points[state.step] = state.theta

    rk.minimize(problem, start, method, steps=steps, callback=look, **options)
    return np.array(list(points)), np.array([U.T @ problem.residual(theta) for theta in points.values()])


def rates_of(steps: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rates from amplitudes (len(steps), modes) after these steps, the first 0: see the beginning of this file."""
    sizes = np.abs(rows)
    above = sizes > 0.1 * sizes[0]
    last = len(steps) - 1 - np.argmax(above[::-1], axis=0)  # the last look at which it was above
    with np.errstate(divide="ignore"):
        mean = np.maximum(np.log(sizes[0] / sizes[-1]), 0.0) / steps[-1]
    below = last < len(steps) - 1
    return np.where(below, np.log(10.0) / steps[np.minimum(last + 1, len(steps) - 1)], mean)


def slope(values: np.ndarray, rates: np.ndarray) -> float:
    """Slope of log rate over log eigenvalue, of the modes that decay at all."""
    moving = rates > 0
    return log_slope(values[moving], rates[moving]) if moving.sum() >= 2 else 0.0


GRID = Grid("O8", OPEN, PLACE, slopes)


def cells(quick: bool) -> list[Cell]:
    """All readings; quickly those of one learning rate of Adam, with fewer steps."""
    size, seeds = ({"steps": "300", "newton": "30"}, (1, 2)) if quick else ({}, (1, 2, 3, 4, 5))
    readings = [reading for reading in GRID.every() if not quick or reading["adam"] == "0.01"]
    return [GRID.cell(seed, **reading, **size) for reading in readings for seed in seeds]


COST = "one seed takes 13 s of processor time"


def asked_of(*methods: str) -> Callable[[Cells], tuple[Estimate, ...]]:
    """Ask for a slope of 1 of first-order methods, and of 0 of the second-order one."""

    def asked(cells: Cells) -> tuple[Estimate, ...]:
        made = []
        for cell in (cell for cell in cells if cell.cell in methods):
            expected = float(cell.cell in FIRST_ORDER)
            bounds = {"at_least": expected - TOLERANCE, "at_most": expected + TOLERANCE}
            made.append(estimate(f"slope, {cell.cell}", cell.values, cost=COST, **bounds))
        return tuple(made)

    return asked


GD, ADAM, LM = METHODS

JUDGED = {
    "O8": ByCells(
        asked_of(*METHODS),
        control=levelled("with slopes of one, and of zero", lambda cell: float(cell.cell in FIRST_ORDER)),
        twin=exchanged(GD, LM),
        corrected=asked_of(GD, LM),
        published=False,
    )
}


def verdict(measured: Found) -> Verdict:
    by, results, left, steps = JUDGED["O8"], [], [], next(iter(measured))["steps"]
    for choice in GRID.every():
        runs = records(measured, **choice)
        if not runs:
            left.append(choice)
            continue
        cells = [Beside(name, "slope", {seed: run[name]["slope"] for seed, run in runs.items()}) for name in METHODS]
        results.append(by.reading(choice, cells, size=f"{len(runs)} seeds, {steps} steps"))
    corrected = "for gradient descent; Levenberg-Marquardt is free of it; Adam's rates lie between"
    return by.verdict("O8", results, left, corrected=corrected, details=DETAILS, data=raw(measured))


run = on_grid(GRID, cells, verdict)

DETAILS = """Gradient descent multiplies the amplitude of a mode by 1 - eta lambda: its slope is that of a quadratic. A
step of Levenberg-Marquardt multiplies it by mu/(lambda + mu), so that modes with lambda above the damping mu go in one
step. Adam's diagonal scaling mixes modes: none decays by itself."""
