r"""Error indicators for each knot interval of a layer: where the residual falls, and where derivatives jump."""

from __future__ import annotations

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_vector
from refkan.base.array_types import FloatArray
from refkan.splines import bsplines
from refkan.training.adaptivity.error_indicators.layer_states import LayerState

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
    >>> from refkan.training.adaptivity import layer_states, residual_shares
    >>> x = np.array([[0.1], [0.4], [0.9]])
    >>> state = layer_states(rk.kan([1, 1], order=2, intervals=2), np.zeros(3), x)[0]
    >>> residual_shares(state, np.array([1.0, 2.0, 5.0]))
    array([[3., 5.]])
    """
    check_annotated(residual_shares, locals())
    squares = as_vector("squares", squares, len(state.z))
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
    >>> from refkan.training.adaptivity import derivative_jumps, layer_states
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4), np.abs(np.linspace(0.0, 1.0, 5) - 0.5)  # a kink at 1/2
    >>> eta = derivative_jumps(layer_states(net, theta, np.linspace(0.0, 1.0, 40)[:, None])[0])
    >>> eta[0] > 0.01 * eta.max()
    array([False,  True,  True, False])
    """
    check_annotated(derivative_jumps, locals())
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
