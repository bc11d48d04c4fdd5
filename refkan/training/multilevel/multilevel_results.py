r"""What multilevel training returns.

The two measures of work: the papers' count, and time in units of one gradient on the finest level.

Time is processor time of the process, all its threads together: other programs on the machine do not change it. With
one thread it is what one would wait on an idle machine; with more it is what they cost, not how long they took.
"""

from collections.abc import Sequence
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, lazy
from refkan.networks import Network
from refkan.training.multilevel.levels import Hierarchy
from refkan.training.multilevel.trainings import Course, TrainedNetwork
from refkan.training.optimizers import Result
from refkan.training.optimizers.results import counted_on

REPEATS = 5
"""Gradients that are timed, after one that is not; their median is the unit."""


class Work(Frozen, eq=True):
    """The cost of a multilevel training; tuples have one entry for each level, coarsest first.

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


class MultilevelHistory(Frozen):
    """The course over all levels: one entry for the start of each level and one for each of its steps.

    Attributes
    ----------
    level : ndarray of int
    value, gradient_norm : ndarray
        As in `History`. The first entry of a level is the best value of the level before, up to rounding: prolongation
        does not change the function.
    seconds, work : ndarray
        Processor time spent in minimisations so far, and nominal work (see `Work`).
    evaluations : ndarray of int
        So far, on all levels.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> history = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt").history
    >>> history.level, bool(np.isclose(history.value[3], history.value[2]))
    (array([0, 0, 0, 1, 1, 1]), True)
    """

    level: IntArray
    value: FloatArray
    gradient_norm: FloatArray
    seconds: FloatArray
    evaluations: IntArray
    work: FloatArray

    @classmethod
    def joined(cls, results: Sequence[Result], networks: Sequence[Network]) -> "MultilevelHistory":
        """Join the histories of levels."""
        work, weight = 0.0, interval_weight(networks[-1])
        parts: list[tuple[Any, ...]] = []
        for k, (result, net, counts) in enumerate(zip(results, networks, counted_on(results), strict=True)):
            h, share = result.history, interval_weight(net) / weight
            level, spent = np.full(h.value.size, k), work + share * h.evaluations
            parts.append((level, h.value, h.gradient_norm, *counts, spent))
            work += share * result.n_evaluations
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class MultilevelResult(Course, Frozen):
    """The outcome of `minimize_multilevel`.

    Attributes
    ----------
    hierarchy : Hierarchy
        All levels.
    course : tuple of TrainedNetwork
        The trainings, one a level.
    changes : tuple of float
        How much each prolongation changed the function, relative: rounding.
    overhead : float
        Seconds for prolongations and the comparisons after them.
    theta, network, value
        Of the finest network: the best point seen there.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> result = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt")
    >>> result.network.n_params, len(result.levels), max(result.changes) < 1e-14
    (6, 2, True)
    """

    hierarchy: Hierarchy
    course: tuple[TrainedNetwork, ...]
    changes: tuple[float, ...]
    overhead: float

    shown = ("value", "network")

    @property
    def problem(self) -> Any:
        """The problem on the finest network."""
        return self.hierarchy.finest.problem

    @property
    def levels(self) -> tuple[Result, ...]:
        """The result of `minimize` on each level, with theta for that level's network."""
        return tuple(level.result for level in self.course)

    @property
    def resumed(self) -> tuple[bool, ...]:
        """Which of the levels were read from checkpoints."""
        return tuple(level.resumed for level in self.course)

    @lazy
    def history(self) -> MultilevelHistory:
        """The course over all levels."""
        return MultilevelHistory.joined(self.levels, [level.network for level in self.course])

    @lazy
    def work(self) -> Work:
        """The cost of the training."""
        evaluations = tuple(result.n_evaluations for result in self.levels)
        return Work(
            evaluations=evaluations,
            steps=tuple(result.history.value.size - 1 for result in self.levels),
            seconds=tuple(level.seconds for level in self.course),
            overhead=self.overhead,
            unit=self.course[-1].costs["unit"],
            nominal=nominal_work([level.network for level in self.course], evaluations),
            measured=sum(level.seconds / level.costs["unit"] for level in self.course),
        )
