r"""Errors in one dimension as integrals of the residual, enclosed: variation of constants.

For e'' + k^2 e = rho on [a, b] with e = delta at both ends, K(t) = t, or sin(k t)/k,

    e(x) = delta_a K'(x - a) + B K(x - a) + int_a^x K(x - s) rho(s) ds,    B from e(b) = delta_b,

and K(t - s) is phi_1(t) phi_0(s) - phi_0(t) phi_1(s), over k, with phi = (1, t) or (cos k t, sin k t): two running
integrals do for all x. With a coefficient, (c e')' = rho, the same holds for phi = (1, I), I(x) = int_a^x 1/c, in place
of (1, t): (c e')' is rho, and e = delta_a + B I(x) + I(x) int rho - int I rho.

Between nodes e exceeds its ends by at most w^2/8 |e''|; with a coefficient y = I(x) makes it e_yy = c rho on an
interval of length at most w/min c, so that the excess is at most w^2/8 |rho| max c/(min c)^2.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals, down, up
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, variables
from refkan.analysis.exact.solutions.equation_functions import evaluated
from refkan.base.array_types import FloatArray


def bound_by_integration(
    residual_over: Callable[[Intervals], Expansion], k: float, ends: FloatArray, delta: Intervals, residual: float,
    points: int, coefficient: Callable[..., Any] | None = None,
) -> float:  # fmt: skip
    """Bound |e| by enclosing the integrals of rho times the solutions of the homogeneous equation.

    Parameters
    ----------
    residual_over : callable
        Boxes (B, 1) -> rho around their centres.
    k : float
    ends : array (2,)
    delta : Intervals (2,)
        e at both ends.
    residual : float
        Bound of |rho|.
    points : int
        Intervals of integration.
    coefficient : callable, optional
        c, with k = 0.

    Raises
    ------
    ValueError
        At resonance, and for fewer points than resolve a wave.
    """
    nodes = np.linspace(ends[0], ends[1], points + 1)
    boxes = Intervals(nodes[:-1, None].copy(), nodes[1:, None].copy())
    rho = residual_over(boxes)
    t = Intervals.of(nodes[1:]) - Intervals.of(ends[0])
    stretch = Intervals.of(np.ones_like(t.lo))
    if coefficient is None:
        origin = float(ends[0])
        products = [rho.map(partial(_times_homogeneous, origin, k, which), boxes) for which in (0, 1)]
        K, slope = _kernel(t, k)
    else:
        I, K, stretch = _integrated_reciprocal(coefficient, boxes, rho)
        products = [rho, replace(rho, centre=rho.centre * I.centre, over=rho.over * I.over)]
        slope = Intervals.of(np.ones_like(t.lo))
    integrals = [_cumulated(_integral(product, boxes)) for product in products]
    scaled = Intervals.of(1.0) if not k else Intervals.of(1.0).over(Intervals.of(k))
    # int K(t - s) rho = (phi_1(t) int phi_0 rho - phi_0(t) int phi_1 rho)/k, phi = (1, t), or (cos k t, sin k t)
    phi = (slope, K if not k else K * Intervals.of(k))
    particular = (phi[1] * integrals[0] - phi[0] * integrals[1]) * scaled
    last = K[-1]
    if not (last.lo > 0 or last.hi < 0):
        raise ValueError(
            f"wavenumber must stay away from resonance; got k (b - a) = {k * (ends[1] - ends[0]):.17g}, "
            "a multiple of pi"
        )
    B = (delta[1] - delta[0] * slope[-1] - particular[-1]).over(last)
    e = slope * delta[0] + K * B + particular
    at_points = np.maximum(e.magnitude.max(), delta[:1].magnitude.max())
    w = float(up(np.max(up(boxes.hi - boxes.lo))))
    return _between_points(float(at_points), float(up(residual * float(stretch.hi.max()))), w, k, points)


def _integrated_reciprocal(
    coefficient: Callable[..., Any], boxes: Intervals, rho: Expansion
) -> tuple[Expansion, Intervals, Intervals]:
    """I(x) = int_a^x 1/c around the centres, I at the right ends, and c/(min c)^2 on every interval."""
    order = max(rho.over.order, 1)

    def reciprocal(_: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        c = evaluated("coefficient", coefficient, at, order - 1)
        powers = [Intervals.of(1.0).over(c.value)]
        for _k in range(order - 1):
            powers.append(-powers[-1] * powers[0])
        return c.composed(powers)

    c = evaluated("coefficient", coefficient, boxes, 0).value
    if not (c.lo > 0).all():
        raise ValueError("coefficient must be positive in the box; on some interval of integration that is not proven")
    g = replace(rho.map(reciprocal, boxes), smoothness=np.full(len(boxes.lo), order))
    ends = _cumulated(_integral(g, boxes))
    begins = Intervals(np.append(0.0, ends.lo[:-1]), np.append(0.0, ends.hi[:-1]))
    middle = Intervals.of(boxes.middle)
    left = (middle - Intervals.of(boxes.lo))[:, 0]
    to_centre = begins + _with_remainder(g, Intervals.of(np.zeros_like(left.lo)), left, order - 1)
    over = Intervals(begins.lo, ends.hi)  # 1/c > 0
    I = replace(g, centre=_antiderivative(g.centre, to_centre), over=_antiderivative(g.over, over))
    return I, ends, c.over(Intervals.of(c.lo).squared())


def _antiderivative(g: TaylorIntervals, value: Intervals) -> TaylorIntervals:
    """The Taylor number of a value whose derivative is g."""
    parts: dict[tuple[int, ...], Intervals] = {(0,): value}
    for (n,), part in g.parts.items():
        parts[n + 1,] = part.over(Intervals.of(n + 1.0))
    return TaylorIntervals(parts, g.order + 1)


def _between_points(at_points: float, residual: float, w: float, k: float, points: int) -> float:
    """Bound |e| on intervals of length w: |e''| <= |rho| + k^2 |e|, max <= at points + w^2/8 (|rho| + k^2 max)."""
    share = float(up(w * w * (1 + 4 * EPS))) / 8
    damping = 1 - float(up(share * k * k * (1 + 4 * EPS)))
    if not damping > 0:
        raise ValueError(f"points = {points} must be more for wavenumber = {k}: an interval spans a wave")
    bound = float(up(up(at_points + up(share * residual)) / down(damping)))
    return bound if bound >= 0 else np.inf  # not a number: nothing is known


def _times_homogeneous(origin: float, k: float, which: int, f: TaylorIntervals, at: Intervals) -> TaylorIntervals:
    return f * _homogeneous(variables(at, f.order)[0] - origin, k)[which]


def _homogeneous(t: TaylorIntervals, k: float) -> tuple[TaylorIntervals, TaylorIntervals]:
    if not k:
        return t * 0.0 + 1.0, t
    return (t * k).cos(), (t * k).sin()


def _kernel(t: Intervals, k: float) -> tuple[Intervals, Intervals]:
    """K and K'."""
    if not k:
        return t, Intervals.of(np.ones_like(t.lo))
    angle = t * Intervals.of(k)
    return angle.sin().over(Intervals.of(k)), angle.cos()


