"""What multilevel training returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.training.multilevel.levels import Hierarchy
from refkan.training.multilevel.trainings import TrainedNetwork
from refkan.training.multilevel.work import Work, interval_weight, nominal_work
from refkan.training.optimizers import Result


@dataclass(frozen=True, eq=False)
class MultilevelHistory(ShortRepr):
    """The course over all levels: one entry for the start of each level and one for each of its steps.

    Attributes
    ----------
    level : ndarray of int
    value, gradient_norm : ndarray
        As in `History`. The first entry of a level is the best value of the level before, up to rounding: prolongation
        does not change the function.
    seconds, work : ndarray
        Processor time spent in minimisations so far, and nominal work (see `Work`).
    evaluations : ndarray of int
        So far, on all levels.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> history = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt").history
    >>> history.level, bool(np.isclose(history.value[3], history.value[2]))
    (array([0, 0, 0, 1, 1, 1]), True)
    """

    level: IntArray
    value: FloatArray
    gradient_norm: FloatArray
    seconds: FloatArray
    evaluations: IntArray
    work: FloatArray

    @classmethod
    def joined(cls, results: Sequence[Result], networks: Sequence[Network]) -> MultilevelHistory:
        """Join the histories of levels."""
        seconds, evaluations, work, weight = 0.0, 0, 0.0, interval_weight(networks[-1])
        parts: list[tuple[Any, ...]] = []
        for k, (result, net) in enumerate(zip(results, networks, strict=True)):
            h, share = result.history, interval_weight(net) / weight
            parts.append(
                (
                    np.full(h.value.size, k),
                    h.value,
                    h.gradient_norm,
                    seconds + h.seconds,
                    evaluations + h.evaluations,
                    work + share * h.evaluations,
                )
            )
            seconds += float(h.seconds[-1])
            evaluations += result.n_evaluations
            work += share * result.n_evaluations
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False, repr=False)
class MultilevelResult(ShortRepr):
    """The outcome of `minimize_multilevel`.

    Attributes
    ----------
    theta : ndarray
        On the finest network: the best point seen there.
    network : Network
        The finest one.
    value : float
        The value there.
    problem
        The problem on the finest network.
    hierarchy : Hierarchy
        All levels.
    levels : tuple of Result
        What `minimize` returned on each level, theta on that level's network.
    resumed : tuple of bool
        Which of them come from checkpoints.
    history : MultilevelHistory
    work : Work
    changes : tuple of float
        How much each prolongation changed the function, relative: rounding.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(9 * x))
    >>> result = rk.minimize_multilevel(problem, np.zeros(4), [2, 2], method="levenberg-marquardt")
    >>> result.network.n_params, len(result.levels), max(result.changes) < 1e-14
    (6, 2, True)
    """

    theta: FloatArray
    network: Network
    value: float
    problem: Any
    hierarchy: Hierarchy
    levels: tuple[Result, ...]
    resumed: tuple[bool, ...]
    history: MultilevelHistory
    work: Work
    changes: tuple[float, ...]

    @classmethod
    def of(
        cls, hierarchy: Hierarchy, trained: Sequence[TrainedNetwork], changes: Sequence[float], overhead: float
    ) -> MultilevelResult:
        """Gather what came out of the levels."""
        results = tuple(level.result for level in trained)
        networks = [level.network for level in trained]
        evaluations = tuple(result.n_evaluations for result in results)
        work = Work(
            evaluations=evaluations,
            steps=tuple(result.history.value.size - 1 for result in results),
            seconds=tuple(level.seconds for level in trained),
            overhead=overhead,
            unit=trained[-1].costs["unit"],
            nominal=nominal_work(networks, evaluations),
            measured=sum(level.seconds / level.costs["unit"] for level in trained),
        )
        return cls(
            theta=results[-1].theta,
            network=networks[-1],
            value=results[-1].value,
            problem=hierarchy.finest.problem,
            hierarchy=hierarchy,
            levels=results,
            resumed=tuple(level.resumed for level in trained),
            history=MultilevelHistory.joined(results, networks),
            work=work,
            changes=tuple(changes),
        )

    def __repr__(self) -> str:
        return (
            f"MultilevelResult(value={self.value:.6g}, values={[float(f'{r.value:.4g}') for r in self.levels]}, "
            f"steps={list(self.work.steps)}, nominal={self.work.nominal:.4g}, measured={self.work.measured:.4g})"
        )
