"""Several starts of a multilevel training, of which the best one after a refinement goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from os import PathLike
from time import process_time
from typing import Any

from refkan.base import Natural, RandomSource, as_generator, check_annotated, check_function
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.multilevel import MultistartResult, Refined, Stage
from refkan.training.multilevel.multilevel import LevelCallback, check_per_level, check_schedule
from refkan.training.multilevel.multistart import gathered
from refkan.training.multilevel.stages import Run, compete
from refkan.training.multilevel.trainings import as_store
from validation.equations.recipes.setups import Setup

COMMON = 2
"""Levels on which several starts are trained."""


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
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    **options: Any,
) -> MultistartResult:
    r"""Train several starts on the first levels, and the one with the smallest value there on all later levels.

    This is `refkan.multistart` on a set-up, which draws its starts.

    Parameters
    ----------
    setup : Setup
    net : Network
        The coarsest.
    rng : numpy.random.Generator or seed
        Gives each start a stream of its own.
    schedule, method, per_level, checkpoint, **options
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
    >>> from validation.equations.recipes.ordinary_setups import ordinary_setup
    >>> from validation.equations.recipes.starts import train_starts
    >>> setup = ordinary_setup("poisson-1d-peak", points=20)
    >>> net = setup.kan(intervals=2)
    >>> trained = train_starts(setup, net, np.random.default_rng(0), [2, 2, 2], starts=3)
    >>> trained.network.layers[0].intervals, bool(trained.value <= trained.values.min())
    (8, True)
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
    problems = [problem] * len(schedule)
    if later is not None:
        problems[common:] = [replace(problem, terms=later.terms, quiet=True)] * (len(schedule) - common)
    before = process_time() - began
    best, tables, last = compete(runs, stages, problems, method, options, as_store(checkpoint), callback=callback)
    return gathered(best, tables, last, before)
