"""The pairs of X1: a target and a seed, for which a spline KAN and what it is compared with are trained alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, product
from typing import Any

import refkan as rk
from refkan.claims.running.kept_parts import Resume
from validation.architectures.equal_work import Comparison, Contestant, targets, train_all

OURS = "spline"

RELU = ("ReLU basis, same start", "ReLU basis, Gaussian start", "ReLU MLP, 1 hidden layer", "ReLU MLP, 2 hidden layers")
"""The contestants that the criterion names."""


@dataclass(frozen=True)
class Size:
    """What is run: numbers of variables, of which all targets are taken; intervals of both layers of each network."""

    dimensions: tuple[int, ...]
    intervals: tuple[tuple[int, int], ...]
    seeds: tuple[int, ...]
    samples: int
    test_points: int
    evaluations: int


Pair = dict[str, Any]
"""A size of network, a target, a seed, and under each contestant's name what its run returned."""


def contestants(dimension: int, intervals: tuple[int, int]) -> dict[str, Contestant]:
    """Return the KAN of quadratic splines first, then what it is compared with, at equal parameters."""
    widths = [dimension, 2 * dimension + 1, 1]
    spline = rk.kan(widths, order=3, intervals=intervals)
    relu = rk.kan(widths, order=3, intervals=intervals, basis="relu")
    return {
        OURS: Contestant(spline),
        RELU[0]: Contestant(relu),
        RELU[1]: Contestant(relu, "gaussian"),
        RELU[2]: Contestant(dense(dimension, 1, spline.n_params)),
        RELU[3]: Contestant(dense(dimension, 2, spline.n_params)),
    }


def dense(dimension: int, hidden_layers: int, n_params: int) -> rk.Network:
    """Return the dense network of least width that has at least this many parameters."""
    networks = (rk.mlp([dimension, *[width] * hidden_layers, 1]) for width in count(1))
    return next(net for net in networks if net.n_params >= n_params)


def run_pairs(
    size: Size, progress: Callable[[str], None], resume: Resume, names: Sequence[str] | None = None
) -> Iterator[Pair]:
    """Train all contestants, or some, on each pair; ordered by size of network, target, seed.

    The spline KAN comes first; the others also get the time that it took.
    """
    for intervals, target in product(size.intervals, targets(*size.dimensions)):
        nets = {name: c for name, c in contestants(target.dimension, intervals).items() if name in (names or (name,))}
        for seed in size.seeds:
            progress(f"{intervals[0]}, {intervals[1]} intervals: {target.id}, seed {seed}")
            pair: Pair = {"intervals": list(intervals), "target": target.id, "seed": seed}
            yield pair | train_all({"claim": "X1", **pair}, nets, target, size, resume, OURS)


def compare(pairs: list[Pair], name: str, ours: str = OURS, column: str = "test") -> Comparison:
    """Compare errors of a contestant with those of `ours` over pairs; `what` is that of the contestant."""
    own = "test" if column == "test in time" else column  # the time is the one that the spline KAN takes for its budget
    return Comparison.of([pair[ours][own] for pair in pairs], [pair[name][column] for pair in pairs])
