"""Layers with one defect that several tests judge, and that the bank does not have."""

from __future__ import annotations

import numpy as np

from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer


class SlopeWithoutSpacing(NumpyLayer):
    """Derivatives that were not divided by h, the first spacing of each input."""

    def pull_back(self, x, dy, derivative=1):
        h = self.t[:, self.order] - self.t[:, self.order - 1]
        return super().pull_back(x, dy, derivative) * h**derivative


class PreviousBlock(NumpyLayer):
    """Every input uses the coefficients of the input before it."""

    def __init__(self, spec):
        super().__init__(spec)
        self.C = np.roll(self.C, 1, axis=1)

    def coefficient_gradient(self, x, dy):
        return np.roll(super().coefficient_gradient(x, dy), -1, axis=1)


class ZeroAtB(NumpyLayer):
    """All basis functions are zero at the right end."""

    def basis(self, p, x, derivative=0):
        return super().basis(p, x, derivative) * (x < self.t[p][-self.order])[:, None]


class SlopeInPositions(NumpyLayer):
    """Derivatives in positions within the interval of x, not divided by its length."""

    def basis(self, p, x, derivative=0):
        knots = self.t[p]
        m = np.where(x == knots[-self.order], np.searchsorted(knots, x), np.searchsorted(knots, x, side="right")) - 1
        m = np.clip(m, 0, knots.size - 2)
        return super().basis(p, x, derivative) * ((knots[m + 1] - knots[m]) ** derivative)[:, None]
