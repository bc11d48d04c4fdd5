r"""Error indicators for each knot interval of a layer: its share of the squared residual, and jumps of derivatives.

An indicator depends on the inputs of the layer on the data, its spline spaces and the sensitivity of the loss to its
outputs, and on the squared residual at each point of the problem.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, as_samples, check_count, check_function, check_type, numbers
from refkan.networks import Network
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer, require_knots
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines import bsplines
from refkan.splines.spaces import SplineSpace
from refkan.training.losses import Collocation, LeastSquares
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.unchanged_functions import samples_of


def check_layers(net: Network, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of the layers to refine, ascending; by default all with splines."""
    with_splines = [k for k, layer in enumerate(net.layers) if layer.has_knots]
    if layers is None:
        if not with_splines:
            raise ValueError(f"net must have a layer with knots; got {net.layer_kinds} only")
        return tuple(with_splines)
    chosen = sorted({check_count(f"layers[{i}]", k, 0, len(net.layers) - 1) for i, k in enumerate(layers)})
    if not chosen:
        raise ValueError("layers must name at least one layer; got none")
    for k in chosen:
        if k not in with_splines:
            raise ValueError(f"layers must name layers with knots; got layer {k}, a {type(net.layers[k]).__name__}")
    return tuple(chosen)


class LayerState(Frozen):
    r"""A layer with splines at (theta, x).

    Attributes
    ----------
    layer : KnotLayer
    theta : array
        Its own parameters.
    z : array (N, P)
        Its inputs.
    sensitivity : array (N, Q)
        ``sum_o (dF_o/dy_q)^2``: by how much the squared output of the network moves with output q of the layer.
        Constants of node maps that take statistics are held.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> net = rk.kan([1, 1], order=2, intervals=4)
    >>> state = layer_states(net, np.zeros(5), np.array([[0.1], [0.2], [0.9]]))[0]
    >>> state.intervals_of_samples().ravel(), state.sum_over_intervals(np.ones(3))
    (array([0, 0, 3]), array([[2., 0., 0., 1.]]))
    """

    layer: KnotLayer
    theta: FloatArray
    z: FloatArray
    sensitivity: FloatArray

    @property
    def spaces(self) -> tuple[SplineSpace, ...]:
        """The spline spaces, one for each input."""
        return self.layer.spaces_at(self.theta)

    @property
    def coefficients(self) -> FloatArray:
        """B-spline coefficients (Q, P, dim)."""
        return self.layer.spline_coefficients(self.theta)

    def intervals_of_samples(self) -> IntArray:
        """Return the interval (N, P) in which each input lies.

        The last one is closed; for inputs outside the domain it is that at the near end.
        """
        at = np.empty(self.z.shape, dtype=np.int64)
        for p, space in enumerate(self.spaces):
            at[:, p] = np.searchsorted(space.breakpoints[1:-1], self.z[:, p], side="right")
        return at

    def sum_over_intervals(self, weights: FloatArray) -> FloatArray:
        """Sum weights (N,) of the samples interval by interval: (P, n)."""
        at, n = self.intervals_of_samples(), self.spaces[0].intervals
        return np.array([np.bincount(at[:, p], weights, minlength=n) for p in range(at.shape[1])])


