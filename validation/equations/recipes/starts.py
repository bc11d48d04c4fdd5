"""Several starts of a multilevel training, of which the best one after a refinement goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from refkan.base import (
    Natural,
    RandomSource,
    as_generator,
    check_annotated,
    check_function,
    check_sequence,
    check_type,
)
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.multilevel import Stage
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.staged_results import StagedResult
from refkan.training.multilevel.stages import LevelCallback, Refined, StageLoop, Start, check_schedule, plan_of
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
) -> StagedResult:
    r"""Train several starts on the first levels, and the one with the smallest value there on all later levels.

    This is `refkan.multistart` on a set-up, which draws its starts.

    Parameters
    ----------
    setup : Setup
    net : Network
        The coarsest.
    rng : numpy.random.Generator or seed
        Gives each start a stream of its own.
    schedule, method, checkpoint, **options
        As for `minimize_multilevel`.
    starts : int
        Of several, all are trained on the first two levels: a refinement shows which minima are good.
    later : Setup, optional
        The same equation with other points, for the levels after these two: many starts on few points, the chosen one
        on many.
    scheme : str
        As for `Network.initialize`.
    per_level : sequence of mappings, optional
        Options of each level, on top of those for all.
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
    steps = check_schedule(schedule)
    check_annotated(train_starts, locals())
    if callback is not None:
        check_function("callback", callback, 2)
    common = len(steps)
    if starts > 1 or later is not None:
        common = min(COMMON, common)
    if later is not None and common == len(steps):
        raise ValueError(f"later needs levels after the {COMMON} common ones; the schedule has {len(steps)}")
    stages = []
    for k, (count, extra) in enumerate(zip(steps, check_per_level(per_level, len(steps)), strict=True)):
        survivors = starts if k < common else 1
        change = Refined() if k > 0 else None
        stages.append(Stage(survivors, count, change=change, options=extra))
    drawn = []
    for k, stream in enumerate(as_generator("rng", rng).spawn(starts)):
        problem, theta = setup.start(net, stream, scheme)
        drawn.append(Start(k, problem.net, theta))
    problems = [problem] * len(steps)
    if later is not None:
        problems[common:] = [replace(problem, terms=later.terms, quiet=True)] * (len(steps) - common)
    loop = StageLoop(method, options, as_store(checkpoint), callback=callback)
    tables, message = loop.run(drawn, plan_of(stages, problems))
    return StagedResult(on_network(problems[-1], tables[-1].network), tables, len(tables) - 1, False, message)


def check_per_level(per_level: Any, n_levels: int) -> list[dict[str, Any]]:
    """Return the options of each level, none by default."""
    if per_level is None:
        return [{} for _ in range(n_levels)]
    entries = check_sequence("per_level", per_level, "mappings")
    for k, entry in enumerate(entries):
        check_type(f"per_level[{k}]", entry, Mapping)
    if len(entries) != n_levels:
        raise ValueError(f"per_level must have one entry a level ({n_levels}); got {len(entries)}")
    return [dict(entry) for entry in entries]
