"""Layers that are right in the first setting and wrong in others, or in what they share, and what is said of them."""

from dataclasses import replace

import numpy as np

from refkan.conformance.cases.specs import as_specs
from refkan.conformance.cases.truths.quantities import FloatQuantities, silu
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy


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


class OneColumn(PlainNumpy):
    def forward(self, model, x):
        y = super().forward(model, x)
        return y[:, 0] if y.shape[1] == 1 else y


class BaseOfTheClampedPoint(NumpyLayer):
    def edges(self, x, derivative):
        edges = super().edges(x, derivative)
        if derivative or "base" not in self.spec.parts:
            return edges
        weights = self.part("node-scale")[:, None] * self.part("base")
        off = silu(np.clip(x, *self.spec.domains.T), 0)[0] - silu(x, 0)[0]
        return [edge + weights[:, p] * off[:, p : p + 1] for p, edge in enumerate(edges)]


class InputAddedWhereSquare(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x)
        return y + 0.5 * x if y.shape[1] == x.shape[1] > 2 else y


class CotangentsInOrderOfMemory(PlainNumpy):
    def vjp(self, model, x, dy):
        plain = np.asarray(dy)
        return super().vjp(model, x, plain.ravel(order="K").reshape(plain.shape))


class LastBlockOfTheBatch(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        start = (len(x) - 1) // 200 * 200
        return super().coefficient_gradient(x[start:], dy[start:])


class NodeScaleForgotten(NumpyLayer):
    def part_gradients(self, x, dy):
        gradients = super().part_gradients(x, dy)
        if "scale" in gradients:
            gradients["scale"] = gradients["scale"] / self.part("node-scale")[:, None]
        return gradients


class SizesOfWeights(NumpyLayer):
    def part(self, name):
        return np.abs(super().part(name)) if name == "scale" else super().part(name)


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


class StrideOfIntervals(NumpyLayer):
    """Coefficients of input p are read p degree places too early, across inputs."""

    def __init__(self, spec):
        super().__init__(spec)
        Q, P, dim = self.C.shape
        places = (np.arange(P)[:, None] * spec.intervals + np.arange(dim)).ravel()
        self.C = self.C.reshape(Q, -1)[:, places].reshape(Q, P, dim)


class RoundTheEnds(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        self.C = self.C.copy()
        if spec.degree:
            self.C[..., : spec.degree] = self.C[..., -spec.degree :]


class NothingInTheThirdInterval(NumpyLayer):
    def _polynomials(self, x, t, derivative):
        r = self.order
        return super()._polynomials(x, t, derivative) * ~((x >= t[r + 1]) & (x < t[r + 2]))[:, None]


class PartsLost(PlainNumpy):
    def refine(self, model, intervals, x):
        (layer,) = super().refine(model, intervals, x)
        return [self.layer(replace(layer.spec, base=None, scale=None, node_scale=None, bias=None))]


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


class IntervalsOfTheRowBefore(NumpyLayer):
    def pieces(self, x, t):
        pieces = super().pieces(x, t)
        pieces[31::32] = pieces[30::32][: len(pieces[31::32])]
        return pieces


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


class CotangentOfTheMean(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy.mean(axis=0) + 0 * dy if derivative == 1 else dy, derivative)


IN_SETTINGS = {
    "wrong derivative: input gradients: they are those of other cotangents: the mean over": CotangentOfTheMean,
    r"rows by position: .*\(one row in 32\): they are not those of their samples": IntervalsOfTheRowBefore,
    r"setting refused: forward: IndexError: out of bounds \(x = b\)": RefusesTheEnd,
    "changed by a call: forward .* differ, .* in the same way for each model": ShrinksAtEachCall,
    "network: of two layers: .* knots of": KnotsOfTheFirstLayer,
    "network: of two layers: values are off by": AddsTheMeanBetween,
    "inputs left out: splines of inputs 100 to 299 of 300": FirstHundredInputs,
    "results overwritten: what forward returned is changed by the next call": OneArrayForResults,
    "models share state: .* after one of other coefficients was built": CoefficientsOfTheClass,
    "changed by a call: forward .* outputs of layers with bias differ": DriftingBias,
    r"setting refused: forward: .*shape \(64,\); expected \(64, 1\): .* \(1 output, 1 input": OneColumn,
    "part in another form: .* beyond the domain .* base .* SiLU at the nearest point": BaseOfTheClampedPoint,
    "extra branch: beside the splines there is identity of each input times 0.5": InputAddedWhereSquare,
    "strides ignored: coefficient gradients are others if the same cotangents lie": CotangentsInOrderOfMemory,
    r"samples left out: coefficient gradients of samples 0 to 999 of 1030 are zero": LastBlockOfTheBatch,
    "wrong derivative: gradients in scale .* the part node-scale counts otherwise: one": NodeScaleForgotten,
    "part not linear: .* weights go through absolute value": SizesOfWeights,
    "knots left out: knot gradients of knots 0 of 5": KnotGradients,
    "wired otherwise: .* places .* have coefficients of others": StrideOfIntervals,
    "coefficients mixed up: basis functions: 0 to 2 taken from 6 to 8": RoundTheEnds,
    "intervals left out: basis functions are zero in intervals 2 of 6": NothingInTheThirdInterval,
    "function changed by refine: .* on layers with parts": PartsLost,
    "function changed by update: .* knots are others than before, the coefficients are not": CoefficientsStay,
    "wrong derivative: second derivatives of a network: the curvature of layer 0 is left out": CurvatureOfTheLast,
    "network: of two layers: layers of equal shape have the coefficients of layer 1": EqualShapesShare,
    r"detached gradient: input gradients are zero \(in evaluation": NoGradientsInEvaluation,
}
"""Patterns of the first difference."""
