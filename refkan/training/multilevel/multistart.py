r"""Many starts on the coarsest network, few on the finest: pruned from stage to stage by training loss."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from refkan.base import (
    RandomSource,
    as_generator,
    check_annotated,
    check_count,
    check_function,
    check_sequence,
    check_type,
)
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.staged_results import StagedResult
from refkan.training.multilevel.stages import Stage, StageLoop, Start, plan_of
from refkan.training.multilevel.trainings import Trainer, as_store
from refkan.training.optimizers.progress import Report, report_of


def multistart(
    problem: LeastSquares,
    rng: RandomSource,
    stages: Sequence[Stage],
    *,
    method: str | Trainer = "variable-projection",
    draw: Callable[[Network, np.random.Generator], Network] | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report | None = False,
    **options: Any,
) -> StagedResult:
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
    draw : callable, optional
        (network, rng) -> the network that each start but the first begins with, such as
        `refkan.training.adaptivity.cut_networks.with_random_knots`: where free knots end depends on where they start.
    checkpoint : Checkpoints or folder, optional
        Each stage of each start is stored and not computed again.
    progress : bool or callable
        As for `minimize`, for all trainings: ``state.stage`` says of which start in which stage. True also shows a line
        after each stage, and so does ``ProgressLines(write)``.
    **options
        Of the method.

    Returns
    -------
    StagedResult
        The start of the least value in the last stage, on the samples of that stage.

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
    >>> from refkan.training.adaptivity.cut_networks import Freed
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
    check_annotated(multistart, locals(), but=("rng", "stages", "draw", "progress"))
    rng = as_generator("rng", rng)
    if draw is not None:
        check_function("draw", draw, 2)
    count = problem.x.shape[0]
    sizes = check_stages(stages, count)
    store, report = as_store(checkpoint), report_of(progress)
    # One domain for all starts, that of all samples, whatever part of them a start sees first.
    net = base.with_domain_of(problem.x)
    order = rng.permutation(count)
    parts = [part_of(problem, order[:size]) if size < count else problem for size in sizes]
    starts = []
    for number, stream in enumerate(rng.spawn(stages[0].survivors)):
        first = net
        if draw is not None and number > 0:
            first = draw(net, stream)
            check_type("what draw returns", first, Network)
        starts.append(Start(number, *first.initialize(stream, parts[0].x)))
    tables, message = StageLoop(method, options, store, report).run(starts, plan_of(stages, parts))
    return StagedResult(on_network(parts[-1], tables[-1].network), tables, len(tables) - 1, False, message)


def check_stages(stages: Any, n_samples: int) -> list[int]:
    """Return the number of samples of each stage; ValueError or TypeError for stages that make no `multistart`."""
    check_sequence("stages", stages, "Stage")
    if not stages:
        raise ValueError("stages must hold at least one stage; got none")
    sizes: list[int] = []
    for k, stage in enumerate(stages):
        check_type(f"stages[{k}]", stage, Stage)
        size = n_samples
        if stage.samples is not None:
            size = check_count(f"stages[{k}].samples", stage.samples, 1, n_samples)
        sizes.append(size)
        if k == 0:
            continue
        before = stages[k - 1].survivors
        if stage.survivors > before:
            raise ValueError(f"survivors must not increase; got {stage.survivors} in stage {k} after {before}")
        if size < sizes[k - 1]:
            raise ValueError(f"samples must not decrease; got {size} in stage {k} after {sizes[k - 1]}")
    return sizes


def part_of(problem: LeastSquares, rows: Any) -> LeastSquares:
    """Return least squares on some of the samples."""
    weights = None if problem.weights is None else problem.weights[rows]
    return replace(problem, x=problem.x[rows], y=problem.y[rows], weights=weights)
