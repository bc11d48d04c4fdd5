"""The truth behind cases: exact and fast, rounding, allowed errors; layers with parts that are not neutral."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.conformance import LayerSpec
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.specs import PARTS, QUANTITIES
from refkan.conformance.cases.truths.layers_compared import fine_knots, prolonged
from refkan.conformance.cases.truths.precision import EPS, is_exact, round_to, spacing
from refkan.conformance.cases.truths.quantities import ExactQuantities, FloatQuantities, exact, rounded
from refkan.conformance.cases.truths.tolerances import Tolerances, basis_errors
from refkan.truth.bases.bsplines import bspline_derivative
from refkan.truth.layers import BSplines, SiluLayer, SumLayer
from refkan.truth.networks import Network
from refkan.truth.node_maps import Unmapped
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.altered_layers import altered, bad, first_difference, judged, of
from tests.conformance.judged_cases import chosen
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def make_spec(order, kind, outside, rng, Q=2):
    t = np.concatenate([[0], np.cumsum(rng.integers(1, 5, 4 + 2 * order - 2))]) / 4.0
    if kind == "clamped":
        t[:order], t[-order:] = t[order - 1], t[-order]
    if kind == "repeated" and order > 1:
        t[order + 1] = t[order]
    return LayerSpec(t[None], rng.integers(-9, 9, (Q, 1, t.size - order)) / 4.0, order, outside)


def points_of(spec, rng):
    a, b = spec.domain
    t = spec.knots[0]
    places = [a, b, a - 0.125, b + 0.125, a - 100, b + 100, t[spec.order], t[spec.order + 1 - (spec.order == 1)]]
    return np.concatenate([places, a + (b - a) * rng.integers(0, 64, 3) / 64])[:, None]


@pytest.mark.parametrize("outside", ["natural", "linear", "polynomial"])
@pytest.mark.parametrize("kind", ["arbitrary", "clamped", "repeated"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_both_forms_agree(order, kind, outside, rng):
    """Over Fractions by refkan.truth, in float64 by local rows, which share no code."""
    spec = make_spec(order, kind, outside, rng)
    x = points_of(spec, rng)
    dy, v = rng.integers(1, 4, (len(x), 2)).astype(float), rng.integers(1, 4, x.shape).astype(float)
    literal, fast = ExactQuantities([spec], x), FloatQuantities([spec], x)
    names = ["values", "input-gradients", "coefficient-gradients", "second-derivatives", "gauss-newton"]
    for name in names + (["knot-gradients"] if order > 1 and kind == "arbitrary" else []):
        truths, floats = (QUANTITIES[name].of(source, dy, v) for source in (literal, fast))
        expected = rounded(np.asarray(truths))
        assert np.abs(floats - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max()), name


@pytest.mark.parametrize("outside", ["natural", "linear", "polynomial"])
@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_exact_quantities_are_those_of_the_truth(order, outside, rng):
    """Of a layer and of a network, number by number, by the sweeps of the truth, which share no chain rule."""
    first = make_spec(order, "arbitrary", outside, rng)
    second = make_spec(order, "repeated", outside, rng, Q=1)
    second = LayerSpec(second.knots.repeat(2, 0), rng.integers(-9, 9, (1, 2, second.dim)) / 4.0, order, outside)
    for specs in ((first,), (first, second)):
        x, dy = exact(points_of(first, rng)), exact(rng.integers(1, 4, (11, specs[-1].n_outputs)))
        layers = [
            SumLayer([BSplines(t, order, outside) for t in exact(spec.knots).tolist()], spec.n_outputs)
            for spec in specs
        ]
        theta = [c for spec in specs for c in exact(spec.coefficients).ravel()]
        net = Network(layers, [Unmapped()] * (len(specs) - 1))
        sweep, ours = net.sweep(theta, x.tolist()), ExactQuantities(specs, x)
        assert ours.values.tolist() == sweep.value
        assert ours.input_gradients(dy).tolist() == sweep.input_gradient(dy.tolist())
        gradients = np.concatenate([part.ravel() for part in ours.coefficient_gradients(dy)])
        assert gradients.tolist() == sweep.gradient(dy.tolist())
        J = truth.Evaluation(net, theta, x.tolist(), Fraction).jacobian()
        assert (ours.gauss_newton() == exact(J).T @ exact(J) / 11).all()
        if len(specs) == 1 and order > 1:
            assert ours.knot_gradients(dy).tolist() == sweep.knot_gradients(dy.tolist())[0]


def test_a_network_is_differentiated_exactly(rng):
    """Against a complex-step-free check: exact difference quotients of a piecewise polynomial of small degree."""
    specs = (make_spec(3, "arbitrary", "polynomial", rng, 2), make_spec(3, "arbitrary", "polynomial", rng, 1))
    second = LayerSpec(
        np.repeat(specs[1].knots, 2, 0), rng.integers(-9, 9, (1, 2, specs[1].dim)) / 4.0, 3, "polynomial"
    )
    net = (specs[0], second)
    x, dy, v = np.array([[0.8125], [2.0625]]), exact(np.array([[2.0], [3.0]])), exact(np.array([[1.0], [2.0]]))
    at = ExactQuantities(net, x)
    h = Fraction(1, 2**40)
    ahead, behind = (ExactQuantities(net, exact(x) + step) for step in (h, -h))
    slope = at.input_gradients(dy)
    quotient = dy * (ahead.values - behind.values) / (2 * h)
    assert np.abs(rounded(slope - quotient)).max() < 1e-15
    curved = (ahead.input_gradients(dy) - behind.input_gradients(dy)) / (2 * h) * v
    assert np.abs(rounded(at.second_derivatives(dy, v) - curved)).max() < 1e-15


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_refined_coefficients_are_those_of_the_library_and_the_same_function(order, rng):
    t = -1.0 + 0.5 * np.arange(1 - order, 6 + order)
    spec = LayerSpec(t[None], rng.integers(-9, 9, (2, 1, t.size - order)) / 4.0, order, "natural", kind="uniform")
    fine = fine_knots(spec, 12)
    C = prolonged(spec, fine)
    P = rk.prolongation_matrix(rk.SplineSpace(spec.knots[0], order), rk.SplineSpace(fine[0], order)).toarray()
    assert np.abs(C[:, 0] - spec.coefficients[:, 0] @ P.T).max() < 1e-13
    refined = LayerSpec(fine, C, order)
    x = exact(np.linspace(-0.9, 1.9, 9)[:, None])
    assert np.abs(rounded(ExactQuantities([refined], x).values - ExactQuantities([spec], x).values)).max() < 1e-13


def test_rounding_to_formats():
    x = np.random.default_rng(0).normal(size=1000) * 2.0 ** np.random.default_rng(1).integers(-120, 120, 1000)
    assert np.array_equal(round_to("float32", x), x.astype(np.float32))
    bits = x.astype(np.float32).view(np.uint32)
    nearest = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    assert np.array_equal(round_to("bfloat16", x.astype(np.float32)), nearest)
    assert np.isnan(round_to("bfloat16", [np.nan])).all()
    assert round_to("bfloat16", [1 + 2**-8, 1 + 3 * 2**-8]).tolist() == [1.0, 1 + 2**-6]  # ties to even
    assert spacing("float64", [1.0, 3.0, 0.0]).tolist() == [2.0**-52, 2.0**-51, 2.0**-1074]
    assert not is_exact("float32", [0.1])
    assert EPS["float32"] == np.finfo(np.float32).eps


@pytest.mark.parametrize("outside", ["natural", "linear", "polynomial"])
@pytest.mark.parametrize("kind", ["arbitrary", "clamped"])
def test_allowed_errors_follow_from_the_size_of_a_function_on_its_interval(kind, outside, rng):
    """Absolute values are those of the truth, and norms bound each derivative on the whole interval."""
    spec = make_spec(4, kind, outside, rng)
    x = points_of(spec, rng)
    M, N, E = (part[:, :, 0] for part in basis_errors(spec, x))
    t = list(spec.knots[0])

    def truths(points):
        return np.array([
            [[bspline_derivative(t, 4, i, v, d, outside) for i in range(spec.dim)] for v in points]
            for d in range(3)
        ])  # fmt: skip

    inside = (x[:, 0] > spec.domain[0]) & (x[:, 0] < spec.domain[1]) & ~np.isin(x[:, 0], t)
    assert np.allclose(M[:, inside], np.abs(truths(x[inside, 0])), rtol=1e-12, atol=1e-14)
    for s in np.flatnonzero(inside):
        m = np.searchsorted(spec.knots[0], x[s, 0], side="right") - 1
        on_interval = np.abs(truths(np.linspace(t[m], t[m + 1], 33)[:-1])).max(axis=1)
        assert (on_interval <= N[:, s] * (1 + 1e-12)).all()
        assert (N[0, s] <= 2**4 * 3**4 * np.maximum(on_interval[0], 1e-15)).all()  # equivalent norms of cubics
    assert (E >= 20 * M).all()
    assert (E >= 4.5 * N).all()


def test_the_error_of_float32_is_below_what_is_allowed_and_not_far_below(rng):
    """Kept between: a bound that nothing reaches would let defects through."""
    t = -1.0 + 0.5 * np.arange(-3, 10)
    spec = LayerSpec(t[None].repeat(2, 0), rng.normal(size=(3, 2, 9)).astype(np.float32), 4, dtype="float32")
    x = rng.uniform(-1, 2, (200, 2)).astype(np.float32)
    case = Case(Setting("x", (spec,), x.astype(float), np.ones((200, 3)), x.astype(float), oracle="float64"), "values")
    basis = [rk.bsplines.design_matrix(rk.SplineSpace(t, 4), x[:, p]).toarray().astype(np.float32) for p in range(2)]
    theirs = sum(B @ spec.coefficients[:, p].astype(np.float32).T for p, B in enumerate(basis))
    ratio = np.abs(theirs - case.expected) / case.tolerance
    assert 0.005 < ratio.max() < 0.5
    assert Tolerances((spec,), x.astype(float)).values.shape == (200, 3)


def test_a_spec_says_what_is_wrong_with_it():
    refused(lambda: LayerSpec([[0, 1, 2, 3]], [[[1, 2, 3]]], order=2), r"coefficients must have shape \(Q, P, dim\)")
    refused(lambda: LayerSpec([[0, 2, 1, 3]], [[[1, 2]]], order=2), "KnotError: ascending")


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


@each_row(
    "layer, name, told",
    (altered("part", lambda layer, W, name: 0 * W if name == "base" else W), "part ignored", "'base' has no effect"),
    (altered("part", lambda layer, W, name: W**2 if name == "scale" else W), "part applied twice", "'scale' enters"),
    (
        altered("part_gradients", lambda layer, G, *at: G | {n: 0 * G[n] for n in ("bias",) if n in G}),
        "detached gradient",
        "gradients in bias",
    ),
    (
        altered("part", lambda layer, W, name: W * layer.part("node-scale") if name == "bias" else W),
        "parts in another order",
        "node-scale multiplies bias, too",
    ),
    (
        altered("coefficient_gradient", lambda layer, G, *at: G / layer.spec.gain[:, :, None]),
        "wrong derivative",
        "lack the factors of the parts scale and node-scale",
    ),
    (
        altered("part", lambda layer, W, name: W.reshape(W.shape[::-1]).T if name == "base" else W),
        "transposed coefficients",
        "the part base",
    ),
)
def test_defects_of_parts_are_named(layer, name, told):
    first = first_difference(of(layer))
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
