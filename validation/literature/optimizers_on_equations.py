r"""O7: natural gradients and self-scaled Broyden methods beat Adam and L-BFGS by orders on differential equations.

Statements, all from abstracts. Müller, Zeinhofer, arXiv 2302.13163: "errors several orders of magnitude smaller than
what is obtained when training PINNs with standard optimizers like gradient descent, Adam or BFGS, even when those are
allowed significantly more computation time". Jnini, Vella, arXiv 2505.21404: "one- to three-order-of-magnitude lower
final error L^2 than first-order (Adam, SGD) and quasi-Newton methods". Kiyani et al., arXiv 2501.16371, of self-scaled
BFGS and Broyden methods: "orders-of-magnitude accuracy improvements"; Jnini et al., arXiv 2604.05230, of both families.
No table gives the ratio on a problem that is run here: nothing published stands beside ours. Their problems and
networks are others (JAX-NG: Kovasznay, Beltrami and Korteweg-de Vries flows, dense tanh networks, Gauss-Newton in
function space).

Problems: Poisson's and Helmholtz's equations of `rk.problems.manufactured` by collocation, with the weights of
the recipes of `refkan.training`. Errors are relative L2 errors of the solution at 1000 fresh points, after a number of
steps of each method (`STEPS`) such that Adam and L-BFGS take no less processor time than the method that they are
compared with; times are reported.
"""

from itertools import product
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Factor, Grid, Verdict
from refkan.claims.cells import Cell, Found, numbers, seeds_of
from refkan.claims.experiments import Choice
from validation.equations.recipes.ordinary_setups import ORDINARY, ordinary_setup
from validation.literature.answers import tenfold
from validation.statements import on_grid, raw

CLAIMS = ("O7",)
RIVALS = ("adam", "lbfgs")

OPEN = (
    Factor("method", ("natural-gradient", "self-scaled-broyden"), "of `rk.minimize`, default options"),
    Factor("network", ("kan", "mlp"), "[1, 5, 1], order 4, 8 intervals, sigmoid map; or [1, 30, 1], tanh"),
)

PLACE = (
    Factor("trained", (*OPEN[0].values, *RIVALS), "with which method"),
    Factor("problem", tuple(ORDINARY), "equation"),
    Factor("points", ("120",), "of collocation", number=True),
    Factor("steps", ("60",), "at most", number=True),
)

STEPS = {"natural-gradient": "60", "self-scaled-broyden": "400", "adam": "1500", "lbfgs": "1000"}
FEWER = {"natural-gradient": "25", "self-scaled-broyden": "45", "adam": "150", "lbfgs": "90"}


def solve(cell: Cell) -> dict[str, Any]:
    """Train one network on one equation by one method; return its error, the value, steps and processor time."""
    setup = ordinary_setup(cell["problem"], int(cell["points"]))
    if cell["network"] == "kan":
        net = rk.kan([1, 5, 1], 4, 8, setup.ranges, node_map="sigmoid")
    else:
        net = rk.mlp([1, 30, 1], activation="tanh")
    net, theta = net.initialize(np.random.default_rng(cell.seed), setup.grid)
    options: dict[str, Any] = {"learning_rate": 1e-2} if cell["trained"] == "adam" else {}
    began = process_time()
    problem = rk.Collocation(net, setup.terms)
    result = rk.minimize(problem, theta, cell["trained"], steps=int(cell["steps"]), **options)
    seconds = process_time() - began
    expected = setup.reference(setup.grid)
    error = np.linalg.norm(net(result.theta, setup.grid) - expected) / np.linalg.norm(expected)
    return {"error": float(error), "value": result.value, "steps": result.history.value.size - 1, "seconds": seconds}


GRID = Grid("O7", OPEN, PLACE, solve)


def cells(quick: bool) -> list[Cell]:
    """All methods on all problems, from the same starts; quickly one network on one problem."""
    networks, problems, points, seeds, all_steps = OPEN[1].values, tuple(ORDINARY), "120", (1, 2, 3, 4, 5), STEPS
    if quick:
        networks, problems, points, seeds, all_steps = ("kan",), ("helmholtz-1d-wave",), "60", (1, 2, 3, 4, 5), FEWER
    return [
        GRID.cell(seed, network=network, problem=problem, points=points, trained=method, steps=steps)
        for network, problem, seed, (method, steps) in product(networks, problems, seeds, all_steps.items())
    ]


def median_ratios(measured: Found, choice: Choice, rival: str, key: str = "error") -> dict[int, float]:
    """Return by seed the median over problems of a number of the rival over that of the method of a reading."""
    quotients = []
    for problem in dict.fromkeys(cell["problem"] for cell in measured):
        where = {"network": choice["network"], "problem": problem}
        ours, theirs = (numbers(measured, key, trained=name, **where) for name in (choice["method"], rival))
        quotients.append({seed: theirs[seed] / ours[seed] for seed in ours})
    return {seed: float(np.median([each[seed] for each in quotients])) for seed in quotients[0]}


COST = "one seed takes 26 s of processor time a network"
JUDGED = {"O7": tenfold(COST, 1e4)}


def verdict(measured: Found) -> Verdict:
    by, results, left = JUDGED["O7"], [], []
    for choice in GRID.every():
        if choice["network"] not in {cell["network"] for cell in measured}:
            left.append(choice)
            continue
        taken = {rival: median_ratios(measured, choice, rival, "seconds") for rival in RIVALS}
        cells = tuple(
            Beside(f"error of {rival} over {choice['method']}", "ratio", median_ratios(measured, choice, rival))
            for rival in RIVALS
        )
        times = ", ".join(f"{rival} {np.median(list(s.values())):.2g}" for rival, s in taken.items())
        text = f"processor time over the method's: {times}"
        results.append(by.reading(choice, cells, measured=text, size=f"{len(seeds_of(measured))} seeds"))
    return by.verdict("O7", results, left, corrected="lower errors, by less than an order", data=raw(measured))


run = on_grid(GRID, cells, verdict)
