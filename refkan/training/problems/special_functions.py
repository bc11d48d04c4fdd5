"""Special functions of one and two variables, by scipy.special; real points only."""

from __future__ import annotations

import numpy as np
from scipy import special

from refkan.base.arguments import real
from refkan.base.array_types import Array, FloatArray
from refkan.training.problems.targets import Target


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
    Target("elliptic", elliptic, ((0.0, np.pi / 2), (0.0, 0.95)), "analytic, but near the singularity at (pi/2, 1)"),
    Target("spherical-harmonic", spherical_harmonic, ((0.0, np.pi), (0.0, 2 * np.pi))),
)
"""Special functions of one and of two variables."""
