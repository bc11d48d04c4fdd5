"""Layers with one defect each, and what identification must say of it: where it is, and what."""

from dataclasses import replace

import numpy as np

from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import (
    altered,
    built,
    of_coefficient_gradients,
    of_coefficients,
    of_input_gradients,
    of_outputs,
    of_samples,
)


class Quotients(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        if derivative != 1:
            return super().pull_back(x, dy, derivative)
        moved = zip(self.edges(x + 1e-4, 0), self.edges(x, 0), strict=True)
        return np.stack([(dy * (far - near)).sum(axis=1) / 1e-4 for far, near in moved], axis=1)


class RightWeightOfTheLeft(NumpyLayer):
    def lift(self, b, x, t, k):
        wide = t[k - 1 : -1] - t[:-k]
        return self.ratio(x[:, None] - t[:-k], wide) * b[:, :-1] + self.ratio(t[k:] - x[:, None], wide) * b[:, 1:]


class HalfTheTangent(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions = super().basis(p, x, derivative)
        low, high = self.spec.domains[p]
        at, beyond = np.clip(x, low, high), ((x < low) | (x > high))[:, None]
        if self.outside != "linear" or derivative > 1:
            return functions
        slope = 0.5 * self._polynomials(at, self.t[p], 1)
        tangent = self._polynomials(at, self.t[p], 0) + (x - at)[:, None] * slope
        return np.where(beyond, slope if derivative else tangent, functions)


class LargestOfTheBatch(NumpyLayer):
    def __call__(self, x):
        largest = np.abs(x).max(axis=0, initial=0.0)
        bound = np.abs(self.spec.domains).max(axis=1)
        return super().__call__(np.where(largest > bound, x / np.maximum(largest, 1e-300) * bound, x))


class FirstCallIsZero(NumpyLayer):
    calls = 0

    def __call__(self, x):
        self.calls += 1
        return super().__call__(x) * (self.calls > 1)


class LocalOrderReversed(NumpyLayer):
    def _polynomials(self, x, t, derivative):
        functions = super()._polynomials(x, t, derivative)
        m = self.pieces(x, t).argmax(axis=1)
        if self.order != 3 or self.spec.kind == "repeated" or ((m < 2) | (m > t.size - 4)).any():
            return functions
        own = m[:, None] - 2 + np.arange(3)
        np.put_along_axis(functions, own, np.take_along_axis(functions, own, axis=1)[:, ::-1], axis=1)
        return functions


class Smoothstep(NumpyLayer):
    def lift(self, b, x, t, k):
        m = self.pieces(x, t).argmax(axis=1)
        h = np.where(t[m + 1] > t[m], t[m + 1] - t[m], 1.0)
        u = (x - t[m]) / h
        return super().lift(b, t[m] + h * u * u * (3 - 2 * u), t, k) if self.order == 2 else super().lift(b, x, t, k)


def _pulled_apart(layer):
    if layer.spec.kind == "repeated":
        layer.t = layer.t.copy()
        for row in layer.t:
            for k in np.flatnonzero(np.diff(row) == 0):
                row[k + 1] += 1e-3


class SlopeOfTheOtherEnd(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions = super().basis(p, x, derivative)
        low, high = self.spec.domains[p]
        if self.outside != "linear" or derivative > 1 or not (x > high).any():
            return functions
        slope = self._polynomials(np.full(x.shape, low), self.t[p], 1)
        tangent = self._polynomials(np.minimum(x, high), self.t[p], 0) + (x - high)[:, None] * slope
        return np.where((x > high)[:, None], slope if derivative else tangent, functions)


class BaseSlopeOfOneTerm(NumpyLayer):
    def edges(self, x, derivative):
        edges = super().edges(x, derivative)
        if derivative != 1 or not self.spec.parts:
            return edges
        s = 1 / (1 + np.exp(-x))
        weights = self.part("node-scale")[:, None] * self.part("base")
        lost = x * s * (1 - s)
        return [one - weights[:, p] * lost[:, p : p + 1] for p, one in enumerate(edges)]


class GradientsAdded(NumpyLayer):
    kept = 0.0

    def coefficient_gradient(self, x, dy):
        self.kept = 0.5 * self.kept + super().coefficient_gradient(x, dy)
        return self.kept.copy()


class ClampedBetween(PlainNumpy):
    def _activations(self, model, x):
        z = [x]
        for k, layer in enumerate(model):
            low, high = layer.spec.domains.T
            z.append(layer(np.clip(z[-1], low, high) if k else z[-1]))
        return z


class CotangentOverwritten(PlainNumpy):
    def vjp(self, model, x, dy):
        gradients = super().vjp(model, x, dy)
        dy *= 0.0
        return gradients


def _int8(C):
    step = max(np.abs(C).max(), 1e-300) / 127
    return np.rint(C / step) * step


def _bfloat16(C):
    kept = np.asarray(C, np.float32).view(np.uint32) + np.uint32(0x8000) & np.uint32(0xFFFF0000)
    return kept.view(np.float32).astype(np.float64)


def _to_norm_one(G):
    return G / max(np.sqrt((G * G).sum()), 1.0)


def after(change, coefficients):
    """An adapter that changes the coefficients after a refinement or an update."""

    def method(self, model, *arguments):
        (layer,) = getattr(PlainNumpy, change)(self, model, *arguments)
        return [self.layer(replace(layer.spec, coefficients=coefficients(layer.C)))]

    return type("After", (PlainNumpy,), {change: method})


def _lost(layer, x, found):
    return found * np.stack([x[:, p] > row[layer.order] for p, row in enumerate(layer.t)], axis=1)


TOLD = {
    "samples mixed: one row is below the domain, .* points that depend on the batch": LargestOfTheBatch,
    "samples mixed: one row is NaN, 255 others change: NaN": of_samples(lambda x: x + 0 * x.sum()),
    "state kept between calls: 768 of 768 results": FirstCallIsZero,
    "samples not widened: results of samples in float32 are those of samples rounded to float16": altered(
        "__call__", before=lambda layer, x: [x.astype("f2") if x.dtype == "f4" else x]
    ),
    "float32 arithmetic: coefficients and what they are multiplied by are rounded to 23 bits": altered(
        "sum", lambda layer, y, A, B: (A.astype("f4") @ B.astype("f4")).astype("f8")
    ),
    "bfloat16 coefficients: 7 bits": of_coefficients(_bfloat16),
    "coefficients mapped: they are rounded to steps of 1/127 of the largest": of_coefficients(_int8),
    r"extra map: clip to \[-1, 1\]: outputs": of_outputs(lambda y: np.clip(y, -1, 1)),
    r"extra map: 1 x\^1\+0.0001 x\^2: outputs": of_outputs(lambda y: y + 1e-4 * y * y),
    "extra map: steps of 0.001: outputs": of_outputs(lambda y: np.round(y, 3)),
    "inputs act together: .* less their mean": of_samples(lambda x: x - x.mean(axis=1, keepdims=True)),
    r"reversed coefficients: in each interval the functions in force .* \(degree 2;": LocalOrderReversed,
    "wrong denominators: the right term of the last step of the recursion is left out": altered(
        "lift",
        lambda layer, up, b, x, t, k: (
            layer.ratio(x[:, None] - t[:-k], t[k - 1 : -1] - t[:-k]) * b[:, :-1] if k == layer.order else up
        ),
    ),
    r"inputs mapped: .* t\[m\] \+ h \(3 u\^2 -2 u\^3\)": Smoothstep,
    "knots pulled apart: .* by 0.001": built(_pulled_apart),
    "only outside the domain: .* above b .* 1 times the slopes of the other end": SlopeOfTheOtherEnd,
    "wrong derivative: input gradients of the base part .* they are sigmoid of x": BaseSlopeOfOneTerm,
    "gradients accumulate: .* each call adds to 0.5 times those": GradientsAdded,
    "gradient clipped: .* norm of 1 at most": of_coefficient_gradients(_to_norm_one),
    "float16 gradients": of_coefficient_gradients(lambda G: G.astype(np.float16).astype(np.float64)),
    "inputs overwritten: vjp": CotangentOverwritten,
    "extra map: clip to the domain of the next layer: it lies between layers": ClampedBetween,
    r"inputs mapped: functions are evaluated at 0.9 x \+ 0 instead of x .*input 1 only": altered(
        "basis",
        lambda layer, B, p, x, k=0: B * (0.9**k if p == 1 else 1),
        before=lambda layer, p, x, *k: (p, 0.9 * x if p == 1 else x, *k),
    ),
    "samples mixed: rows change with the smallest and largest inputs .* points that depend on": of_samples(
        lambda x: (x - x.min(axis=0)) / np.where(np.ptp(x, axis=0) > 0, np.ptp(x, axis=0), 1.0)
    ),
    "coefficients mapped: .* clipping below at -0.5 and above at 0.5": of_coefficients(lambda C: np.clip(C, -0.5, 0.5)),
    "coefficients mapped: .* rounded to steps of 0.0078125": of_coefficients(lambda C: np.round(C * 128) / 128),
    "not linear: the coefficients of an edge are divided by their norm": of_coefficients(
        lambda C: C / np.maximum(np.sqrt((C * C).sum(axis=2, keepdims=True)), 1e-300)
    ),
    "not linear: edges are multiplied instead of added": altered(
        "__call__", lambda layer, y, x: np.prod(np.stack(layer.edges(x, 0)), axis=0)
    ),
    "extra map: arcsinh: outputs pass through it": of_outputs(np.arcsinh),
    "extra map: leaky relu of slope 0.1: outputs pass": of_outputs(lambda y: np.where(y > 0, y, 0.1 * y)),
    "outputs mixed up: coefficients: the mean of all is subtracted from each": of_outputs(
        lambda y: y - y.mean(axis=1, keepdims=True)
    ),
    "factor on one input: coefficients of input 0 of 2 are multiplied by 0.5": of_coefficients(
        lambda C: C * np.where(np.arange(C.shape[1]) == 0, 0.5, 1.0)[:, None]
    ),
    "coefficients mixed up: basis functions: each is the sum of those from its own on": of_coefficients(
        lambda C: np.cumsum(C, axis=2)
    ),
    r"wrong denominators: the right weight .* \(t\[i\] - t\[i\+": RightWeightOfTheLeft,
    "only outside the domain: under the rule 'linear' .* 1 times its values, 0.5 times its slopes": HalfTheTangent,
    "parts in another order: node-scale multiplies bias, too": altered(
        "__call__", lambda layer, y, x: y + layer.part("bias") * (layer.part("node-scale") - 1)
    ),
    "finite differences: .* forward differences with a step of 0.0001": Quotients,
    "wrong derivative: .* they are zero where x <": of_input_gradients(_lost),
    "cotangent ignored: input gradients are not a linear function of dy: all are equal": of_input_gradients(
        lambda layer, x, found: np.ones_like(found)
    ),
    "inputs mixed up: input gradients: each is the sum of all": of_input_gradients(
        lambda layer, x, found: np.repeat(found.sum(axis=1, keepdims=True), found.shape[1], axis=1)
    ),
    "inputs left out: coefficient gradients of inputs 4, 5, 6 of 7": of_coefficient_gradients(
        lambda G: G * (np.arange(G.shape[1]) < 4)[:, None]
    ),
    "function changed by update: .* reversed coefficients: stored .*input 0 only": after(
        "update", lambda C: np.concatenate([C[:, :1, ::-1], C[:, 1:]], axis=1)
    ),
    "function changed by refine: .* stored coefficients: 14 is that of number 13": after(
        "refine", lambda C: np.concatenate([C[..., :-1], C[..., -2:-1]], axis=2)
    ),
}
"""Patterns of the first difference."""
