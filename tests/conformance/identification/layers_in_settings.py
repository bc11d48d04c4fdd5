"""Layers that are right in the first setting and wrong in others, or in what they share, and what is said of them."""

from dataclasses import replace

import numpy as np

from refkan.conformance.cases.specs import as_specs
from refkan.conformance.cases.truths.quantities import FloatQuantities, silu
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import altered, built


class FirstHundredInputs(NumpyLayer):
    def edges(self, x, derivative):
        return super().edges(x, derivative)[:100]

    def pull_back(self, x, dy, derivative=1):
        found = super().pull_back(x, dy, derivative)
        return np.pad(found, ((0, 0), (0, x.shape[1] - found.shape[1])))


class OneArrayForResults(PlainNumpy):
    kept = None

    def forward(self, model, x):
        y = super().forward(model, x)
        if self.kept is None or self.kept.shape != y.shape:
            self.kept = np.empty_like(y)
        self.kept[...] = y
        return self.kept


class CoefficientsOfTheClass(NumpyLayer):
    shared: dict = {}  # noqa: RUF012 the defect

    def __init__(self, spec):
        super().__init__(spec)
        self.shared[self.__dict__["C"].shape] = self.__dict__["C"]

    def __getattribute__(self, name):
        if name == "C":
            own = super().__getattribute__("__dict__")["C"]
            return super().__getattribute__("shared").get(own.shape, own)
        return super().__getattribute__(name)


class DriftingBias(NumpyLayer):
    calls = 0

    def __call__(self, x):
        self.calls += 1
        return super().__call__(x) + (self.calls - 1) * self.part("bias") * ("bias" in self.spec.parts)


class BaseOfTheClampedPoint(NumpyLayer):
    def edges(self, x, derivative):
        edges = super().edges(x, derivative)
        if derivative or "base" not in self.spec.parts:
            return edges
        weights = self.part("node-scale")[:, None] * self.part("base")
        off = silu(np.clip(x, *self.spec.domains.T), 0)[0] - silu(x, 0)[0]
        return [edge + weights[:, p] * off[:, p : p + 1] for p, edge in enumerate(edges)]


class PowersWithoutFactors(NumpyLayer):
    """Slopes are those of Taylor's polynomials about the middle of each interval, but for the factors of the powers."""

    def pull_back(self, x, dy, derivative=1):
        if derivative != 1 or self.order != 4:
            return super().pull_back(x, dy, derivative)
        m = np.stack(
            [np.searchsorted(t, column, side="right") - 1 for t, column in zip(self.t, x.T, strict=True)], axis=1
        )
        m = np.clip(m, 3, self.t.shape[1] - 5)
        middle = np.stack([(t[k] + t[k + 1]) / 2 for t, k in zip(self.t, m.T, strict=True)], axis=1)
        slopes, z = [self._pulled(middle, dy, k) for k in (1, 2, 3)], x - middle
        return slopes[0] + slopes[1] * z / 2 + slopes[2] * z * z / 6

    def _pulled(self, x, dy, k):
        return np.stack([(dy * edge).sum(axis=1) for edge in self.edges(x, k)], axis=1)


class KnotGradients(PlainNumpy):
    """Knot gradients that lack the first breakpoint."""

    capabilities = replace(PlainNumpy.capabilities, derivatives=("coefficients", "inputs", "knots"))

    def vjp(self, model, x, dy):
        gradients = dict(super().vjp(model, x, dy))
        (layer, *more) = model
        if not more and layer.spec.kind in ("uniform", "arbitrary"):
            knots = FloatQuantities((layer.spec,), np.asarray(x, float)).knot_gradients(dy)
            gradients["knots"] = knots * (np.arange(knots.shape[1]) > 0)
        return gradients


def _stride_of_intervals(layer):
    """Coefficients of input p are read p degree places too early, across inputs."""
    Q, P, dim = layer.C.shape
    places = (np.arange(P)[:, None] * layer.spec.intervals + np.arange(dim)).ravel()
    layer.C = layer.C.reshape(Q, -1)[:, places].reshape(Q, P, dim)


def _round_the_ends(layer):
    layer.C = layer.C.copy()
    if layer.spec.degree:
        layer.C[..., : layer.spec.degree] = layer.C[..., -layer.spec.degree :]


