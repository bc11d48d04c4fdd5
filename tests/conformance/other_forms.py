"""Correct layers in forms that round in their own ways."""

from math import comb, perm

import numpy as np

from tests.broken_layers.correct import Piecewise
from tests.broken_layers.plain_numpy import NumpyLayer


class FromTheLeft(Piecewise):
    """At a knot the piece that ends there, which has the same value where the spline is smooth."""

    def pieces(self, x, t):
        a, b = t[self.order - 1], t[-self.order]
        first, last = t.searchsorted(a, side="right") - 1, t.searchsorted(b, side="left") - 1
        m = np.where(x == a, first, t.searchsorted(x, side="left") - 1)
        if self.outside != "natural":
            m = np.clip(m, first, last)
        return (np.arange(t.size - 1) == m[:, None]).astype(self.number)


class Bernstein(Piecewise):
    """Ordinates c_k = sum_j C(k, j)/C(d, j) w^j a_j of Taylor coefficients a_j; derivatives by differences of them."""

    def _polynomials(self, x, t, derivative):
        d, out = self.order - 1, np.zeros((x.size, t.size - self.order))
        left = d - derivative
        for s, piece in enumerate(self.pieces(x, t)) if left >= 0 else ():
            if not piece.any():  # beyond all knots
                continue
            m = int(piece.argmax())
            w, u = t[m + 1] - t[m], (x[s] - t[m]) / (t[m + 1] - t[m])
            taylor = [self._taylor(t, m, j) * w**j for j in range(d + 1)]
            c = [sum(comb(k, j) / comb(d, j) * taylor[j] for j in range(k + 1)) for k in range(d + 1)]
            for k in range(derivative):
                c = (d - k) * np.diff(c, axis=0) / w
            out[s] = sum(comb(left, k) * u**k * (1 - u) ** (left - k) * c[k] for k in range(left + 1))
        return out


class Loops(NumpyLayer):
    """Loops over samples: the functions that matter on a clamped interval, by the triangular scheme."""

    def _polynomials(self, x, t, derivative):
        r, out = self.order, np.zeros((x.size, t.size - self.order), self.number)
        a, b = t[r - 1], t[-r]
        first, last = t.searchsorted(a, side="right") - 1, t.searchsorted(b, side="left") - 1
        for s in range(x.size if derivative < r else 0):
            if self.outside == "natural" and not a <= x[s] <= b:
                out[s] = super()._polynomials(x[s : s + 1], t, derivative)[0]
                continue
            m = min(max(int(t.searchsorted(x[s], side="right")) - 1, first), last)
            values = [self.number(1)]
            for k in range(1, r - derivative):
                rising = [self.number(0)]
                for j, value in enumerate(values):
                    low, high = t[m - k + 1 + j], t[m + 1 + j]
                    share = value / (high - low)
                    rising[j] += (high - x[s]) * share
                    rising.append((x[s] - low) * share)
                values = rising
            for k in range(r - derivative, r):
                steps = [self.number(0)]
                for j, value in enumerate(values):
                    share = k * value / (t[m + 1 + j] - t[m - k + 1 + j])
                    steps[j] -= share
                    steps.append(share)
                values = steps
            out[s, m - r + 1 : m + 1] = values
        return out


class Differences(NumpyLayer):
    """Divided differences of truncated powers: b_i = (-1)^r (t_{i+r} - t_i) [t_i, .., t_{i+r}] max(x - ., 0)^(r-1)."""

    inner: type = np.float64

    def _polynomials(self, x, t, derivative):
        r, d = self.order, self.order - 1 - derivative
        if d < 0 or self.outside != "natural":
            return super()._polynomials(x, t, derivative)
        at, t = x[:, None].astype(self.inner), t.astype(self.inner)
        active = np.where(at == t[-r], t < at, t <= at)  # the last interval is closed
        table = (-1) ** r * perm(r - 1, derivative) * active * (at - t) ** d
        for k in range(1, r + 1):
            table = (table[:, 1:] - table[:, :-1]) / (t[k:] - t[:-k])
        return (table * (t[r:] - t[:-r])).astype(self.number)


class DifferencesInLongDouble(Differences):
    """The same with eleven bits more: rounded to float64 at the end, they do not vanish either where they should."""

    inner = np.longdouble


class Matrices(Piecewise):
    """Powers of u in [0, 1] times a matrix for each interval, built by the recursion of its rows."""

    def _polynomials(self, x, t, derivative):
        r, out = self.order, np.zeros((x.size, t.size - self.order))
        for s, piece in enumerate(self.pieces(x, t)) if derivative < r else ():
            if not piece.any():  # beyond all knots
                continue
            m = int(piece.argmax())
            w, u = t[m + 1] - t[m], (x[s] - t[m]) / (t[m + 1] - t[m])
            rows = {m: np.ones(1)}
            for k in range(2, r + 1):
                lifted = {}
                for i in range(m - k + 1, m + 1):
                    row = np.zeros(k)
                    for j, sign in ((i, 1), (i + 1, -1)):
                        if j in rows and j >= 0 and j + k - 1 < t.size and t[j + k - 1] > t[j]:
                            start = t[m] - t[i] if sign > 0 else t[i + k] - t[m]
                            row[:-1] += rows[j] * start / (t[j + k - 1] - t[j])
                            row[1:] += sign * rows[j] * w / (t[j + k - 1] - t[j])
                    lifted[i] = row
                rows = lifted
            powers = [perm(k, derivative) * u ** (k - derivative) / w**derivative if k >= derivative else 0.0
                      for k in range(r)]  # fmt: skip
            for i, row in rows.items():
                if 0 <= i < out.shape[1]:
                    out[s, i] = row @ powers
        return out
