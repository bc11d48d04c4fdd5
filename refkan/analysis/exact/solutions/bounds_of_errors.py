r"""Bounds of errors: in one dimension by integrals of the residual, in any by comparison and by eigenfunctions.

*Integrals.* By variation of constants, for e'' + k^2 e = rho on [a, b], e = delta at both ends, K(t) = t or sin(k t)/k,

    e(x) = delta_a K'(x - a) + B K(x - a) + int_a^x K(x - s) rho(s) ds,    B from e(b) = delta_b,

and K(t - s) is phi_1(t) phi_0(s) - phi_0(t) phi_1(s), over k, with phi = (1, t) or (cos k t, sin k t): two running
integrals do for all x. With a coefficient, (c e')' = rho, the same holds for phi = (1, I), I(x) = int_a^x 1/c, in place
of (1, t): (c e')' is rho, and e = delta_a + B I(x) + I(x) int rho - int I rho.

Between nodes e exceeds its ends by at most w^2/8 |e''|; with a coefficient y = I(x) makes it e_yy = c rho on an
interval of length at most w/min c, so that the excess is at most w^2/8 |rho| max c/(min c)^2.

In any dimension let L e = div(c grad e) + q e = rho in a box, e = delta on its boundary; let q <= K in the box, K >= 0,
let R bound |rho| and D bound |delta|, and L_p be the sides.

*Comparison.* For h >= 1 with L h <= 0 and g >= 0 with L g <= -1 in the closed box, both smooth,

    |e| <= D h + R g.

Proof: L(D h + R g -+ e) <= -R -+ rho <= 0, and D h + R g -+ e >= D - |delta| >= 0 on the boundary. For a function w
with L w <= 0, w = h z satisfies c h Lap z + (2 c grad h + h grad c) grad z + (L h) z <= 0, and L h, its last
coefficient, is not positive: the maximum principle holds for z, and so w >= 0. With s = (x_p - a)(b - x_p)/2,
max s = W = L_p^2/8, and m > 0 such that div(c grad s) <= -m, these are such functions:

    q <= 0            h = 1, g = s/m             max g = W/m
    q <= -r < 0       h = 1, g = 1/r
    0 < K W < m       h = 1 + A s, g = A s/K     A = K/(m - K W): max h = m/(m - K W), max g = W/(m - K W)
    c = 1, k_p L_p    h = prod cos(k_p (x_p - middle))/cos(k_p L_p/2), g = (h - 1)/S, S = sum k_p^2 >= K > 0:
    below pi          max h = H = prod 1/cos(k_p L_p/2), max g = (H - 1)/S

The third: L h = A div(c grad s) + q (1 + A s) <= -A m + K (1 + A W) = 0, L g <= (A/K) (-m + K W) = -1. The fourth:
L h = (q - S) h <= 0, L g + 1 = (q - S) (h - 1)/S <= 0, as h >= 1. Such k_p exist for all K below the first eigenvalue
pi^2 sum 1/L_p^2 of -Lap in the box.

*What is already bounded.* Let e = e_0 + z with |e_0| <= E and L z = -q e_0, z = 0 on the boundary. Then
|z| <= max |q| E max g; and |z| <= E if q <= 0, since L(E -+ z) = q (E -+ (-e_0)) <= 0.

*Eigenfunctions.* Let c = 1 and q be constant, no eigenvalue lambda_n = pi^2 sum (n_p/L_p)^2, and P <= 3. Let eta be the
harmonic function with eta = delta on the boundary: |eta| <= D. Then zeta = e - eta vanishes there, and
Lap zeta + q zeta = rho - q eta. Its coefficients in the orthonormal eigenfunctions phi_n, |phi_n|^2 <= 2^P/volume, are
those of the right hand side over q - lambda_n, and by Cauchy and Schwarz

    |e| <= D + (R + |q| D) (2^P sum_n (lambda_n - q)^-2)^(1/2).

The sum over n_p <= N_p is computed. Beyond it, with Y = min pi N_p/L_p, Y^2 > q: the terms fall along each n_p, so that
each is at most the integral over the unit cell below n; with y_p = pi x_p/L_p these cells lie in |y| >= Y, and

    sum <= prod(L_p/pi) w_P int_Y^inf r^(P-1) (r^2 - q)^-2 dr <= prod(L_p/pi) w_P (1 - q/Y^2)^-2 Y^(P-4)/(4 - P)

for q >= 0, w_P = 1, pi/2, pi/2 the part of the unit sphere where all y_p are positive.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

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
    t, one = Intervals.of(nodes[1:]) - Intervals.of(ends[0]), Intervals.of(np.ones(points))
    if coefficient is None:
        phi, stretch = [each.value for each in _homogeneous(TaylorIntervals({(0,): t}, 0), k)], one
        products = [rho.map(partial(_times_homogeneous, float(ends[0]), k, which), boxes) for which in (0, 1)]
    else:
        I, at_ends, stretch = _integrated_reciprocal(coefficient, boxes, rho)
        phi, products = [one, at_ends], [rho, rho._replace(centre=rho.centre * I.centre, over=rho.over * I.over)]
    integrals = [_cumulated(_integral(product, boxes)) for product in products]
    # int K(t - s) rho = (phi_1(t) int phi_0 rho - phi_0(t) int phi_1 rho)/k, phi = (1, t), or (cos k t, sin k t)
    particular = phi[1] * integrals[0] - phi[0] * integrals[1]
    if k:
        particular = particular.over(Intervals.of(k))
    last = phi[1][-1]
    if not (last.lo > 0 or last.hi < 0):
        raise ValueError(
            f"wavenumber must stay away from resonance; got k (b - a) = {k * (ends[1] - ends[0]):.17g}, "
            "a multiple of pi"
        )
    B = (delta[1] - delta[0] * phi[0][-1] - particular[-1]).over(last)
    e = phi[0] * delta[0] + phi[1] * B + particular
    at_points = np.maximum(e.magnitude.max(), delta[:1].magnitude.max())
    w = float(up(np.max(up(boxes.hi - boxes.lo))))
    return _between_points(float(at_points), float(up(residual * float(stretch.hi.max()))), w, k, points)


def _integrated_reciprocal(
    coefficient: Callable[..., Any], boxes: Intervals, rho: Expansion
) -> tuple[Expansion, Intervals, Intervals]:
    """I(x) = int_a^x 1/c around the centres, I at the right ends, and c/(min c)^2 on every interval."""
    order = max(rho.over.order, 1)

    def reciprocal(_: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        c = evaluated("diffusion_coefficient", coefficient, at, order - 1)
        powers = [Intervals.of(1.0).over(c.value)]
        for _k in range(order - 1):
            powers.append(-powers[-1] * powers[0])
        return c.composed(powers)

    c = evaluated("diffusion_coefficient", coefficient, boxes, 0).value
    if not (c.lo > 0).all():
        raise ValueError(
            "diffusion_coefficient must be positive in the box; on some interval of integration that is not proven"
        )
    g = rho.map(reciprocal, boxes)._replace(smoothness=np.full(len(boxes.lo), order))
    ends = _cumulated(_integral(g, boxes))
    begins = Intervals(np.append(0.0, ends.lo[:-1]), np.append(0.0, ends.hi[:-1]))
    middle = Intervals.of(boxes.middle)
    left = (middle - Intervals.of(boxes.lo))[:, 0]
    to_centre = begins + _with_remainder(g, Intervals.of(np.zeros_like(left.lo)), left, order - 1)
    over = Intervals(begins.lo, ends.hi)  # 1/c > 0
    I = g._replace(centre=_antiderivative(g.centre, to_centre), over=_antiderivative(g.over, over))
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
        raise ValueError(f"integration_intervals = {points} are too few for wavenumber = {k}: an interval spans a wave")
    bound = float(up(up(at_points + up(share * residual)) / down(damping)))
    if not bound >= 0:  # not a number: nothing is known
        return np.inf
    return bound


def _times_homogeneous(origin: float, k: float, which: int, f: TaylorIntervals, at: Intervals) -> TaylorIntervals:
    return f * _homogeneous(variables(at, f.order)[0] - origin, k)[which]


def _homogeneous(t: TaylorIntervals, k: float) -> tuple[TaylorIntervals, TaylorIntervals]:
    """phi of t = x - a."""
    if k:
        return (t * k).cos(), (t * k).sin()
    return TaylorIntervals({t.zero: Intervals.of(np.ones_like(t.value.lo))}, t.order), t


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
        taylor = f.over if n == last else f.centre
        g = taylor.parts.get((n,))
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


PI = Intervals(np.array(3.141592653589793), up(np.array(3.141592653589793)))
HALF_PI = 1.5707963267948966
"""The largest float below pi/2."""

RESOLVED = 32.0
"""Half waves along the shortest side that the sum over eigenfunctions takes at least."""

TERMS = 2_000_000
"""Eigenfunctions that it takes at most."""


class Comparison(NamedTuple):
    """Bounds of h and g: |e| <= boundary D + source R."""

    boundary: float
    source: float

    def bound(self, delta: float, residual: float) -> float:
        """An upper bound of |e|."""
        return float(up(up(self.boundary * delta) + up(self.source * residual)))


def comparisons(sides: Intervals, q: Intervals, slopes: FloatArray, constant: bool) -> Iterator[Comparison]:
    """The comparison functions that there are.

    Parameters
    ----------
    sides : Intervals (P,)
    q : Intervals ()
        Its range.
    slopes : array (P,)
        A lower bound of m for each input.
    constant : bool
        Whether c = 1.
    """
    one, K = Intervals.of(1.0), Intervals.of(np.maximum(q.hi, 0.0))
    for p, m in enumerate(slopes):
        W = sides[p].squared() * Intervals.of(0.125)
        left = Intervals.of(m) - K * W
        if not left.lo > 0:
            continue
        boundary = Intervals.of(1.0)
        if K.hi > 0:
            boundary = Intervals.of(m).over(left)
        yield Comparison(float(boundary.hi), float(W.over(left).hi))
    if q.hi < 0:
        yield Comparison(1.0, float(one.over(-q).hi))
    if constant and K.hi > 0:
        yield from _waves(sides, float(K.hi))


def _waves(sides: Intervals, K: float) -> Iterator[Comparison]:
    """Products of cosines: of one input, and of all with the same part of a half wave."""
    P = sides.lo.size
    first = np.pi / sides.hi
    directions = [np.eye(P)[p] for p in range(P)] + [first / np.sqrt((first**2).sum())] * (P > 1)
    for direction in directions:
        k = Intervals.of(np.sqrt(K) * direction * (1 + 1e-15))
        S, angle = k.squared().sum(0), k * sides * Intervals.of(0.5)
        cosines = angle.cos()
        if S.lo >= K and (angle.hi < HALF_PI).all() and (cosines.lo > 0).all():
            H = Intervals.of(1.0)
            for p in range(P):
                H = H.over(cosines[p])
            yield Comparison(float(H.hi), float((H - Intervals.of(1.0)).over(S).hi))


def by_eigenfunctions(sides: Intervals, q: Intervals) -> float | tuple[int, ...]:
    """An upper bound of (2^P sum (lambda_n - q)^-2)^(1/2), or the n of an eigenvalue that q may be."""
    P, units, low = sides.lo.size, PI.over(sides), Intervals.of(np.maximum(q.hi, 0.0))
    reach = max(RESOLVED * float(units.hi.max()), 4 * float(np.sqrt(low.hi)))
    counts = np.ceil(reach / units.lo)
    if P > 3 or not counts.prod() <= TERMS:
        return np.inf
    eigenvalues = Intervals.of(0.0)
    for p, count in enumerate(counts):
        squares = (Intervals.of(np.arange(1.0, count + 1)) * units[p]).squared()
        eigenvalues = eigenvalues.reshape(*eigenvalues.lo.shape, 1) + squares
    gaps = eigenvalues - q
    if (zero := ~((gaps.lo > 0) | (gaps.hi < 0))).any():
        return tuple(int(n) + 1 for n in np.argwhere(zero)[0])
    one = Intervals.of(1.0)
    total = one.over(gaps.squared()).reshape(-1).sum(0)
    Y = Intervals.of(np.min((units * Intervals.of(counts)).lo))
    room = one - low.over(Y.squared())
    tail = (
        one.over(room.squared())
        * (one if P == 1 else PI * Intervals.of(0.5))
        * Intervals.of(1.0).over(Intervals.of(4.0 - P))
    )
    for _ in range(4 - P):
        tail = tail.over(Y)
    for p in range(P):
        tail = tail.over(units[p])
    greatest = (total + tail) * Intervals.of(2.0**P)
    return float(up(np.sqrt(greatest.hi)))
