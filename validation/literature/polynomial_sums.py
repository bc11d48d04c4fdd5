r"""O10 (arXiv 2511.21414): sums of activated polynomials beat KANs and MLPs tenfold, in error and in spread.

Morrow, Penwarden, Chen, Javeed, Narayan, Jakeman, "SUPN: Shallow Universal Polynomial Networks". Abstract: "for a given
number of trainable parameters, the approximation error and variability are often lower for SUPNs than for DNNs and KANs
by an order of magnitude". With Chebyshev polynomials T_m (products of them for more variables) ::

    f(x) = sum_n c_n tanh( sum_(m in Lambda) a_(n,m) T_m(x) ),        x in [-1, 1]^d

The tables behind the sentence were not at hand, so that its order of magnitude, 10, is the published number here. What
it leaves open:

    degree     of the polynomials: "low" (4 in one variable, total degree 2 in two) or "high" (9, and 4)
    kan        intervals of the KAN's splines of order 4, [d, w, 1], mean-std map: 3 or 8
    training   "levenberg-marquardt", a second-order method as theirs, or "lbfgs"

The network of polynomials is a dense tanh network on the lifted inputs. MLPs are tanh networks with two hidden layers.
The width of each is the largest that the budget of parameters allows. Targets of one and of two variables, smooth and
not, scaled to mean 0 and variance 1; every start has its own samples, the same for all networks.

Criterion, fixed before the runs: pairs are (target, budget), the error of a pair the median over starts of the root
mean square error at fresh points, its spread the standard deviation over starts. "Often" is half of the pairs: a
reading holds if in at least half of them both rivals have at least 10 times the error, and in half of them both have at
least 10 times the spread. As corrected: in at least half of the pairs both rivals have a larger error, and in half a
larger spread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims.readings import Beside, Experiment, Factor, Reading, written
from refkan.claims.running.kept_parts import Parts, resume_from
from refkan.claims.verdicts import Table, Verdict, judge
from validation.grounds import require
from validation.literature.answers import answer, median

CLAIMS = ("O10",)

PUBLISHED = 10.0
"""An order of magnitude."""

OFTEN = 0.5

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


def ahead(pairs: Pairs, factor: float, ours: str = OURS) -> bool:
    """Whether that is often so of both error and spread."""
    return all(often(pairs, measure, factor, ours) >= OFTEN for measure in MEASURES)


def verdict(under: Sequence[tuple[Mapping[str, str], Pairs]], left: Sequence[Mapping[str, str]], size: Size) -> Verdict:
    """O10."""
    results, rows = [], []
    for choice, pairs in under:
        cells = []
        for rival in RIVALS:
            values = {
                seed: median([networks[rival][k] / networks[OURS][k] for networks in pairs.values()])
                for k, seed in enumerate(size.seeds)
            }
            cells.append(Beside(f"error of {rival} over polynomials, median of pairs", "ratio", values, PUBLISHED))
        middles = {(m, r): float(np.median(ratios(pairs, m, r))) for m in MEASURES for r in RIVALS}
        numbers = ", ".join(f"{m} of {r} {value:.2g}" for (m, r), value in middles.items())
        shares = ", ".join(f"{often(pairs, m, PUBLISHED):.0%} of {m}s" for m in MEASURES)
        results.append(
            Reading(
                choice,
                ahead(pairs, PUBLISHED),
                f"both rivals tenfold in {shares}; median ratios: {numbers}",
                ahead(pairs, 1.0),
                tuple(cells),
                size=f"{len(pairs)} pairs, {len(size.seeds)} starts",
            )
        )
        for (target, budget), networks in pairs.items():
            numbers_of = (f"{median(e):.2g} ({MEASURES['spread'](e):.1g})" for e in networks.values())
            rows.append((written(choice), target, str(budget), *numbers_of))
    return answer(
        "O10",
        results,
        left,
        "Under each reading the networks have the same samples, budget, method and number of steps. " + beaten(under),
        {
            "seeds": list(size.seeds),
            "errors": [
                {
                    "reading": dict(choice),
                    "pairs": [{"pair": list(pair), **networks} for pair, networks in pairs.items()],
                }
                for choice, pairs in under
            ],
        },
        {
            f"{network} tenfold ahead": judge(
                any(ahead(pairs, PUBLISHED, network) for _, pairs in under), experiment=True
            )
            for network in RIVALS
        },
        "lower in most cases, not by an order of magnitude",
        (
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
