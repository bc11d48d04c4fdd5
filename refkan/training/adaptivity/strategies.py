r"""Ways to refine a network: by the residual, by derivative jumps, uniformly; and the refits that they compete with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, KnotError, as_vector, check_annotated
from refkan.networks import Network
from refkan.networks.layers import Layer
from refkan.training.adaptivity.bisection import Mark, bisect, mark_layer, may_be_cut
from refkan.training.adaptivity.indicators import (
    LayerState,
    derivative_jumps,
    layer_states,
    points_of,
    residual_shares,
    squared_residuals,
)
from refkan.training.adaptivity.refits import curvature_breakpoints, quantile_breakpoints, refit_layer, uniform_rows


class Situation(Frozen):
    """A trained network, and what a refinement may do with it.

    Attributes
    ----------
    problem : LeastSquares or Collocation
    theta : array
    layers : tuple of int
        The layers that may be refined.
    fraction : float
        Of Doerfler's rule.
    least_samples : int
        Different inputs that an interval must hold to be cut.
    room : int or None
        How many parameters may be added; None for any number.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.strategies import Situation
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.9]], [[1.0], [0.0]])
    >>> situation = Situation(problem, np.zeros(3), (0,), fraction=0.5, least_samples=1, room=None)
    >>> situation.net.n_params, list(situation.states())
    (3, [0])
    """

    problem: Any
    theta: FloatArray
    layers: tuple[int, ...]
    fraction: float
    least_samples: int
    room: int | None

    @property
    def net(self) -> Network:
        """The network of the problem."""
        return self.problem.net

    def states(self) -> dict[int, LayerState]:
        """Return the states of the layers that may be refined, at the points of the problem."""
        states = layer_states(self.net, self.theta, points_of(self.problem))
        return {k: states[k] for k in self.layers}


class Refinement(Frozen):
    """A network to continue with, or the reason why there is none.

    Attributes
    ----------
    network, theta : Network, array
        The old ones if there is a reason.
    reason : str
        Empty where the network was refined.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.strategies import STRATEGIES, Situation
    >>> from refkan.training.adaptivity import Refinement
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.9]], [[1.0], [0.0]])
    >>> refinement = STRATEGIES["uniform"].refine(Situation(problem, np.zeros(3), (0,), 0.5, 1, room=None))
    >>> isinstance(refinement, Refinement), refinement.network.n_params, refinement.reason
    (True, 5, '')
    """

    network: Network
    theta: FloatArray
    reason: str = ""

    def __post_init__(self) -> None:
        check_annotated(Refinement, vars(self))
        vars(self).update(theta=as_vector("theta", self.theta, self.network.n_params))


def cost_of_interval(layer: Layer) -> int:
    """Parameters that one more interval of every input of a layer adds."""
    return layer.n_inputs * (layer.n_outputs + layer.free_knots)


def uniformly(situation: Situation) -> Refinement:
    """Halve every interval."""
    net = situation.net
    fine = net.refine([2 if k in situation.layers else 1 for k in range(len(net.layers))])
    if situation.room is not None and fine.n_params - net.n_params > situation.room:
        return _none(situation, _full(situation))
    return Refinement(fine, net.convert(situation.theta, fine))


def cut_marked(situation: Situation, indicators: Callable[[LayerState], FloatArray]) -> Refinement:
    """Halve the intervals where the indicators of each layer are largest."""
    marks: list[Mark] = []
    allowed = 0
    for k, state in situation.states().items():
        worth, possible = may_be_cut(state, situation.least_samples)
        allowed += int(worth.sum())
        marks += mark_layer(k, indicators(state), worth, possible, situation.fraction)
    if not marks:
        why = "no indicator is positive there" if allowed else "none holds enough samples or is long enough"
        return _none(situation, f"no interval to cut: {why}")
    marks = within(marks, situation)
    if not marks:
        return _none(situation, _full(situation))
    return Refinement(*bisect(situation.net, situation.theta, marks))


def within(marks: Sequence[Mark], situation: Situation) -> list[Mark]:
    """Return the marks that there is room for, those of the largest share of their layer first."""
    if situation.room is None:
        return list(marks)
    kept, left = [], situation.room
    for mark in sorted(marks, key=lambda mark: -mark.share):
        cost = cost_of_interval(situation.net.layers[mark.layer])
        if cost <= left:
            kept.append(mark)
            left -= cost
    return kept


def refit(situation: Situation, place: Callable[[LayerState, int], FloatArray]) -> Refinement:
    """Take twice as many intervals, or as many as there is room for, refitted by least squares."""
    counts = doubled_within(situation)
    if not any(counts.values()):
        return _none(situation, _full(situation))
    layers = list(situation.net.layers)
    parts = [situation.theta[where] for where in situation.net.slices]
    for k, state in situation.states().items():
        try:
            n = state.spaces[0].intervals + counts[k]
            layers[k], parts[k] = refit_layer(state, place(state, n))
        except KnotError as error:
            return _none(situation, f"layer {k} cannot have {n} intervals there: {error}")
    return Refinement(replace(situation.net, layers=tuple(layers)), np.concatenate(parts))


def doubled_within(situation: Situation) -> dict[int, int]:
    """Return how many intervals each layer gains: as many as it has, or the same share of them as there is room for."""
    layers = {k: situation.net.layers[k] for k in situation.layers}
    present = {k: layer.intervals for k, layer in layers.items()}
    wanted = sum(layer.intervals * cost_of_interval(layer) for layer in layers.values())
    if situation.room is None or wanted <= situation.room:
        return present
    return {k: n * situation.room // wanted for k, n in present.items()}


def _none(situation: Situation, reason: str) -> Refinement:
    return Refinement(situation.net, situation.theta, reason)


def _full(situation: Situation) -> str:
    return f"max_params leaves room for {situation.room} more parameters, fewer than the next refinement needs"


class Strategy(Checked):
    """A way for `minimize_adaptive` to refine a trained network.

    Attributes
    ----------
    refine : callable
        Takes a `Situation` and returns a `Refinement`.
    exact : bool
        Whether a refinement leaves the function as it is.

    Examples
    --------
    >>> from refkan.training.adaptivity.strategies import STRATEGIES, Strategy
    >>> {name: strategy.exact for name, strategy in STRATEGIES.items()}
    {'residual': True, 'jumps': True, 'uniform': True, 'extension': False, 'quantile': False, 'curvature': False}
    """

    refine: Callable[[Situation], Refinement]
    exact: bool


def by_residual(situation: Situation) -> Refinement:
    """Halve the intervals into which most of the squared residual falls."""
    squares = squared_residuals(situation.problem, situation.theta)
    return cut_marked(situation, lambda state: residual_shares(state, squares))


STRATEGIES = {
    "residual": Strategy(by_residual, exact=True),
    "jumps": Strategy(partial(cut_marked, indicators=derivative_jumps), exact=True),
    "uniform": Strategy(uniformly, exact=True),
    "extension": Strategy(partial(refit, place=uniform_rows), exact=False),
    "quantile": Strategy(partial(refit, place=quantile_breakpoints), exact=False),
    "curvature": Strategy(partial(refit, place=curvature_breakpoints), exact=False),
}
"""Refinements by name."""
