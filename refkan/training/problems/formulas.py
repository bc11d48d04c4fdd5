"""Targets given by formulas: of physics, sums and products of univariate functions, and special functions.

The formulas of physics, in three to six variables, the order of their variables and the ranges are those of a published
list that is taken from the Feynman Lectures: Udrescu and Tegmark, "AI Feynman: a physics-inspired method for symbolic
regression", Science Advances 6, 2020. The id of each of these targets is its equation there. Special functions are
those of scipy.special, at real points only.
"""

import numpy as np
from scipy import special

from refkan.base import Array, FloatArray, real
from refkan.training.problems.regression import Target


def normal(x: Array) -> Array:
    """exp(-((q - m)/s)^2/2) / (sqrt(2 pi) s); s, q, m."""
    s, q, m = _columns(x)
    return np.exp(-(((q - m) / s) ** 2) / 2) / (np.sqrt(2 * np.pi) * s)


def velocities(x: Array) -> Array:
    """(u + v) / (1 + u v/c^2); c, v, u."""
    c, v, u = _columns(x)
    return (u + v) / (1 + u * v / c**2)


def lorentz_shift(x: Array) -> Array:
    """(x - u t) / sqrt(1 - u^2/c^2); x, u, c, t."""
    place, u, c, t = _columns(x)
    return (place - u * t) / np.sqrt(1 - u**2 / c**2)


def two_waves(x: Array) -> Array:
    """sqrt(a^2 + b^2 - 2 a b cos(p - q)); a, b, p, q."""
    a, b, p, q = _columns(x)
    return np.sqrt(a**2 + b**2 - 2 * a * b * np.cos(p - q))


def lorentz_force(x: Array) -> Array:
    """q (E + B v sin(a)); q, E, B, v, a."""
    q, field, B, v, a = _columns(x)
    return q * (field + B * v * np.sin(a))


def work_of_expansion(x: Array) -> Array:
    """n k T log(W/V); n, k, T, V, W."""
    n, k, temperature, before, after = _columns(x)
    return n * k * temperature * np.log(after / before)


def dipole_field(x: Array) -> Array:
    """p/(4 pi e) 3 z sqrt(x^2 + y^2) / r^5; e, p, r, x, y, z."""
    e, p, r, first, second, third = _columns(x)
    return 3 * p * third * np.sqrt(first**2 + second**2) / (4 * np.pi * e * r**5)


def barometric(x: Array) -> Array:
    """n exp(-m g x/(k T)); n, m, x, T, g, k."""
    n, m, height, temperature, g, k = _columns(x)
    return n * np.exp(-m * g * height / (k * temperature))


def _columns(x: Array) -> tuple[Array, ...]:
    return tuple(x[:, i : i + 1] for i in range(x.shape[1]))


FORMULAS = (
    Target("I.6.20b", normal, ((1.0, 3.0),) * 3),
    Target("I.16.6", velocities, ((1.0, 5.0),) * 3),
    Target("I.15.3x", lorentz_shift, ((5.0, 10.0), (1.0, 2.0), (3.0, 20.0), (1.0, 2.0))),
    Target("I.29.16", two_waves, ((1.0, 5.0),) * 4),
    Target("I.12.11", lorentz_force, ((1.0, 5.0),) * 5),
    Target("I.44.4", work_of_expansion, ((1.0, 5.0),) * 5),
    Target("II.6.15a", dipole_field, ((1.0, 3.0),) * 6),
    Target("I.40.1", barometric, ((1.0, 5.0),) * 6),
)
"""Formulas with 3, 3, 4, 4, 5, 5, 6 and 6 variables."""


DIMENSIONS = (2, 4, 6, 10)

UNIT = (0.0, 1.0)


def additive(x: Array) -> Array:
    """sum_i cos(2 pi x_i + i) / sqrt(d), i = 1..d, on [0, 1]^d.

    A network with one layer represents it; its variance, 1/2, is that of every d.
    """
    return np.cos(2 * np.pi * x + _index(x)).sum(axis=1, keepdims=True) / np.sqrt(x.shape[1])


