r"""Derivatives of a network in theta and x together, of any order, as multilinear forms.

Along directions p_i = (a_i, b_i) in (theta, x), with h_1, ..., h_k = 0 after differentiation,

    D_k(p_1, ..., p_k) = d^k/dh_1 ... dh_k  F(theta + sum h_i a_i, x + sum h_i b_i)      (N, Q)
    G_k(dy; p_1, ..., p_k) = gradient in (theta, x) of <dy, D_k(p_1, ..., p_k)>

D_0 is the network, G_0 its pullback, D_1 its tangent and G_1 the product with the Hessian of <dy, F>. Both are
symmetric and linear in the p_i, G_k in dy as well, and derivatives of either are forms again. With q = (dtheta, dx)

    derivative of D_k along q:    D_{k+1}(p_1, ..., p_k, q)
    <q, G_k(dy; p_1, ..., p_k)> = <dy, D_{k+1}(p_1, ..., p_k, q)>, so that its gradient in (theta, x) is
                                  G_{k+1}(dy; p_1, ..., p_k, q), in dy D_{k+1}(p_1, ..., p_k, q), and in p_1
                                  G_k(dy; p_2, ..., p_k, q)

so that the two make a complete set for automatic differentiation: `as_torch` consists of them.
"""

from collections.abc import Sequence

import numpy as np

from refkan.base import FloatArray, located
from refkan.networks import Network
from refkan.networks.hessians.products import tangent_of_pullback
from refkan.networks.sweeps.far_values import require_numbers
from refkan.networks.sweeps.sample_blocks import BlockedSweep
from refkan.splines.sums.channels import Channels

Direction = tuple[FloatArray, FloatArray]
"""A change (dtheta (n_params,), dx (N, P)) of parameters and inputs."""

PARALLEL = 8 * np.finfo(np.float64).eps
"""Difference of two directions of length 1 that is rounding."""


def form(net: Network, theta: FloatArray, x: FloatArray, directions: Sequence[Direction]) -> FloatArray:
    """Return D_k (N, Q).

    Parameters
    ----------
    theta : array (n_params,)
    x : array (N, P)
    directions : sequence of pairs of arrays (n_params,), (N, P)
        Up to three. If there are two or three, at most one of them moves theta.

    Raises
    ------
    ValueError
        For other directions, and derivatives in x that a layer does not have.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, theta, x = rk.kan([1, 1], order=4, intervals=1), np.array([0.0, 0.0, 0.0, 6.0]), np.array([[0.5]])  # x^3
    >>> along = np.zeros(4), np.ones((1, 1))
    >>> [float(form(net, theta, x, [along] * k)[0, 0]) for k in range(4)]
    [0.125, 0.75, 3.0, 6.0]
    """
    if not directions:
        return net(theta, x)
    along_x, (dtheta, dx) = _all_but_one_in_x(directions)
    net.require_derivatives(_order_in_x(directions), quiet=True)
    if not along_x:
        return net.jvp(theta, x, dtheta, dx)
    return _Jet(net, theta, x, along_x).push_forward(dtheta, dx)


def gradient_of_form(
    net: Network,
    theta: FloatArray,
    x: FloatArray,
    dy: FloatArray,
    directions: Sequence[Direction],
    inputs: bool = True,
    quiet: bool = True,
) -> tuple[FloatArray, FloatArray | None]:
    """Return G_k, arrays (n_params,) and (N, P); the latter is None without `inputs`.

    Parameters
    ----------
    theta : array (n_params,)
    x : array (N, P)
    dy : array (N, Q)
    directions : sequence of pairs of arrays (n_params,), (N, P)
        Up to two. One may move theta; of two neither does.
    inputs : bool
        Whether the gradient in x is computed.
    quiet : bool
        Whether to leave out warnings of derivatives that jump at the knots.

    Raises
    ------
    ValueError
        For other directions, for derivatives in x that a layer does not have, and for directions that move theta if
        knots are free or node maps take statistics.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, theta, x = rk.kan([1, 1], order=4, intervals=1), np.array([0.0, 0.0, 0.0, 6.0]), np.array([[0.5]])  # x^3
    >>> along = np.zeros(4), np.ones((1, 1))
    >>> of_theta, of_x = gradient_of_form(net, theta, x, np.ones((1, 1)), [along] * 2)
    >>> of_theta.round(12), of_x.round(12)  # b_i'' at 1/2, and 6
    (array([ 0.5, -0.5, -0.5,  0.5]), array([[6.]]))
    """
    along_x: list[FloatArray] = []
    if len(directions) != 1 or not directions[0][0].any():
        along_x = _all_in_x(directions)
    order = _order_in_x(directions)
    if order > 0:
        net.require_derivatives(order, quiet=True)
    if inputs:
        with located(f"the gradient in x of a derivative of order {order} in x"):
            net.require_derivatives(order + 1, quiet=quiet)
    if along_x:
        return _Jet(net, theta, x, along_x).pull_back(dy, inputs)
    if not directions:
        return net.vjp(theta, x, inputs)[1](dy)
    require_second_derivatives(net)
    of_theta, of_x = tangent_of_pullback(net, theta, x, dy, *directions[0])
    require_numbers("derivatives", of_theta, of_x)
    return of_theta, of_x


