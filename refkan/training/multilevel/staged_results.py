"""What trainings in stages return: multilevel, multistart and adaptive ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, lazy
from refkan.networks import Network
from refkan.training.multilevel.trainings import TrainedNetwork
from refkan.training.optimizers import Result
from refkan.training.optimizers.results import counted_on


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
        if layer.has_knots:
            total += layer.n_inputs * layer.n_outputs * layer.intervals
        else:
            total += layer.n_params
    return total


class StageTable(Frozen):
    """The outcome of one stage for all its starts.

    Attributes
    ----------
    starts : tuple of int
        Numbers of the starts that were trained, in the order of their values.
    trainings : tuple of TrainedNetwork
        Of these starts, in the same order.
    samples : int
        How many samples they were trained on.
    seconds : float
        Processor time of the stage.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Stage
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> problem = rk.LeastSquares(rk.kan([2, 2, 1], order=3, intervals=1), x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> (table,) = rk.multistart(problem, np.random.default_rng(1), [Stage(survivors=4, steps=3)]).stages
    >>> sorted(table.starts), bool(np.all(np.diff(table.values) >= 0)), table.samples
    ([0, 1, 2, 3], True, 100)
    """

    starts: tuple[int, ...]
    trainings: tuple[TrainedNetwork, ...]
    samples: int
    seconds: float

    shown = ("starts", "samples", "seconds")

    @property
    def values(self) -> FloatArray:
        """The values after the stage, ascending."""
        return np.array([training.result.value for training in self.trainings])

    @property
    def network(self) -> Network:
        """The network of the best start."""
        return self.trainings[0].network

    @property
    def theta(self) -> FloatArray:
        """The parameters of the best start."""
        return self.trainings[0].result.theta

    @property
    def value(self) -> float:
        """The value of the best start."""
        return self.trainings[0].result.value

    @property
    def evaluations(self) -> int:
        """Values with gradients, of all starts together."""
        return sum(training.result.n_evaluations for training in self.trainings)


class StagedHistory(Frozen):
    """The course over all stages: one entry for the start of each stage and one for each of its steps.

    Attributes
    ----------
    stage : ndarray of int
    value, gradient_norm : ndarray
        As in `History`. The first entry of a stage is the best value of the stage before, up to rounding, if the
        change of the network is exact and the samples are the same.
    seconds : ndarray
        Processor time spent in minimisations so far.
    evaluations : ndarray of int
        So far, in all stages.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> history = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt").history
    >>> history.stage, bool(np.isclose(history.value[3], history.value[2]))
    (array([0, 0, 0, 1, 1, 1]), True)
    """

    stage: IntArray
    value: FloatArray
    gradient_norm: FloatArray
    seconds: FloatArray
    evaluations: IntArray

    @classmethod
    def joined(cls, results: Sequence[Result]) -> "StagedHistory":
        """Join the histories of stages."""
        parts = []
        for k, (result, counts) in enumerate(zip(results, counted_on(results), strict=True)):
            h = result.history
            parts.append((np.full(h.value.size, k), h.value, h.gradient_norm, *counts))
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class StagedResult(Frozen):
    """The outcome of `minimize_multilevel`, `multistart` and `minimize_adaptive`.

    Attributes
    ----------
    problem
        That of the last stage, on `network`.
    stages : tuple of StageTable
        What became of all starts, stage by stage.
    best : int
        The stage whose network is returned: the last one or, of an adaptive training, that of the least value.
    converged : bool
        Whether the value fell to the tolerance of an adaptive training.
    message : str
        Why the training ended.
    errors : tuple of float
        What `measure` said after each stage of an adaptive training.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> result = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt")
    >>> result.network.n_params, len(result.levels), max(result.changes) < 1e-14
    (6, 2, True)
    """

    problem: Any
    stages: tuple[StageTable, ...]
    best: int
    converged: bool
    message: str
    errors: tuple[float, ...] = ()

    shown = ("value", "network", "message")

    @property
    def chosen(self) -> int:
        """The number of the start with the least value in the last stage."""
        return self.stages[-1].starts[0]

    @lazy
    def course(self) -> tuple[TrainedNetwork, ...]:
        """The trainings of that start, one a stage."""
        return tuple(table.trainings[table.starts.index(self.chosen)] for table in self.stages)

    @property
    def network(self) -> Network:
        """The network that was trained last, or to the least value."""
        return self.course[self.best].network

    @property
    def theta(self) -> FloatArray:
        """Its parameters: the best point seen there."""
        return self.course[self.best].result.theta

    @property
    def value(self) -> float:
        """The value there."""
        return self.course[self.best].result.value

    @property
    def values(self) -> FloatArray:
        """Values of all starts, in their order, after the last stage that trained all of them."""
        *_, last = (table for table in self.stages if len(table.starts) == len(self.stages[0].starts))
        return last.values[np.argsort(last.starts)]

    @property
    def levels(self) -> tuple[Result, ...]:
        """The result of `minimize` in each stage, with theta for that stage's network."""
        return tuple(training.result for training in self.course)

    @property
    def changes(self) -> tuple[float, ...]:
        """How much each change of the network moved its function, see `TrainedNetwork`."""
        return tuple(training.change for training in self.course[1:])

    @property
    def seconds(self) -> float:
        """Processor time of all stages."""
        return sum(table.seconds for table in self.stages)

    @property
    def evaluations(self) -> int:
        """Values with gradients, of all starts in all stages."""
        return sum(table.evaluations for table in self.stages)

    @property
    def nominal(self) -> float:
        """Evaluations of the last network on its samples: ``sum evaluations weight/weight_L samples/samples_L``.

        The weight of a network is the number of intervals of all its edges: the count of [S26].
        """
        costs = [interval_weight(table.network) * max(table.samples, 1) for table in self.stages]
        total = sum(table.evaluations * cost for table, cost in zip(self.stages, costs, strict=True))
        return total / costs[-1]

    @lazy
    def history(self) -> StagedHistory:
        """The course over all stages, step by step."""
        return StagedHistory.joined(self.levels)
