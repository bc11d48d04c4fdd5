"""Layers whose functions, knots, parts or calls are others, and what identification must say that they are."""

import numpy as np
from numpy.polynomial import chebyshev

from refkan.conformance.cases.truths.quantities import silu
from refkan.splines.knots import greville_points
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import altered, built, of_coefficients, of_knots, of_samples


class ReciprocalsInSingle(NumpyLayer):
    def ratio(self, numerator, denominator):
        with np.errstate(divide="ignore"):
            inverse = (1 / denominator).astype(np.float32).astype(self.number)
        return np.where(denominator == 0, 0, numerator * np.where(denominator == 0, 0, inverse))


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


class OfAnotherBasis(NumpyLayer):
    def basis(self, p, x, derivative=0):
        a, b = self.spec.domains[p]
        c = np.eye(self.spec.dim)
        for _ in range(derivative):
            c = chebyshev.chebder(c) * 2 / (b - a)
        return chebyshev.chebvander((2 * x - a - b) / (b - a), len(c) - 1) @ c


class OfGaussians(NumpyLayer):
    def basis(self, p, x, derivative=0):
        a, b = self.spec.domains[p]
        u = (x[:, None] - np.linspace(a, b, self.spec.dim)) / 0.25
        return np.exp(-u * u) * (1, -2 * u / 0.25, (4 * u * u - 2) / 0.0625)[derivative]


class OfBumps(NumpyLayer):
    def basis(self, p, x, derivative=0):
        t, r = self.t[p], self.order
        low, high, at = t[:-r], t[r:], x[:, None]
        bump = 16 * np.where((at > low) & (at < high), (at - low) * (high - at) / (high - low) ** 2, 0) ** 2
        return bump if derivative == 0 else super().basis(p, x, derivative)


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


