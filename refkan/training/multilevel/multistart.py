r"""Many starts on the coarsest network, few on the finest: pruned from stage to stage by training loss."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from os import PathLike
from time import process_time
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, RandomSource, as_generator, check_function, check_type
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.multilevel_results import interval_weight
from refkan.training.multilevel.stages import Run, Stage, StageTable, check_stages, compete
from refkan.training.multilevel.trainings import Course, TrainedNetwork, Trainer, as_store
from refkan.training.optimizers.results import Report, report_of


class MultistartResult(Course, Frozen):
    """The outcome of `multistart`.

    Attributes
    ----------
    problem
        That of the last stage, on the network of the winner.
    course : tuple of TrainedNetwork
        The trainings of the winner, the start with the least value in the last stage. The last one is that of
        `network`, `theta` and `value`, on the samples of that stage.
    stages : tuple of StageTable
        What became of all starts, stage by stage.
    seconds : float
        Processor time of everything.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Stage
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> problem = rk.LeastSquares(rk.kan([2, 2, 1], order=3, intervals=1), x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> result = rk.multistart(problem, np.random.default_rng(1), Stage.refined([3, 3], [4, 1]))
    >>> bool(result.value == result.stages[-1].values[0]), result.network.layers[0].intervals
    (True, 2)
    """

    problem: Any
    course: tuple[TrainedNetwork, ...]
    stages: tuple[StageTable, ...]
    seconds: float

    shown = ("value", "network", "seconds")

    @property
    def chosen(self) -> int:
        """The number of the winner."""
        return self.stages[-1].starts[0]

    @property
    def values(self) -> FloatArray:
        """Values of all starts, in their order, after the last stage that trained all of them."""
        *_, last = (table for table in self.stages if len(table.starts) == len(self.stages[0].starts))
        return last.values[np.argsort(last.starts)]

    @property
    def nominal(self) -> float:
        """Evaluations of the last network on its samples: ``sum evaluations weight/weight_L samples/samples_L``."""
        weights = [interval_weight(table.network) for table in self.stages]
        total = sum(t.evaluations * t.samples * w for t, w in zip(self.stages, weights, strict=True))
        return total / (weights[-1] * self.stages[-1].samples)


def multistart(
    problem: LeastSquares,
    rng: RandomSource,
    stages: Sequence[Stage],
    *,
    method: str | Trainer = "variable-projection",
    scheme: str = "linear",
    draw: Callable[[Network, np.random.Generator], Network] | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report = False,
    executor: Executor | None = None,
    **options: Any,
) -> MultistartResult:
    r"""Train many starts on a small network, and ever fewer of them on larger networks that contain it.

    What separates good minima from bad ones is decided where training is cheap; which of them are good shows after a
    refinement. Each stage trains the starts of the least values in the stage before. What happens to the networks
    between stages is free: uniform refinement (`Stage.refined`), cuts where the residual is, fixed knots that become
    parameters. After each change the networks are compared.

    Parameters
    ----------
    problem : LeastSquares
        Of the first network, bound to data or not: each start binds it anew.
    rng : numpy.random.Generator or seed
        Draws the samples of each stage, then one stream for each start.
    stages : sequence of Stage
        Survivors must not increase, samples not decrease. Samples are drawn without replacement, and smaller sets are
        contained in larger ones; the first is the statistics batch of node maps that need one, to the end.
    method : str or callable
        As for `minimize_multilevel`.
    scheme : str
        As for `Network.initialize`.
    draw : callable, optional
        (network, rng) -> the network that each start but the first begins with, such as
        `refkan.training.adaptivity.with_random_knots`: where free knots end depends on where they start.
    checkpoint : Checkpoints or folder, optional
        Each stage of each start is stored and not computed again.
    progress : bool or callable
        As for `minimize`, for all trainings: ``state.stage`` says of which start in which stage. True also shows a line
        after each stage, and so does ``ProgressLines(write)``. Of trainings by an executor these lines alone are told.
    executor : concurrent.futures.Executor, optional
        Trains the starts of a stage at once: processes, a ``distributed.Client(...).get_executor()``. The result is the
        same. `draw` stays here; changes and your own method must be functions of a module.
    **options
        Of the method.

    Returns
    -------
    MultistartResult

    Raises
    ------
    ValueError
        Without stages, and for survivors that increase or samples that decrease or exceed those of the problem.
    TypeError
        For a problem, a network, an rng, stages or changes of another kind.
    RuntimeError
        If a change is not the same function.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Freed
    >>> from refkan.training.multilevel import Stage
    >>> x = np.random.default_rng(0).uniform(size=(200, 1))
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 1 / np.pi))
    >>> stages = [Stage(survivors=3, steps=1), Stage(survivors=1, steps=60, change=Freed())]
    >>> result = rk.multistart(problem, np.random.default_rng(1), stages)
    >>> bool(np.sqrt(2 * result.value) < 1e-9), len(result.stages[0].starts)
    (True, 3)
    """
    check_type("problem", problem, LeastSquares)
    base: Any = problem.net
    check_type("problem.net", base, Network)
    rng = as_generator("rng", rng)
    if draw is not None:
        check_function("draw", draw, 2)
    if executor is not None:
        check_type("executor", executor, Executor)
    sizes = check_stages(stages, problem.x.shape[0])
    store, report, since = as_store(checkpoint), report_of(progress), process_time()
    # One domain for all starts, that of all samples, whatever part of them a start sees first.
    net = base.with_domain_of(problem.x)
    order = rng.permutation(problem.x.shape[0])
    parts = [part_of(problem, order[:size]) if size < order.size else problem for size in sizes]
    runs = []
    for k, stream in enumerate(rng.spawn(stages[0].survivors)):
        first = draw(net, stream) if draw is not None and k > 0 else net
        runs.append(Run(k, *first.initialize(stream, parts[0].x, scheme)))
    before = process_time() - since
    return gathered(*compete(runs, stages, parts, method, options, store, report, executor=executor), before)


def gathered(best: Run, stages: tuple[StageTable, ...], problem: Any, before: float) -> MultistartResult:
    """Return what `compete` returned as a result; `before` are the seconds before the first stage."""
    seconds = before + sum(table.seconds for table in stages)
    return MultistartResult(on_network(problem, best.net), best.course, stages, seconds)


def part_of(problem: LeastSquares, rows: Any) -> LeastSquares:
    """Return least squares on some of the samples."""
    weights = None if problem.weights is None else problem.weights[rows]
    return replace(problem, x=problem.x[rows], y=problem.y[rows], weights=weights)
