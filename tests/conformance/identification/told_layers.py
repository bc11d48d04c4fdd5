"""Layers with one defect each, and what identification must say of it: where it is, and what."""

from dataclasses import replace

import numpy as np

from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer, PlainNumpy


def of_coefficients(change):
    """A layer whose coefficients are changed when it is built."""

    class Changed(NumpyLayer):
        def __init__(self, spec):
            super().__init__(spec)
            self.C = change(self.C)

    return Changed


def of_outputs(change):
    """A layer whose outputs are changed."""

    class Changed(NumpyLayer):
        def __call__(self, x):
            return change(super().__call__(x))

    return Changed


def of_input_gradients(change):
    """A layer whose input gradients are changed, by the layer and the samples."""

    class Changed(NumpyLayer):
        def pull_back(self, x, dy, derivative=1):
            found = super().pull_back(x, dy, derivative)
            return change(self, x, found) if derivative == 1 else found

    return Changed


def of_coefficient_gradients(change):
    """A layer whose coefficient gradients are changed."""

    class Changed(NumpyLayer):
        def coefficient_gradient(self, x, dy):
            return change(super().coefficient_gradient(x, dy))

    return Changed


class ScaledSecondInput(NumpyLayer):
    def basis(self, p, x, derivative=0):
        scale = 0.9 if p == 1 else 1.0
        return super().basis(p, scale * x, derivative) * scale**derivative


class ScaledByTheBatch(NumpyLayer):
    def __call__(self, x):
        low, high = x.min(axis=0), x.max(axis=0)
        return super().__call__((x - low) / np.where(high > low, high - low, 1.0))


class Quotients(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        if derivative != 1:
            return super().pull_back(x, dy, derivative)
        moved = zip(self.edges(x + 1e-4, 0), self.edges(x, 0), strict=True)
        return np.stack([(dy * (far - near)).sum(axis=1) / 1e-4 for far, near in moved], axis=1)


class Products(NumpyLayer):
    def __call__(self, x):
        return np.prod(np.stack(self.edges(x, 0)), axis=0)


class RightWeightOfTheLeft(NumpyLayer):
    def lift(self, b, x, t, k):
        wide = t[k - 1 : -1] - t[:-k]
        return self.ratio(x[:, None] - t[:-k], wide) * b[:, :-1] + self.ratio(t[k:] - x[:, None], wide) * b[:, 1:]


class HalfTheTangent(NumpyLayer):
    def basis(self, p, x, derivative=0):
        found = super().basis(p, x, derivative)
        low, high = self.spec.domains[p]
        at, beyond = np.clip(x, low, high), ((x < low) | (x > high))[:, None]
        if self.outside != "linear" or derivative > 1:
            return found
        slope = 0.5 * self._polynomials(at, self.t[p], 1)
        tangent = self._polynomials(at, self.t[p], 0) + (x - at)[:, None] * slope
        return np.where(beyond, slope if derivative else tangent, found)


class FactorOnBias(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x)
        return y + self.part("bias") * (self.part("node-scale") - 1) if "bias" in self.spec.parts else y


def after(change, coefficients):
    """An adapter that changes the coefficients after a refinement or an update."""

    def method(self, model, *arguments):
        (layer,) = getattr(PlainNumpy, change)(self, model, *arguments)
        return [self.layer(replace(layer.spec, coefficients=coefficients(layer.C)))]

    return type("After", (PlainNumpy,), {change: method})


def _lost(layer, x, found):
    return found * np.stack([x[:, p] > row[layer.order] for p, row in enumerate(layer.t)], axis=1)


TOLD = {
    r"inputs mapped: functions are taken at 0.9 x \+ 0 instead of x .*input 1 alone": ScaledSecondInput,
    "samples mixed: rows change with the smallest and largest inputs .* points that depend on": ScaledByTheBatch,
    "coefficients mapped: .* cut off at -0.5 and 0.5": of_coefficients(lambda C: np.clip(C, -0.5, 0.5)),
    "coefficients mapped: .* rounded to steps of 0.0078125": of_coefficients(lambda C: np.round(C * 128) / 128),
    "not linear: the coefficients of an edge are divided by their norm": of_coefficients(
        lambda C: C / np.maximum(np.sqrt((C * C).sum(axis=2, keepdims=True)), 1e-300)
    ),
    "not linear: edges are multiplied instead of added": Products,
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
    "only outside the domain: asked for the rule 'linear', .* 1 times its values, 0.5 times its slopes": HalfTheTangent,
    "parts in another order: node-scale multiplies bias, too": FactorOnBias,
    "finite differences: .* forward differences with a step of 0.0001": Quotients,
    "wrong derivative: .* they are zero where x <": of_input_gradients(_lost),
    "cotangent ignored: input gradients do not depend on dy .* all are equal": of_input_gradients(
        lambda layer, x, found: np.ones_like(found)
    ),
    "inputs mixed up: input gradients: each is the sum of all": of_input_gradients(
        lambda layer, x, found: np.repeat(found.sum(axis=1, keepdims=True), found.shape[1], axis=1)
    ),
    "inputs left out: coefficient gradients of inputs 4, 5, 6 of 7": of_coefficient_gradients(
        lambda G: G * (np.arange(G.shape[1]) < 4)[:, None]
    ),
    "function changed by update: .* reversed coefficients: stored .*input 0 alone": after(
        "update", lambda C: np.concatenate([C[:, :1, ::-1], C[:, 1:]], axis=1)
    ),
    "function changed by refine: .* stored coefficients: 14 is that of number 13": after(
        "refine", lambda C: np.concatenate([C[..., :-1], C[..., -2:-1]], axis=2)
    ),
}
"""Patterns of the first difference."""
