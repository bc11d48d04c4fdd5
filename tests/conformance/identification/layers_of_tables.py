"""Layers that a line of a table, or a number or function that is solved for, explains; and what is said of them."""

from dataclasses import replace

import numpy as np

from refkan.conformance.cases import round_to
from refkan.conformance.cases.specs import as_specs
from refkan.conformance.cases.truths.quantities import silu
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import (
    altered,
    built,
    of_coefficient_gradients,
    of_coefficients,
    of_input_gradients,
    of_knots,
    of_outputs,
    of_samples,
)


def of_functions(change):
    """A layer whose functions are changed, by their values and the points; their derivatives are not."""
    return altered("basis", lambda layer, B, p, x, k=0: change(B, x) if k == 0 else B)


def of_cotangents(change):
    """A layer whose coefficient gradients are those of other cotangents."""
    return altered("coefficient_gradient", before=lambda layer, x, dy: (x, change(np.asarray(dy))))


def of_matrix(change):
    """An adapter whose Gauss-Newton matrix is changed, by the matrix and its Jacobian (N, Q, M)."""

    def after(adapter, H, model, x):
        return H if len(model) > 1 else change(H, model[0].jacobian(x).reshape(len(x), model[0].C.shape[0], -1))

    return altered("gauss_newton", after, base=PlainNumpy)


def of_edges(change):
    """A layer whose edges are change(spline, branch, base, scale, node scale)."""

    class Changed(NumpyLayer):
        def edges(self, x, derivative):
            if not self.spec.parts:
                return super().edges(x, derivative)
            base, scale, node = map(self.part, ("base", "scale", "node-scale"))
            branch = silu(self.wide(x))[derivative]
            splines = enumerate(self.splines(x, derivative))
            return [change(s, branch[:, p : p + 1], base[:, p], scale[:, p], node) for p, s in splines]

    return Changed


def of_outside(change):
    """A layer with other functions under the rule "polynomial": change(layer, functions, p, x, low, high)."""

    def after(layer, B, p, x, k=0):
        return B if layer.outside != "polynomial" or k else change(layer, B, p, x, *layer.spec.domains[p])

    return altered("basis", after)


def _weights(left, right, last_alone=False):
    """A layer with other weights in the recursion, by x, t and the order k of their functions."""

    def lifted(layer, up, b, x, t, k):
        if last_alone and k != layer.order:
            return up
        return left(layer, x[:, None], t, k) * b[:, :-1] + right(layer, x[:, None], t, k) * b[:, 1:]

    return altered("lift", lifted)


def _rising(layer, x, t, k):
    return layer.ratio(x - t[:-k], t[k - 1 : -1] - t[:-k])


def _falling(layer, x, t, k):
    return layer.ratio(t[k:] - x, t[k:] - t[1 : t.size - k + 1])


def _mean_spacing(t, k):
    return (k - 1) * (t[-1] - t[0]) / (t.size - 1)


def _clamped(layer):
    d, layer.t = layer.order - 1, layer.t.copy()
    if d:
        layer.t[:, :d], layer.t[:, -d:] = layer.t[:, d : d + 1], layer.t[:, -d - 1 : -d]


def _on_the_widest_domain(layer):
    (a, b), t = layer.spec.domains.T, layer.t
    layer.t = a.min() + (t - a[:, None]) * ((b.max() - a.min()) / (b - a))[:, None]


