"""Successive halving over random starts, with changes of the networks between stages: the loop of all staged trainings.

One start makes it multilevel or adaptive training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from time import process_time
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, Natural, check_count, check_sequence, check_type, is_sequence
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import short
from refkan.networks import Network
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.levels import Level, on_network
from refkan.training.multilevel.staged_results import StageTable
from refkan.training.multilevel.trainings import TrainedNetwork, Trainer, train
from refkan.training.multilevel.unchanged_functions import require_unchanged, samples_of
from refkan.training.optimizers import State
from refkan.training.optimizers.progress import Report, note, staged

NetworkChange = Callable[[Any, FloatArray], tuple[Network, FloatArray]]
"""(problem, theta) -> another network that is the same function, and its parameters."""

LevelCallback = Callable[[Level, State], Any]

Comparison = Callable[[Network, FloatArray, Network, FloatArray, FloatArray | None], float]
"""(network, theta, changed network, its theta, samples) -> how much the function moved."""


class Refined(Checked):
    """A change that cuts every interval into `factor` equal ones, for all layers or one a layer, as `Network.refine`.

    With `balance` the rows before mean-std and min-max maps are then multiplied by powers of two, see
    `Network.balance`: neither changes the function.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.training.multilevel.stages import Refined
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
    >>> net, theta = Refined()(problem, [0.0, 1.0, 4.0])
    >>> net.layers[0].intervals, theta
    (4, array([0. , 0.5, 1. , 2.5, 4. ]))
    """

    factor: int | tuple[int, ...] = 2
    balance: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for factor in np.atleast_1d(self.factor):
            check_count("factor", factor, 1)

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value_and_gradient")
        fine = problem.net.refine(self.factor)
        there = problem.net.convert(theta, fine)
        if self.balance:
            there = fine.balance(there)
        return fine, there


class Stage(Checked):
    """One stage of `multistart`.

    Attributes
    ----------
    survivors : int
        How many starts are trained: those of the least values in the stage before.
    steps : int
        Of each training.
    samples : int or None
        On how many samples, None for all.
    change : callable or None
        What happens to the network first: `Refined`, or `Freed` or `Cut` of
        `refkan.training.adaptivity`, or your own function.
    options : mapping
        Of the method, on top of those for all stages.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel.stages import Refined
    >>> from refkan.training.multilevel import Stage
    >>> x = np.linspace(0.0, 1.0, 100)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 0.25))
    >>> stages = [Stage(survivors=2, steps=1), Stage(survivors=1, steps=1, change=Refined())]
    >>> result = rk.multistart(problem, np.random.default_rng(0), stages)
    >>> len(result.stages), bool(result.value < 1e-12)  # a knot lies at 1/4 in the end
    (2, True)
    """

    survivors: Natural
    steps: int
    samples: Natural | None = None
    change: NetworkChange | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def refined(
        schedule: Sequence[int],
        survivors: Sequence[int],
        samples: Sequence[int | None] | None = None,
        factors: Any = 2,
    ) -> "list[Stage]":
        """Return stages with a refinement between them; each sequence has one entry for each stage.

        Parameters
        ----------
        schedule, survivors, samples : sequence
            Steps, starts and samples of each stage.
        factors : int or sequence
            As for `minimize_multilevel`.

        Examples
        --------
        >>> from refkan.training.multilevel import Stage
        >>> [(stage.survivors, stage.change) for stage in Stage.refined([9, 9], [4, 1])]
        [(4, None), (1, Refined(factor=2, balance=False))]
        """
        steps = check_schedule(schedule)
        if samples is None:
            samples = [None] * len(steps)
        for name, column in (("survivors", survivors), ("samples", samples)):
            check_sequence(name, column, "counts, one entry a stage")
            if len(column) != len(steps):
                raise ValueError(f"{name} must have one entry a stage ({len(steps)}); got {len(column)}")
        changes = [None, *map(Refined, as_factors(factors, steps))]
        return [Stage(*columns) for columns in zip(survivors, steps, samples, changes, strict=True)]


def check_schedule(schedule: Any) -> list[int]:
    """Return the steps of each level as a list of integers, none negative."""
    schedule = check_sequence("schedule", schedule, "steps, one entry a level")
    if len(schedule) == 0:
        raise ValueError("schedule must have an entry for each level; got none")
    return [check_count(f"schedule[{k}]", steps) for k, steps in enumerate(schedule)]


def as_factors(factors: Any, schedule: Sequence[int]) -> list[Any]:
    """Return one refinement factor for each step from level to level: a number, or a tuple of one a layer."""
    n = len(schedule) - 1
    if not is_sequence(factors):
        return [check_count("factors", factors, 2)] * n
    if len(factors) != n:
        raise ValueError(f"factors must be one number or one entry for each of {n} refinements; got {len(factors)}")
    return [tuple(factor) if is_sequence(factor) else factor for factor in factors]


class Start(Frozen):
    """A start on its way: its number, its network and its parameters."""

    number: int
    network: Network
    theta: FloatArray


class Ended(Exception):  # noqa: N818  # a signal, as StopIteration is, not an error
    """Raised by a change of the network, or by a plan, to end a training: the message says why."""


Plan = Callable[[Sequence[StageTable]], tuple[Stage, Any]]
"""(tables of the stages so far) -> the next stage and its problem; raises `Ended` when there is none."""


def plan_of(stages: Sequence[Stage], problems: Sequence[Any]) -> Plan:
    """Return the plan of stages that are known beforehand, each on its problem."""
    pairs = list(zip(stages, problems, strict=True))

    def following(tables: Sequence[StageTable]) -> tuple[Stage, Any]:
        if len(tables) == len(pairs):
            raise Ended(f"{len(pairs)} stages done")
        return pairs[len(tables)]

    return following


class StageLoop(Frozen):
    """A training in stages: each changes the networks of the surviving starts, trains them, and ranks them by value.

    Attributes
    ----------
    method : str or callable
    options : mapping
        Of the method, in all stages.
    store : Checkpoints, optional
    report : callable, optional
        Of the steps, with ``state.stage``; a line after each stage of several starts.
    callback : callable, optional
        Called with a `Level` and a `State`; ``state.stage`` names the start if there are several.
    compare : callable
        Compares a network with the changed one.
    """

    method: str | Trainer
    options: Mapping[str, Any]
    store: Checkpoints | None = None
    report: Report | None = None
    callback: LevelCallback | None = None
    compare: Comparison = require_unchanged

    def run(self, starts: Sequence[Start], plan: Plan) -> tuple[tuple[StageTable, ...], str]:
        """Run the stages of a plan; return their tables, and why the training ended."""
        tables: list[StageTable] = []
        while True:
            try:
                stage, problem = plan(tables)
                tables.append(self._stage(len(tables), starts, stage, problem))
            except Ended as end:
                return tuple(tables), str(end)
            last = tables[-1]
            starts = [
                Start(number, training.network, training.result.theta)
                for number, training in zip(last.starts, last.trainings, strict=True)
            ]

    def _stage(self, index: int, starts: Sequence[Start], stage: Stage, problem: Any) -> StageTable:
        """Train the survivors of the stage before."""
        since, starts = process_time(), starts[: stage.survivors]
        several = len(starts) > 1
        trained = [(self._train(index, start, stage, problem, several), start.number) for start in starts]
        trained.sort(key=lambda pair: (pair[0].result.value, pair[1]))
        trainings, numbers = zip(*trained, strict=True)
        points = samples_of(problem)
        samples = 0 if points is None else len(points)
        if several:
            best = f"best value {trainings[0].result.value:.3g}, of start {numbers[0]}"
            note(self.report, f"stage {index}: {len(starts)} starts on {samples} samples, {best}")
        return StageTable(numbers, trainings, samples, process_time() - since)

    def _train(self, index: int, start: Start, stage: Stage, problem: Any, several: bool) -> TrainedNetwork:
        """Change the network of one start and train it."""
        net, theta, change, refining = start.network, start.theta, 0.0, 0.0
        if stage.change is not None:
            began = process_time()
            changed = stage.change(on_network(problem, net), theta)
            if not (isinstance(changed, tuple | list) and len(changed) == 2):
                raise TypeError(f"change must return a network and its parameters; got {short(changed)}")
            net, theta = changed
            check_type("the network that change returns", net, Network)
            refining = process_time() - began
            change = self.compare(start.network, start.theta, net, theta, samples_of(problem))
        here = on_network(problem, net)
        part = f"start {start.number}" if several else f"{net.n_params} parameters"
        report = staged(self.report, f"stage {index}, {part}", endings=not several)
        callback = self._callback(Level(index, net, here), part if several else "")
        options = {**self.options, **stage.options}
        trained = train(here, theta, self.method, stage.steps, options, self.store, report, callback)
        return replace(trained, change=change, refining=refining)

    def _callback(self, level: Level, part: str) -> Callable[[State], Any] | None:
        """Return the callback of one training."""
        callback = self.callback
        if callback is None:
            return None
        return lambda state: callback(level, replace(state, stage=part))
