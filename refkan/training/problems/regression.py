r"""Targets of regression: that of the papers, and functions whose variation depends on the place.

A target is a function with its name, its domain and the places where it is not smooth.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, Checked, FloatArray, OutsideDomainError, RandomSource
from refkan.base.arguments import (
    as_array,
    as_generator,
    as_samples,
    as_vector,
    check_count,
    check_real,
    check_type,
    real,
)

Range = tuple[float, float]


class Target(Checked):
    """A function of several variables on a box.

    Parameters
    ----------
    id : str
        Its name in tables and figures.
    function : callable
        Takes points (N, d) and returns (N, 1); pure. The first line of its docstring is the formula.
    domain : tuple of pairs
        The range of each variable.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> kink = rk.problems.TARGETS["kink"]
    >>> kink.dimension, kink.domain, kink.formula
    (1, ((0.0, 1.0),), '|x - 1/pi| on [0, 1].')
    >>> kink([[0.0], [1.0]]).round(6).ravel()
    array([0.31831, 0.68169])
    >>> kink.sample(np.random.default_rng(0), 500).shape
    (500, 1)
    """

    id: str
    function: Callable[[Array], Array]
    domain: tuple[Range, ...]

    @property
    def dimension(self) -> int:
        """The number of variables."""
        return len(self.domain)

    @property
    def formula(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    def __call__(self, x: object) -> Array:
        """Return the values at x (N, d), shape (N, 1).

        Raises
        ------
        ValueError
            If x is not (N, d), or not finite.
        OutsideDomainError
            If a point is outside the domain; the entry is named.
        """
        points = as_samples("x", x, self.dimension)
        low, high = np.array(self.domain).T
        outside = np.argwhere((points.real < low) | (points.real > high))
        if outside.size:
            row, column = map(int, outside[0])
            raise OutsideDomainError(
                f"x must lie in the domain of target {self.id!r}, {list(self.domain[column])} in column {column}; got"
                f" x[{row}, {column}] = {points[row, column]}"
            )
        return as_array("values", self.function(points), ndim=2)

    def sample(self, rng: RandomSource, n: int) -> FloatArray:
        """Return n points drawn uniformly from the domain, shape (n, d)."""
        low, high = np.array(self.domain).T
        return as_generator("rng", rng).uniform(low, high, (check_count("n", n), self.dimension))


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
    radians = check_real("angle", angle)
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
    Target("regression", rotated, _SQUARE),
    Target("regression-unrotated", unrotated, _SQUARE),
    Target("regression-without-kink", without_kink, _SQUARE),
)
"""The target of [S26], unrotated, and without the term that has kinks."""


KINK = 1 / np.pi
STEP = 1 / np.sqrt(2)
CUSP = 1 / np.e
"""Irrational places, which no dyadic grid meets."""

UNIT = (0.0, 1.0)


def smooth(x: Array) -> Array:
    """exp(sin(2 pi x)) on [0, 1]."""
    return np.exp(np.sin(2 * np.pi * x))


def kink(x: Array) -> Array:
    """|x - 1/pi| on [0, 1].

    Two polynomials that meet: a spline of order 2 with a knot at the kink is exact.
    """
    return np.where(x.real < KINK, KINK - x, x - KINK)


def step(x: Array) -> Array:
    """1 for x >= 1/sqrt(2), else 0, on [0, 1]."""
    return np.where(x.real >= STEP, 1.0, 0.0)


def steep(x: Array) -> Array:
    """tanh(50 x) on [-1, 1]."""
    return np.tanh(50 * x)


def cusp(x: Array) -> Array:
    """sqrt(|x - 1/e|) on [0, 1].

    The slope is unbounded on both sides of the cusp: no finite set of knots removes the singularity.
    """
    return np.sqrt(np.where(x.real < CUSP, CUSP - x, x - CUSP))


def chirp(x: Array) -> Array:
    """sin(20 pi x^3) on [0, 1].

    The frequency grows from 0 to 30 full waves per unit.
    """
    return np.sin(20 * np.pi * x**3)


def peak(x: Array) -> Array:
    """sin(2 pi x)/2 + exp(-2000 (x - 7/10)^2) on [0, 1].

    A peak of width 1/45 on a wave.
    """
    return np.sin(2 * np.pi * x) / 2 + np.exp(-2000 * (x - 0.7) ** 2)


def front(x: Array) -> Array:
    """tanh(50 (x - 1/4 - t/2)) on [0, 1]^2.

    A front that moves with speed 1/2: columns x and t.
    """
    return np.tanh(50 * (x[:, :1] - 0.25 - x[:, 1:] / 2))


def disc(x: Array) -> Array:
    """1 for x^2 + y^2 < 1/2, else 0, on [0, 1]^2."""
    return np.where((x.real**2).sum(axis=1, keepdims=True) < 0.5, 1.0, 0.0)


def crease(x: Array) -> Array:
    """|x + y/2 - 2/pi| on [0, 1]^2.

    A kink along an oblique line.
    """
    distance = x[:, :1] + x[:, 1:] / 2 - 2 / np.pi
    return np.where(distance.real < 0, -distance, distance)


def peak_2d(x: Array) -> Array:
    """sin(2 pi x) sin(2 pi y)/2 + exp(-500 ((x - 7/10)^2 + (y - 3/10)^2)) on [0, 1]^2."""
    waves = np.sin(2 * np.pi * x[:, :1]) * np.sin(2 * np.pi * x[:, 1:]) / 2
    return waves + np.exp(-500 * ((x[:, :1] - 0.7) ** 2 + (x[:, 1:] - 0.3) ** 2))


def chirp_2d(x: Array) -> Array:
    """sin(10 pi x^3) cos(6 pi y^2) on [0, 1]^2."""
    return np.sin(10 * np.pi * x[:, :1] ** 3) * np.cos(6 * np.pi * x[:, 1:] ** 2)


VARYING = (
    Target("smooth", smooth, (UNIT,)),
    Target("kink", kink, (UNIT,)),
    Target("step", step, (UNIT,)),
    Target("steep", steep, ((-1.0, 1.0),)),
    Target("cusp", cusp, (UNIT,)),
    Target("chirp", chirp, (UNIT,)),
    Target("peak", peak, (UNIT,)),
    Target("front", front, (UNIT, UNIT)),
    Target("disc", disc, (UNIT, UNIT)),
    Target("crease", crease, (UNIT, UNIT)),
    Target("peak-2d", peak_2d, (UNIT, UNIT)),
    Target("chirp-2d", chirp_2d, (UNIT, UNIT)),
)
"""Targets for the studies of adaptivity."""