class OneDegreeMore(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        if 1 < spec.order < 6 and spec.kind != "repeated":
            step = np.maximum(self.t[:, -1] - self.t[:, -2], 0.1)
            self.order, self.t = self.order + 1, np.concatenate([self.t, self.t[:, -1:] + step[:, None]], axis=1)


class RemembersSmallBatches(PlainNumpy):
    def forward(self, model, x):
        y = super().forward(model, x)
        if 0 < len(x) <= 4:
            y = model[0].__dict__.setdefault("kept", {}).setdefault((x.shape, float(x[0, 0])), y).copy()
        return y


class HalfFromTheFourthCallOn(PlainNumpy):
    def forward(self, model, x):
        calls = model[0].__dict__["calls"] = model[0].__dict__.get("calls", 0) + 1
        return super().forward(model, x) * (1 if calls < 4 else 0.5)


class HiddenValuesRemembered(PlainNumpy):
    def forward(self, model, x):
        if len(model) < 2:
            return super().forward(model, x)
        return super().forward(model[1:], model[0].__dict__.setdefault("kept", {}).setdefault(x.shape, model[0](x)))


def network_of(change):
    """An adapter that changes the specs of layers after the first."""

    class Changed(PlainNumpy):
        def build(self, spec):
            return [self.layer(change(each) if k else each) for k, each in enumerate(as_specs(spec))]

    return Changed


OF_TABLES = {
    # factors and maps that are solved for
    r"wrong derivative: input gradients: they are multiplied by tanh'\(x\)": of_input_gradients(
        lambda layer, x, G: G * (1 - np.tanh(x) ** 2)
    ),
    "wrong derivative: input gradients: they are multiplied by sine of x, times 2, plus 3$": of_input_gradients(
        lambda layer, x, G: G * (3 + 2 * np.sin(x))
    ),
    "wrong derivative: input gradients: they are multiplied by a number that depends on the sample alone": (
        of_input_gradients(lambda layer, x, G: G * (1 + np.cos(3 * x) ** 2))
    ),
    "wrong derivative: second derivatives: they are multiplied by sine of x": altered(
        "pull_back", lambda layer, G, x, dy, k=1: G * np.sin(x) if k == 2 else G
    ),
    "values mapped: input gradients go through softsign": of_input_gradients(lambda layer, x, G: G / (1 + np.abs(G))),
    "constant factor: coefficient gradients .*, 1 over the number of samples less one": altered(
        "coefficient_gradient", lambda layer, G, x, dy: G / max(len(x) - 1, 1)
    ),
    "wrong derivative: coefficient gradients: each sample is multiplied by x, of its input 0": altered(
        "coefficient_gradient", before=lambda layer, x, dy: (x, dy * np.asarray(x)[:, :1])
    ),
    r"wrong derivative: coefficient gradients: .*memory of \(sample, output\) is read as \(output, sample\)": (
        of_cotangents(lambda dy: dy.reshape(dy.shape[::-1]).T)
    ),
    "coefficients mixed up: coefficient gradients: each is a combination of itself and its neighbours": (
        of_coefficient_gradients(lambda G: (2 * G + np.roll(G, 1, axis=2) + np.roll(G, -1, axis=2)) / 4)
    ),
    r"wrong derivative: input gradients: they are those at x \+ 0.001$": altered(
        "pull_back", before=lambda layer, x, dy, k=1: (np.asarray(x) + 1e-3, dy, k)
    ),
    "wrong derivative: input gradients: the mean over samples is subtracted from each": of_input_gradients(
        lambda layer, x, G: G - G.mean(axis=0)
    ),
    "gradient not linear: coefficient gradients .* 0.001 times the signs of the coefficients are added": altered(
        "coefficient_gradient", lambda layer, G, x, dy: G + 1e-3 * np.sign(layer.C)
    ),
    # Gauss-Newton matrices
    "wrong derivative: .*: only entries of two coefficients of one edge are not zero": of_matrix(
        lambda H, J: H * np.kron(np.eye(len(H) // (len(H) // 6)), np.ones((len(H) // 6,) * 2))
    ),
    "wrong derivative: .*: only the diagonal is not zero": of_matrix(lambda H, J: np.diag(np.diag(H))),
    "wrong derivative: .*: 0.001 is added on the diagonal": of_matrix(lambda H, J: H + 1e-3 * np.eye(len(H))),
    "wrong derivative: .*: entries on the diagonal are multiplied by 1.01$": of_matrix(
        lambda H, J: H + 0.01 * np.diag(np.diag(H))
    ),
    "wrong derivative: .*: entries below the diagonal are zero": of_matrix(lambda H, J: np.triu(H)),
    "wrong derivative: .*: the Jacobian is summed over outputs first": of_matrix(
        lambda H, J: J.sum(axis=1).T @ J.sum(axis=1) / len(J)
    ),
    # functions
    "wrong denominators: in the recursion both denominators are k - 1 times the mean spacing": _weights(
        lambda layer, x, t, k: (x - t[:-k]) / _mean_spacing(t, k),
        lambda layer, x, t, k: (t[k:] - x) / _mean_spacing(t, k),
    ),
    "wrong denominators: in the recursion both weights are squared": _weights(
        lambda *at: _rising(*at) ** 2, lambda *at: _falling(*at) ** 2
    ),
    "wrong denominators: the left denominators of the recursion are at least 0.35": altered(
        "ratio", before=lambda layer, n, d: (n, np.maximum(d, 0.35))
    ),
    "flushed to zero: values of functions below 0.00": of_functions(lambda B, x: np.where(B < 0.01, 0, B)),
    "other functions: functions are softmax of the B-splines": of_functions(
        lambda B, x: np.exp(B) / np.exp(B).sum(axis=1, keepdims=True)
    ),
    "other functions: functions are multiplied by x, times 0.001, plus 1": of_functions(
        lambda B, x: B * (1 + 1e-3 * x)[:, None]
    ),
    "other functions: functions are multiplied by 2 in interval 1 of 6": altered(
        "basis",
        lambda layer, B, p, x, k=0: (
            B * np.where((x >= layer.t[p][layer.order]) & (x < layer.t[p][layer.order + 1]), 2, 1)[:, None]
        ),
    ),
    "other functions: functions are the first derivatives of the B-splines": altered(
        "basis", before=lambda layer, p, x, k=0: (p, x, k + 1 if layer.order > 2 and k == 0 else k)
    ),
    "degree fixed: splines have degree 4 instead of 3, one more in other degrees, too": OneDegreeMore,
    # knots
    "exterior knots: knots outside the domain are -1, -1, 1.625, 1.625 instead of": built(_clamped),
    "other knots: knots in use are taken to the smallest domain that holds those of all inputs": built(
        _on_the_widest_domain
    ),
    "float16 knots: ": of_knots(lambda t: t.astype("f2").astype("f8")),
    "bfloat16 knots: ": of_knots(lambda t: round_to("bfloat16", t)),
    r"other knots: t\[1\] is off by 1e-06, ": of_knots(lambda t: t + 1e-6 * np.arange(t.shape[1])),
    # outside
    "only outside .* those of the rule at x clipped at -1.2625, 0.1 of the length": of_outside(
        lambda layer, B, p, x, a, b: layer._polynomials(np.clip(x, a - (b - a) / 10, b + (b - a) / 10), layer.t[p], 0)
    ),
    r"only outside .* those of the rule multiplied by exp\(-x\), with x the distance": of_outside(
        lambda layer, B, p, x, a, b: B * np.exp(-np.abs(x - np.clip(x, a, b)))[:, None]
    ),
    # wiring
    r"transposed coefficients: .* \(with as many inputs as outputs, above one\)": of_coefficients(
        lambda C: np.swapaxes(C, 0, 1) if C.shape[0] == C.shape[1] else C
    ),
    r"wired otherwise: .* \(output, index, input\) \(with as many inputs as coefficients of an edge\)": (
        of_coefficients(lambda C: np.swapaxes(C, 1, 2) if C.shape[1] == C.shape[2] else C)
    ),
    r"input left out: .* \(with an odd number of inputs above one\)": of_coefficients(
        lambda C: C * (np.arange(C.shape[1]) < (C.shape[1] // 2 * 2 if C.shape[1] > 1 else 1))[:, None]
    ),
    r"constant factor: .* \(with more than 2 inputs\)": altered(
        "__call__", lambda layer, y, x: y / x.shape[1] if x.shape[1] > 2 else y
    ),
    r"inputs mixed up: coefficients: in the opposite order \(with more than 4 inputs\)": of_coefficients(
        lambda C: C[:, ::-1] if C.shape[1] > 4 else C
    ),
    r"outputs mixed up: coefficients: 1 is number 0 \+1 times number 1; 2 is number 0": of_outputs(
        lambda y: y + np.where(np.arange(y.shape[1]) > 0, 1, 0) * y[:, :1]
    ),
    "inputs act together: functions are evaluated at sums of the inputs up to their own": of_samples(
        lambda x: np.cumsum(x, axis=1)
    ),
    "not linear: the coefficients of an edge are sorted": of_coefficients(lambda C: np.sort(C, axis=2)),
    "not linear: outputs .* less their mean over the root of their variance plus 1e-5": of_outputs(
        lambda y: (y - y.mean(axis=1, keepdims=True)) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
    ),
    "parts in another order: base multiplies the splines, too": of_edges(
        lambda s, branch, base, scale, node: node * (base * branch + (base + scale) * s)
    ),
    # calls and networks
    "changed by a call: .* results of call number 4 .* they are multiplied by 0.5": HalfFromTheFourthCallOn,
    "stale cache: a number of a batch of 1 was changed": RemembersSmallBatches,
    "samples mixed: .* samples over the standard deviation of the batch": of_samples(
        lambda x: x / np.maximum(x.std(axis=0), 1e-9) if len(x) > 1 else x
    ),
    "network: .* the part bias of layers after the first is left out": network_of(
        lambda spec: replace(spec, bias=None)
    ),
    "network: .* layers after the first follow the rule 'natural'": network_of(
        lambda spec: replace(spec, outside="natural")
    ),
    "stale cache: of two layers: in the second of two calls its values are those of .* the first": (
        HiddenValuesRemembered
    ),
}
"""Patterns of the first difference."""
