"""Targets of varying complexity in one and two dimensions: smooth, kinked, discontinuous, steep, localised."""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import Array
from refkan.training.problems.targets import Target

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
    Target("kink", kink, (UNIT,), "the slope jumps at x = 1/pi", (KINK,)),
    Target("step", step, (UNIT,), "the value jumps at x = 1/sqrt(2)", (STEP,)),
    Target("steep", steep, ((-1.0, 1.0),), "analytic, but rises from -0.96 to 0.96 within |x| < 1/25"),
    Target("cusp", cusp, (UNIT,), "the slope is unbounded at x = 1/e", (CUSP,)),
    Target("chirp", chirp, (UNIT,), "analytic, but oscillates ever faster towards x = 1"),
    Target("peak", peak, (UNIT,), "analytic, but with a peak of width 1/45 at x = 7/10"),
    Target("front", front, (UNIT, UNIT), "analytic, but steep across the line x = 1/4 + t/2"),
    Target("disc", disc, (UNIT, UNIT), "the value jumps on the circle x^2 + y^2 = 1/2"),
    Target("crease", crease, (UNIT, UNIT), "the gradient jumps on the line x + y/2 = 2/pi"),
    Target("peak-2d", peak_2d, (UNIT, UNIT), "analytic, but with a peak of width 1/22 at (7/10, 3/10)"),
    Target("chirp-2d", chirp_2d, (UNIT, UNIT), "analytic, but oscillates ever faster towards (1, 1)"),
)
"""Targets for the studies of adaptivity."""
