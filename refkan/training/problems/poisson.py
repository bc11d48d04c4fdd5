r"""Poisson's equation with a jump in the coefficient, [S26] section 5.2.1: the solution and what a network needs.

::

    div(eps grad u) = f on [-1, 1]^2,    u = 0 on the boundary,
    eps = 1 for x < 0, 1/2 for x >= 0

    u = sin(pi x) sin(3 pi y),    f = -10  pi^2 u      for x < 0
    u = sin(2 pi x) sin(3 pi y),  f = -6.5 pi^2 u      for x >= 0

u and the flux eps u_x are continuous at x = 0; u_x jumps from pi sin(3 pi y) to 2 pi sin(3 pi y), so that no smooth
network fits u. The level set |x| as a third input (:func:`level_set_input`) gives it a kink where u has one.

On the interface `side` says which limit is meant; away from it, the point itself decides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refkan.base import Array, FloatArray, as_samples, check_choice

__all__ = ["coefficient", "gradient", "solution", "source"]

DOMAIN = ((-1.0, 1.0), (-1.0, 1.0))

SIDES = ("left", "right")

LEFT_COEFFICIENT, RIGHT_COEFFICIENT = 1.0, 0.5
"""eps for x < 0 and for x >= 0."""

LEFT_FREQUENCY, RIGHT_FREQUENCY = np.pi, 2 * np.pi
"""Frequency of u in x on either side; coefficient times frequency, the flux at x = 0, is the same."""

FREQUENCY_Y = 3 * np.pi


def coefficient(x: Any, side: str = "right") -> FloatArray:
    """Return the coefficient eps, shape (N, 1); at x = 0 it is that of `side`.

    Examples
    --------
    >>> from refkan.training.problems.poisson import coefficient
    >>> coefficient([[-0.5, 0.1], [0.0, 0.1], [0.5, 0.1]]).ravel()
    array([1. , 0.5, 0.5])
    """
    points = as_samples("x", x, 2)
    return np.where(_is_left(points, side), LEFT_COEFFICIENT, RIGHT_COEFFICIENT)[:, None]


def solution(x: Any) -> Array:
    """Return the solution u, shape (N, 1); it is continuous, so no side has to be given.

    Parameters
    ----------
    x : array (N, 2)
        Complex points pass through: the real part decides the side.

    Examples
    --------
    >>> from refkan.training.problems.poisson import solution
    >>> solution([[-0.5, 0.5], [0.25, 0.5]]).round(12).ravel()
    array([ 1., -1.])
    """
    points = as_samples("x", x, 2)
    return (np.sin(_frequency(points, "right") * points[:, 0]) * np.sin(FREQUENCY_Y * points[:, 1]))[:, None]


def gradient(x: Any, side: str = "right") -> Array:
    """Return the gradient (u_x, u_y), shape (N, 2); at x = 0 it is the limit from `side`, "left" or "right".

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.problems.poisson import SIDES, coefficient, gradient
    >>> x = np.array([[0.0, 0.5]])
    >>> flux = [coefficient(x, side) * gradient(x, side) for side in SIDES]
    >>> bool(abs(flux[0] - flux[1]).max() < 1e-14)
    True
    """
    points = as_samples("x", x, 2)
    k = _frequency(points, side)
    kx, ky = k * points[:, 0], FREQUENCY_Y * points[:, 1]
    return np.stack([k * np.cos(kx) * np.sin(ky), FREQUENCY_Y * np.sin(kx) * np.cos(ky)], axis=1)


def source(x: Any) -> Array:
    """Return the right-hand side f = div(eps grad u), shape (N, 1); at x = 0 it is zero from either side, as u is.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.problems.poisson import source
    >>> (source([[-0.5, 0.5], [0.25, 0.5]]) / np.pi**2).round(12).ravel()
    array([-10. ,   6.5])
    """
    points = as_samples("x", x, 2)
    k = _frequency(points, "right")[:, None]
    return -coefficient(points) * (k**2 + FREQUENCY_Y**2) * solution(points)


def level_set_input(x: Any) -> Array:
    """Return the inputs (x, y, |x|) of a network with the level set, shape (N, 3).

    Examples
    --------
    >>> from refkan.training.problems.poisson import level_set_input
    >>> level_set_input([[-0.5, 0.25]])
    array([[-0.5 ,  0.25,  0.5 ]])
    """
    points = as_samples("x", x, 2)
    first = points[:, :1]
    return np.hstack([points, np.where(first.real < 0, -first, first)])


def level_set_seeds(x: Any, side: str = "right") -> FloatArray:
    """Return the derivatives of :func:`level_set_input` along x and y: seeds of jets, shape (N, 2, 3).

    Row 0 is (1, 0, sign(x)), row 1 (0, 1, 0). At x = 0 the sign is that of `side`. Second derivatives are zero on
    either side.

    Examples
    --------
    >>> from refkan.training.problems.poisson import level_set_seeds
    >>> level_set_seeds([[0.0, 0.25]], side="left")
    array([[[ 1.,  0., -1.],
            [ 0.,  1.,  0.]]])
    """
    points = as_samples("x", x, 2)
    seeds = np.zeros((len(points), 2, 3))
    seeds[:, 0, 0] = seeds[:, 1, 1] = 1.0
    seeds[:, 0, 2] = np.where(_is_left(points, side), -1.0, 1.0)
    return seeds


def _is_left(points: Array, side: str) -> NDArray[np.bool_]:
    """Whether each point belongs to the left half; on the interface, whether `side` is the left one."""
    first = points[:, 0].real
    return np.where(first == 0.0, check_choice("side", side, SIDES) == "left", first < 0.0)


def _frequency(points: Array, side: str) -> FloatArray:
    return np.where(_is_left(points, side), LEFT_FREQUENCY, RIGHT_FREQUENCY)
