"""Layers with one or two defects, and all that is told of them: a cause, and nothing that follows from it."""

import numpy as np

from refkan.conformance.cases.truths.quantities import silu
from tests.broken_layers.plain_numpy import NumpyLayer
from tests.conformance.identification.told_layers import of_coefficients


class FirstInputForAllOfOneOutput(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        if len(self.C) == 1:
            self.C = np.repeat(self.C[:, :1], self.C.shape[1], axis=1)


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


class HalfTheDomainInSlopes(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        half = (self.t[:, -self.order] - self.t[:, self.order - 1]) / 2
        return super().pull_back(x, dy, derivative) * half.astype(self.number) ** derivative


class EquallySpacedBreakpoints(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        r, self.t = self.order, self.t.copy()
        for row in self.t:
            row[r - 1 : row.size - r + 1] = np.linspace(row[r - 1], row[-r], row.size - 2 * r + 2)


class SmallerByTheDegree(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        gradients = super().pull_back(x, dy, derivative)
        return gradients / self.number(max(self.order - 2, 1)) if derivative == 2 else gradients


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
    of_coefficients(_pruned): ["not linear: edges are left out whose size is below 0.3 of the largest"],
    FirstInputForAllOfOneOutput: ["inputs mixed up: coefficients: number 1 has that of number 0 .*1 output"],
    StepInEachCall: ["changed by a call: vjp changes the model: -0.001 times their gradient is added"],
    FirstIntervalAtTheEnd: ["other right end: at x = b the piece of interval 0 of 6 is in force"],
    IntervalByOneSpacing: [r"interval search: .* number \(x - a\)/h rounded down, with h = \(b - a\)/n"],
    MeanSpacingInSlopes: [
        r"wrong derivative: input gradients: both terms are divided by r - 1 times the mean spacing \(b - a\)/n",
        "gradient is another: second derivatives",
    ],
    HalfTheDomainInSlopes: [
        r"wrong derivative: input gradients: .* by half the length of the domain, \(b - a\)/2, of each input",
        "wrong derivative: second derivatives: .* of each input, squared",
    ],
    EquallySpacedBreakpoints: [
        "equal spacing assumed: breakpoints in use are equally spaced between the ends of the domain",
        "function changed by update",  # which makes breakpoints that are not
    ],
    SmallerByTheDegree: ["constant factor: second derivatives are multiplied by 0.5, 1 over the degree less one"],
    CentredAndScaled: ["samples mixed: ", "parts in another order: scale multiplies base, too"],
    NodeScaleOfTheBias: ["wrong derivative: gradients in node-scale .* the bias counts 1 times"],
}
"""All that is told."""
