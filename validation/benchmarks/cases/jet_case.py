"""A cubic KAN on N samples: values, first and second derivatives and a gradient, by SciPy's B-splines and NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline

from validation.benchmarks.cases.gauss_newton_case import DEGREE, Array, GaussNewtonCase
from validation.benchmarks.running.harness import Arrays

NU = 0.01
"""The viscosity of the residual r = u u_x - nu u_xx, whose mean square is differentiated."""


@dataclass(frozen=True)
class JetCase(GaussNewtonCase):
    """u, u_x, u_xx along the first input, and the gradient of 1/(2N) sum (u u_x - nu u_xx)^2 in all coefficients."""

    def _bases(self, x: Array) -> list[Array]:
        """Values of the basis and its first three derivatives at x (N, P), arrays (N, P, dim)."""
        found = []
        for k in range(DEGREE + 1):
            lower = self.knots[k : self.knots.size - k]
            columns = [BSpline.design_matrix(column, lower, DEGREE - k).toarray() for column in x.T]
            rows = np.stack(columns, axis=1)
            # b' = (b_i^{[degree]} - b_{i+1}^{[degree]}) n for uniform knots, and so on, zero beyond the first and last.
            for _ in range(k):
                padded = np.pad(rows, ((0, 0), (0, 0), (1, 1)))
                rows = (padded[:, :, :-1] - padded[:, :, 1:]) * self.intervals
            found.append(rows)
        return found

    def reference(self) -> Arrays:
        """Return (u, u_x, u_xx, gradient) by dense matrices."""
        x, coefficients = self.data
        jet = [x, np.zeros_like(x), np.zeros_like(x)]
        jet[1][:, 0] = 1.0
        kept = []
        for k, c in enumerate(coefficients):
            b = self._bases(jet[0])
            (_, u, v), spread = jet, [channel[:, :, None] for channel in jet]
            W = b[0], b[1] * spread[1], b[2] * spread[1] ** 2 + b[1] * spread[2]
            kept.append((b, W, u, v, c))
            jet = [np.einsum("spi,qpi->sq", rows, c) for rows in W]
            if k + 1 < len(coefficients):
                scale, shift = self.maps[k]
                jet = [scale * channel for channel in jet]
                jet[0] += shift
        y, y_x, y_xx = (channel[:, 0] for channel in jet)
        r = (y * y_x - NU * y_xx) / self.samples
        g = [(r * factor)[:, None] for factor in (y_x, y, -NU)]
        parts = []
        for k in range(len(kept) - 1, -1, -1):
            b, W, u, v, c = kept[k]
            parts.append(sum(np.einsum("sq,spi->qpi", g[d], W[d]) for d in range(3)).ravel())
            if k:
                h = [np.einsum("sq,qpi->spi", channel, c) for channel in g]
                slopes = [[np.sum(h[d] * b[m], axis=2) for m in range(4)] for d in range(3)]
                back = (
                    slopes[0][1] + slopes[1][2] * u + slopes[2][3] * u**2 + slopes[2][2] * v,
                    slopes[1][1] + 2 * slopes[2][2] * u,
                    slopes[2][1],
                )
                g = [channel * self.maps[k - 1][0] for channel in back]
        return y, y_x, y_xx, np.concatenate(parts[::-1])