def require_second_derivatives(net: Network) -> None:
    """Raise ValueError unless a second derivative in theta follows from each sample alone."""
    net.require_fixed_knots()
    if net.statistics_maps:
        raise ValueError(
            "second derivatives in theta need node maps that act on each sample alone; "
            f"{net.node_maps[net.statistics_maps[0]].name!r} takes statistics: net.freeze(theta)"
        )


def _order_in_x(directions: Sequence[Direction]) -> int:
    """How often a form differentiates in x."""
    return sum(bool(dx.any()) for _, dx in directions)


def _all_in_x(directions: Sequence[Direction]) -> list[FloatArray]:
    """The parts in x of at most two directions that leave theta as it is."""
    if len(directions) > 2 or any(dtheta.any() for dtheta, _ in directions):
        raise _not_available(directions)
    return [dx for _, dx in directions]


def _all_but_one_in_x(directions: Sequence[Direction]) -> tuple[list[FloatArray], Direction]:
    """The parts in x of all directions but one, and that one, which may move theta."""
    moving = [k for k, (dtheta, _) in enumerate(directions) if dtheta.any()]
    if len(moving) > 1:
        raise _not_available(directions)
    last = len(directions) - 1
    if moving:
        last = moving[0]
    others = [*directions[:last], *directions[last + 1 :]]
    return _all_in_x(others), directions[last]


def _not_available(directions: Sequence[Direction]) -> ValueError:
    moving = sum(bool(dtheta.any()) for dtheta, _ in directions)
    return ValueError(
        "available are all second derivatives in theta and x, gradients in theta and x of second derivatives in x, and "
        f"third derivatives in x; got a derivative along {len(directions)} directions, of which {moving} move theta, "
        "or its gradient"
    )


class _Jet:
    """D_k along one or two directions u in x alone, with its tangent and its pullback, by a jet of the inputs.

    Two directions by polarization, D_2(u, v) = (D_2(u + v, u + v) - D_2(u - v, u - v)) / 4, with u and v divided by
    their lengths first: a difference of small squares of long vectors would lose the digits of a short one.
    """

    def __init__(self, net: Network, theta: FloatArray, x: FloatArray, along_x: list[FloatArray]) -> None:
        if len(along_x) == 1:
            seeds, self._weights = along_x, [np.ones((len(x), 1))]
            channels = Channels(1, 0)
        else:
            seeds, self._weights = _polarized(*along_x)
            channels = Channels(len(seeds), len(seeds))
        z = np.zeros((x.shape[0], channels.count, x.shape[1]))
        z[:, 0] = x
        for k, seed in enumerate(seeds):
            z[:, 1 + k] = seed
        self._first = channels.count - len(seeds)  # the channels of the derivatives of highest order are the last
        self._sweep = BlockedSweep.forward(net, theta.copy(), z, channels)
        require_numbers("derivatives", self._sweep.value)

    def push_forward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent (N, Q) along (dtheta, dx), the directions u held."""
        sweep = self._sweep
        dz = np.zeros((*sweep.value.shape[:2], dx.shape[1]))
        dz[:, 0] = dx
        constants = sweep.statistics.push_forward(dtheta).constants
        tangents = [
            part.push_forward(dtheta, dz[rows], constants).outputs[-1]
            for part, rows in zip(sweep.sweeps, sweep.rows, strict=True)
        ]
        moved = np.concatenate(tangents)
        dy = np.zeros(moved[:, 0].shape)
        for k, weight in enumerate(self._weights):
            dy += weight * moved[:, self._first + k]
        require_numbers("derivatives", dy)
        return dy

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents of theta, and of x with `inputs`."""
        cotangent = np.zeros(self._sweep.value.shape)
        for k, weight in enumerate(self._weights):
            cotangent[:, self._first + k] = weight * dy
        dtheta, dz = self._sweep.pull_back(cotangent, inputs)
        require_numbers("derivatives", dtheta)
        if dz is None:
            return dtheta, None
        dx = dz[:, 0].copy()
        require_numbers("derivatives", dx)
        return dtheta, dx


def _polarized(u: FloatArray, v: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Directions d_k and weights w_k (N, 1) with D_2(u, v) = sum_k w_k D_2(d_k, d_k); one if u and v are parallel."""
    size_u, unit_u = _normalised(u)
    size_v, unit_v = _normalised(v)
    sign = np.where(np.sum(unit_u * unit_v, axis=1, keepdims=True) < 0.0, -1.0, 1.0)
    unit_v = sign * unit_v
    weight = 0.25 * sign * size_u * size_v
    total, difference = unit_u + unit_v, unit_u - unit_v
    if np.abs(difference).max(initial=0.0) <= PARALLEL:
        return [total], [weight]
    return [total, difference], [weight, -weight]


def _normalised(u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lengths (N, 1) in the maximum norm, and the directions of that length 1; those of length 0 stay."""
    size = np.abs(u).max(axis=1, keepdims=True, initial=0.0)
    return size, u / np.where(size > 0.0, size, 1.0)
