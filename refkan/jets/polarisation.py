r"""Mixed second derivatives from pure ones: u_xy = (D_{x+y}^2 - D_x^2 - D_y^2) u / 2."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.arguments import check_count
from refkan.array_types import Array, FloatArray

if TYPE_CHECKING:
    from refkan.networks import Network


def mixed_derivative(along_a: Array, along_b: Array, along_sum: Array) -> Array:
    """Mixed second derivative along a and b from the pure ones along a, b and a + b.

    Examples
    --------
    >>> mixed_derivative(2.0, 0.0, 8.0)  # u = x^2 + 3 x y
    3.0
    """
    return 0.5 * (along_sum - along_a - along_b)


def polarisation_seeds(n_inputs: int) -> FloatArray:
    """Directions (P (P+1)/2, P) whose pure second derivatives make up a Hessian: e_p, then e_p + e_q for p < q.

    Examples
    --------
    >>> polarisation_seeds(2)
    array([[1., 0.],
           [0., 1.],
           [1., 1.]])
    """
    unit = np.eye(check_count("n_inputs", n_inputs, 1))
    pairs = [unit[p] + unit[q] for p, q in combinations(range(n_inputs), 2)]
    return np.concatenate([unit, np.array(pairs).reshape(-1, n_inputs)])


def input_hessian(net: Network, theta: Any, x: Any) -> Array:
    """Hessians in x of the outputs, (N, Q, P, P), by polarisation.

    Parameters
    ----------
    net : Network
    theta : array (n_params,)
    x : array (N, P)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.jets import input_hessian
    >>> net = rk.kan([2, 1], order=4, intervals=1)
    >>> theta = np.array([0.0, 0.0, 0.0, 6.0] * 2)  # x^3 + y^3
    >>> input_hessian(net, theta, [[0.5, 1.0]])[0, 0]
    array([[3., 0.],
           [0., 6.]])
    """
    P = net.widths[0]
    pure = net.jet(theta, x, polarisation_seeds(P)).second
    H = np.empty((pure.shape[0], pure.shape[2], P, P), pure.dtype)
    for p in range(P):
        H[:, :, p, p] = pure[:, p]
    for k, (p, q) in enumerate(combinations(range(P), 2)):
        H[:, :, p, q] = H[:, :, q, p] = mixed_derivative(pure[:, p], pure[:, q], pure[:, P + k])
    return H
