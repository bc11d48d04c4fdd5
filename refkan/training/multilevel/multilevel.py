r"""Algorithm 1 of [S26]: train on the coarsest level, prolong, train on the next one, up to the finest."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from time import process_time
from typing import Any

import numpy.typing as npt

from refkan.base import as_vector, check_count, check_function, check_sequence, check_type, is_sequence, real
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.multilevel.levels import Hierarchy, Level, require_unchanged, samples_of
from refkan.training.multilevel.multilevel_results import MultilevelResult, gradient_seconds
from refkan.training.multilevel.trainings import TrainedNetwork, Trainer, as_store, train
from refkan.training.optimizers import State
from refkan.training.optimizers.results import Report, report_of, staged

LevelCallback = Callable[[Level, State], Any]


def minimize_multilevel(
    problem: Any,
    theta: npt.ArrayLike,
    schedule: Sequence[int],
    method: str | Trainer = "lbfgs",
    geometry: str | None = None,
    *,
    factors: Any = 2,
    gradient: str | None = None,
    per_level: Sequence[Mapping[str, Any]] | None = None,
    callback: LevelCallback | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Any,
) -> MultilevelResult:
    r"""Minimise on the coarsest level, prolong, minimise on the next one, up to the finest.

    ::

        for l = 0, ..., L:    theta_l <- minimize(problem_l, theta_l, steps = schedule[l])
                              theta_{l+1} = P_l theta_l

    Every level is a new minimisation: L-BFGS and Adam start without memory, damping as at first. Each starts at the
    best point of the level before. After each prolongation the two networks are compared on the samples and off them.

    Parameters
    ----------
    problem : LeastSquares, Collocation or similar; or Hierarchy
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
    geometry, gradient : {"spline", "relu"}, optional
        As for `minimize`.
    factors : int or sequence
        By how much intervals are cut: one number for all refinements, or one entry for each, a number or one a layer.
        Ignored for a `Hierarchy`, which has its networks.
    per_level : sequence of mappings, optional
        Options of each level, on top of those for all: Adam's ``{"schedule": rate}``, say.
    callback : callable, optional
        Called as ``callback(level, state)`` after every step, with a `Level` and a `State`; StopIteration ends the
        level, and the next one begins. Not called for levels that are resumed.
    checkpoint : Checkpoints or folder, optional
        Each level's result is stored under what it depends on (problem and start on this level, steps, method and
        options) and not computed again. A level that was interrupted goes on where it was, see `checkpoint` of
        `minimize`. A callback is no part of it: a level that it ended is not stored.
    progress : bool or callable
        As for `minimize`, on every level: ``state.stage`` says which. Levels that are resumed have no steps.
    **options
        Of the method, on all levels.

    Returns
    -------
    MultilevelResult
        With `theta` on `network`, the finest one, one `Result` a level, the joined history, and both measures of work.

    Raises
    ------
    ValueError
        For schedules of another length than there are levels, or with negative entries; networks that are not nested,
        such as those of outside="natural"; a stored result that belongs to another configuration (named).
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
    >>> result.work.steps, result.work.evaluations, result.work.nominal
    ((8, 4, 2), (9, 5, 3), 7.75)
    """
    counts = check_schedule(schedule)
    hierarchy = problem if isinstance(problem, Hierarchy) else Hierarchy.refined(problem, as_factors(factors, counts))
    if len(counts) != len(hierarchy):
        raise ValueError(f"schedule must have one entry a level ({len(hierarchy)}); got {len(counts)}")
    start = real("theta", as_vector("theta", theta, hierarchy[0].network.n_params)).copy()
    extras = check_per_level(per_level, len(counts))
    if callback is not None:
        check_function("callback", callback, 2)
    named = {name: value for name, value in (("geometry", geometry), ("gradient", gradient)) if value is not None}
    store, report = as_store(checkpoint), report_of(progress)
    trained: list[TrainedNetwork] = []
    changes: list[float] = []
    units: list[float] = []
    overhead = 0.0

    def unit() -> dict[str, float]:
        """Time a gradient on the finest level, before the first training that is not resumed."""
        if not units:
            last = hierarchy.finest
            units.append(gradient_seconds(last.problem, hierarchy.prolong(start, len(trained), last.index)))
        return {"unit": units[0]}

    for level, steps, extra in zip(hierarchy, counts, extras, strict=True):
        stage = staged(report, f"level {level.index + 1} of {len(hierarchy)}, {level.network.n_params} parameters")
        told = None if callback is None else partial(callback, level)
        extra = named | options | extra
        trained.append(train(level.problem, start, method, steps, extra, store, stage, told, unit))
        if level is hierarchy.finest:
            break
        began = process_time()
        finer, theta = hierarchy[level.index + 1], trained[-1].result.theta
        start = level.network.convert(theta, finer.network)
        changes.append(require_unchanged(level.network, theta, finer.network, start, samples_of(level.problem)))
        overhead += process_time() - began
    return MultilevelResult(hierarchy, tuple(trained), tuple(changes), overhead)


def check_schedule(schedule: Any) -> list[int]:
    """Return the steps of each level as a list of integers, none negative."""
    schedule = check_sequence("schedule", schedule, "steps, one entry a level")
    if len(schedule) == 0:
        raise ValueError("schedule must have an entry for each level; got none")
    return [check_count(f"schedule[{k}]", steps) for k, steps in enumerate(schedule)]


def check_per_level(per_level: Any, n_levels: int) -> list[dict[str, Any]]:
    """Return the options of each level, none by default."""
    entries = [{}] * n_levels if per_level is None else check_sequence("per_level", per_level, "mappings")
    for k, entry in enumerate(entries):
        check_type(f"per_level[{k}]", entry, Mapping)
    if len(entries) != n_levels:
        raise ValueError(f"per_level must have one entry a level ({n_levels}); got {len(entries)}")
    return [dict(entry) for entry in entries]


def as_factors(factors: Any, schedule: Sequence[int]) -> list[Any]:
    """Return one refinement factor for each step from level to level."""
    n = len(schedule) - 1
    if not is_sequence(factors):
        return [check_count("factors", factors, 2)] * n
    if len(factors) != n:
        raise ValueError(f"factors must be one number or one entry for each of {n} refinements; got {len(factors)}")
    return list(factors)
