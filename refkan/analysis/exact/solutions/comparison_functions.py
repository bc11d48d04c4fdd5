r"""Bounds of an error e with L e = div(c grad e) + q e = rho in a box, e = delta on its boundary, in any dimension.

Let q <= K in the box, K >= 0, let R bound |rho| and D bound |delta|, and L_p be the sides.

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

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, up
from refkan.base.array_types import FloatArray

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
        if left.lo > 0:
            yield Comparison(float(Intervals.of(m).over(left).hi) if K.hi > 0 else 1.0, float(W.over(left).hi))
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