class EndsStandIn(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions, low = super().basis(p, x, derivative), self.spec.domains[p][0]
        if self.outside != "natural" or derivative:
            return functions
        return np.where((x < low)[:, None], np.roll(functions, -3, axis=1), functions)


FUNCTIONS_TOLD = {
    "other knots: knots in use are the mean of the knots of all inputs": of_knots(
        lambda t: t.mean(axis=0, keepdims=True).repeat(len(t), axis=0)
    ),
    "left end open: all basis functions are zero at x = a": altered(
        "pieces",
        lambda layer, on, x, t: np.where((x == t[layer.order - 1])[:, None] & (layer.outside == "natural"), 0, on),
    ),
    "float32 arithmetic: reciprocals of differences of knots are rounded to float32": ReciprocalsInSingle,
    r"other functions: the third of the 4 pieces in each interval has the linear coefficient in u = .* opposite sign "
    r"\(degree 3; [^)]*\)$": SignInOnePiece,
    r"other functions: functions are the Chebyshev polynomials number 0 to 8 in the domain taken to \[-1, 1\] ": (
        OfAnotherBasis
    ),
    r"other functions: functions are Gaussians .* w = 0.25, c = equally spaced points from": OfGaussians,
    r"degree fixed: .* degree 4 instead of 3; they are not B-splines, .* zeros of order 2 and 2": OfBumps,
    "other functions: coefficients are values at the knot averages: .* none has local support": OfValues,
    "stale cache: samples that differ by .*e-07 from those of an earlier call": ResultsOfRoundedRows,
    r"samples mixed: one row is below .* knots are stretched .* next call: the layer is changed": StretchedForGood,
    "samples reordered: .*: those of each input come in ascending order": of_samples(lambda x: np.sort(x, axis=0)),
    "part not linear: .*'scale': weights go through softplus": altered(
        "part", lambda layer, W, name: np.logaddexp(0, W) if name == "scale" and "scale" in layer.spec.parts else W
    ),
    "part not linear: .*'base': silu is applied to the sum over inputs, of identity of x": altered(
        "__call__",
        lambda layer, y, x: (
            y + layer.part("node-scale") * (silu(x @ layer.part("base").T, 0)[0] - silu(x, 0)[0] @ layer.part("base").T)
        ),
    ),
    "float32 arithmetic: values of silu in the part 'base' are rounded to float32": altered(
        "__call__",
        lambda layer, y, x: (
            y
            + (silu(x, 0)[0].astype("f4") - silu(x, 0)[0]) @ (layer.part("node-scale")[:, None] * layer.part("base")).T
        ),
    ),
    r"wired otherwise: .* coefficients are read from memory as if they were laid out \(index, input, output\)": (
        of_coefficients(lambda C: C.ravel().reshape(C.shape, order="F"))
    ),
    "only outside the domain: .* below a .*: functions 6 to 8 of 9 are not zero there, the last ones": EndsStandIn,
}
"""Patterns of the first difference."""


def _knots_of_the_first(key):
    """Layers have the knots of the first one that was built with the same key."""
    kept = {}
    return built(lambda layer: setattr(layer, "t", kept.setdefault(key(layer.spec), layer.t)))


def _remembered(key):
    """Outputs are remembered by a key of the samples."""

    def recalled(layer, y, x):
        return layer.__dict__.setdefault("kept", {}).setdefault(key(np.asarray(x)), y).copy()

    return altered("__call__", recalled)


class IntervalOfTheFirstInput(NumpyLayer):
    """The interval of each sample is looked for with input 0 alone."""

    m = None

    def edges(self, x, derivative):
        self._search(x)
        return super().edges(x, derivative)

    def coefficient_gradient(self, x, dy):
        self._search(np.asarray(x))
        return super().coefficient_gradient(x, dy)

    def _search(self, x):
        self.m = None
        self.m = self.pieces(x[:, 0], self.t[0]).argmax(axis=1)

    def _polynomials(self, x, t, derivative):
        return self._recursion(x, t, derivative)

    def pieces(self, x, t):
        on = super().pieces(x, t)
        if self.m is None or self.m.size != len(on):
            return on
        return (np.arange(t.size - 1) == self.m[:, None]) * on.any(axis=1)[:, None]


CUBIC = np.array([[1, -3, 3, -1], [4, 0, -6, 3], [1, 3, 3, -3], [0, 0, 0, 1]]) / 6
"""Powers of the four pieces of cubic B-splines on equally spaced knots."""


def _by_table(row, column, number):
    """Cubic splines on equally spaced knots by a table of powers with a wrong number in one place."""
    table = CUBIC.copy()
    table[row, column] = number

    def cubic(layer, right, x, t, derivative):
        if layer.order != 4 or derivative or np.ptp(np.diff(t)) > 1e-12:
            return right
        on = layer.pieces(x, t)
        m = on.argmax(axis=1)
        u = np.vander((x - t[m]) / (t[m + 1] - t[m]), 4, increasing=True)
        functions = np.zeros((x.size, t.size + 2))
        np.put_along_axis(functions, m[:, None] + np.arange(4), u @ table.T, axis=1)
        return functions[:, 3:-3] * on.any(axis=1)[:, None]

    return altered("_polynomials", cubic)


ALONE = {
    _by_table(0, 0, 1.06 / 6): ["other functions: the first of .* the constant coefficient .* with 1.06 times its own"],
    _by_table(1, 1, 0.1): ["other functions: the second of .* has the linear coefficient .* with 0.1 added"],
    _knots_of_the_first(lambda spec: (spec.order, spec.knots.shape)): [
        "models share state: a model has the knots of one of the same sizes built before it"
    ],
    _knots_of_the_first(lambda spec: (spec.order, spec.knots.shape, spec.domains.tobytes())): [
        "models share state: a model has the knots of one of the same sizes built before it"
    ],
    IntervalOfTheFirstInput: ["interval search: .* they are those of the sample of input 0"],
    altered("pieces", lambda layer, on, x, t: on[:1].repeat(len(on), axis=0)): [
        "samples mixed: rows change with the others: not by a factor"
    ],
    _remembered(lambda x: (x.shape, float(x.sum()))): [
        "stale cache: the same samples in another order .*; a new model with the same coefficients has its own"
    ],
}
"""All that is told: what follows from these is spoilt by them."""
