r"""Many starts that lose to each other stage by stage, the network changing in between: what is behind `multistart`.

Changes of a network between two trainings that leave its function as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import field, replace
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, Natural, check_count, check_sequence, check_type
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.kernels.engine_choice import current_engine, use_engine
from refkan.networks import Network
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.levels import Level, on_network, require_unchanged, samples_of
from refkan.training.multilevel.multilevel import LevelCallback, as_factors, check_schedule
from refkan.training.multilevel.trainings import TrainedNetwork, Trainer, train
from refkan.training.optimizers.results import Report, note, staged

NetworkChange = Callable[[Any, FloatArray], tuple[Network, FloatArray]]
"""(problem, theta) -> another network that is the same function, and its parameters."""


class Refined(Checked):
    """A change that cuts every interval into `factor` equal ones, for all layers or one a layer, as `Network.refine`.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.training.multilevel import Refined
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
    >>> net, theta = Refined()(problem, [0.0, 1.0, 4.0])
    >>> net.layers[0].intervals, theta
    (4, array([0. , 0.5, 1. , 2.5, 4. ]))
    """

    factor: int | tuple[int, ...] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for factor in np.atleast_1d(self.factor):
            check_count("factor", factor, 1)

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value")
        fine = problem.net.refine(self.factor)
        return fine, problem.net.convert(theta, fine)


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
    >>> from refkan.training.multilevel import Refined, Stage
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
        [(4, None), (1, Refined(factor=2))]
        """
        steps = check_schedule(schedule)
        columns = {"survivors": survivors, "samples": [None] * len(steps) if samples is None else samples}
        for name, column in columns.items():
            check_sequence(name, column, "counts, one entry a stage")
            if len(column) != len(steps):
                raise ValueError(f"{name} must have one entry a stage ({len(steps)}); got {len(column)}")
        changes = [None, *map(Refined, as_factors(factors, steps))]
        return [
            Stage(number, count, size, change)
            for count, number, size, change in zip(steps, *columns.values(), changes, strict=True)
        ]


class StageTable(Frozen):
    """The outcome of one stage for all starts.

    Attributes
    ----------
    starts : tuple of int
        Numbers of the starts that were trained, in the order of their values.
    values : ndarray
        Their values afterwards, ascending.
    network, theta : Network, ndarray
        The best of them.
    samples : int
        How many samples they were trained on.
    evaluations : int
        Values with gradients, of all of them together.
    seconds : float
        Processor time, as in `Work`.

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
    values: FloatArray
    network: Network
    theta: FloatArray
    samples: int
    evaluations: int
    seconds: float


class Run(Frozen):
    """One start on its way."""

    number: int
    net: Network
    theta: FloatArray
    course: tuple[TrainedNetwork, ...] = ()


def compete(
    runs: Sequence[Run],
    stages: Sequence[Stage],
    problems: Sequence[Any],
    method: str | Trainer,
    options: Mapping[str, Any],
    store: Checkpoints | None = None,
    report: Report | None = None,
    callback: LevelCallback | None = None,
    executor: Executor | None = None,
) -> tuple[Run, tuple[StageTable, ...], Any]:
    """Run stages that have been checked, each on its problem; return the best run and the tables.

    The callback is told ``state.stage``, the number of the start, where there are several. Neither it nor the report is
    told what an executor does.
    """
    tables = []
    for index, (stage, problem) in enumerate(zip(stages, problems, strict=True)):
        since, runs = process_time(), runs[: stage.survivors]
        told = (report, callback) if executor is None else (None, None)
        advance = partial(
            _advanced, current_engine(), index, stage, problem, method, options, store, *told, len(runs) > 1
        )
        runs, seconds = zip(*(map if executor is None else executor.map)(advance, runs), strict=True)
        runs = sorted(runs, key=lambda run: (run.course[-1].result.value, run.number))
        best, points, results = runs[0], samples_of(problem), [run.course[-1].result for run in runs]
        table = StageTable(
            starts=tuple(run.number for run in runs),
            values=np.array([result.value for result in results]),
            network=best.net,
            theta=best.theta,
            samples=0 if points is None else len(points),
            evaluations=sum(result.n_evaluations for result in results),
            seconds=process_time() - since + (0.0 if executor is None else sum(seconds)),
        )
        tables.append(table)
        trained_on = f"{len(runs)} starts on {table.samples} samples"
        note(report, f"stage {index}: {trained_on}, best value {table.values[0]:.3g}, of start {best.number}")
    return runs[0], tuple(tables), problems[-1]


def _advanced(
    engine: str, index: int, stage: Stage, problem: Any, method: str | Trainer, options: Mapping[str, Any],
    store: Checkpoints | None, report: Report | None, callback: LevelCallback | None, several: bool, run: Run,
) -> tuple[Run, float]:  # fmt: skip
    """Change the network of one start of a stage and train it, by the engine of whoever asked; its processor time."""
    since, start = process_time(), f"start {run.number}"
    with use_engine(engine):
        if stage.change is not None:
            net, theta = stage.change(on_network(problem, run.net), run.theta)
            require_unchanged(run.net, run.theta, net, theta, samples_of(problem))
            run = replace(run, net=net, theta=theta)
        here = on_network(problem, run.net)
        part = staged(report, f"stage {index}, {start}", endings=False)
        told = _told(callback, Level(index, run.net, here), start if several else "")
        trained = train(here, run.theta, method, stage.steps, {**options, **stage.options}, store, part, told)
    run = replace(run, theta=trained.result.theta, course=(*run.course, trained))
    return run, process_time() - since


def _told(callback: LevelCallback | None, level: Level, start: str) -> Callable[[Any], Any] | None:
    return None if callback is None else lambda state: callback(level, replace(state, stage=start))


def check_stages(stages: Any, n_samples: int) -> list[int]:
    """Return the number of samples of each stage; ValueError or TypeError for stages that make no `multistart`."""
    check_sequence("stages", stages, "Stage")
    if not stages:
        raise ValueError("stages must hold at least one stage; got none")
    sizes: list[int] = []
    for k, stage in enumerate(stages):
        check_type(f"stages[{k}]", stage, Stage)
        every = stage.samples is None
        sizes.append(n_samples if every else check_count(f"stages[{k}].samples", stage.samples, 1, n_samples))
        if k > 0 and stage.survivors > stages[k - 1].survivors:
            raise ValueError(
                f"survivors must not increase; got {stage.survivors} in stage {k} after {stages[k - 1].survivors}"
            )
        if k > 0 and sizes[k] < sizes[k - 1]:
            raise ValueError(f"samples must not decrease; got {sizes[k]} in stage {k} after {sizes[k - 1]}")
    return sizes
