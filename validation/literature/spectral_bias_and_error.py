r"""O9: a low spectral bias does not imply good performance ([F24], abstract of v3).

The paper compares MLPs and KANs in several bases on differential equations. Here:
splines of several orders and grids, Chebyshev polynomials and tanh MLPs on two regression problems and on Helmholtz's
equation. Open: how the bias is read off the eigenvalues of the tangent kernel at the start (the broader the spectrum,
the lower the bias), and the optimiser.

A statement that one thing does not imply another holds by a counterexample that is no accident: one pair of networks
on one problem, chosen on the seeds 0 to 2 and judged on others. Beside it, breadth and accuracy are compared by
Spearman's correlation over all architectures. The twin, which has to fail: the accuracy at other points in place of the
breadth, which does tell the error.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import refkan as rk
from refkan.claims import Beside, Estimate, Factor, Grid, Verdict, estimate
from refkan.claims.cells import Cell
from validation.equations.recipes.ordinary_setups import ordinary_setup
from validation.statements import ByCells, Cells, Found, exchanged, levelled, on_grid, raw, tree

CLAIMS = ("O9",)
TWICE = 2.0
PROBLEM, BROAD, NARROW = "product", "spline r=4 n=16", "spline r=4 n=4"
EQUATION = "helmholtz"

REGRESSION: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "waves": (1, lambda x: np.sin(2 * np.pi * x) + np.sin(10 * np.pi * x) / 2 + np.sin(24 * np.pi * x) / 4),
    "product": (2, lambda x: np.prod(1 + np.sin(2 * np.pi * x + [1, 2]), axis=1, keepdims=True)),
}

PROBLEMS = (*REGRESSION, EQUATION)

ARCHITECTURES: dict[str, Callable[..., rk.Network]] = {
    "spline r=2 n=8": lambda d, **options: rk.kan([d, 4, 1], 2, 8, **options),
    "spline r=4 n=4": lambda d, **options: rk.kan([d, 4, 1], 4, 4, **options),
    "spline r=4 n=8": lambda d, **options: rk.kan([d, 4, 1], 4, 8, **options),
    "spline r=4 n=16": lambda d, **options: rk.kan([d, 4, 1], 4, 16, **options),
    "spline r=6 n=8": lambda d, **options: rk.kan([d, 4, 1], 6, 8, **options),
    "Chebyshev 4": lambda d, **options: rk.chebyshev_kan([d, 4, 1], 4, **options),
    "Chebyshev 8": lambda d, **options: rk.chebyshev_kan([d, 4, 1], 8, **options),
    "Chebyshev 16": lambda d, **options: rk.chebyshev_kan([d, 4, 1], 16, **options),
    "tanh 24": lambda d, **_: rk.mlp([d, 24, 1], "tanh"),
    "tanh 8-8": lambda d, **_: rk.mlp([d, 8, 8, 1], "tanh"),
}
"""Networks for d inputs; options are the domain and the map between the layers, which dense ones have not."""

ROUGH = "spline r=2 n=8"
"""Has no second derivatives, and is left out of the equation."""

BREADTHS = ("effective-rank", "count")
"""(sum lambda)^2/sum lambda^2, and how many eigenvalues are at least 1e-4 of the largest."""

ELSEWHERE = "accuracy elsewhere"
"""The inverse error at other points: what does imply a small error."""

OPEN = (
    Factor("breadth", BREADTHS, "of the spectrum of the tangent kernel at the start"),
    Factor("optimiser", ("adam", "lbfgs"), "Adam at 1e-2, or L-BFGS"),
)

OPTIONS: dict[str, dict[str, Any]] = {"adam": {"learning_rate": 1e-2}, "lbfgs": {}}

FRESH = 5
"""Fresh points for each sample, half of them for the error and half for that elsewhere."""

Errors = Callable[[Any], tuple[float, float]]


def posed(problem: str, architecture: str, seed: int, samples: int) -> tuple[Any, np.ndarray, Errors]:
    """The problem with a start, and its relative errors, at fresh points and at others, as a function of theta."""
    build, rng = ARCHITECTURES[architecture], np.random.default_rng([seed, 91])
    if problem == EQUATION:
        setup = ordinary_setup("helmholtz-1d-wave", points=samples // 2)
        loss, theta = setup.start(build(1, node_map="sigmoid", domain=setup.ranges), rng)
        net, fresh = loss.net, np.random.default_rng([seed, 90]).permutation(setup.grid)[: FRESH * samples]
        true = setup.reference(fresh)
    else:
        d, function = REGRESSION[problem]
        points = np.random.default_rng([seed, 90]).uniform(size=((FRESH + 1) * samples, d))
        x, fresh = points[:samples], points[samples:]
        net, theta = build(d, node_map="affine").initialize(rng, x)
        loss, true = rk.LeastSquares(net, x, function(x)), function(fresh)
    half = len(fresh) // 2

    def errors(theta: np.ndarray) -> tuple[float, float]:
        off = net(theta, fresh) - true
        first, second = (np.linalg.norm(off[k]) / np.linalg.norm(true[k]) for k in (slice(half), slice(half, None)))
        return float(first), float(second)

    return loss, theta, errors


def breadths(kernel: np.ndarray) -> dict[str, float]:
    """Both measures of the breadth of a kernel's spectrum."""
    values = np.linalg.eigvalsh(kernel)
    count = float(np.sum(values >= 1e-4 * values[-1]))
    return {"effective-rank": float(values.sum() ** 2 / np.sum(values**2)), "count": count}


