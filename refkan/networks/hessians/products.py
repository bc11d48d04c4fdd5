r"""Products of Gauss-Newton matrix and Hessian with vectors, without assembly.

    Gauss-Newton:  J^T (W (J v)) / N: tangents forward, cotangents back
    Hessian:       the tangent of the gradient along v, forward over reverse (see `pull_back_tangent`)

Each costs a few gradients. Derivatives go through the statistics of mean-std and min-max maps.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from refkan.base import FloatArray, as_vector, check_annotated, real
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.hessians.points import Points, check_targets, require_finite_outputs
from refkan.networks.network import ValueSweep
from refkan.networks.sweeps.statistics_sweep import Cotangents, cotangents, pull_back_tangent

CHUNK = 16384
"""Samples that a product carries at once: bounds its memory."""


class ProductsAtPoint:
    """Multiplies many vectors by the Gauss-Newton matrix or the Hessian at one theta.

    The sweep through the network and its cotangents are computed once and kept.

    Parameters
    ----------
    points : Points
    targets : array (N, d_L), optional
        Needed for products with the Hessian.
    n_samples : int, optional
        The N of 1/N if the points are a part of all samples.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians.points import Points
    >>> x = np.random.default_rng(0).uniform(size=(50, 1))
    >>> net, theta = rk.kan([1, 2, 1], order=3, intervals=2).initialize(np.random.default_rng(1), x)
    >>> products = ProductsAtPoint(Points.check(net, theta, x, weights=None))
    >>> v = np.ones(net.n_params)
    >>> bool(np.allclose(products.gauss_newton(v), rk.hessians.gauss_newton(net, theta, x) @ v, rtol=1e-12))
    True
    """

    def __init__(self, points: Points, targets: FloatArray | None = None, n_samples: int | None = None) -> None:
        self.net = points.net
        self.weights = points.weights[:, None] / (n_samples or points.n_samples)
        self.sweep = ValueSweep(points.net, points.theta, points.at, share=True)
        require_finite_outputs(self.sweep.value)
        self.cotangents: tuple[Cotangents, Cotangents | None] | None = None
        if targets is not None:
            dy = self.weights * (self.sweep.value - targets)
            of_samples = cotangents(self.sweep.samples, dy)
            of_batch: Cotangents | None = None
            if self.sweep.batch is not None:
                of_batch = self.sweep.batch.cotangents(of_samples.constants)
            self.cotangents = of_samples, of_batch

    def gauss_newton(self, v: FloatArray) -> FloatArray:
        """Return J^T W J v / N."""
        dy = self.weights * self.sweep.push_forward(v)
        return self.sweep.pull_back(dy, inputs=False)[0]

    def hessian(self, v: FloatArray) -> FloatArray:
        """Return H v, the tangent of J^T W (F - y) / N along v."""
        assert self.cotangents is not None
        of_samples, of_batch = self.sweep.tangents(v)
        ddy = self.weights * of_samples.outputs[-1][:, 0]
        result, moved, _ = pull_back_tangent(self.sweep.samples, v, of_samples, self.cotangents[0], ddy)
        if of_batch is not None:
            batch, backward = self.sweep.batch, self.cotangents[1]
            assert batch is not None
            assert batch.sweep is not None
            assert backward is not None
            result += pull_back_tangent(batch.sweep, v, of_batch, backward, None, moved)[0]
        return result


def gauss_newton_vector(net: Network, theta: Any, x: Any, v: Any, weights: Any = None) -> FloatArray:
    r"""Return the product J^T W J v / N of the Gauss-Newton matrix with v (M,), without forming the matrix.

    Parameters
    ----------
    net, theta, x, weights
        As for `gauss_newton`; knots may be free.
    v : array (M,)

    Returns
    -------
    array (M,)

    Raises
    ------
    ValueError
        As for `gauss_newton`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians.products import gauss_newton_vector
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> gauss_newton_vector(net, np.zeros(3), [[0.25]], [1.0, 3.0, 5.0])
    array([1., 1., 0.])
    """
    check_annotated(gauss_newton_vector, locals())
    points = Points.check(net, theta, x, weights)
    v = real("v", as_vector("v", v, net.n_params))
    result = np.zeros(net.n_params)
    for rows in _chunks(points):
        result += ProductsAtPoint(points.part(rows), None, points.n_samples).gauss_newton(v)
    return result


def hessian_vector(net: Network, theta: Any, x: Any, y: Any, v: Any, weights: Any = None) -> FloatArray:
    r"""Return the product H v of the Hessian with v (M,), without forming the matrix.

    H is the Hessian of 1/(2N) sum_s w_s |F_s - y_s|^2.

    Parameters
    ----------
    net, theta, x, y, weights
        As for `hessian`.
    v : array (M,)

    Returns
    -------
    array (M,)

    Raises
    ------
    ValueError
        As for `hessian`.

    Notes
    -----
    This is the derivative of the hand-derived gradient along v, forward over reverse: Pearlmutter, Neural Computation 6
    (1994).

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians.products import hessian_vector
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> hessian_vector(net, np.zeros(3), [[0.25]], [[7.0]], [1.0, 3.0, 5.0])
    array([1., 1., 0.])
    """
    check_annotated(hessian_vector, locals())
    points = Points.check(net, theta, x, weights)
    targets = check_targets(points, y)
    _ = points.fixed_forms  # raises for free knots
    v = real("v", as_vector("v", v, net.n_params))
    result = np.zeros(net.n_params)
    for rows in _chunks(points):
        result += ProductsAtPoint(points.part(rows), targets[rows], points.n_samples).hessian(v)
    return result


def tangent_of_pullback(
    net: Network, theta: FloatArray, x: FloatArray, dy: FloatArray, dtheta: FloatArray, dx: FloatArray
) -> tuple[FloatArray, FloatArray]:
    r"""Return H (dtheta, dx), where H is the Hessian of <dy, F(x; theta)> in theta and x together.

    This is the derivative of the pullback (J_theta^T dy, J_x^T dy) along (dtheta, dx), dy fixed. Knots are fixed, and
    no map takes statistics: derivatives in x hold the constants fixed and those in theta do not, so that no single H
    would exist.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, u = rk.kan([1, 1], order=3, intervals=1), np.array([1.0, 0.0, 0.0])  # b_i'' = (1, -2, 1)
    >>> tangent_of_pullback(net, u, np.array([[0.5]]), np.ones((1, 1)), np.zeros(3), np.ones((1, 1)))
    (array([-0.5,  0. ,  0.5]), array([[1.]]))
    """
    sweep = ValueSweep(net, theta, x, share=False)
    of_samples, _ = sweep.tangents(dtheta, dx)
    backward = cotangents(sweep.samples, dy)
    ddy = np.zeros(dy.shape)
    of_theta, _, of_x = pull_back_tangent(sweep.samples, dtheta, of_samples, backward, ddy, inputs=True)
    assert of_x is not None
    return of_theta, of_x


def _chunks(points: Points) -> Iterator[slice]:
    carried = min(CHUNK, points.n_samples) + points.n_statistics
    # Rows of three derivatives, tangents and cotangents: twice what a sweep alone keeps.
    needed = 2 * carried * points.sweep_bytes + 64 * points.net.n_params
    owner = f"a product with {carried} samples at once"
    require_memory(needed, owner, "use a smaller network, or a smaller statistics batch")
    for first in range(0, points.n_samples, CHUNK):
        yield slice(first, min(first + CHUNK, points.n_samples))
