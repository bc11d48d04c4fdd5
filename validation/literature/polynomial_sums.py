r"""O10 (arXiv 2511.21414): sums of activated polynomials beat KANs and MLPs tenfold, in error and in spread.

With Chebyshev polynomials T_m (products of them for more variables) ::

    f(x) = sum_n c_n tanh( sum_(m in Lambda) a_(n,m) T_m(x) ),        x in [-1, 1]^d

The paper (its full text was read) shows figures of means over five starts, against the number of parameters, and one
comparison in numbers, on another target: relative errors 1.35e-3 with 420 parameters, 9.65e-2 for a KAN with 1412,
1.18e-1 for a dense network with 1020. Its KANs have 5 intervals, cubic splines and SiLU edges; training is 5000 steps
of Adam, then a trust-region Newton method, on 2000 Gauss points: other here, or open.

The network of polynomials is a dense tanh network on the lifted inputs. MLPs are tanh networks with two hidden layers.
The width of each is the largest that the budget of parameters allows. Targets of one and of two variables, smooth and
not, scaled to mean 0 and variance 1; every start has its own samples, the same for all networks.

The spread, a standard deviation over starts, is one number a pair: its median ratio stands beside, and the share of
pairs in which both rivals have ten times ours.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count, product, takewhile
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Factor, Grid, Verdict
from refkan.claims.cells import Cell, Found, numbers, seeds_of
from refkan.claims.experiments import Choice
from validation.literature.answers import tenfold
from validation.statements import on_grid, place_of, raw

CLAIMS = ("O10",)
TENFOLD = 10.0

OPEN = (
    Factor("degree", ("low", "high"), "of the polynomials: 4 in one variable, in two 2 in all; or 9 and 4"),
    Factor("kan", ("3", "8"), "intervals of the KAN's splines of order 4, [d, w, 1], mean-std map"),
    Factor("training", ("levenberg-marquardt", "lbfgs"), "a second-order method, as theirs, or L-BFGS"),
)

OURS, RIVALS = "polynomials", ("kan", "mlp")

PLACE = (
    Factor("network", (OURS, *RIVALS), "which network"),
    Factor("target", ("product-2", "kink", "steep", "chirp", "peak-2d", "crease"), "of refkan.training.problems"),
    Factor("budget", ("60",), "parameters at most", number=True),
    Factor("fresh", ("2000",), "test points", number=True),
    Factor("steps", ("50",), "of Levenberg-Marquardt, or for each eight of L-BFGS, which cost as much", number=True),
)

MATTERS = {OURS: ("degree", "training"), "kan": ("kan", "training"), "mlp": ("training",)}
"""The factors that a network depends on: the others are at their defaults in its cells."""

DEGREES = {("low", 1): 4, ("high", 1): 9, ("low", 2): 2, ("high", 2): 4}


def lift(x: np.ndarray, degree: int) -> np.ndarray:
    """Products of Chebyshev polynomials of total degree 1..degree at x (N, d) in [-1, 1]^d: (N, |Lambda| - 1)."""
    d = x.shape[1]
    T = np.polynomial.chebyshev.chebvander(x, degree)  # (N, d, degree + 1)
    indices = [m for m in product(range(degree + 1), repeat=d) if 0 < sum(m) <= degree]
    return np.stack([np.prod([T[:, p, m[p]] for p in range(d)], axis=0) for m in indices], axis=1)


def network_of(choice: Choice | Cell, d: int) -> rk.Network:
    """Return the widest network of a kind with at most the parameters of the budget."""

    def build(width: int) -> rk.Network:
        if choice["network"] == OURS:
            features = lift(np.zeros((1, d)), DEGREES[choice["degree"], d]).shape[1]
            return rk.mlp([features, width, 1], activation="tanh")
        if choice["network"] == "mlp":
            return rk.mlp([d, width, width, 1], activation="tanh")
        return rk.kan([d, width, 1], 4, int(choice["kan"]), (-1.0, 1.0), node_map="mean-std")

    widths = takewhile(lambda width: build(width).n_params <= int(choice["budget"]), count(2))
    return build(max(widths, default=1))


def train(cell: Cell) -> dict[str, Any]:
    """Train one network from one start; return parameters and the error at fresh points."""
    target = rk.problems.TARGETS[cell["target"]]
    d, (low, high) = target.dimension, np.array(target.domain).T
    x = np.random.default_rng([cell.seed, 0]).uniform(-1.0, 1.0, (500, d))
    fresh = np.random.default_rng(20_000).uniform(-1.0, 1.0, (int(cell["fresh"]), d))
    y, expected = (target(low + (high - low) * (points + 1) / 2) for points in (x, fresh))
    shift, scale = y.mean(), y.std()
    if cell["network"] == OURS:
        x, fresh = (lift(points, DEGREES[cell["degree"], d]) for points in (x, fresh))
    net, theta = network_of(cell, d).initialize(np.random.default_rng([cell.seed, 1]), x)
    problem, steps = rk.LeastSquares(net, x, (y - shift) / scale), int(cell["steps"])
    result = rk.minimize(problem, theta, cell["training"], steps=8 * steps if cell["training"] == "lbfgs" else steps)
    error = net(result.theta, fresh) - (expected - shift) / scale
    return {"parameters": net.n_params, "error": float(np.sqrt(np.mean(error**2)))}


GRID = Grid("O10", OPEN, PLACE, train)


def place(reading: Choice, network: str) -> dict[str, str]:
    """Return where the runs of a network lie under a reading."""
    return place_of(GRID, reading, MATTERS[network], network=network)


def cells(quick: bool) -> list[Cell]:
    """All networks under all readings; quickly those of one KAN and one method, on three targets."""
    every = GRID.every()
    readings, seeds, size, budgets = every, (1, 2, 3, 4, 5), {}, ("60", "120")
    targets = ("kink", "steep", "chirp", "product-2", "peak-2d", "crease")
    if quick:
        readings, seeds, budgets = [every[0], every[4]], (1, 2, 3), ("60",)
        targets, size = ("steep", "chirp", "product-2"), {"fresh": "400", "steps": "20"}
    return [
        GRID.cell(seed, **place(reading, network), target=target, budget=budget, **size)
        for reading, target, budget, network in product(readings, targets, budgets, (OURS, *RIVALS))
        for seed in seeds
    ]


Pairs = Mapping[tuple[str, str], Mapping[str, Mapping[int, float]]]
"""(target, budget) -> network -> errors by seed."""


def pairs_of(measured: Found, reading: Choice) -> Pairs:
    """Return the errors under a reading; none where it was not run."""
    pairs = {
        (target, budget): {
            network: numbers(measured, "error", **place(reading, network), target=target, budget=budget)
            for network in (OURS, *RIVALS)
        }
        for target, budget in dict.fromkeys((cell["target"], cell["budget"]) for cell in measured)
    }
    return {pair: networks for pair, networks in pairs.items() if all(networks.values())}


MEASURES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "error": lambda errors: float(np.median(errors)),
    "spread": lambda errors: float(np.std(errors, ddof=1)),
}


def ratios(pairs: Pairs, measure: str, rival: str) -> np.ndarray:
    """Return the error, or spread, of a rival over that of ours in every pair."""
    of = MEASURES[measure]
    return np.array([of([*n[rival].values()]) / of([*n[OURS].values()]) for n in pairs.values()])


COST = "one start takes 26 s of processor time"
JUDGED = {"O10": tenfold(COST, 1e3)}


def verdict(measured: Found) -> Verdict:
    by, results, left = JUDGED["O10"], [], []
    for choice in GRID.every():
        if not (pairs := pairs_of(measured, choice)):
            left.append(choice)
            continue
        cells = []
        for rival in RIVALS:
            quotients = [{s: n[rival][s] / n[OURS][s] for s in n[OURS]} for n in pairs.values()]
            values = {seed: float(np.median([each[seed] for each in quotients])) for seed in quotients[0]}
            cells.append(Beside(f"error of {rival} over polynomials, median of pairs", "ratio", values))
        spreads = ", ".join(f"{rival} {np.median(ratios(pairs, 'spread', rival)):.2g}" for rival in RIVALS)
        tenfold = {m: np.all([ratios(pairs, m, rival) >= TENFOLD for rival in RIVALS], axis=0) for m in MEASURES}
        shares = ", ".join(f"{np.mean(often):.0%} of {m}s" for m, often in tenfold.items())
        text = f"both rivals tenfold in {shares}; spread over ours, median of pairs: {spreads}"
        shown = f"{len(pairs)} pairs, {len(seeds_of(measured))} starts"
        results.append(by.reading(choice, cells, measured=text, size=shown))
    return by.verdict(
        "O10",
        results,
        left,
        corrected="lower in most cases, not by an order of magnitude",
        data=raw(measured),
    )


run = on_grid(GRID, cells, verdict)
