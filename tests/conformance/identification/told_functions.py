"""Layers whose functions, knots, parts or calls are others, and what identification must say that they are."""

import numpy as np

from refkan.conformance.cases.truths.quantities import silu
from refkan.splines.knots import greville_points
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.identification.told_layers import of_coefficients, of_samples


class OnMeanKnots(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        self.t = np.repeat(self.t.mean(axis=0, keepdims=True), len(self.t), axis=0)


class OpenAtTheLeftEnd(NumpyLayer):
    def pieces(self, x, t):
        return np.where((x == t[self.order - 1])[:, None] & (self.outside == "natural"), 0, super().pieces(x, t))


class SignInOnePiece(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions, t, r = super().basis(p, x, derivative).copy(), self.t[p], self.order
        m = np.clip(t.searchsorted(x, side="right") - 1, r - 1, t.size - r - 1)
        if r == 4 and derivative < 2:
            slopes = super().basis(p, t[m], 1)
            i = (np.arange(x.size), m - r + 3)
            inside = (x >= t[r - 1]) & (x <= t[-r])
            functions[i] -= np.where(inside, 2 * slopes[i] * (x - t[m] if derivative == 0 else 1), 0)
        return functions


class OfValues(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        for p, t in enumerate(self.t if spec.degree else ()):
            at = np.clip(greville_points(t, spec.order), *spec.domains[p])
            if np.diff(at).min(initial=1) > 1e-6:
                self.C[:, p] = np.linalg.solve(self.basis(p, at), self.C[:, p].T).T


class ResultsOfRoundedRows(PlainNumpy):
    def forward(self, model, x):
        kept = model[0].__dict__.setdefault("kept", {})
        keys = [np.round(row, 6).tobytes() for row in x]
        for key, row in zip(keys, super().forward(model, x), strict=True):
            kept.setdefault(key, row)
        return np.stack([kept[key] for key in keys])


class StretchedForGood(NumpyLayer):
    def __call__(self, x):
        for p, (a, b) in enumerate(self.spec.domains):
            low, high = min(a, np.min(x[:, p])), max(b, np.max(x[:, p]))
            if np.isfinite(low + high) and (low < self.t[p, self.order - 1] or high > self.t[p, -self.order]):
                self.t[p] = low + (self.spec.knots[p] - a) * (high - low) / (b - a)
        return super().__call__(x)


class SoftplusOfScale(NumpyLayer):
    def part(self, name):
        weights = super().part(name)
        return np.logaddexp(0, weights) if name == "scale" and "scale" in self.spec.parts else weights


class BaseInSingle(NumpyLayer):
    def __call__(self, x):
        if "base" not in self.spec.parts:
            return super().__call__(x)
        off = silu(x, 0)[0].astype(np.float32) - silu(x, 0)[0]
        return super().__call__(x) + off @ (self.part("node-scale")[:, None] * self.part("base")).T


class EndsStandIn(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions, low = super().basis(p, x, derivative), self.spec.domains[p][0]
        if self.outside != "natural" or derivative:
            return functions
        return np.where((x < low)[:, None], np.roll(functions, -3, axis=1), functions)


FUNCTIONS_TOLD = {
    "other knots: functions of an input depend on the knots of others": OnMeanKnots,
    "left end open: all basis functions are zero at x = a": OpenAtTheLeftEnd,
    r"other functions: the third of the 4 pieces in each interval is another, of degree 3 \(degree 3; [^)]*\)$": (
        SignInOnePiece
    ),
    "other functions: functions are polynomials of degree 3 within intervals, without local support": OfValues,
    "stale cache: samples that differ by .*e-07 from those of an earlier call": ResultsOfRoundedRows,
    r"samples mixed: .* below .* knots are stretched .* next call: the layer is changed": StretchedForGood,
    "samples reordered: .*: those of each input come in ascending order": of_samples(lambda x: np.sort(x, axis=0)),
    "part not linear: .*'scale': weights go through softplus": SoftplusOfScale,
    "other activation: .*'base' multiplies another function of x, off by up to .*e-08": BaseInSingle,
    r"wired otherwise: .* coefficients are read from memory as if they were laid out \(index, input, output\)": (
        of_coefficients(lambda C: C.ravel().reshape(C.shape, order="F"))
    ),
    "only outside the domain: .* below a those of the rule but for functions 0, 1, 2, 6, 7, 8 of 9": EndsStandIn,
}
"""Patterns of the first difference."""
