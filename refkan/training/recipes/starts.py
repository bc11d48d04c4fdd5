r"""Several starts of a multilevel training, of which the best one after a refinement goes on.

Targets of data are trained on with mean 0 and variance 1, and what was trained is put in their units again. Units that
are large against the start of a network, of order 1, let the first damped steps move all its parameters by as much: the
activations of hidden layers then lie far outside the domains of the layers that follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from os import PathLike
from time import process_time
from typing import Any

import numpy as np

from refkan.base import FloatArray, Natural, RandomSource, as_generator, check_annotated, check_function
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.multilevel import Level, MultistartResult, Refined, Stage, StageTable
from refkan.training.multilevel.multilevel import LevelCallback, check_per_level, check_schedule
from refkan.training.multilevel.multistart import gathered
from refkan.training.multilevel.stages import Run, compete
from refkan.training.multilevel.trainings import as_store
from refkan.training.optimizers import Result, State
from refkan.training.recipes.setups.setups import Setup

COMMON = 2
"""Levels on which several starts are trained."""


def units_of(
    targets: FloatArray, weights: FloatArray | None = None, centred: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (Q,) of targets (N, Q), or zero and that from zero; one that is none is 1."""
    centre = np.average(targets, axis=0, weights=weights) if centred else np.zeros(targets.shape[1])
    scale = np.sqrt(np.average((targets - centre) ** 2, axis=0, weights=weights))
    # The spread of equal targets is the rounding of their mean.
    scale[scale <= 1e-14 * np.abs(centre)] = 1.0
    return centre, scale


def in_units(net: Network, theta: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the parameters of ``scale_q F_q + centre_q``: every edge into output q takes a share of centre_q."""
    layer, where = net.layers[-1], net.slices[-1]
    part, theta = theta[where], theta.copy()
    outputs = layer.scaling_vectors(part)
    constants = np.array([rows.sum(axis=0) / max(len(rows), 1) for rows in _constants(net, theta)])
    theta[where] = (part - outputs.sum(axis=0)) + scale @ outputs + centre @ constants
    return theta


def _constants(net: Network, theta: FloatArray) -> list[FloatArray]:
    """For each output the parameters that raise it by one: on every edge, by a bias, or not at all."""
    layer = net.layers[-1]
    return layer.constant_vectors(theta[net.slices[-1]], layer.domains.T)


class TargetUnits:
    """The units of one output, in which trainings of the scaled targets are told and returned.

    A network that has no constants, such as a dense one without a bias at its end, has targets that are scaled alone.
    Values are halved mean squares, and so take the square of the scale. Norms of gradients stay those of the scaled
    problem: parameters of different layers have different units.
    """

    def __init__(self, net: Network, theta: FloatArray, targets: FloatArray) -> None:
        self._centre, self._scale = units_of(targets, centred=all(map(len, _constants(net, theta))))
        self._square = float(self._scale[0] ** 2)

    def scaled(self, targets: FloatArray) -> FloatArray:
        """Return the targets to train on."""
        scaled: FloatArray = (targets - self._centre) / self._scale
        return scaled

    def told(self, callback: LevelCallback) -> LevelCallback:
        """Return the callback of a training on the scaled targets."""

        def tell(level: Level, state: State) -> Any:
            value, best = self._square * state.value, self._square * state.best_value
            theta = self._theta(level.network, state.theta)
            return callback(level, replace(state, theta=theta, value=value, best_value=best))

        return tell

    def run(self, run: Run) -> Run:
        """Return a run with all its trainings."""
        course = tuple(replace(level, result=self._result(level.network, level.result)) for level in run.course)
        return replace(run, theta=course[-1].result.theta, course=course)

    def table(self, table: StageTable) -> StageTable:
        """Return the table of a stage."""
        return replace(table, values=self._square * table.values, theta=self._theta(table.network, table.theta))

    def _theta(self, net: Network, theta: FloatArray) -> FloatArray:
        return in_units(net, theta, self._centre, self._scale)

    def _result(self, net: Network, result: Result) -> Result:
        history = replace(result.history, value=self._square * result.history.value)
        return replace(result, theta=self._theta(net, result.theta), value=self._square * result.value, history=history)


def train_starts(
    setup: Setup,
    net: Network,
    rng: RandomSource,
    schedule: Sequence[int],
    method: Any = "levenberg-marquardt",
    *,
    starts: Natural = 1,
    later: Setup | None = None,
    scheme: str = "linear",
    per_level: Sequence[Mapping[str, Any]] | None = None,
    callback: LevelCallback | None = None,
    checkpoints: Checkpoints | str | PathLike[str] | None = None,
    **options: Any,
) -> MultistartResult:
    r"""Train several starts on the first levels, and the one with the smallest value there on all later levels.

    This is `refkan.multistart` on a set-up, which draws its starts and has equations too. The values of data are
    trained on with mean 0 and variance 1, so that their units do not matter; what is returned and told is in those
    units, but for norms of gradients.

    Parameters
    ----------
    setup : Setup
    net : Network
        The coarsest.
    rng : numpy.random.Generator or seed
        Gives each start a stream of its own.
    schedule, method, per_level, checkpoints, **options
        As for `minimize_multilevel`.
    starts : int
        Of several, all are trained on the first two levels: a refinement shows which minima are good.
    later : Setup, optional
        The same equation with other points, for the levels after these two: many starts on few points, the chosen one
        on many.
    scheme : str
        As for `Network.initialize`.
    callback : callable, optional
        As for `minimize_multilevel`; ``state.stage`` names the start while there are several.

    Raises
    ------
    ValueError
        If later is given, but no level comes after the first two.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import regression_setup, train_starts
    >>> setup = regression_setup(points=100)
    >>> net = setup.kan(widths=[2, 2, 1], intervals=1)
    >>> trained = train_starts(setup, net, np.random.default_rng(0), [2, 2, 2], starts=3)
    >>> trained.network.layers[0].intervals, bool(trained.value <= trained.values.min())
    (4, True)
    """
    schedule = check_schedule(schedule)
    check_annotated(train_starts, locals())
    if callback is not None:
        check_function("callback", callback, 2)
    common = min(COMMON, len(schedule)) if starts > 1 or later else len(schedule)
    if later is not None and common == len(schedule):
        raise ValueError(f"later needs levels after the {COMMON} common ones; the schedule has {len(schedule)}")
    extras = check_per_level(per_level, len(schedule))
    changes = [None, *repeat(Refined(), len(schedule) - 1)]
    stages = [
        Stage(starts if k < common else 1, steps, change=change, options=extra)
        for k, (steps, change, extra) in enumerate(zip(schedule, changes, extras, strict=True))
    ]
    began, runs = process_time(), []
    problem: Any = None
    for k, stream in enumerate(as_generator("rng", rng).spawn(starts)):
        problem, theta = setup.start(net, stream, scheme)
        runs.append(Run(k, problem.net, theta))
    units = None if setup.values is None else TargetUnits(problem.net, theta, problem.y)
    scaled = problem if units is None else replace(problem, y=units.scaled(problem.y))
    problems = [scaled] * len(schedule)
    if later is not None:
        problems[common:] = [replace(problem, terms=later.terms, quiet=True)] * (len(schedule) - common)
    if units is not None and callback is not None:
        callback = units.told(callback)
    before = process_time() - began
    best, tables, last = compete(runs, stages, problems, method, options, as_store(checkpoints), callback=callback)
    if units is not None:
        best, tables, last = units.run(best), tuple(map(units.table, tables)), problem
    return gathered(best, tables, last, before)
