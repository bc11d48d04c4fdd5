"""Formulas of physics in three to six variables.

The formulas, the order of their variables and the ranges are those of a published list that is taken from the Feynman
Lectures: Udrescu and Tegmark, "AI Feynman: a physics-inspired method for symbolic regression", Science Advances 6,
2020. The id of each target is its equation there.
"""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import Array
from refkan.training.problems.targets import Target


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
    Target("I.29.16", two_waves, ((1.0, 5.0),) * 4, "conical where a = b and p = q"),
    Target("I.12.11", lorentz_force, ((1.0, 5.0),) * 5),
    Target("I.44.4", work_of_expansion, ((1.0, 5.0),) * 5),
    Target("II.6.15a", dipole_field, ((1.0, 3.0),) * 6),
    Target("I.40.1", barometric, ((1.0, 5.0),) * 6),
)
"""Formulas with 3, 3, 4, 4, 5, 5, 6 and 6 variables."""
