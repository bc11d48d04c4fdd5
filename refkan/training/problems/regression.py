r"""The regression target of [S26] section 5.1: rotated or not, with its kinks or without them."""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.base.arguments import as_array, as_samples, as_vector, check_type, real
from refkan.base.array_types import Array
from refkan.training.problems.targets import Target

ROTATION = 0.175
"""Angle in radians by which [S26] turns the regression target off the axes."""


def regression_target(
    x: Any, angle: float = ROTATION, centre: tuple[float, float] = (0.0, 0.0), kink: bool = True
) -> Array:
    r"""Evaluate the two-dimensional regression target of [S26] section 5.1.

    f(x, y) = cos(4 pi x') + sin(pi y') + sin(2 pi y') + |sin(3 pi y'^2)| at the rotated point
    x' = c x - s y, y' = s x + c y, with c and s the cosine and sine of the angle. The absolute value has kinks on
    the lines y' = sqrt(m/3), m = 1, 2, ...; on y' = 0 it is smooth, as y'^2 does not change sign there.

    Parameters
    ----------
    x : array (N, 2)
        Complex points pass through: |s| is continued as s or -s, by the sign of the real part.
    angle : float
        Radians; 0 for the unrotated target.
    centre : pair of float
        Fixed point of the rotation.
    kink : bool
        False leaves the term |sin(3 pi y'^2)| out: the target is then analytic.

    Returns
    -------
    array (N, 1)

    Raises
    ------
    ValueError
        If x is not (N, 2), centre not a pair, or anything not finite.
    TypeError
        If angle or centre is not real, or kink not a bool.

    Examples
    --------
    >>> import refkan as rk
    >>> rk.problems.regression_target([[0.0, 0.0], [0.5, 0.5]], angle=0.0).round(6)
    array([[1.      ],
           [2.707107]])
    >>> rk.problems.regression_target([[0.0, 0.0], [0.5, 0.5]], angle=0.0, kink=False).round(6)
    array([[1.],
           [2.]])
    """
    fixed = real("centre", as_vector("centre", centre, 2))
    radians = real("angle", as_array("angle", angle, ndim=0))
    check_type("kink", kink, bool)
    points = as_samples("x", x, 2) - fixed
    c, s = np.cos(radians), np.sin(radians)
    u = c * points[:, 0] - s * points[:, 1] + fixed[0]
    v = s * points[:, 0] + c * points[:, 1] + fixed[1]
    values = np.cos(4 * np.pi * u) + np.sin(np.pi * v) + np.sin(2 * np.pi * v)
    if kink:
        wave = np.sin(3 * np.pi * v**2)
        values = values + np.where(wave.real < 0, -wave, wave)
    return values[:, None]


def rotated(x: Array) -> Array:
    """cos(4 pi x') + sin(pi y') + sin(2 pi y') + |sin(3 pi y'^2)| at (x, y) turned by 0.175 about 0."""
    return regression_target(x)


def unrotated(x: Array) -> Array:
    """cos(4 pi x) + sin(pi y) + sin(2 pi y) + |sin(3 pi y^2)| on [0, 1]^2."""
    return regression_target(x, angle=0.0)


def without_kink(x: Array) -> Array:
    """cos(4 pi x') + sin(pi y') + sin(2 pi y') at (x, y) turned by 0.175 about 0."""
    return regression_target(x, kink=False)


_SQUARE = ((0.0, 1.0), (0.0, 1.0))

REGRESSION = (
    Target("regression", rotated, _SQUARE, "the gradient jumps on the lines y' = sqrt(m/3), m = 1..4"),
    Target("regression-unrotated", unrotated, _SQUARE, "the gradient jumps on the lines y = sqrt(1/3), sqrt(2/3)"),
    Target("regression-without-kink", without_kink, _SQUARE),
)
"""The target of [S26], unrotated, and without the term that has kinks."""
