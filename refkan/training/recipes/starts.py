r"""Several starts of a multilevel training, of which the best one after a refinement goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_count, check_type
from refkan.base.array_types import FloatArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.training.multilevel import MultilevelResult, minimize_multilevel
from refkan.training.multilevel.multilevel import check_schedule
from refkan.training.optimizers import Result
from refkan.training.recipes.setups.setups import Setup


@dataclass(frozen=True, eq=False)
class TrainedNetwork(ShortRepr):
    """A network with the result of its training.

    Attributes
    ----------
    network : Network
    result : Result
    resumed : bool
        Whether it comes from a checkpoint.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import regression, train_starts
    >>> setup = regression(points=100)
    >>> trained = train_starts(setup, setup.kan(widths=[2, 2, 1], intervals=1), np.random.default_rng(0), [2, 2])
    >>> [level.network.layers[0].intervals for level in trained.levels], trained.levels[0].resumed
    ([1, 2], False)
    """

    network: Network
    result: Result
    resumed: bool


@dataclass(frozen=True, eq=False)
class StartsResult(ShortRepr):
    """The outcome of `train_starts`.

    Attributes
    ----------
    result : MultilevelResult
        Of the start that was chosen, on its last levels.
    first : MultilevelResult
        The same start on the levels on which all were trained.
    chosen : int
        Its number.
    values : ndarray
        Values of all starts when one was chosen.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import regression, train_starts
    >>> setup = regression(points=100)
    >>> net = setup.kan(widths=[2, 2, 1], order=3, intervals=1)
    >>> trained = train_starts(setup, net, np.random.default_rng(0), [2, 2], starts=2)
    >>> trained.values.size, bool(trained.values[trained.chosen] == trained.values.min()), len(trained.levels)
    (2, True, 2)
    """

    result: MultilevelResult
    first: MultilevelResult
    chosen: int
    values: FloatArray

    @property
    def levels(self) -> list[TrainedNetwork]:
        """What came out of each level, coarsest first."""
        parts = [self.first] if self.first is self.result else [self.first, self.result]
        found = []
        for k, part in enumerate(parts):
            for level, result, resumed in zip(part.hierarchy, part.levels, part.resumed, strict=True):
                # The first level of the second part is the last one of the first, evaluated once more.
                if k == 0 or level.index > 0:
                    found.append(TrainedNetwork(level.network, result, resumed))
        return found


def train_starts(
    setup: Setup,
    net: Network,
    rng: np.random.Generator,
    schedule: Sequence[int],
    method: Any = "levenberg-marquardt",
    *,
    starts: int = 1,
    common: int = 2,
    later: Setup | None = None,
    scheme: str = "linear",
    factors: Any = 2,
    per_level: Sequence[dict[str, Any]] | None = None,
    progress: Callable[[str], Any] | None = None,
    **options: Any,
) -> StartsResult:
    r"""Train several starts on the first levels, and the one with the least value there on all others.

    Parameters
    ----------
    setup : Setup
    net : Network
        The coarsest.
    rng : numpy.random.Generator
        Gives each start a stream of its own.
    schedule, method, factors, per_level, **options
        As for `minimize_multilevel`.
    starts : int
    common : int
        Levels on which all starts are trained: 2, a refinement, shows which minima are good.
    later : Setup, optional
        The same equation with other points, for the levels after the common ones: many starts on few points, the chosen
        one on many.
    scheme : str
        As for `Network.initialize`.
    progress : callable, optional
        Called with a line of text after each start.

    Raises
    ------
    ValueError
        If later is given, but no level comes after the common ones.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import regression, train_starts
    >>> setup = regression(points=100)
    >>> net = setup.kan(widths=[2, 2, 1], intervals=1)
    >>> trained = train_starts(setup, net, np.random.default_rng(0), [2, 2, 2], starts=3)
    >>> trained.result.network.layers[0].intervals, bool(trained.result.value <= trained.values.min())
    (4, True)
    """
    check_annotated(train_starts, locals(), but=("schedule", "progress"))
    check_type("rng", rng, np.random.Generator)
    starts, schedule = check_count("starts", starts, 1), check_schedule(schedule)
    common = check_count("common", common, 1, len(schedule)) if starts > 1 or later else len(schedule)
    if later is not None and common == len(schedule):
        raise ValueError(f"later needs levels after the {common} common ones; the schedule has {len(schedule)}")
    cuts = list(factors) if isinstance(factors, Sequence) else [factors] * (len(schedule) - 1)
    extras = [{} for _ in schedule] if per_level is None else list(per_level)
    values, best = np.full(starts, np.inf), None
    for k, stream in enumerate(rng.spawn(starts)):
        problem, theta = setup.start(net, stream, scheme)
        trained = minimize_multilevel(
            problem,
            theta,
            schedule[:common],
            method,
            factors=cuts[: common - 1],
            per_level=extras[:common],
            **options,
        )
        values[k] = trained.value
        if best is None or trained.value < best[1].value:
            best = (k, trained)
        if progress is not None:
            progress(f"start {k}: loss {2 * trained.value:.3g}")
    assert best is not None
    chosen, first = best
    if common == len(schedule):
        return StartsResult(first, first, chosen, values)
    result = minimize_multilevel(
        first.problem if later is None else replace(first.problem, terms=later.terms, quiet=True),
        first.theta,
        [0, *schedule[common:]],
        method,
        factors=cuts[common - 1 :],
        per_level=[{}, *extras[common:]],
        **options,
    )
    return StartsResult(result, first, chosen, values)
