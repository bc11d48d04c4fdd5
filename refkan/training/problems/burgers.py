r"""Burgers' equation, [S26] section 5.2.2: the solution by Cole and Hopf, with Gauss-Hermite quadrature.

::

    u_t + u u_x = nu u_xx,    u(x, 0) = -sin(pi x),    u(-1, t) = u(1, t) = 0

u = -2 nu phi_x / phi turns the equation into phi_t = nu phi_xx with phi(x, 0) = exp(-cos(pi x)/(2 pi nu)) up to a
factor, which a Gaussian integral solves. With y = x - 2 sqrt(nu t) z and the probability measure

::

    p(z) ~ exp(-z^2 - cos(pi y)/(2 pi nu))

this is u = -E[sin(pi y)], and u_x = -pi E[cos(pi y)] - Var[sin(pi y)]/(2 nu). E is a ratio of two sums over the
Gauss-Hermite nodes. Its terms are formed as exponentials of differences from the largest exponent: at nu = 1e-2 the
factor exp(-cos(pi y)/(2 pi nu)) spans 28 orders of magnitude, at nu = 2e-4 more than float64 has.

The initial values and the solution are odd and of period 2 in x, so that both boundary values are zero at all times.
The formulas hold for every x and t >= 0.

Notes
-----
Source: Hopf, "The partial differential equation u_t + u u_x = mu u_xx", Comm. Pure Appl. Math. 3 (1950); Cole, "On a
quasi-linear parabolic equation occurring in aerodynamics", Quart. Appl. Math. 9 (1951).
"""

from typing import Any

import numpy as np
from numpy.polynomial.hermite import hermgauss

from refkan.base import Array, ConvergenceError, as_samples, check_count, check_positive

__all__ = ["solution"]

DOMAIN = ((-1.0, 1.0), (0.0, 1.0))
"""Ranges of x and t."""

VISCOSITY = 1e-2

NODES = 96
"""Gauss-Hermite nodes. For nu = 1e-2 and t <= 1 the error of 64 nodes is 5e-12, and that of 96 is rounding, 2e-15."""

MOST_NODES = 350
"""Beyond 370 nodes the smallest weights underflow."""

BLOCK = 2048
"""Points taken at a time, so that the table of points times nodes stays at a few megabytes."""


def initial(x: Any) -> Array:
    """Return the initial values -sin(pi x) at x (N, 1), shape (N, 1).

    Examples
    --------
    >>> from refkan.training.problems.burgers import initial
    >>> initial([[-0.5], [0.5]]).ravel()
    array([ 1., -1.])
    """
    return -np.sin(np.pi * as_samples("x", x, 1))


def solution(x: Any, nu: float = VISCOSITY, nodes: int = NODES, tolerance: float = 1e-10) -> Array:
    """Evaluate the solution u at points (x, t) to `tolerance`, or raise.

    Parameters
    ----------
    x : array (N, 2)
        Columns x and t >= 0. Complex points pass through for complex steps (not at t = 0, where sqrt(t) has none).
    nu : float
        Viscosity.
    nodes : int, 12 to 350
        Gauss-Hermite nodes. The number that is needed grows as nu falls: 128 are enough at nu = 1e-3, and are then
        confirmed by ``nodes=192``.
    tolerance : float
        Largest difference allowed from the result with two thirds of the nodes, whose error is far larger.

    Returns
    -------
    array (N, 1)

    Raises
    ------
    ConvergenceError
        If the two node counts disagree by more; the point is named.
    ValueError
        If x is not (N, 2), a time is negative, or nu, nodes or tolerance is out of range.

    Examples
    --------
    >>> from refkan.training.problems.burgers import solution
    >>> solution([[-0.5, 0.0], [0.25, 0.5], [0.01, 1.0]]).round(8).ravel()
    array([ 1.        , -0.83803313, -0.24747232])
    """
    points, nu = _checked(x, nu)
    fine, coarse = (-_moments(points, nu, count)[0] for count in _counts(nodes))
    return _agreed("u", points, fine, coarse, check_positive("tolerance", tolerance))


def slope(x: Any, nu: float = VISCOSITY, nodes: int = NODES, tolerance: float = 1e-10) -> Array:
    """Evaluate the derivative u_x at points (x, t), shape (N, 1).

    Parameters and errors are those of :func:`solution`, except that `tolerance` is relative to pi + 1/(2 nu), which
    bounds |u_x|.

    Examples
    --------
    >>> from refkan.training.problems.burgers import slope
    >>> slope([[0.0, 0.0], [0.0, 1.0]]).round(6).ravel()
    array([ -3.141593, -25.86106 ])
    """
    points, nu = _checked(x, nu)
    fine, coarse = (
        -np.pi * cosine - variance / (2 * nu)
        for _, cosine, variance in (_moments(points, nu, count) for count in _counts(nodes))
    )
    return _agreed("u_x", points, fine, coarse, check_positive("tolerance", tolerance) * (np.pi + 1 / (2 * nu)))


def _checked(x: Any, nu: float) -> tuple[Array, float]:
    points = as_samples("x", x, 2)
    early = np.flatnonzero(points[:, 1].real < 0)
    if early.size:
        raise ValueError(f"x must have times t >= 0 in its second column; got x[{early[0]}, 1] = {points[early[0], 1]}")
    return points, check_positive("nu", nu)


def _counts(nodes: int) -> tuple[int, int]:
    count = check_count("nodes", nodes, 12, MOST_NODES)
    return count, 2 * count // 3


def _moments(points: Array, nu: float, nodes: int) -> tuple[Array, Array, Array]:
    """E[sin(pi y)], E[cos(pi y)] and Var[sin(pi y)] at every point."""
    z, weights = hermgauss(nodes)
    columns: list[tuple[Array, Array, Array]] = []
    for start in range(0, len(points), BLOCK):
        x, t = points[start : start + BLOCK, :1], points[start : start + BLOCK, 1:]
        y = np.pi * (x - 2 * np.sqrt(nu * t) * z)
        sine, cosine = np.sin(y), np.cos(y)
        exponent = np.log(weights) - cosine / (2 * np.pi * nu)
        p = np.exp(exponent - exponent.real.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * sine).sum(axis=1)
        # The squares are taken about the mean: E[s^2] - E[s]^2 would cancel where the measure has one narrow peak.
        columns.append((mean, (p * cosine).sum(axis=1), (p * (sine - mean[:, None]) ** 2).sum(axis=1)))
    if not columns:
        return (points[:, 0],) * 3
    first, second, third = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return first, second, third


def _agreed(name: str, points: Array, fine: Array, coarse: Array, tolerance: float) -> Array:
    """Return `fine`, shape (N, 1), if `coarse` is within `tolerance` of it."""
    differences = np.abs(fine - coarse)
    if differences.size and not differences.max() <= tolerance:
        worst = int(differences.argmax())
        place = tuple(map(float, points[worst].real))
        raise ConvergenceError(
            f"{name} must agree to {tolerance:.1e} between two numbers of nodes; it differs by {differences[worst]:.1e}"
            f" at (x, t) = {place}: take more nodes"
        )
    return fine[:, None]
