r"""Errors in one dimension as integrals of the residual, enclosed: variation of constants.

For e'' + k^2 e = rho on [a, b] with e = delta at both ends, K(t) = t, or sin(k t)/k,

    e(x) = delta_a K'(x - a) + B K(x - a) + int_a^x K(x - s) rho(s) ds,    B from e(b) = delta_b,

and K(t - s) is phi_1(t) phi_0(s) - phi_0(t) phi_1(s), over k, with phi = (1, t) or (cos k t, sin k t): two running
integrals do for all x.
"""

from collections.abc import Callable

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals, down, up
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, variables
from refkan.base.array_types import FloatArray


def bound_by_integration(
    residual_over: Callable[[Intervals], Expansion], k: float, ends: FloatArray, delta: Intervals, residual: float,
    points: int,
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

    Raises
    ------
    ValueError
        At resonance, and for fewer points than resolve a wave.
    """
    nodes = np.linspace(ends[0], ends[1], points + 1)
    boxes = Intervals(nodes[:-1, None].copy(), nodes[1:, None].copy())
    rho = residual_over(boxes)

    def times(which: int) -> Expansion:
        return rho.map(lambda f, at: f * _homogeneous(variables(at, f.order)[0] - float(ends[0]), k)[which], boxes)

    integrals = [_cumulated(_integral(times(which), boxes)) for which in (0, 1)]
    t = Intervals.of(nodes[1:]) - Intervals.of(ends[0])
    K, slope = _kernel(t, k)
    scaled = Intervals.of(1.0) if not k else Intervals.of(1.0).over(Intervals.of(k))
    # int K(t - s) rho = (phi_1(t) int phi_0 rho - phi_0(t) int phi_1 rho)/k, phi = (1, t), or (cos k t, sin k t)
    phi = (Intervals.of(np.ones_like(nodes[1:])), t) if not k else (slope, K * Intervals.of(k))
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
    w = float(np.max(up(boxes.hi - boxes.lo)))
    return _between_points(float(at_points), residual, w, k, points)


def _between_points(at_points: float, residual: float, w: float, k: float, points: int) -> float:
    """Bound |e| on intervals of length w: |e''| <= |rho| + k^2 |e|, max <= at points + w^2/8 (|rho| + k^2 max)."""
    share = float(up(w * w * (1 + 4 * EPS))) / 8
    damping = 1 - float(up(share * k * k * (1 + 4 * EPS)))
    if not damping > 0:
        raise ValueError(f"points = {points} must be more for wavenumber = {k}: an interval spans a wave")
    bound = float(up(up(at_points + up(share * residual)) / down(damping)))
    return bound if bound >= 0 else np.inf  # not a number: nothing is known


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