class CoefficientsStay(PlainNumpy):
    def update(self, model, x):
        (layer,) = model
        t, r = layer.spec.knots.copy(), layer.order
        inner = t[:, r - 1 : t.shape[1] - r + 1]
        inner[:, 1:-1] += 0.25 * np.diff(inner, axis=1)[:, 1:]
        return [self.layer(replace(layer.spec, knots=t))]


class CurvatureOfTheLast(PlainNumpy):
    def second(self, model, x, dy, direction):
        if len(model) == 1:
            return super().second(model, x, dy, direction)
        true = FloatQuantities([layer.spec for layer in model], np.asarray(x, float))
        true.edges = [
            edges * np.array([1.0, 1.0, k == len(model) - 1])[:, None, None, None] for k, edges in enumerate(true.edges)
        ]
        return true.second_derivatives(dy, direction)


class EqualShapesShare(PlainNumpy):
    def build(self, spec):
        specs = as_specs(spec)
        last = {each.coefficients.shape: each.coefficients for each in specs}
        return [self.layer(replace(each, coefficients=last[each.coefficients.shape])) for each in specs]


class NoGradientsInEvaluation(PlainNumpy):
    def in_mode(self, model, training):
        for layer in model:
            layer.training = training
        return model

    def vjp(self, model, x, dy):
        found = super().vjp(model, x, dy)
        off = not getattr(model[0], "training", True)
        return {**found, "inputs": 0 * found["inputs"]} if off else found


class MappedByTheFirstDomain(NumpyLayer):
    def basis(self, p, x, derivative=0):
        (low, high), (a, b) = self.spec.domains[0], self.spec.domains[p]
        return super().basis(p, a + (x - low) / (high - low) * (b - a) if p else x, derivative)


class RefusesTheEnd(NumpyLayer):
    def basis(self, p, x, derivative=0):
        if (x == self.t[p][-self.order]).any():
            raise IndexError("out of bounds")
        return super().basis(p, x, derivative)


class ShrinksAtEachCall(NumpyLayer):
    def __call__(self, x):
        self.C = self.C * (1 - 2.0**-10)
        return super().__call__(x)


class KnotsOfTheFirstLayer(PlainNumpy):
    def build(self, spec):
        first, *others = as_specs(spec)
        return [
            self.layer(first),
            *(self.layer(replace(o, knots=np.resize(first.knots[:1], o.knots.shape))) for o in others),
        ]


class AddsTheMeanBetween(PlainNumpy):
    """A later layer adds a tenth of what comes into it: no map between layers."""

    def forward(self, model, x):
        for k, layer in enumerate(model):
            x = layer(x) + (0.1 * x.mean(axis=1, keepdims=True) if k else 0)
        return x


class HiddenCotangentOfTheMean(PlainNumpy):
    """Gradients of a network whose last layer hands back the mean over samples to the layers before it."""

    def vjp(self, model, x, dy):
        *first, last = model
        if not first:
            return super().vjp(model, x, dy)
        handed = super().vjp([last], super().forward(first, x), dy)["inputs"]
        return {
            **super().vjp(model, x, dy),
            "inputs": super().vjp(first, x, handed.mean(axis=0) + 0 * handed)["inputs"],
        }


