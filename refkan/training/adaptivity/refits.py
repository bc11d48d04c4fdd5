r"""Knots chosen anew, the functions refitted at the data by least squares: what other codes do, not exact."""

import numpy as np

from refkan.base import FloatArray
from refkan.networks.layers import Layer
from refkan.splines.knots import uniform_breakpoints
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import least_squares_transfer
from refkan.training.adaptivity.indicators import LayerState, jumps_of, mean_of_ends

UNIFORM_SHARE = 0.02
"""Share of uniform breakpoints that is mixed into quantiles: the default `grid_eps` of pykan 0.2.8."""

LEAST_DENSITY = 0.05
"""Least density of breakpoints relative to the mean, so that curvature of zero does not leave a region without any."""


def uniform_rows(state: LayerState, intervals: int) -> FloatArray:
    """Uniform breakpoints (P, intervals + 1): the grid extension of Liu et al., arXiv 2404.19756, section 2.4."""
    return np.array([uniform_breakpoints(intervals, space.domain) for space in state.spaces])


def quantile_breakpoints(state: LayerState, intervals: int) -> FloatArray:
    """Return breakpoints (P, intervals + 1) at quantiles of the inputs, mixed with a small share of uniform ones.

    This is the grid update of KAN codes, but on a fixed domain: its ends stay. Inputs outside count at the ends.

    Notes
    -----
    Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), section 2.4, and `update_grid_from_samples` of
    pykan.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> from refkan.training.adaptivity.refits import quantile_breakpoints
    >>> x = np.linspace(0.0, 1.0, 101)[:, None] ** 2  # crowded on the left
    >>> quantile_breakpoints(layer_states(rk.kan([1, 1], order=2, intervals=2), np.zeros(3), x)[0], 4).round(2)
    array([[0.  , 0.07, 0.26, 0.57, 1.  ]])
    """
    levels = np.linspace(0.0, 1.0, intervals + 1)
    rows = []
    for p, space in enumerate(state.spaces):
        a, b = space.domain
        rows.append(np.quantile(np.clip(state.z[:, p], a, b), levels))
        rows[-1][[0, -1]] = a, b
    return _mixed(np.array(rows))


def curvature_breakpoints(state: LayerState, intervals: int) -> FloatArray:
    r"""Return breakpoints (P, intervals + 1) that share ``int |f^(r)|^(1/(r + 1/2)) dx`` out evenly.

    On an interval of length h the squared error is ``C h^(2r+1) |f^(r)|^2``, so that these breakpoints make it the same
    on all: least in all. ``|f^(r)|`` is estimated by jumps of the (r-1)-th derivative over spacings, for order 2 the
    curvature; over outputs it is the root of the sum of squares, weighted by their mean sensitivities. The density is
    at least 0.05 of its mean. A single interval is cut evenly.

    Notes
    -----
    De Boor, "Good approximation by splines with variable knots II", Lecture Notes in Mathematics 363 (1974), for the
    estimate; there the power is 1/r, best for the largest error.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> from refkan.training.adaptivity.refits import curvature_breakpoints
    >>> net, theta = rk.kan([1, 1], order=2, intervals=8), np.abs(np.linspace(0.0, 1.0, 9) - 0.5)  # a kink at 1/2
    >>> state = layer_states(net, theta, np.linspace(0.0, 1.0, 50)[:, None])[0]
    >>> curvature_breakpoints(state, 4).round(2)
    array([[0.  , 0.44, 0.5 , 0.56, 1.  ]])
    """
    rows = []
    weights = state.sensitivity.mean(axis=0)
    for space, jumps in zip(state.spaces, jumps_of(state), strict=True):
        t = space.breakpoints
        n = space.intervals
        density = np.ones(n)
        if n > 1:
            middles = 0.5 * (t[:-1] + t[1:])
            size = np.sqrt(weights @ (jumps / np.diff(middles)) ** 2)
            density = mean_of_ends(size) ** (1.0 / (space.order + 0.5))
        mean = float(density @ np.diff(t)) / (t[-1] - t[0])
        density = np.maximum(density, LEAST_DENSITY * mean) if mean > 0 else np.ones(n)
        mass = np.concatenate([[0.0], np.cumsum(density * np.diff(t))])
        row = np.interp(mass[-1] * np.linspace(0.0, 1.0, intervals + 1), mass, t)
        row[0], row[-1] = t[0], t[-1]
        rows.append(row)
    return np.array(rows)


def _mixed(breakpoints: FloatArray) -> FloatArray:
    """Mix a small share of uniform breakpoints into each row: then no interval is shorter than that share of h."""
    a, b = breakpoints[:, :1], breakpoints[:, -1:]
    uniform = a + (b - a) * np.linspace(0.0, 1.0, breakpoints.shape[1])
    mixed = UNIFORM_SHARE * uniform + (1 - UNIFORM_SHARE) * breakpoints
    mixed[:, [0, -1]] = breakpoints[:, [0, -1]]
    return mixed


def refit_layer(state: LayerState, breakpoints: FloatArray) -> tuple[Layer, FloatArray]:
    """Return the layer on other breakpoints (P, n' + 1) and its parameters, edges refitted at the layer's inputs.

    Inputs outside the domain count at its ends; coefficients that the data do not determine are those of least norm.

    Raises
    ------
    KnotError
        If breakpoints coincide.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> from refkan.training.adaptivity.refits import refit_layer
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=2), np.array([0.0, 1.0, 4.0])
    >>> layer, refitted = refit_layer(layer_states(net, theta, x)[0], np.array([[0.0, 0.25, 0.5, 1.0]]))
    >>> (refitted + 0.0).round(12) + 0.0  # 1/2 is still a knot, so that the function stays
    array([0. , 0.5, 1. , 4. ])
    """
    old, theta = state.layer, state.theta
    if old.free_knots:  # the floor of their parameterisation is a share of 0.01
        breakpoints = _mixed(breakpoints)
    spaces = tuple(SplineSpace.from_breakpoints(state.spaces[0].order, row) for row in breakpoints)
    c, parts = old.spline_coefficients(theta, factors=False), []
    for p, (coarse, fine) in enumerate(zip(state.spaces, spaces, strict=True)):
        parts.append(least_squares_transfer(coarse, fine, c[:, p], np.clip(state.z[:, p], *coarse.domain))[0])
    return old.refitted(theta, spaces, np.stack(parts, axis=1))
