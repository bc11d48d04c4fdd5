r"""The neural tangent kernel of a network at theta: K = J J^T."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk

from refkan.base.annotations import check_annotated
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.networks.hessians.jacobians import chunk_bytes, jacobian
from refkan.networks.hessians.memory import mirror, require_memory
from refkan.networks.hessians.points import Points


def ntk(net: Network, theta: Any, x: Any, weights: Any = None, *, memory_limit: float | None = None) -> FloatArray:
    r"""Return the tangent kernel K = W^(1/2) J J^T W^(1/2), (N d_L, N d_L), with rows and columns sample-major.

    J is that of the outputs, and nothing is divided by N: the non-zero spectrum is N times that of the Gauss-Newton
    matrix J^T W J / N. `LeastSquares.ntk`, whose J is that of the residual, is this kernel over N.

    Parameters
    ----------
    net, theta, x, weights, memory_limit
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
    require_memory(needed, f"the tangent kernel of {n} outputs", memory_limit, "use fewer samples, or gauss_newton")
    J = jacobian(net, points.theta, points.x, points.weights)
    K = dsyrk(1.0, J.T, c=np.zeros((n, n), order="F"), trans=1, lower=1, overwrite_c=1)
    if not np.isfinite(K).all():
        raise ValueError("the tangent kernel is not finite: derivatives of the outputs overflow")
    return mirror(K.T)