IN_SETTINGS = {
    "wrong derivative: input gradients: they are those of other cotangents: the mean over": altered(
        "pull_back", before=lambda layer, x, dy, k=1: (x, dy.mean(axis=0) + 0 * dy if k == 1 else dy, k)
    ),
    "wrong derivative: gradients of a network: the cotangents of .* the mean over": HiddenCotangentOfTheMean,
    "inputs mapped: .* from the domain of input 0 .*input 1 only": MappedByTheFirstDomain,
    r"rows by position: .*\(one row in 32\): .* with the intervals of the row before": altered(
        "pieces", lambda layer, on, x, t: on[np.arange(len(on)) - (np.arange(len(on)) % 32 == 31)]
    ),
    r"setting refused: forward: IndexError: out of bounds \(x = b\)": RefusesTheEnd,
    "changed by a call: forward .* multiplied by 0.9990234.* with each call": ShrinksAtEachCall,
    "network: of two layers: .* knots of": KnotsOfTheFirstLayer,
    "network: of two layers: values are off by": AddsTheMeanBetween,
    "inputs left out: splines of inputs 100 to 299 of 300": FirstHundredInputs,
    "results overwritten: the result of forward is changed by the next call": OneArrayForResults,
    "models share state: a model has the coefficients of the one built after it": CoefficientsOfTheClass,
    "not deterministic: .* two calls of layers with bias": DriftingBias,
    r"setting refused: forward: .*shape \(64,\); expected \(64, 1\): .* \(1 output, 2 inputs": altered(
        "forward", lambda adapter, y, *at: y[:, 0] if y.shape[1] == 1 else y, base=PlainNumpy
    ),
    "part in another form: base: beyond the domain it is that of the end points": BaseOfTheClampedPoint,
    "extra branch: .* identity of each input times 0.5, at the output of the same number": altered(
        "__call__", lambda layer, y, x: y + 0.5 * x if y.shape[1] == x.shape[1] > 2 else y
    ),
    "strides ignored: coefficient gradients change if the same cotangents lie": altered(
        "vjp",
        before=lambda adapter, model, x, dy: (model, x, np.asarray(dy).ravel(order="K").reshape(dy.shape)),
        base=PlainNumpy,
    ),
    r"samples left out: coefficient gradients of samples 0 to 999 of 1030 are zero": altered(
        "coefficient_gradient", before=lambda layer, *at: [v[(len(v) - 1) // 200 * 200 :] for v in at]
    ),
    "wrong derivative: gradients in scale .* they lack the factors of the part node-scale": altered(
        "part_gradients",
        lambda layer, G, *at: G | ({"scale": G["scale"] / layer.part("node-scale")[:, None]} if "scale" in G else {}),
    ),
    "part not linear: .* its absolute value is used": altered(
        "part", lambda layer, W, name: np.abs(W) if name == "scale" else W
    ),
    "zero at ends: input gradients are zero at x = a and x = b": altered(
        "pull_back", lambda layer, G, x, *at: G * ((x > layer.spec.domains[:, 0]) & (x < layer.spec.domains[:, 1]))
    ),
    "wrong derivative: input gradients: powers of x less the middle .* 1 for power 1, 0.5 for": PowersWithoutFactors,
    r"wrong derivative: input gradients: the second term is divided by t\[i\+3\] - t\[i\]": altered(
        "differentiate",
        lambda layer, slopes, b, t, k: (k - 1) * layer.ratio(b[:, :-1] - b[:, 1:], t[k - 1 : -1] - t[:-k]),
    ),
    "knots left out: knot gradients of knots 0 of 5": KnotGradients,
    "wired otherwise: .* as with a stride of 6 between inputs instead of 9": built(_stride_of_intervals),
    "coefficients mixed up: basis functions: numbers 0 to 2 have those of 6 to 8": built(_round_the_ends),
    "intervals left out: basis functions are zero in intervals 2 of 6": altered(
        "_polynomials", lambda layer, B, x, t, k: B * ~((x >= t[layer.order + 1]) & (x < t[layer.order + 2]))[:, None]
    ),
    "only outside the domain: .* above b pieces of other intervals continued": altered(
        "pieces", lambda layer, on, x, t: np.where((x > t[-layer.order])[:, None], np.roll(on, -1, axis=1), on)
    ),
    "part in another form: the parts: after refine they are left out": altered(
        "refine",
        lambda adapter, model, *at: [
            adapter.layer(replace(model[0].spec, base=None, scale=None, node_scale=None, bias=None))
        ],
        base=PlainNumpy,
    ),
    "function changed by update: .* knots have changed, the coefficients have not": CoefficientsStay,
    "wired otherwise: coefficient gradients of a network: they are listed from the last": altered(
        "vjp",
        lambda adapter, G, *at: {name: part[::-1] if isinstance(part, list) else part for name, part in G.items()},
        base=PlainNumpy,
    ),
    "wrong derivative: second derivatives of a network: the curvature of layer 0 is left out": CurvatureOfTheLast,
    "network: of two layers: layers of equal shape have the coefficients of layer 1": EqualShapesShare,
    r"detached gradient: input gradients are zero \(in evaluation": NoGradientsInEvaluation,
}
"""Patterns of the first difference."""
