r"""The two measures of work: the papers' count, and time in units of one gradient on the finest level.

Time is processor time of the process, all its threads together: other programs on the machine do not change it. With
one thread it is what one would wait on an idle machine; with more it is what they cost, not how long they took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network

REPEATS = 5
"""Gradients that are timed, after one that is not; their median is the unit."""


@dataclass(frozen=True)
class Work(ShortRepr):
    """What a multilevel training cost; entries of tuples are levels, coarsest first.

    Attributes
    ----------
    evaluations : tuple of int
        Values with gradients.
    steps : tuple of int
        Steps done: for Gauss-Newton methods each is one Jacobian with its linear algebra, which `nominal` leaves out.
    seconds : tuple of float
        Processor time of the minimisations.
    overhead : float
        Seconds for prolongations and the comparisons after them.
    unit : float
        Seconds that one value with gradient takes on the finest level, measured in the run that trained it.
    nominal : float
        ``sum_l evaluations_l weight_l / weight_L``, a network's weight the number of intervals of all its edges: the
        count of [S26], in evaluations on the finest level.
    measured : float
        ``sum_l seconds_l / unit``, where each level has the unit of the run that trained it.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> work = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt").work
    >>> work.steps, work.nominal == work.evaluations[0] / 2 + work.evaluations[1]
    ((2, 2), True)
    """

    evaluations: tuple[int, ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]
    overhead: float
    unit: float
    nominal: float
    measured: float


def interval_weight(net: Network) -> float:
    """Return ``sum_l P_l Q_l n_l``, n_l the intervals of a layer's edges, or its parameters an edge where it has none.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([2, 5, 1], order=3, intervals=[1, 3])
    >>> interval_weight(net), interval_weight(net.refine())
    (25.0, 50.0)
    """
    total = 0.0
    for layer in net.layers:
        edges = layer.n_inputs * layer.n_outputs
        total += edges * layer.intervals if layer.has_knots else layer.n_params
    return total


def nominal_work(networks: Sequence[Network], evaluations: Sequence[int]) -> float:
    """Evaluations on each level, weighted by its intervals, in evaluations on the finest level."""
    weights = [interval_weight(net) for net in networks]
    return sum(n * w for n, w in zip(evaluations, weights, strict=True)) / weights[-1]


def gradient_seconds(problem: Any, theta: FloatArray) -> float:
    """Time one value with gradient: the median of five, after one that loads what is to be loaded."""
    problem.value_and_gradient(theta)
    times = []
    for _ in range(REPEATS):
        start = process_time()
        problem.value_and_gradient(theta)
        times.append(process_time() - start)
    return median(times)
