"""What an adapter can declare beside its formats: right ends, one domain, parts, declined cases, single splines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refkan import truth
from refkan.conformance import Capabilities, Judge, LayerSpec, SplineAdapter, catalogue
from refkan.conformance import findings as f
from refkan.conformance.backends import PlainNumpy, ScipyBSpline
from refkan.conformance.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases import Case
from refkan.conformance.frames import Frame
from refkan.conformance.observations import observations
from refkan.conformance.quantities import ExactQuantities, FloatQuantities
from refkan.conformance.report import text
from refkan.conformance.specs import PARTS


def of(layer, **declared):
    adapter = PlainNumpy()
    adapter.layer = layer
    adapter.capabilities = replace(PlainNumpy.capabilities, **declared)
    return adapter


def judged(adapter, *select, dtypes=("float64",)):
    findings = Judge(adapter).run(catalogue(dtypes, select, frame=adapter.capabilities.frame))
    return [x for x in findings if x.status not in f.UNJUDGED]


def bad(findings):
    return [(x.key, x.message, x.hints) for x in findings if x.status in f.BAD]


class HalfOpen(NumpyLayer):
    """b counts to the interval beyond, or to none."""

    def pieces(self, x, t):
        if self.outside != "natural":
            return super().pieces(x, t)
        return ((x[:, None] >= t[:-1]) & (x[:, None] < t[1:])).astype(self.number)


class ZeroAtB(NumpyLayer):
    def basis(self, p, x, derivative=0):
        inside = x != self.t[p][-self.order]
        return super().basis(p, x, derivative) * (inside[:, None] if self.outside == "natural" else 1)


@pytest.mark.parametrize(
    ("layer", "right_end"), [(NumpyLayer, "closed"), (HalfOpen, "half-open"), (ZeroAtB, "zero")]
)  # fmt: skip
def test_a_right_end_is_a_convention(layer, right_end):
    for select in (("degree-1/", "ends"), ("degree-3/", "ends"), ("update/degree-3/random-data", "values")):
        assert not bad(judged(of(layer, right_end=right_end), *select, dtypes=("float64", "float32")))


@pytest.mark.parametrize("layer", [NumpyLayer, HalfOpen, ZeroAtB])
@pytest.mark.parametrize("right_end", ["closed", "half-open", "zero"])
def test_another_right_end_than_the_one_declared_is_found(layer, right_end):
    fits = {NumpyLayer: "closed", HalfOpen: "half-open", ZeroAtB: "zero"}[layer] == right_end
    findings = judged(of(layer, right_end=right_end), "basis/degree-1/", "ends")
    assert bool(bad(findings)) != fits
    names = {x.hint for x in findings if x.status in f.BAD}
    assert names <= ({"right end open"} if right_end == "closed" else {"other right end"})


class Rounding(NumpyLayer):
    """Makes its own knots from domain and number of intervals, in one of several orders of operations."""

    way = 0

    def __init__(self, spec):
        super().__init__(spec)
        if spec.kind != "uniform":
            return
        q, (a, b) = self.given, spec.domain
        n, k = spec.intervals, np.arange(1 - spec.order, spec.intervals + spec.order)
        number = self.number
        a, b = number(a), number(b)
        h = self.q(self.q(b - a) / number(n))
        row = (
            self.q(self.q(q(k) * h) + a),
            self.q(b + self.q(q(k - n) * h)),
            self.q(a + self.q(self.q(b - a) * q(k)) / n),
        )[self.way]
        self.t = np.repeat(np.asarray(row, number)[None], spec.n_inputs, axis=0)
        self.t[:, [spec.order - 1, -spec.order]] = a, b


@pytest.mark.parametrize(
    "frame", [(5, (-1.0, 1.0)), (8, (0.0, 1.0)), (7, (-3.0, 0.5)), (None, (-1.0, 1.0)), (3, None), (1, (0.0, 1.0))]
)  # fmt: skip
def test_a_layer_with_one_domain_raises_no_alarm(frame):
    keys = (
        "layer/degree-3/uniform/3x2/",
        "basis/degree-2/uniform/",
        "network/degree-2/uniform",
        "update/degree-3/random",
    )
    cases = [c for c in catalogue(["float64", "float32"], frame=Frame(*frame)) if any(key in c.key for key in keys)]
    for way in (0, 1, 2):
        layer = type("Own", (Rounding,), {"way": way})
        findings = Judge(of(layer, intervals=frame[0], domain=frame[1])).run(cases)
        assert not bad(findings)
        assert sum(x.status == f.PASSED for x in findings) > 80


def test_cases_of_a_frame_are_those_of_the_frame():
    frame = Frame(5, (0.0, 2.0))
    cases = catalogue(["float64"], frame=frame)
    fitting = [case for case in cases if frame.fits("domain", case.needs()["domain"])]
    specs = [spec for case in fitting for spec in case.setting.specs]
    assert len(fitting) > 0.9 * len(cases)
    assert {tuple(row) for spec in specs for row in spec.domains.tolist()} == {(0.0, 2.0)}
    assert {case.key for case in cases} < {case.key for case in catalogue(["float64"])}
    networks = [case.setting for case in fitting if len(case.setting.specs) > 1 and not case.setting.spec.parts]
    for s in networks:
        inner = FloatQuantities(s.specs, s.x).z[1:-1]
        assert all((z >= 0).all() and (z <= 2).all() for z in inner)


def test_observations_are_made_on_the_one_domain():
    class Strict(PlainNumpy):
        """Refuses other domains."""

        def build(self, spec):
            assert spec.domain == (0.0, 2.0)
            return super().build(spec)

    adapter = Strict()
    adapter.capabilities = replace(PlainNumpy.capabilities, intervals=5, domain=(0.0, 2.0))
    assert observations(adapter)[1] == "at the right end x = b: the basis sums to 1"


def test_a_layer_with_one_domain_is_not_asked_for_others():
    adapter = of(NumpyLayer, intervals=5, domain=(0.0, 2.0))
    findings = Judge(adapter).run(catalogue(["float64"], ["layer/degree-3"]))
    assert {x.status for x in findings} == {f.NOT_APPLICABLE}
    assert "other intervals than 5" in findings[0].message


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"intervals": 0}, "capability intervals must be None or a positive int; got 0"),
        ({"intervals": (3,)}, "capability intervals must be None or a positive int; got (3,)"),
        ({"domain": (1.0, 0.0)}, "capability domain must be None or a pair of numbers a < b; got (1.0, 0.0)"),
        ({"domain": 1.0}, "capability domain must be None or a pair of numbers a < b; got 1.0"),
        ({"right_end": "open"}, "capability right_end must be one of 'closed', 'half-open', 'zero'; got 'open'"),
        (
            {"parts": ("bais",)},
            "capability parts has the unknown name 'bais'; known: 'base', 'scale', 'node-scale', 'bias'",
        ),
    ],
)
def test_declarations_that_are_none(declared, message):
    adapter = of(NumpyLayer, **declared)
    assert adapter.capabilities.problems() == [message]
    findings = judged(adapter, "layer/degree-3/uniform/3x2/values")
    assert [x.status for x in findings] == [f.ERROR, f.PASSED]


class Declining(PlainNumpy):
    def declines(self, case):
        return "gradients are those of a later version" if case.quantity == "input-gradients" else ""


def test_a_declined_case_is_shown_with_its_reason_and_does_not_pass():
    findings = Judge(Declining()).run(catalogue(["float64"], ["layer/degree-3/uniform/3x2/"])[:4])
    assert [x.status for x in findings] == [f.PASSED, f.DECLINED, f.PASSED, f.PASSED]
    assert "declined by the adapter (1): gradients are those of a later version" in text("x", findings)


def test_an_exception_in_declines_is_a_finding():
    class Raising(PlainNumpy):
        def declines(self, case):
            raise RuntimeError("no")

    (finding,) = Judge(Raising()).run(catalogue(["float64"], ["layer/degree-3/uniform/3x2/values"]))
    assert (finding.status, finding.message) == (f.ERROR, "RuntimeError: no")


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
    """In balls, where SiLU is enclosed."""
    rng = np.random.default_rng(0)
    spec = with_parts(rng, ("base", "scale"))
    a, b = spec.domains[:, 0], spec.domains[:, 1]
    x, dy = a + (b - a) * rng.uniform(size=(5, 2)), rng.normal(size=(5, 3))
    layer = truth.SiluLayer([truth.BSplines(list(t), 4, "natural") for t in spec.knots], 3)
    theta = np.concatenate([spec.coefficients.ravel(), spec.base.ravel(), spec.scale.ravel()])
    at = truth.Evaluation(truth.Network([layer], []), list(theta), x.tolist(), float)
    ours = FloatQuantities((spec,), x)
    assert np.abs(np.array(at.value, float) - ours.values).max() < 1e-13
    J = np.array(at.jacobian(), float).reshape(5, 3, -1)
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
        found = super().part_gradients(x, dy)
        return found | ({"bias": 0 * found["bias"]} if "bias" in found else {})


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


@pytest.mark.parametrize(
    ("layer", "quantity", "hint", "told"),
    [
        (BaseLeftOut, "with-base-scale/values", "part ignored", "base does not count"),
        (ScaleTwice, "with-base-scale/values", "part applied twice", "scale counts squared"),
        (BiasNotTrained, "with-bias/bias-gradients", "detached gradient", "zero throughout"),
        (BiasFirst, "with-node-scale-bias/values", "parts in another order", "added before the factor"),
        (GradientWithoutScale, "with-scale/coefficient-gradients", "part ignored", "missing in the gradient"),
        (Transposed, "with-base/values", "transposed part", "base is read in another axis order"),
    ],
)
def test_defects_of_parts_are_named(layer, quantity, hint, told):
    (finding,) = judged(of(layer), f"layer/degree-3/uniform/3x2/{quantity}")
    assert finding.hint == hint
    assert told in finding.hints[0].text


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
    spec = catalogue(["float64"], ["layer/degree-3/uniform/3x2/values"])[0].setting.spec
    with pytest.raises(ValueError, match=r"base must have shape \(3, 2\); got \(2, 3\)"):
        replace(spec, base=np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"bias must have shape \(3,\); got \(2,\)"):
        replace(spec, bias=np.ones(2))
    assert replace(spec, bias=np.ones(3)).parts == ("bias",)
    assert set(PARTS) == {"base", "scale", "node-scale", "bias"}


def test_single_splines_are_judged_as_layers():
    findings = judged(ScipyBSpline(), "degree-2/")
    assert not bad(findings)
    assert len(findings) > 50


class Single(SplineAdapter):
    """A library of splines with half-open intervals and no derivative."""

    capabilities = Capabilities(degrees=(3,), derivatives=(), outside=("natural",))
    layer = NumpyLayer

    def spline(self, knots, coefficients, degree, spec):
        made = self.layer(LayerSpec(knots[None], coefficients[None, None], degree + 1))
        return lambda x, derivative: made(x[:, None])[:, 0]


def test_a_library_of_splines_takes_one_method():
    assert not bad(judged(Single(), "degree-3/uniform/"))
    wrong = type("Wrong", (Single,), {"layer": HalfOpen})()
    wrong.spline = lambda *given: lambda x, derivative: -Single().spline(*given)(x, derivative)
    assert {x.hint for x in judged(wrong, "layer/degree-3/uniform/3x2/values")} == {"sign"}
    wrong.spline = lambda *given: lambda x, derivative: x[:, None]
    (finding,) = judged(wrong, "layer/degree-3/uniform/3x2/values")
    assert finding.message == "spline returned shape (12, 1); expected (12,)"


def test_conventions_at_the_end_are_exact_and_float_alike():
    """Of the exact truth and of floats, on knots where b is an ordinary one and where all end."""
    for kind in ("uniform", "clamped", "repeated"):
        (case,) = catalogue(["float64"], [f"basis/degree-3/{kind}/ends/values"])
        for right_end in ("half-open", "zero"):
            s = replace(case.setting, right_end=right_end)
            specs, x = s.judged_as
            exact = np.array(ExactQuantities(specs, x).values, float)
            assert np.abs(exact - FloatQuantities(specs, x).values).max() < 1e-14
            at_b = case.setting.x[:, 0] == case.setting.spec.domain[1]
            total = 1.0 if (right_end, kind) == ("half-open", "uniform") else 0.0
            np.testing.assert_allclose(Case(s, "values").expected[at_b].sum(axis=1), total, atol=1e-15)
            assert Case(s, "coefficient-gradients").expected.shape == case.setting.spec.coefficients.shape