def _integral(g: Expansion, boxes: Intervals) -> Intervals:
    """int over each interval [l, h] of sum_n g_n (x - c)^n, the last coefficient over the box."""
    middle = Intervals.of(boxes.middle)
    right, left = (end[:, 0] for end in (Intervals.of(boxes.hi) - middle, middle - Intervals.of(boxes.lo)))
    best = _with_remainder(g, right, left, 0)
    for last in range(1, g.over.order + 1):
        holds = g.smoothness >= last - 1
        if not holds.any():
            break
        best = best.meet(_with_remainder(g, right, left, last).where(holds))
    return best


def _with_remainder(f: Expansion, right: Intervals, left: Intervals, last: int) -> Intervals:
    total = Intervals.of(np.zeros_like(right.lo))
    r, l = right, left
    for n in range(last + 1):
        g = (f.over if n == last else f.centre).parts.get((n,))
        if g is not None:
            share = Intervals.of(1.0).over(Intervals.of(float(n + 1)))
            # (x - c)^n is of one sign on either side of c, where the coefficient may be any number of its interval.
            total = total + g * r * share + g * (l if n % 2 == 0 else -l) * share
        r, l = r * right, l * left
    return total


def _cumulated(parts: Intervals) -> Intervals:
    """Running sums: n terms added one after the other."""
    n = parts.lo.size
    slack = EPS * n * np.cumsum(parts.magnitude) * (1 + EPS * n)
    return Intervals(down(np.cumsum(parts.lo) - slack), up(np.cumsum(parts.hi) + slack))
