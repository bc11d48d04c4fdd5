"""Layers with SiLU branches, scales, biases and affine maps that are not neutral: truths, alarms, names of defects."""

from dataclasses import replace

import numpy as np
import pytest

from refkan import truth
from refkan.conformance import LayerSpec, identify
from refkan.conformance.cases.specs import PARTS
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.truth.layers import BSplines, SiluLayer, SumLayer
from refkan.truth.networks import Network
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.declaring import bad, judged, of
from tests.conformance.judged_cases import chosen
from tests.shared.refusals import refused
from tests.shared.tables import each_row


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_layers_with_parts_raise_no_alarm(dtype):
    findings = judged(PlainNumpy(), "with-", dtypes=(dtype,))
    assert not bad(findings)
    assert len(findings) > 30


def with_parts(rng, parts, P=2, Q=3, order=4):
    knots = np.cumsum(rng.uniform(0.2, 1, (P, 6 + 2 * order - 1)), axis=1)
    spec = LayerSpec(knots, rng.normal(size=(Q, P, 5 + order)), order)
    shapes = {"base": (Q, P), "scale": (Q, P), "node_scale": (Q,), "bias": (Q,)}
    return replace(spec, **{name: rng.normal(size=shapes[name]) for name in parts})


def test_values_and_gradients_with_parts_are_those_of_the_truth():
    """Of the layer that the truth has, by its own sums."""
    rng = np.random.default_rng(0)
    spec = with_parts(rng, ("base", "scale"))
    a, b = spec.domains[:, 0], spec.domains[:, 1]
    x, dy = a + (b - a) * rng.uniform(size=(5, 2)), rng.normal(size=(5, 3))
    families = [BSplines(list(map(float, t)), 4, "natural") for t in spec.knots]
    net = Network([SiluLayer(SumLayer(families, 3))], [])
    theta = np.concatenate([spec.coefficients.ravel(), spec.base.ravel(), spec.scale.ravel()])
    values = np.array(net.sweep(theta.tolist(), x.tolist()).value, float)
    ours = FloatQuantities((spec,), x)
    assert np.abs(values - ours.values).max() < 1e-13
    J = np.array(truth.Evaluation(net, theta.tolist(), x.tolist(), float).jacobian(), float).reshape(5, 3, -1)
    gradient = np.einsum("sq,sqm->m", dy, J)
    found = [ours.coefficient_gradients(dy)[0], ours.part_gradients("base", dy)[0], ours.part_gradients("scale", dy)[0]]
    assert np.abs(gradient - np.concatenate([part.ravel() for part in found])).max() < 1e-12


@pytest.mark.parametrize(
    "parts", [("base",), ("scale",), ("node_scale",), ("bias",), ("base", "scale", "node_scale", "bias")]
)
def test_gradients_with_parts_are_differences_of_values(parts):
    rng = np.random.default_rng(1)
    specs = (with_parts(rng, parts), with_parts(rng, parts, P=3, Q=2))
    x = specs[0].domains.mean(axis=1) + rng.uniform(-0.3, 0.3, (4, 2))
    dy, h = rng.normal(size=(4, 2)), 1e-6

    def total(specs, x=x):
        return float((dy * FloatQuantities(specs, x).values).sum())

    at = FloatQuantities(specs, x)
    for k, name in [(k, name) for k in range(2) for name in (*parts, "coefficients")]:
        array = getattr(specs[k], name)
        index = tuple(rng.integers(0, array.shape))
        step = np.zeros_like(array)
        step[index] = h

        def moved(by, k=k, name=name, array=array):
            return tuple(replace(s, **{name: array + by}) if j == k else s for j, s in enumerate(specs))

        pair = moved(step), moved(-step)
        slope = (total(pair[0]) - total(pair[1])) / (2 * h)
        found = (
            at.coefficient_gradients(dy) if name == "coefficients" else at.part_gradients(name.replace("_", "-"), dy)
        )
        assert abs(found[k][index] - slope) < 1e-6 * (1 + abs(slope))
    v = rng.normal(size=x.shape)
    slope = (total(specs, x + h * v) - total(specs, x - h * v)) / (2 * h)
    assert abs((at.input_gradients(dy) * v).sum() - slope) < 1e-6 * (1 + abs(slope))


class BaseLeftOut(NumpyLayer):
    def part(self, name):
        return 0 * super().part(name) if name == "base" else super().part(name)


class ScaleTwice(NumpyLayer):
    def part(self, name):
        return super().part(name) ** 2 if name == "scale" else super().part(name)


class BiasNotTrained(NumpyLayer):
    def part_gradients(self, x, dy):
        gradients = super().part_gradients(x, dy)
        return gradients | ({"bias": 0 * gradients["bias"]} if "bias" in gradients else {})


class BiasFirst(NumpyLayer):
    def part(self, name):
        return super().part(name) * (super().part("node-scale") if name == "bias" else 1)


class GradientWithoutScale(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        return super().coefficient_gradient(x, dy) / self.spec.gain[:, :, None]


class Transposed(NumpyLayer):
    def part(self, name):
        found = super().part(name)
        return found.reshape(found.shape[::-1]).T if name == "base" else found


@each_row(
    "layer, name, told",
    (BaseLeftOut, "part ignored", "'base' has no effect"),
    (ScaleTwice, "part applied twice", "'scale' counts squared"),
    (BiasNotTrained, "detached gradient", "gradients in bias"),
    (BiasFirst, "parts in another order", "node-scale multiplies bias, too"),
    (GradientWithoutScale, "wrong derivative", "lack the factors of the parts scale and node-scale"),
    (Transposed, "transposed coefficients", "the part base"),
)
def test_defects_of_parts_are_named(layer, name, told):
    first = identify(of(layer)).differences[0]
    assert first.name == name
    assert told in str(first)


def test_an_update_that_forgets_the_scale_shows_where_the_scale_is_not_neutral():
    class Twice(PlainNumpy):
        def update(self, model, x):
            (layer,) = super().update(model, x)
            layer.C = layer.C * layer.spec.part("scale")[:, :, None]
            return [layer]

    assert not bad(judged(Twice(), "update/degree-3/random-data/on-samples"))
    findings = judged(Twice(), "update/degree-3/random-data/with-scale")
    assert {x.hint for x in findings} == {"function changed by update"}


def test_parts_of_a_spec_have_shapes():
    spec = chosen(["float64"], ["layer/degree-3/uniform/3x2/values"])[0].setting.spec
    refused(lambda: replace(spec, base=np.ones((2, 3))), r"base must have shape \(3, 2\); got \(2, 3\)")
    refused(lambda: replace(spec, bias=np.ones(2)), r"bias must have shape \(3,\); got \(2,\)")
    assert replace(spec, bias=np.ones(3)).parts == ("bias",)
    assert set(PARTS) == {"base", "scale", "node-scale", "bias"}
