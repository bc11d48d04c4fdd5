"""Layers with one or two defects, and all that is told of them: a cause, and nothing that follows from it."""

import numpy as np

from refkan.conformance.cases.truths.quantities import silu
from tests.broken_layers.plain_numpy import NumpyLayer


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


class HalfTheDomainInSlopes(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        half = (self.t[:, -self.order] - self.t[:, self.order - 1]) / 2
        return super().pull_back(x, dy, derivative) * half.astype(self.number) ** derivative


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


TOLD_ONCE = {
    FirstInputForAllOfOneOutput: ["inputs mixed up: coefficients: 1 taken from 0 .*1 output"],
    StepInEachCall: ["changed by a call: vjp changes the model: outputs are others afterwards"],
    FirstIntervalAtTheEnd: ["other right end: functions are others, off by up to .*, at x = b"],
    IntervalByOneSpacing: [r"interval search: .* points are in another interval than their own: .* are in force"],
    HalfTheDomainInSlopes: [
        "factors by input: input gradients of inputs are multiplied by 1.3125, 1.9375",
        "factors by input: second derivatives of inputs are multiplied by",
    ],
    SmallerByTheDegree: ["constant factor: second derivatives are multiplied by 0.5, 1 over the degree less one"],
    CentredAndScaled: ["samples mixed: ", "parts in another order: scale multiplies base, too"],
}
"""All that is told."""
