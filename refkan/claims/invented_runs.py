"""Invented runs, of which the truth is known: what `refkan.claims.calibration` calibrates intervals with."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from refkan.base.annotations import Checked
from refkan.claims.seed_intervals import TABLE, Numbers, Statistic, disjoint_tables

Draw = Callable[[np.random.Generator, tuple[int, ...]], Numbers]
"""Draws runs: of shape (..., n) one number a run, of a pair (2, ..., n)."""

TABLES = 200_000
"""Tables of five that are drawn where what they print has no closed form."""


class Population(Checked):
    """Runs of an experiment, of which the truth is known.

    Attributes
    ----------
    name
        What its runs are like.
    draw
        Draws runs, (rng, shape) -> array; with `pair` one more axis of length 2 in front, for a ratio of two columns.
    truths
        The true value of each statistic that is estimated of it.
    pair
        Whether a run is one of each of two columns.

    Examples
    --------
    >>> from refkan.claims.calibration import Population
    >>> coins = Population("coins", lambda rng, shape: rng.integers(2, size=shape), {"share": 0.5})
    >>> coins.truths["share"]
    0.5
    """

    name: str
    draw: Draw
    truths: Mapping[Statistic, float]
    pair: bool = False

    def rows(self, rng: np.random.Generator, samples: int, size: int) -> Numbers:
        """Return the runs of many samples: (samples, 1 or 2, size)."""
        drawn = self.draw(rng, (samples, size))
        return np.moveaxis(drawn, 0, 1) if self.pair else drawn[:, np.newaxis]


def _lognormal(sigma: float) -> Draw:
    return lambda rng, shape: rng.lognormal(0.0, sigma, shape)


SIGMA, WORST = 0.5, (10.0, 100.0)
LOW, HIGH = (float(np.log(factor)) for factor in WORST)


def _with_bad_runs(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return log-normal runs, one in five of them multiplied by 10 to 100, uniform in the logarithm."""
    worse = np.exp(rng.uniform(LOW, HIGH, shape))
    return rng.lognormal(0.0, SIGMA, shape) * np.where(rng.random(shape) < 0.2, worse, 1.0)


def _median_with_bad_runs() -> float:
    """Return x with 4/5 Phi(log x/s) + 1/5 E Phi((log x - U)/s) = 1/2, U uniform on (log 10, log 100)."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    u = LOW + (HIGH - LOW) * (np.arange(2000) + 0.5) / 2000

    def beyond(z: float) -> float:
        bad = np.mean(norm.cdf((z - u) / SIGMA))
        return float(0.8 * norm.cdf(z / SIGMA) + 0.2 * bad - 0.5)

    return float(np.exp(brentq(beyond, -1.0, 2.0)))


def _tied(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return ratios of which half are 1: what refinement gains where nothing moves."""
    return np.where(rng.random(shape) < 0.5, 1.0, rng.lognormal(0.0, 1.0, shape))


def _slopes(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return least-squares exponents of 2 x^3 at x = 1, 2, 4, 8, 16, with noise exp(N(0, 0.3^2)) on every value."""
    t = np.log(2.0) * np.arange(5)
    logs = np.log(2.0) + 3.0 * t + rng.normal(0.0, 0.3, (*shape, 5))
    centred = t - t.mean()
    return np.asarray(logs @ centred / (centred @ centred))


def _happens(chance: float) -> Draw:
    return lambda rng, shape: (rng.random(shape) < chance).astype(float)


def _paired(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return ratios of two runs of one seed, the seed's own part of which cancels: the median is 3."""
    seed = rng.normal(0.0, 2.0, shape)
    first, other = (seed + rng.normal(0.0, SIGMA, shape) for _ in range(2))
    return 3.0 * np.exp(first - other)


def _unpaired(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return two columns whose runs have nothing in common, with medians 3 and 1."""
    return np.stack([3.0 * rng.lognormal(0.0, 1.0, shape), rng.lognormal(0.0, SIGMA, shape)])


def _columns(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return two columns of a table: log-normal runs about 2, and runs one in five of which are bad."""
    return np.stack([2.0 * rng.lognormal(0.0, SIGMA, shape), _with_bad_runs(rng, shape)])


def _printed(draw: Draw, pair: bool) -> float:
    """Return the median over tables of five of what a table prints."""
    drawn = draw(np.random.default_rng(1), (TABLES * TABLE,))
    return float(np.median(disjoint_tables(drawn if pair else drawn[np.newaxis])))


def populations() -> dict[str, Population]:
    """Return the populations by name.

    Examples
    --------
    >>> from refkan.claims.calibration import populations
    >>> round(populations()["log-normal, sigma 1.5"].truths["mean"], 3)  # exp(1.5^2/2)
    3.08
    """
    return dict(_populations())


@cache
def _populations() -> dict[str, Population]:
    bad = "one run in five 10 to 100 times worse"
    of_bad: dict[Statistic, float] = {
        "median": _median_with_bad_runs(),
        "mean": float(np.exp(SIGMA**2 / 2) * (0.8 + 0.2 * (WORST[1] - WORST[0]) / (HIGH - LOW))),
        "geometric mean": float(np.exp(0.2 * (LOW + HIGH) / 2)),
        "mean of five": _printed(_with_bad_runs, False),
    }
    logs = {f"log-normal, sigma {s}": s for s in (0.5, 1.5)}
    made = [
        *(Population(name, _lognormal(s), {**_of_lognormal(s)}) for name, s in logs.items()),
        Population(bad, _with_bad_runs, of_bad),
        Population("half of the runs tied at 1", _tied, {"median": 1.0}),
        Population("slopes with noise", _slopes, {"median": 3.0, "mean": 3.0}),
        *(Population(f"share {p}", _happens(p), {"share": p}) for p in (0.2, 0.5, 0.9)),
        Population("ratios, paired", _paired, {"median": 3.0, "geometric mean": 3.0}),
        Population("ratio of columns, unpaired", _unpaired, {"median": 3.0}, pair=True),
        Population("ratio of columns with bad runs", _columns, {"mean of five": _printed(_columns, True)}, pair=True),
    ]
    return {each.name: each for each in made}


def _of_lognormal(sigma: float) -> dict[Statistic, float]:
    mean = float(np.exp(sigma**2 / 2))
    return {"median": 1.0, "mean": mean, "geometric mean": 1.0, "mean of five": _printed(_lognormal(sigma), False)}