def multiplicative(x: Array) -> Array:
    """prod_i (1 + sin(2 pi x_i + i) / sqrt(d)), i = 1..d, on [0, 1]^d.

    Its mean is 1 and its variance (1 + 1/(2d))^d - 1, between 0.56 and 0.65.
    """
    return (1 + np.sin(2 * np.pi * x + _index(x)) / np.sqrt(x.shape[1])).prod(axis=1, keepdims=True)


def folded(x: Array) -> Array:
    """prod_i (|4 x_i - 2| + i) / (1 + i), i = 1..d, on [0, 1]^d.

    The g-function of Sobol with a_i = i: the variables matter less and less.
    """
    fold = np.where(x.real < 0.5, 2 - 4 * x, 4 * x - 2)
    return ((fold + _index(x)) / (1 + _index(x))).prod(axis=1, keepdims=True)


def nested(x: Array) -> Array:
    """exp(-sum_i (x_i - i/(d + 1))^2) sin(sum_i x_i), i = 1..d, on [0, 1]^d.

    Functions of two sums of univariate functions, multiplied: two or three layers represent it.
    """
    squares = ((x - _index(x) / (x.shape[1] + 1)) ** 2).sum(axis=1, keepdims=True)
    return np.exp(-squares) * np.sin(x.sum(axis=1, keepdims=True))


def _index(x: Array) -> FloatArray:
    return np.arange(1.0, x.shape[1] + 1)


SUPERPOSITIONS = tuple(
    Target(f"{name}-{d}", function, (UNIT,) * d)
    for name, function in (
        ("sum", additive),
        ("product", multiplicative),
        ("folded-product", folded),
        ("nested-sums", nested),
    )
    for d in DIMENSIONS
)
"""Each function in two, four, six and ten dimensions."""


def airy(x: Array) -> FloatArray:
    """Ai(x) on [-12, 4].

    Waves to the left of 0, decay to the right.
    """
    return special.airy(real("x", x))[0]


def fresnel(x: Array) -> FloatArray:
    """S(x) = int_0^x sin(pi s^2/2) ds on [0, 5]."""
    return special.fresnel(real("x", x))[0]


def bessel(x: Array) -> FloatArray:
    """J_v(x), order v in [0, 4], x in [1, 20]; v, x.

    x starts at 1, as x^v is not smooth at 0.
    """
    points = real("x", x)
    return special.jv(points[:, :1], points[:, 1:])


def elliptic(x: Array) -> FloatArray:
    """F(p | m) = int_0^p ds / sqrt(1 - m sin^2 s), p in [0, pi/2], m in [0, 19/20]; p, m."""
    points = real("x", x)
    return special.ellipkinc(points[:, :1], points[:, 1:])


def spherical_harmonic(x: Array) -> FloatArray:
    """sqrt(7/(480 pi)) P_3^2(cos p) cos(2 q), p in [0, pi], q in [0, 2 pi]; p, q.

    The real part of Y_3^2, with the associated Legendre function P_3^2(c) = 15 c (1 - c^2).
    """
    points = real("x", x)
    return np.sqrt(7 / (480 * np.pi)) * special.lpmv(2, 3, np.cos(points[:, :1])) * np.cos(2 * points[:, 1:])


SPECIAL_FUNCTIONS = (
    Target("airy", airy, ((-12.0, 4.0),)),
    Target("fresnel", fresnel, ((0.0, 5.0),)),
    Target("bessel", bessel, ((0.0, 4.0), (1.0, 20.0))),
    Target("elliptic", elliptic, ((0.0, np.pi / 2), (0.0, 0.95))),
    Target("spherical-harmonic", spherical_harmonic, ((0.0, np.pi), (0.0, 2 * np.pi))),
)
"""Special functions of one and of two variables."""
