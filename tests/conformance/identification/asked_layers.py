"""Layers with one defect or two, of kinds that no list of supposed defects had, and the causes that are told."""

import numpy as np
from scipy.special import erf

from refkan.conformance.cases.truths.quantities import silu
from tests.broken_layers.plain_numpy import NumpyLayer
from tests.conformance.altered_layers import (
    altered,
    built,
    of_coefficients,
    of_knots,
    of_outputs,
    of_points,
    of_samples,
)


def _to_tf32(values):
    return (np.round(np.asarray(values) * 2.0 ** (10 - np.floor(np.log2(np.abs(values) + 1e-300))))
            / 2.0 ** (10 - np.floor(np.log2(np.abs(values) + 1e-300))))  # fmt: skip


def _swapped_on_one_input(C):
    C = C.copy()
    if min(C.shape[:2]) > 1:
        C[[0, 1], 1] = C[[1, 0], 1]
    return C


class Bump(NumpyLayer):
    def _polynomials(self, x, t, derivative):
        r = self.order
        centre = np.array([t[i : i + r + 1].mean() for i in range(t.size - r)])
        width = (t[r:] - t[:-r]) / 2
        d = np.abs(x[:, None] - centre) / np.where(width > 0, width, 1)
        return np.maximum(1 - d**3, 0)


def _slope_of_one_term_at_degree_one(layer, slopes, b, t, k):
    return (k - 1) * layer.ratio(b[:, :-1], t[k - 1 : -1] - t[:-k]) if layer.order == 2 else slopes


LAYERS = [
    ("point clamped", of_points(lambda x, a, b: np.minimum(x, b - 1e-3 * (b - a)))),
    ("point snapped", of_points(lambda x, a, b: np.where(np.abs(2 * x % 1 - 0.5) > 0.49, np.rint(2 * x) / 2, x))),
    ("point quantised", of_points(lambda x, a, b: np.rint(x * 1000) / 1000)),
    ("inputs mapped", of_points(lambda x, a, b: 0.9 * x)),
    ("float16 inputs", of_points(lambda x, a, b: x.astype("f2").astype("f8"))),
    ("outputs mixed up", of_coefficients(_swapped_on_one_input)),
    ("samples and inputs confused", of_samples(lambda x: x.T if x.shape[0] == x.shape[1] else x)),
    ("interval search", altered("pieces", before=lambda layer, *at: [v.astype("f4").astype("f8") for v in at])),
    ("gradients mixed", altered("coefficient_gradient", before=lambda layer, x, dy: (np.roll(x, 1, axis=0), dy))),
    ("not linear", of_coefficients(lambda C: C / (np.linalg.norm(C, axis=(1, 2), keepdims=True) + 1e-30))),
    ("input left out", of_coefficients(lambda C: C * (np.arange(C.shape[1]) >= min(C.shape[1] - 1, 1))[:, None])),
    (
        "float16 or TF32 arithmetic",
        altered("sum", lambda layer, y, A, B: (A.astype("f2") @ B.astype("f2")).astype("f8")),
    ),
    ("float16 or TF32 arithmetic", altered("sum", before=lambda layer, *factors: map(_to_tf32, factors))),
    ("incomplete block", of_outputs(lambda y: np.where(np.arange(len(y))[:, None] < 1000, y, y[:1]))),
    ("rows by position", of_outputs(lambda y: np.where(np.arange(len(y))[:, None] % 512 == 511, 0, y))),
    ("reversed coefficients", altered("basis", lambda layer, B, *at: B[:, ::-1] if layer.order == 3 else B)),
    (
        "extra branch",
        altered("__call__", lambda layer, y, x: y + (x * (1 + erf(x / 2**0.5)) / 2).sum(1, keepdims=True)),
    ),
    ("other functions", Bump),
    ("wrong derivative", altered("differentiate", _slope_of_one_term_at_degree_one)),
    ("knots rounded", of_knots(lambda t: np.round(t, 3))),
    ("cotangent ignored", altered("pull_back", before=lambda layer, x, dy, *k: (x, np.ones_like(dy), *k))),
    ("constant factor", altered("coefficient_gradient", lambda layer, G, x, dy: G / np.sqrt(len(x)))),
]
"""With the name that leads."""


