r"""O10 (arXiv 2511.21414): sums of activated polynomials beat KANs and MLPs tenfold, in error and in spread.

Morrow, Penwarden, Chen, Javeed, Narayan, Jakeman, "SUPN: Shallow Universal Polynomial Networks". Abstract: "for a given
number of trainable parameters, the approximation error and variability are often lower for SUPNs than for DNNs and KANs
by an order of magnitude". With Chebyshev polynomials T_m (products of them for more variables) ::

    f(x) = sum_n c_n tanh( sum_(m in Lambda) a_(n,m) T_m(x) ),        x in [-1, 1]^d

The paper (its full text was read) shows figures of means over five starts, against the number of parameters, and one
comparison in numbers, on another target: relative errors 1.35e-3 with 420 parameters, 9.65e-2 for a KAN with 1412,
1.18e-1 for a dense network with 1020. Its KANs have 5 intervals, cubic splines and SiLU edges; training is 5000 steps
of Adam, then a trust-region Newton method, on 2000 Gauss points. Other here, or open:

    degree     of the polynomials: "low" (4 in one variable, total degree 2 in two) or "high" (9, and 4)
    kan        intervals of the KAN's splines of order 4, [d, w, 1], mean-std map: 3 or 8
    training   "levenberg-marquardt", a second-order method as theirs, or "lbfgs"

The network of polynomials is a dense tanh network on the lifted inputs. MLPs are tanh networks with two hidden layers.
The width of each is the largest that the budget of parameters allows. Targets of one and of two variables, smooth and
not, scaled to mean 0 and variance 1; every start has its own samples, the same for all networks.

Estimated: of each start the median over pairs (target, budget) of the error of a rival over ours; over starts the
geometric mean. "By an order of magnitude" asks at least 10 of both rivals, as corrected 1. The spread, a standard
deviation over starts, is one number a pair: its median ratio stands beside, and the share of pairs in which both rivals
have ten times ours. Four starts, since one takes two minutes of processor time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Estimate, Experiment, Factor, Table, Verdict, estimate
from refkan.claims.experiments import written
from refkan.claims.running.kept_parts import Parts, resume_from
from validation.grounds import require
from validation.literature.answers import median
from validation.statements import ByCells, Cells, times

CLAIMS = ("O10",)

TENFOLD = 10.0


OPEN = (
    Factor("degree", ("low", "high"), "of the polynomials"),
    Factor("kan", ("3", "8"), "intervals of the KAN"),
    Factor("training", ("levenberg-marquardt", "lbfgs"), "method"),
)

OURS, RIVALS = "polynomials", ("kan", "mlp")

PLACE = (
    Factor("network", (OURS, *RIVALS), "which network"),
    Factor("target", ("product-2",), "name of a target of refkan.training.problems"),
    Factor("budget", ("60",), "parameters at most", number=True),
    Factor("fresh", ("2000",), "test points", number=True),
)

DEGREES = {("low", 1): 4, ("high", 1): 9, ("low", 2): 2, ("high", 2): 4}

STEPS = {"levenberg-marquardt": 1, "lbfgs": 8}
"""Steps for each that `Size` counts: one of Levenberg-Marquardt costs as much as some eight of L-BFGS."""


@dataclass(frozen=True)
class Size:
    """What is run: targets, budgets of parameters, starts, steps, test points and the readings."""

    targets: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    fresh: int
    readings: tuple[Mapping[str, str], ...]


EVERY_READING = tuple(
    dict(zip([factor.name for factor in OPEN], values, strict=True))
    for values in product(*(factor.values for factor in OPEN))
)

QUICK = Size(("steep", "chirp", "product-2"), (60,), (1, 2, 3), 20, 400, (EVERY_READING[0], EVERY_READING[4]))

FULL = Size(
    ("kink", "steep", "chirp", "product-2", "peak-2d", "crease"),
    (60, 120),
    (1, 2, 3, 4),
    50,
    2000,
    EVERY_READING,
)


def lift(x: np.ndarray, degree: int) -> np.ndarray:
    """Products of Chebyshev polynomials of total degree 1..degree at x (N, d) in [-1, 1]^d: (N, |Lambda| - 1)."""
    d = x.shape[1]
    T = np.polynomial.chebyshev.chebvander(x, degree)  # (N, d, degree + 1)
    indices = [m for m in product(range(degree + 1), repeat=d) if 0 < sum(m) <= degree]
    return np.stack([np.prod([T[:, p, m[p]] for p in range(d)], axis=0) for m in indices], axis=1)


def network_of(choice: Mapping[str, str], d: int) -> rk.Network:
    """Return the widest network of a kind with at most the parameters of the budget."""

    def build(width: int) -> rk.Network:
        if choice["network"] == OURS:
            features = lift(np.zeros((1, d)), DEGREES[choice["degree"], d]).shape[1]
            return rk.mlp([features, width, 1], activation="tanh")
        if choice["network"] == "mlp":
            return rk.mlp([d, width, width, 1], activation="tanh")
        return rk.kan([d, width, 1], 4, int(choice["kan"]), (-1.0, 1.0), node_map="mean-std")

    width = 1
    while build(width + 1).n_params <= int(choice["budget"]):
        width += 1
    return build(width)


def train(choice: Mapping[str, str], seed: int, steps: int) -> dict[str, Any]:
    """Train one network from one start; return parameters and the error at fresh points."""
    target = rk.problems.TARGETS[choice["target"]]
    d, (low, high) = target.dimension, np.array(target.domain).T
    x = np.random.default_rng([seed, 0]).uniform(-1.0, 1.0, (500, d))
    fresh = np.random.default_rng(20_000).uniform(-1.0, 1.0, (int(choice["fresh"]), d))
    y, expected = (target(low + (high - low) * (points + 1) / 2) for points in (x, fresh))
    shift, scale = y.mean(), y.std()
    if choice["network"] == OURS:
        x, fresh = (lift(points, DEGREES[choice["degree"], d]) for points in (x, fresh))
    net, theta = network_of(choice, d).initialize(np.random.default_rng([seed, 1]), x)
    problem, method = rk.LeastSquares(net, x, (y - shift) / scale), choice["training"]
    result = rk.minimize(problem, theta, method, steps=steps * STEPS[method])
    error = net(result.theta, fresh) - (expected - shift) / scale
    return {"parameters": net.n_params, "error": float(np.sqrt(np.mean(error**2)))}


def run_again(choice: Mapping[str, str], seed: int) -> dict[str, Any]:
    """Run one cell at full size."""
    return train(choice, seed, FULL.steps)


EXPERIMENT = Experiment((*OPEN, *PLACE), run_again)

Pairs = Mapping[tuple[str, int], Mapping[str, Sequence[float]]]
"""(target, budget) -> network -> errors of all starts."""


def run(
    quick: bool, progress: Callable[[str], None] = lambda message: None, checkpoints: Parts | None = None
) -> list[Verdict]:
    """Train all networks and judge."""
    require(CLAIMS)
    size, resume = QUICK if quick else FULL, resume_from(checkpoints)
    known: dict[str, list[float]] = {}

    def errors(choice: Mapping[str, str]) -> list[float]:
        matters = {OURS: "degree", "kan": "kan", "mlp": ""}[choice["network"]]
        cell = {name: value for name, value in choice.items() if name not in ("degree", "kan") or name == matters}
        key = written(cell)
        if key not in known:
            task = {"task": "O10", **cell, "steps": size.steps}
            full = {factor.name: factor.values[0] for factor in OPEN} | cell
            known[key] = [
                resume(task | {"seed": seed}, partial(train, full, seed, size.steps))["error"] for seed in size.seeds
            ]
        return known[key]

    under = []
    for reading in size.readings:
        progress(f"O10: {written(reading)}")
        pairs = {
            (target, budget): {
                network: errors(
                    {**reading, "network": network, "target": target, "budget": str(budget), "fresh": str(size.fresh)}
                )
                for network in (OURS, *RIVALS)
            }
            for target in size.targets
            for budget in size.budgets
        }
        under.append((reading, pairs))
    left = [reading for reading in EVERY_READING if reading not in size.readings]
    return [verdict(under, left, size)]


MEASURES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "error": median,
    "spread": lambda errors: float(np.std(errors, ddof=1)),
}


def ratios(pairs: Pairs, measure: str, rival: str, ours: str = OURS) -> np.ndarray:
    """Return the error, or spread, of a rival over that of ours in every pair."""
    of = MEASURES[measure]
    return np.array([of(networks[rival]) / of(networks[ours]) for networks in pairs.values()])


def often(pairs: Pairs, measure: str, factor: float, ours: str = OURS) -> float:
    """Return the share of pairs in which all others have at least `factor` times the error or spread of ours."""
    others = [network for network in (OURS, *RIVALS) if network != ours]
    return float(np.mean(np.all([ratios(pairs, measure, rival, ours) >= factor for rival in others], axis=0)))


def asked(least: float) -> Callable[[Cells], tuple[Estimate, ...]]:
    """Both ratios of errors, with what they must be at least."""
    return lambda cells: tuple(
        estimate(cell.cell, cell.values, "geometric mean", at_least=least, cost=COST) for cell in cells
    )


COST = "one start takes two minutes of processor time"

CELL = "error of {} over polynomials, median of pairs"

JUDGED = {
    "O10": ByCells(
        asked(10.0),
        control=times(error_of=1e3),
        twin=times(error_of=1e-3),
        corrected=asked(1.0),
        published=False,
    )
}


def verdict(under: Sequence[tuple[Mapping[str, str], Pairs]], left: Sequence[Mapping[str, str]], size: Size) -> Verdict:
    """O10."""
    by, results, rows = JUDGED["O10"], [], []
    for choice, pairs in under:
        cells = []
        for rival in RIVALS:
            values = {
                seed: median([networks[rival][k] / networks[OURS][k] for networks in pairs.values()])
                for k, seed in enumerate(size.seeds)
            }
            cells.append(Beside(CELL.format(rival), "ratio", values))
        spreads = ", ".join(f"{rival} {np.median(ratios(pairs, 'spread', rival)):.2g}" for rival in RIVALS)
        shares = ", ".join(f"{often(pairs, m, TENFOLD):.0%} of {m}s" for m in MEASURES)
        text = f"both rivals tenfold in {shares}; spread over ours, median of pairs: {spreads}"
        shown = f"{len(pairs)} pairs, {len(size.seeds)} starts"
        results.append(by.reading(choice, cells, measured=text, size=shown))
        for (target, budget), networks in pairs.items():
            numbers_of = (f"{median(e):.2g} ({MEASURES['spread'](e):.1g})" for e in networks.values())
            rows.append((written(choice), target, str(budget), *numbers_of))
    return by.verdict(
        "O10",
        results,
        left,
        corrected="lower in most cases, not by an order of magnitude",
        details="Under each reading the networks have the same samples, budget, method and number of steps. "
        + beaten(under),
        data={
            "seeds": list(size.seeds),
            "errors": [
                {
                    "reading": dict(choice),
                    "pairs": [{"pair": list(pair), **networks} for pair, networks in pairs.items()],
                }
                for choice, pairs in under
            ],
        },
        tables=(
            Table(
                "Median errors over starts, their standard deviation in brackets",
                ("reading", "target", "parameters", OURS, *RIVALS),
                tuple(rows),
            ),
        ),
    )


def beaten(under: Sequence[tuple[Mapping[str, str], Pairs]]) -> str:
    """Say target by target which network has the least error how often."""
    counts: dict[str, dict[str, int]] = {}
    for _, pairs in under:
        for (target, _), networks in pairs.items():
            best = min(networks, key=lambda name: median(networks[name]))
            counts.setdefault(target, dict.fromkeys((OURS, *RIVALS), 0))[best] += 1
    listed = (f"{t} " + "/".join(str(found[name]) for name in found) for t, found in counts.items())
    return f"How often {OURS}/{'/'.join(RIVALS)} have the least median error, by target: {', '.join(listed)}."
