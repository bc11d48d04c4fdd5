r"""The weighted Jacobian J of a network's outputs in its parameters, by chunks of samples, and the kernel J J^T."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk

from refkan.base import FloatArray, check_annotated
from refkan.networks import Network
from refkan.networks.hessians.memory import chunk_size, mirror, require_memory
from refkan.networks.hessians.points import Points
from refkan.networks.sweeps.sweep import Sweep

LEAST_ROWS = 512
"""Least number of rows of J in a chunk: products of fewer rows would wait for the memory of the result."""


def jacobian(net: Network, theta: Any, x: Any, weights: Any = None) -> FloatArray:
    r"""Return the Jacobian sqrt(W) J of the outputs in theta, (N d_L, M).

    Row s d_L + q is sqrt(w_s) dF[s, q]/dtheta.

    Without weights the matrix equals `Network.jacobian`; it is computed by chunks of samples after a check of the
    memory. It is not divided by N: `LeastSquares.jacobian`, that of the residual, is this matrix over sqrt(N). Under
    mean-std and min-max maps J = J_f + E S, see `points`.

    Parameters
    ----------
    net, theta, x, weights
        As for `gauss_newton`.

    Returns
    -------
    array (N d_L, M)

    Raises
    ------
    ValueError
        As for `gauss_newton`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> rk.hessians.jacobian(net, np.zeros(3), [[0.25], [1.0]], weights=[4.0, 1.0])
    array([[1., 1., 0.],
           [0., 0., 1.]])
    """
    check_annotated(jacobian, locals())
    points = Points.check(net, theta, x, weights)
    shape = points.n_samples * points.n_outputs, net.n_params
    needed = 8 * shape[0] * shape[1] + chunk_bytes(points)
    instead = "use products with vectors, or fewer samples"
    require_memory(needed, f"the Jacobian of shape {shape}", instead)
    J = np.zeros((points.n_samples, points.n_outputs, net.n_params))
    for rows, sweep in points.sweeps(rows_in_chunk(points)):
        fill_rows(points, sweep, rows, 1.0, J[rows])
    return J.reshape(shape)


def rows_in_chunk(points: Points) -> int:
    """Samples in a chunk of rows of J."""
    per_sample = 8 * points.n_outputs * points.net.n_params
    return max(chunk_size(per_sample), -(-LEAST_ROWS // points.n_outputs))


def chunk_bytes(points: Points) -> int:
    """Bytes of a chunk of rows of J and of its sweep."""
    M = points.net.n_params
    rows = 8 * points.n_outputs * M
    if points.n_constants:
        rows *= 2
    size = min(rows_in_chunk(points), points.n_samples)
    return size * (rows + points.sweep_bytes) + 8 * points.n_constants * M


def jacobian_chunks(points: Points, scale: float, constants: bool = True) -> Iterator[FloatArray]:
    """Rows (rows, M) of sqrt(W scale) J, chunk by chunk.

    All chunks use one array. Without `constants` the constants of node maps are fixed: J_f.
    """
    size, M = min(rows_in_chunk(points), points.n_samples), points.net.n_params
    buffer = np.empty((size, points.n_outputs, M))
    for rows, sweep in points.sweeps(size):
        part = buffer[: rows.stop - rows.start]
        part[...] = 0.0
        fill_rows(points, sweep, rows, scale, part, constants)
        yield part.reshape(-1, M)


def fill_rows(points: Points, sweep: Sweep, rows: slice, scale: float, out: FloatArray, constants: bool = True) -> None:
    """Write rows of sqrt(W scale) J into out (n, d_L, M), zero on entry."""
    gradients = None
    if constants and points.n_constants:
        gradients = points.constant_gradients
    sweep.fill_jacobian(points.seeds(rows, scale), out, gradients)


def ntk(net: Network, theta: Any, x: Any, weights: Any = None) -> FloatArray:
    r"""Return the tangent kernel K = W^(1/2) J J^T W^(1/2), (N d_L, N d_L), with rows and columns sample-major.

    J is the Jacobian of the outputs, and nothing is divided by N: the non-zero spectrum is N times that of the
    Gauss-Newton matrix J^T W J / N. `LeastSquares.ntk`, with the Jacobian of the residual, is this kernel over N.

    Parameters
    ----------
    net, theta, x, weights
        As for `gauss_newton`; knots may be free.

    Returns
    -------
    array (N d_L, N d_L)
        Symmetric to the last bit.

    Raises
    ------
    ValueError
        As for `gauss_newton`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians import ntk
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> ntk(net, np.zeros(3), [[0.0], [0.25]])
    array([[1. , 0.5],
           [0.5, 0.5]])
    """
    check_annotated(ntk, locals())
    points = Points.check(net, theta, x, weights)
    n = points.n_samples * points.n_outputs
    needed = 8 * n * (n + net.n_params) + chunk_bytes(points)
    require_memory(needed, f"the tangent kernel of {n} outputs", "use fewer samples, or gauss_newton")
    J = jacobian(net, points.theta, points.at, points.weights)
    K = dsyrk(1.0, J.T, c=np.zeros((n, n), order="F"), trans=1, lower=1, overwrite_c=1)
    if not np.isfinite(K).all():
        raise ValueError("the tangent kernel is not finite: derivatives of the outputs overflow")
    return mirror(K.T)