CELL = (
    Factor("problem", PROBLEMS),
    Factor("architecture", tuple(ARCHITECTURES)),
    Factor("samples", ("150",), number=True),
    Factor("steps", ("200",), number=True),
)


def run_cell(cell: Cell) -> dict[str, float]:
    """Breadth at the start, loss and error after training."""
    loss, theta, errors = posed(cell["problem"], cell["architecture"], cell.seed, int(cell["samples"]))
    record = breadths(loss.ntk(theta))
    result = rk.minimize(loss, theta, cell["optimiser"], int(cell["steps"]), **OPTIONS[cell["optimiser"]])
    error, elsewhere = errors(result.theta)
    return record | {"loss": float(result.value), "error": error, ELSEWHERE: 1 / elsewhere}


GRID = Grid("O9", OPEN[1:], CELL, run_cell)

Runs = Mapping[str, Mapping[str, Mapping[int, Mapping[str, float]]]]
"""Problem -> architecture -> seed -> numbers, of one optimiser."""


def cells(quick: bool) -> list[Cell]:
    """All architectures on all problems; quickly with one optimiser."""
    size, seeds = ({"samples": "60", "steps": "25"}, (3, 4)) if quick else ({}, (3, 4, 5, 6, 7))
    return [
        GRID.cell(seed, optimiser=optimiser, problem=problem, architecture=architecture, **size)
        for seed, optimiser in product(seeds, ("lbfgs",) if quick else OPEN[1].values)
        for problem, architecture in product(PROBLEMS, ARCHITECTURES)
        if (problem, architecture) != (EQUATION, ROUGH)
    ]


def correlation(runs: Mapping[str, Mapping[int, Mapping[str, float]]], measure: str) -> float:
    """Spearman's correlation of a measure with accuracy, both medians over seeds."""
    broad = [np.median([run[measure] for run in by_seed.values()]) for by_seed in runs.values()]
    exact = [-np.median([run["error"] for run in by_seed.values()]) for by_seed in runs.values()]
    return float(spearmanr(broad, exact).statistic)


NUMBERS = ("error", ELSEWHERE)
COST = "one seed takes eleven seconds of processor time"


def pair(runs: Mapping[str, Mapping[int, Mapping[str, float]]], breadth: str) -> list[Beside]:
    """Return breadth, error and accuracy elsewhere of the broad network over those of the narrow one, by seed."""
    broad, narrow = runs[BROAD], runs[NARROW]
    return [
        Beside("breadth" if name == breadth else name, "ratio", {s: broad[s][name] / narrow[s][name] for s in broad})
        for name in (breadth, *NUMBERS)
    ]


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """The broad network has at least twice the breadth, and at least twice the error."""
    ratios = {cell.cell: cell.values for cell in cells}
    names = ("breadth", "error")
    told = {name: f"{name} of {BROAD} over that of {NARROW}" for name in names}
    return tuple(estimate(told[name], ratios[name], at_least=TWICE, cost=COST) for name in names)


JUDGED = {
    "O9": ByCells(
        asked,
        control=levelled("with ten times the breadth and the error", lambda cell: 10.0),
        twin=exchanged("breadth", ELSEWHERE),
        published=False,
    )
}


def verdict(measured: Found) -> Verdict:
    by_optimiser: dict[str, Runs] = tree(measured, "optimiser", "problem", "architecture")
    by, size, results, left = JUDGED["O9"], next(iter(measured)), [], []
    for breadth, optimiser in product(BREADTHS, OPEN[1].values):
        choice = {"breadth": breadth, "optimiser": optimiser}
        if optimiser not in by_optimiser:
            left.append(choice)
            continue
        runs = by_optimiser[optimiser]
        told = ", ".join(f"{problem} {correlation(of, breadth):.2f}" for problem, of in runs.items())
        text = f"rank correlation of breadth and accuracy over architectures: {told}"
        shown = f"{size['samples']} samples, {size['steps']} steps"
        results.append(by.reading(choice, pair(runs[PROBLEM], breadth), measured=text, size=shown))
    return by.verdict("O9", results, left, data=raw(measured))


run = on_grid(GRID, cells, verdict)
