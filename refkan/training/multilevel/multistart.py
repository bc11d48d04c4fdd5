r"""Many starts on the coarsest level, few on the finest: pruned from level to level by training loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from time import process_time
from typing import Any

import numpy as np

from refkan.base.arguments import check_count, check_sequence, check_type
from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.multilevel import as_factors, check_schedule
from refkan.training.multilevel.refined_networks import Refined
from refkan.training.multilevel.stages import Stage, StageTable, compete
from refkan.training.multilevel.work import gradient_seconds, interval_weight
from refkan.training.optimizers.progress import Report, report_of


@dataclass(frozen=True, eq=False, repr=False)
class MultistartResult(ShortRepr):
    """The outcome of `multistart`.

    Attributes
    ----------
    theta : ndarray
        On `network`: the start with the least value on the finest level.
    network : Network
    value : float
        On the samples of the finest level.
    levels : tuple of StageTable
        Coarsest first.
    nominal : float
        ``sum evaluations weight/weight_L samples/N``: in evaluations of the finest network on all N samples.
    seconds, unit : float
        Processor time of everything, and of one value with gradient of the finest network on all samples; their
        quotient is the measured work.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> problem = rk.LeastSquares(rk.kan([2, 2, 1], order=3, intervals=1), x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> result = rk.multistart(problem, np.random.default_rng(1), [3, 3], [4, 1])
    >>> bool(result.value == result.levels[-1].values[0]), result.network.layers[0].intervals
    (True, 2)
    """

    theta: FloatArray
    network: Network
    value: float
    levels: tuple[StageTable, ...]
    nominal: float
    seconds: float
    unit: float

    def __repr__(self) -> str:
        best = [float(f"{level.values[0]:.4g}") for level in self.levels]
        return f"MultistartResult(value={self.value:.6g}, best of each level={best}, seconds={self.seconds:.3g})"


def multistart(
    problem: LeastSquares,
    rng: np.random.Generator,
    schedule: Sequence[int],
    survivors: Sequence[int],
    *,
    samples: Sequence[int | None] | None = None,
    factors: Any = 2,
    method: str = "variable-projection",
    scheme: str = "linear",
    checkpoints: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report = False,
    **options: Any,
) -> MultistartResult:
    r"""Train many starts on the coarsest level and ever fewer on the finer ones.

    What separates good minima from bad ones is decided where training is cheap; which of them are good shows after a
    refinement. Level l trains ``survivors[l]`` networks, those of the least values on the level before.

    Parameters
    ----------
    problem : LeastSquares
        Of the coarsest network, bound to data or not: each start binds it anew.
    rng : numpy.random.Generator
        Draws the samples of each level, then one stream for each start.
    schedule : sequence of int
        Steps on each level.
    survivors : sequence of int
        How many starts each level trains, as many entries, not increasing; the first is the number of starts.
    samples : sequence of int or None, optional
        How many samples each level trains on, not decreasing, drawn without replacement; None stands for all, and is
        the default. Smaller sets are contained in larger ones. The smallest set is the statistics batch of node maps
        that need one, on all levels: prolongation leaves the function alone.
    factors : int or sequence
        As for `minimize_multilevel`.
    method : str
        As for `minimize`.
    scheme : str
        As for `Network.initialize`.
    checkpoints : Checkpoints or path, optional
        Each level of each start is stored and not computed again.
    progress : bool or callable
        As for `minimize`, for all trainings: ``state.stage`` says of which start on which level. True also shows a line
        after each level, and so does ``ProgressLines(write)``.
    **options
        Of the method.

    Returns
    -------
    MultistartResult

    Raises
    ------
    ValueError
        For sequences of different lengths, more survivors on a level than on the one before, and more samples than
        there are.
    TypeError
        For a problem, a network or an rng of another kind, and what is no sequence of integers.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import multistart
    >>> x = np.random.default_rng(0).uniform(size=(300, 2))
    >>> problem = rk.LeastSquares(rk.kan([2, 2, 1], order=3, intervals=1), x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> result = multistart(problem, np.random.default_rng(1), [5, 5], [4, 1], samples=[100, None])
    >>> [len(level.starts) for level in result.levels], result.network.layers[0].intervals
    ([4, 1], 2)
    """
    check_type("problem", problem, LeastSquares)
    net: Any = problem.net
    check_type("problem.net", net, Network)
    check_type("rng", rng, np.random.Generator)
    steps = check_schedule(schedule)
    kept = _check_survivors(survivors, len(steps))
    sizes = _check_samples(samples, len(steps), problem.x.shape[0])
    cuts = as_factors(factors, steps)
    stages = [
        Stage(number, count, change=Refined(cuts[k - 1]) if k else None)
        for k, (count, number) in enumerate(zip(steps, kept, strict=True))
    ]
    store = checkpoints if checkpoints is None or isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)
    began = process_time()
    best, tables = compete(
        problem, rng, stages, sizes, method, scheme, store, report_of(progress), options, name="level"
    )
    seconds = process_time() - began
    weights = [interval_weight(net) for net in _networks(net, cuts)]
    total = sum(t.evaluations * t.samples * w for t, w in zip(tables, weights, strict=True))
    return MultistartResult(
        theta=best.theta,
        network=best.net,
        value=best.value,
        levels=tables,
        nominal=total / (weights[-1] * problem.x.shape[0]),
        seconds=seconds,
        unit=gradient_seconds(replace(problem, net=best.net), best.theta),
    )


def _networks(net: Network, factors: Sequence[Any]) -> list[Network]:
    networks = [net]
    for factor in factors:
        networks.append(networks[-1].refine(factor))
    return networks


def _check_survivors(survivors: Any, n_levels: int) -> list[int]:
    entries = check_sequence("survivors", survivors, "counts, one entry a level")
    counts = [check_count(f"survivors[{k}]", number, 1) for k, number in enumerate(entries)]
    if len(counts) != n_levels:
        raise ValueError(f"survivors must have one entry a level ({n_levels}); got {len(counts)}")
    for k in range(1, n_levels):
        if counts[k] > counts[k - 1]:
            raise ValueError(f"survivors must not increase; got survivors[{k}] = {counts[k]} after {counts[k - 1]}")
    return counts


def _check_samples(samples: Any, n_levels: int, n_samples: int) -> list[int]:
    if samples is None:
        return [n_samples] * n_levels
    samples = check_sequence("samples", samples, "counts or None, one entry a level")
    if len(samples) != n_levels:
        raise ValueError(f"samples must have one entry a level ({n_levels}); got {len(samples)}")
    sizes = [
        n_samples if size is None else check_count(f"samples[{k}]", size, 1, n_samples)
        for k, size in enumerate(samples)
    ]
    for k in range(1, n_levels):
        if sizes[k] < sizes[k - 1]:
            raise ValueError(f"samples must not decrease; got samples[{k}] = {sizes[k]} after {sizes[k - 1]}")
    return sizes