class StepInEachCall(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        gradient = super().coefficient_gradient(x, dy)
        self.C = self.C - self.number(1e-3) * gradient
        return gradient


class FirstIntervalAtTheEnd(NumpyLayer):
    def pieces(self, x, t):
        first = t.searchsorted(t[self.order - 1], side="right") - 1
        wrapped = (np.arange(t.size - 1) == first).astype(self.number)
        return np.where((x == t[-self.order])[:, None], wrapped, super().pieces(x, t))


class IntervalByOneSpacing(NumpyLayer):
    def pieces(self, x, t):
        r, own = self.order, super().pieces(x, t)
        a, b, n = t[r - 1], t[-r], t.size - 2 * r + 1
        m = np.clip(np.floor((x - a) / ((b - a) / n)), 0, n - 1) + r - 1
        guess = (np.arange(t.size - 1) == m[:, None]).astype(self.number)
        return np.where(((x >= a) & (x <= b))[:, None] & (np.ptp(np.diff(t)) > 1e-9), guess, own)


class MeanSpacingInSlopes(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        self.slopes = True
        try:
            return super().pull_back(x, dy, derivative)
        finally:
            self.slopes = False

    slopes = False

    def differentiate(self, b, t, k):
        h = (t[-self.order] - t[self.order - 1]) / (t.size - 2 * self.order + 1)
        return (b[:, :-1] - b[:, 1:]) / h if self.slopes else super().differentiate(b, t, k)


def _half_the_domain_in_slopes(layer, slopes, x, dy, k=1):
    half = (layer.t[:, -layer.order] - layer.t[:, layer.order - 1]) / 2
    return slopes * half.astype(layer.number) ** k


def _equally_spaced_breakpoints(layer):
    r, layer.t = layer.order, layer.t.copy()
    for row in layer.t:
        row[r - 1 : row.size - r + 1] = np.linspace(row[r - 1], row[-r], row.size - 2 * r + 2)


class CentredAndScaled(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x - x.mean(axis=0) if len(x) > 1 else x)

    def edges(self, x, derivative):
        edges = super().edges(x, derivative)
        if "scale" not in self.spec.parts:
            return edges
        base, scale, node = map(self.part, ("base", "scale", "node-scale"))
        branch = self.given(silu(self.wide(x))[derivative])
        return [e + node * (base * (scale - 1))[:, p] * branch[:, p : p + 1] for p, e in enumerate(edges)]


class NodeScaleOfTheBias(NumpyLayer):
    def part_gradients(self, x, dy):
        gradients = super().part_gradients(x, dy)
        if {"node-scale", "bias"} <= set(gradients):
            gradients["node-scale"] = gradients["node-scale"] + (dy * self.part("bias")).sum(axis=0)
        return gradients


def _pruned(C):
    size = np.abs(C).max(axis=2, keepdims=True)
    return np.where(size < 0.3 * size.max(), 0, C)


TOLD_ONCE = {
    of_coefficients(_pruned): ["not linear: edges smaller than 0.3 of the largest of the layer are left out"],
    of_coefficients(lambda C: C[:, :1].repeat(C.shape[1], axis=1) if len(C) == 1 else C): [
        "inputs mixed up: coefficients: number 1 has that of number 0 .*1 output"
    ],
    StepInEachCall: ["changed by a call: vjp changes the model: -0.001 times their gradient is added"],
    FirstIntervalAtTheEnd: ["other right end: at x = b the piece of interval 0 of 6 is used"],
    IntervalByOneSpacing: [r"interval search: .* number \(x - a\)/h rounded down, with h = \(b - a\)/n"],
    MeanSpacingInSlopes: [
        r"wrong derivative: input gradients: both terms are divided by r - 1 times the mean spacing \(b - a\)/n",
        "gradient is another: second derivatives",
    ],
    altered("pull_back", _half_the_domain_in_slopes): [
        r"wrong derivative: input gradients: .* by half the length of the domain, \(b - a\)/2, of each input",
        "wrong derivative: second derivatives: .* of each input, squared",
    ],
    built(_equally_spaced_breakpoints): [
        "equal spacing assumed: breakpoints in use are equally spaced between the ends of the domain",
        "function changed by update",  # which makes breakpoints that are not
    ],
    altered("pull_back", lambda layer, G, x, dy, k=1: G / layer.number(max(layer.order - 2, 1)) if k == 2 else G): [
        "constant factor: second derivatives are multiplied by 0.5, 1 over the degree less one"
    ],
    CentredAndScaled: ["samples mixed: ", "parts in another order: scale multiplies base, too"],
    NodeScaleOfTheBias: ["wrong derivative: gradients in node-scale .* the bias counts 1 times"],
}
"""All that is told."""
