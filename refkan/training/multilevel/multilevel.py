r"""Algorithm 1 of [S26]: train on the coarsest level, prolong, train on the next one, up to the finest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from time import process_time
from typing import Any

import numpy.typing as npt

from refkan.base.arguments import as_vector, check_count, check_function, check_sequence, check_type, is_sequence, real
from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.kernels.engine_choice import current_engine
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.multilevel.levels import Hierarchy, Level
from refkan.training.multilevel.multilevel_results import MultilevelHistory, MultilevelResult, TrainedLevel
from refkan.training.multilevel.rates import with_ramp
from refkan.training.multilevel.unchanged import require_unchanged, samples_of
from refkan.training.multilevel.work import Work, gradient_seconds, nominal_work
from refkan.training.optimizers import STOPPED, Result, State, minimize
from refkan.training.optimizers.progress import Report, note, report_of, staged

LevelCallback = Callable[[Level, State], Any]
Trainer = Callable[..., Result]


def minimize_multilevel(
    problem: Any,
    theta: npt.ArrayLike,
    schedule: Sequence[int],
    method: str | Trainer = "lbfgs",
    geometry: str | None = None,
    *,
    factors: Any = 2,
    gradient: str | None = None,
    ramp: tuple[int, float] | None = None,
    per_level: Sequence[Mapping[str, Any]] | None = None,
    callback: LevelCallback | None = None,
    checkpoints: Checkpoints | str | PathLike[str] | None = None,
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
        geometry and gradient if they are given, that returns a `Result`: a training of one's own on each level.
    geometry, gradient : {"spline", "relu"}, optional
        As for `minimize`.
    factors : int or sequence
        By how much intervals are cut: one number for all refinements, or one entry for each, a number or one a layer.
        Ignored for a `Hierarchy`, which has its networks.
    ramp : pair (steps, rate), optional
        Adam: on every level the learning rate rises linearly from this rate to its own in the first steps.
    per_level : sequence of mappings, optional
        Options of each level, on top of those for all.
    callback : callable, optional
        Called as ``callback(level, state)`` after every step, with a `Level` and a `State`; StopIteration ends the
        level, and the next one begins. Not called for levels that are resumed.
    checkpoints : Checkpoints or path, optional
        Each level's result is stored under its configuration (problem, start, networks, schedule, method and options
        up to this level) and not computed again. A callback is no part of it: a level that it ended, and those after,
        are not stored.
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
    >>> result = minimize_multilevel(problem, theta, [8, 4, 2], method="lbfgs-fixed-step", inner=1)
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
    for k, entry in enumerate(() if per_level is None else check_sequence("per_level", per_level, "mappings")):
        check_type(f"per_level[{k}]", entry, Mapping)
    if callback is not None:
        check_function("callback", callback, 2)
    extras = [{}] * len(counts) if per_level is None else [dict(entry) for entry in per_level]
    if len(extras) != len(counts):
        raise ValueError(f"per_level must have one entry a level ({len(counts)}); got {len(extras)}")
    named = {name: value for name, value in (("geometry", geometry), ("gradient", gradient)) if value is not None}
    training = Training(hierarchy, method, callback, report_of(progress))
    if checkpoints is not None:
        training.store_in(checkpoints if isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints), start)
    for level, steps, extra in zip(hierarchy, counts, extras, strict=True):
        training.run_level(level, start, steps, named | options | extra, ramp)
        if level is not hierarchy.finest:
            start = training.prolong(level)
    return training.result()


def check_schedule(schedule: Any) -> list[int]:
    """Return the steps of each level as a list of integers, none negative."""
    schedule = check_sequence("schedule", schedule, "steps, one entry a level")
    if len(schedule) == 0:
        raise ValueError("schedule must have an entry for each level; got none")
    return [check_count(f"schedule[{k}]", steps) for k, steps in enumerate(schedule)]


def as_factors(factors: Any, schedule: Sequence[int]) -> list[Any]:
    """Return one refinement factor for each step from level to level."""
    n = len(schedule) - 1
    if not is_sequence(factors):
        return [check_count("factors", factors, 1)] * n
    if len(factors) != n:
        raise ValueError(f"factors must be one number or one entry for each of {n} refinements; got {len(factors)}")
    return list(factors)


@dataclass(eq=False)
class Training:
    """A multilevel training as it goes."""

    hierarchy: Hierarchy
    method: str | Trainer
    callback: LevelCallback | None
    report: Report | None = None
    checkpoints: Checkpoints | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    trained: list[TrainedLevel] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    overhead: float = 0.0
    unit: float = 0.0

    def store_in(self, checkpoints: Checkpoints, theta: FloatArray) -> None:
        """Keep the results of levels, under all that they depend on."""
        self.checkpoints = checkpoints
        self.configuration = {
            "task": "level of a multilevel training",
            "engine": current_engine(),
            "problem": fingerprint(self.hierarchy[0].problem, "problem"),
            "theta": fingerprint(theta),
            "method": self.method if isinstance(self.method, str) else fingerprint(self.method, "method"),
            "levels": [],
        }

    def run_level(self, level: Level, theta: FloatArray, steps: int, options: dict[str, Any], ramp: Any) -> None:
        """Minimise on a level, or take the stored result."""

        def task() -> dict[str, Any]:
            if self.unit == 0.0:
                finest = self.hierarchy.finest
                self.unit = gradient_seconds(finest.problem, self.hierarchy.prolong(theta, level.index, finest.index))
            return self._minimize(level, theta, steps, with_ramp(self.method, options, ramp)).packed()

        if self.checkpoints is None:
            self.trained.append(TrainedLevel.unpacked(task()))
            return
        described = {"network": fingerprint(level.network, "network"), "steps": steps}
        described |= {name: fingerprint(value, f"option {name}") for name, value in {**options, "ramp": ramp}.items()}
        self.configuration = self.configuration | {"levels": [*self.configuration["levels"], described]}
        packed = self.checkpoints.get(self.configuration)
        resumed = packed is not None
        if packed is None:
            packed = task()
            if packed["result"]["message"].startswith(STOPPED):
                self.checkpoints = None  # its configuration, part of those of all finer levels, promises more steps
            else:
                packed = self.checkpoints.run(self.configuration, lambda: packed, fresh=True)
        self.trained.append(TrainedLevel.unpacked(packed, resumed))
        if resumed:
            note(self._report_of(level), f"resumed, value {self.trained[-1].result.value:.4g}")

    def _minimize(self, level: Level, theta: FloatArray, steps: int, options: dict[str, Any]) -> TrainedLevel:
        callback, report = self.callback, self._report_of(level)
        shown = report if callable(self.method) else None  # a method of one's own knows of callbacks alone
        told = None
        if callback is not None or shown is not None:

            def told(state: State) -> None:
                if shown is not None:
                    shown(replace(state, theta=state.theta.copy()))
                if callback is not None:
                    callback(level, state)

        began = process_time()
        if callable(self.method):
            result = self.method(level.problem, theta, steps=steps, callback=told, **options)
            check_type("what method returns", result, Result)
            note(report, f"{result.message}, value {result.value:.4g}")
        else:
            options = {"callback": told, "progress": report or False, **options}
            result = minimize(level.problem, theta, method=self.method, steps=steps, **options)
        return TrainedLevel(result, process_time() - began, self.unit)

    def _report_of(self, level: Level) -> Report | None:
        """What is told of the steps of a level."""
        where = f"level {level.index + 1} of {len(self.hierarchy)}, {level.network.n_params} parameters"
        return staged(self.report, where)

    def prolong(self, level: Level) -> FloatArray:
        """Take the last result to the next finer level and check that it is the same function there."""
        began = process_time()
        finer, theta = self.hierarchy[level.index + 1], self.trained[-1].result.theta
        fine = level.network.convert(theta, finer.network)
        samples = samples_of(level.problem)
        self.changes.append(require_unchanged(level.network, theta, finer.network, fine, samples))
        self.overhead += process_time() - began
        return fine

    def result(self) -> MultilevelResult:
        """Return what came out."""
        results = tuple(level.result for level in self.trained)
        networks = [level.network for level in self.hierarchy]
        evaluations = tuple(result.n_evaluations for result in results)
        work = Work(
            evaluations=evaluations,
            steps=tuple(result.history.value.size - 1 for result in results),
            seconds=tuple(level.seconds for level in self.trained),
            overhead=self.overhead,
            unit=self.trained[-1].unit,
            nominal=nominal_work(networks, evaluations),
            measured=sum(level.seconds / level.unit for level in self.trained),
        )
        finest = self.hierarchy.finest
        return MultilevelResult(
            theta=results[-1].theta,
            network=finest.network,
            value=results[-1].value,
            problem=finest.problem,
            hierarchy=self.hierarchy,
            levels=results,
            resumed=tuple(level.resumed for level in self.trained),
            history=MultilevelHistory.joined(results, networks),
            work=work,
            changes=tuple(self.changes),
        )