def layer_states(net: Network, theta: FloatArray, x: FloatArray) -> dict[int, LayerState]:
    """Return the state of every layer with splines, by its number, from one sweep forward and one backward.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> x = np.random.default_rng(0).uniform(size=(9, 2))
    >>> net, theta = rk.kan([2, 3, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> {k: (state.z.shape, state.sensitivity.shape) for k, state in layer_states(net, theta, x).items()}
    {0: ((9, 2), (9, 3)), 1: ((9, 3), (9, 1))}
    """
    constants = Statistics(net, theta).constants
    sweep = Sweep.forward(net, theta, x[:, None], constants=constants)
    inputs = [x, *(jet.value[:, 0] for jet in sweep.maps)]
    states: dict[int, LayerState] = {}
    unit = np.eye(net.widths[-1])
    G = np.broadcast_to(unit[:, None], (x.shape[0], unit.shape[0], 1, unit.shape[0]))
    for k, cotangents, _ in sweep.pull_back_apart(G):
        if net.layers[k].has_knots:
            sensitivity = np.sum(cotangents[:, :, 0] ** 2, axis=1)
            states[k] = LayerState(require_knots(net.layers[k]), theta[net.slices[k]], inputs[k], sensitivity)
    return dict(sorted(states.items()))


ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Of coefficients that are trained, relative: a linear solve leaves some tens of eps in each."""


def residual_shares(state: LayerState, squares: FloatArray) -> FloatArray:
    r"""Return the squared residual that falls into each interval, weighted by the layer's sensitivity.

    ::

        eta[p, m] = sum over samples s with z[s, p] in interval m of  rho_s sum_q sum_o (dF_o/dy_q[s])^2

    so that every row has one and the same sum. For the last layer of a network with one output eta[p, m] is the part of
    the squared residual that falls into the interval.

    Parameters
    ----------
    state : LayerState
    squares : array (N,)
        Weighted squared residuals rho_s.

    Returns
    -------
    array (P, n)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states, residual_shares
    >>> x = np.array([[0.1], [0.4], [0.9]])
    >>> state = layer_states(rk.kan([1, 1], order=2, intervals=2), np.zeros(3), x)[0]
    >>> residual_shares(state, np.array([1.0, 2.0, 5.0]))
    array([[3., 5.]])
    """
    return state.sum_over_intervals(squares * state.sensitivity.sum(axis=1))


def derivative_jumps(state: LayerState) -> FloatArray:
    r"""Estimate the squared error of each interval by the jumps of the (r-1)-th derivative at its ends.

    A function with r derivatives is missed by some ``h^r |f^(r)|``, and the jump J of the (r-1)-th derivative of its
    spline, divided by the spacing, estimates ``|f^(r)|``::

        eta[p, m] = sum_q mean over all s of [z[s, p] in interval m] sensitivity[s, q] (h_m^(r-1) |J|_m)^2

    with |J|_m the mean of the jumps at the ends of the interval; at an end of the domain there is none, and the other
    stands alone. One interval has no jump at all: it gets the sensitivity that falls into it, so that it is marked.

    Returns
    -------
    array (P, n)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import derivative_jumps, layer_states
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4), np.abs(np.linspace(0.0, 1.0, 5) - 0.5)  # a kink at 1/2
    >>> eta = derivative_jumps(layer_states(net, theta, np.linspace(0.0, 1.0, 40)[:, None])[0])
    >>> eta[0] > 0.01 * eta.max()
    array([False,  True,  True, False])
    """
    n_samples = max(1, state.z.shape[0])
    n = state.spaces[0].intervals
    if n == 1:
        return state.sum_over_intervals(state.sensitivity.sum(axis=1)) / n_samples
    at, eta = state.intervals_of_samples(), np.zeros((len(state.spaces), n))
    for p, jumps in enumerate(jumps_of(state)):
        scale = np.diff(state.spaces[p].breakpoints) ** (state.spaces[p].order - 1)
        for q, row in enumerate(jumps):
            mass = np.bincount(at[:, p], state.sensitivity[:, q], minlength=n) / n_samples
            eta[p] += mass * (scale * mean_of_ends(row)) ** 2
    return eta


def jumps_of(state: LayerState) -> list[FloatArray]:
    """Return for each input the sizes (Q, n-1) of the jumps of the (r-1)-th derivative at interior breakpoints.

    Jumps no larger than what rounding of the coefficients makes are 0: a polynomial has none.
    """
    jumps = []
    for p, space in enumerate(state.spaces):
        middles = 0.5 * (space.breakpoints[:-1] + space.breakpoints[1:])
        D, c = bsplines.design_matrix(space, middles, derivative=space.order - 1), state.coefficients[:, p].T
        size = np.abs(np.diff(D @ c, axis=0))
        terms = abs(D) @ np.abs(c)
        jumps.append(np.where(size > ROUNDING * (terms[1:] + terms[:-1]), size, 0.0).T)
    return jumps


def mean_of_ends(jumps: FloatArray) -> FloatArray:
    """Mean (n,) over the ends of each interval of what (n-1,) interior breakpoints have."""
    padded = np.concatenate([jumps[:1], jumps, jumps[-1:]])
    return 0.5 * (padded[:-1] + padded[1:])


def sampled(net: Network, target: Callable[[FloatArray], Any], x: Any, weights: Any = None) -> LeastSquares:
    """Return the least-squares problem of a network on the values of a target function at samples.

    Parameters
    ----------
    net : Network
    target : callable
        x (N, P) -> (N, Q) or, for one output, (N,).
    x : array (N, P)
    weights : array (N,), optional

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import sampled
    >>> problem = sampled(rk.kan([1, 1], order=2, intervals=2), lambda x: x > 0.5, [[0.25], [0.75]])
    >>> problem.y.ravel()
    array([0., 1.])
    """
    check_type("net", net, Network)
    check_function("target", target, 1)
    x = as_samples("x", x, net.widths[0])
    y = numbers("target", target(x))
    if y.shape[:1] != x.shape[:1]:
        raise ValueError(f"target must return shape (N,) or (N, Q) for N = {len(x)} samples; got {y.shape}")
    return LeastSquares(net, x, y[:, None] if y.ndim == 1 else y, weights)


def points_of(problem: Any) -> FloatArray:
    """Return the samples of least squares, or the points of all terms of a collocation problem, (N, d_0)."""
    if not isinstance(problem, LeastSquares | Collocation):
        raise TypeError(f"problem must be LeastSquares or Collocation; got {type(problem).__name__}")
    return samples_of(problem)


def squared_residuals(problem: Any, theta: FloatArray) -> FloatArray:
    """Return the squared residual at each point of `points_of`, with weights; they sum to twice the value.

    Both sides of a two-sided condition of a collocation problem carry half of its residual each.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import squared_residuals
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.0], [1.0]], [[1.0], [2.0]])
    >>> squared_residuals(problem, np.zeros(3)), 2 * problem.value(np.zeros(3))
    (array([0.5, 2. ]), 2.5)
    """
    refuse_what_is_no_loss("problem", problem, "misfit")
    if isinstance(problem, Collocation):
        residuals, parts = problem.misfit(theta), []
        for term in problem.terms:
            carried = np.sum((term.factors[:, None] * residuals[term.name]) ** 2, axis=1)
            parts += [carried / len(term.sides)] * len(term.sides)
        return np.concatenate(parts)
    e = problem.misfit(theta)
    weights = 1.0 if problem.weights is None else problem.weights
    return weights * np.sum(e * e, axis=1) / e.shape[0]
