r"""Algorithm 1 of [S26]: train on the coarsest level, prolong, train on the next one, up to the finest."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy.typing as npt

from refkan.base import as_vector, check_annotated, check_function, real
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.losses.mistaken import network_of
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.staged_results import StagedResult
from refkan.training.multilevel.stages import (
    LevelCallback,
    Refined,
    Stage,
    StageLoop,
    Start,
    as_factors,
    check_schedule,
    plan_of,
)
from refkan.training.multilevel.trainings import Trainer, as_store
from refkan.training.optimizers.progress import Report, report_of


def minimize_multilevel(
    problem: Any,
    theta: npt.ArrayLike,
    schedule: Sequence[int],
    method: str | Trainer = "lbfgs",
    *,
    factors: Any = 2,
    balance: bool = False,
    callback: LevelCallback | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report | None = False,
    **options: Any,
) -> StagedResult:
    r"""Minimise on the coarsest level, prolong, minimise on the next one, up to the finest.

    ::

        for l = 0, ..., L:    theta_l <- minimize(problem_l, theta_l, steps = schedule[l])
                              theta_{l+1} = P_l theta_l

    Every level is a new minimisation: L-BFGS and Adam start without memory, damping as at first. Each starts at the
    best point of the level before. After each prolongation, and after rows are balanced, the two networks are compared
    on the samples and off them.

    Parameters
    ----------
    problem : LeastSquares, Collocation or similar
        On the coarsest network, bound to its data. Others must offer ``net``, what the method needs, and
        ``with_network(net)`` unless they are dataclasses with a field net; ``x`` (N, P) if the comparison is to see
        their samples.
    theta : array_like, shape (n_params,)
        The start, on the coarsest network.
    schedule : sequence of int
        Steps on each level, coarsest first; as many entries as levels. 0 only evaluates the start.
    method : str or callable
        As for `minimize`, or a function called as ``method(problem, theta, steps=..., callback=..., **options)``, with
        geometry and gradient if they are given, that returns a `Result`: your own training on each level.
    factors : int or sequence
        By how much intervals are cut: one number for all refinements, or one entry for each, a number or one a layer.
    balance : bool
        Whether rows before mean-std and min-max maps are multiplied by powers of two after each prolongation, see
        `Network.balance`. The function stays as it is; a level whose descent the scale of a row would stop goes on. It
        does nothing under other maps.
    callback : callable, optional
        Called as ``callback(level, state)`` after every step, with a `Level` and a `State`; StopIteration ends the
        level, and the next one begins. Not called for levels that are resumed.
    checkpoint : Checkpoints or folder, optional
        Each level's result is stored under what it depends on (engine, problem and start on this level, steps, method
        and options) and not computed again; when one of these differs, the level is computed anew. A level that was
        interrupted goes on where it was, see `checkpoint` of `minimize`. A callback is no part of it: a level that it
        ended is not stored.
    progress : bool or callable
        As for `minimize`, on every level: ``state.stage`` says which. Levels that are resumed have no steps.
    **options
        Of the method, on all levels.

    Returns
    -------
    StagedResult
        With `theta` on `network`, the finest one, one `Result` a level, and the joined history.

    Raises
    ------
    ValueError
        For schedules with negative entries; networks that are not nested, such as those of outside="natural"; a stored
        result that belongs to another configuration (named).
    TypeError
        For checkpoints of a problem that changes in place, as `Attention` does.
    RuntimeError
        If a prolongation changes the function by more than rounding.

    Notes
    -----
    [S26] algorithm 1, where schedules are written {32, 16, 8, 4}.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import minimize_multilevel
    >>> x = np.random.default_rng(0).uniform(size=(200, 2))
    >>> net, theta = rk.kan([2, 2, 1], order=3, intervals=[1, 2]).initialize(np.random.default_rng(1), x)
    >>> problem = rk.LeastSquares(net, x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> result = minimize_multilevel(problem, theta, [8, 4, 2], "gd", learning_rate=0.1)
    >>> result.network
    Network([2, 2, 1]: order 3 on 4 intervals (spline), order 3 on 8 intervals (spline), maps: affine; 44 parameters)
    >>> [stage.evaluations for stage in result.stages], result.nominal
    ([9, 5, 3], 7.75)
    """
    check_annotated(minimize_multilevel, locals(), but=("schedule", "callback", "progress"))
    steps = check_schedule(schedule)
    net = network_of(problem)
    changes = [Refined(factor, balance) for factor in as_factors(factors, steps)]
    require_nested(problem, changes)
    start = real("theta", as_vector("theta", theta, net.n_params)).copy()
    if callback is not None:
        check_function("callback", callback, 2)
    stages = [Stage(1, count, change=change) for count, change in zip(steps, [None, *changes], strict=True)]
    loop = StageLoop(method, options, as_store(checkpoint), report_of(progress), callback)
    tables, message = loop.run([Start(0, net, start)], plan_of(stages, [problem] * len(stages)))
    return StagedResult(on_network(problem, tables[-1].network), tables, len(tables) - 1, False, message)


def require_nested(problem: Any, changes: Sequence[Refined]) -> None:
    """Raise an error, before any training, if a network is not contained in its refinement."""
    net = problem.net
    for change in changes:
        finer = net.refine(change.factor)
        if not any(layer.free_knots for layer in net.layers):  # or the matrix depends on the parameters
            net.prolongation(finer)
        on_network(problem, finer)
        net = finer
