"""Correct layers that keep a polynomial for each interval, in forms that round in their own ways."""

from __future__ import annotations

from math import comb

import numpy as np

from tests.broken_layers.correct import Piecewise


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
