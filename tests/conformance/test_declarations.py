"""What an adapter can declare beside its formats: right ends, one domain, parts, declined cases, single splines."""

from dataclasses import replace

import numpy as np
import pytest

from refkan.conformance import Capabilities, Judge, LayerSpec, SplineAdapter
from refkan.conformance.adapters.backends import ScipyBSpline
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.families import Frame
from refkan.conformance.cases.truths.quantities import ExactQuantities, FloatQuantities
from refkan.conformance.identification import identify
from refkan.conformance.judging import findings as f
from refkan.conformance.reports.findings_reported import text
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import altered, bad, judged, of
from tests.conformance.judged_cases import chosen, few
from tests.shared.tables import each_row


def _half_open(layer, on, x, t):
    """b counts to the interval beyond, or to none."""
    return np.where(layer.outside == "natural", (x[:, None] >= t[:-1]) & (x[:, None] < t[1:]), on).astype(layer.number)


def _zero_at_b(layer, B, p, x, k=0):
    return B * ((x != layer.t[p][-layer.order])[:, None] | (layer.outside != "natural"))


HalfOpen, ZeroAtB = altered("pieces", _half_open), altered("basis", _zero_at_b)


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
    cases = few(chosen(["float64", "float32"], frame=Frame(*frame)))
    cases = [c for c in cases if any(key in c.key for key in keys) and not c.setting.manner and "-samples" not in c.key]
    for way in (0, 1, 2):
        layer = type("Own", (Rounding,), {"way": way})
        findings = Judge(of(layer, intervals=frame[0], domain=frame[1])).run(cases)
        assert not bad(findings)
        assert sum(x.status == f.PASSED for x in findings) > 80


def test_cases_of_a_frame_are_those_of_the_frame():
    frame = Frame(5, (0.0, 2.0))
    cases = chosen(["float64"], frame=frame)
    fitting = [case for case in cases if frame.fits("domain", case.needs()["domain"])]
    specs = [spec for case in fitting for spec in case.setting.specs]
    assert len(fitting) > 0.9 * len(cases)
    assert {tuple(row) for spec in specs for row in spec.domains.tolist()} == {(0.0, 2.0)}
    assert {case.key for case in cases} < {case.key for case in chosen(["float64"])}
    networks = [case.setting for case in fitting if len(case.setting.specs) > 1 and not case.setting.spec.parts]
    for s in networks:
        inner = FloatQuantities(s.specs, s.x).z[1:-1]
        assert all((z >= 0).all() and (z <= 2).all() for z in inner)


def test_a_layer_of_one_domain_is_identified_on_it():
    class Strict(PlainNumpy):
        """Refuses other domains."""

        def build(self, spec):
            assert spec.domain == (0.0, 2.0)
            return super().build(spec)

    adapter = Strict()
    adapter.capabilities = replace(PlainNumpy.capabilities, intervals=5, domain=(0.0, 2.0), network=False)
    assert [stage.status for stage in identify(adapter).stages] == ["as declared"] * 9


def test_a_layer_with_one_domain_is_not_asked_for_others():
    adapter = of(NumpyLayer, intervals=5, domain=(0.0, 2.0))
    findings = Judge(adapter).run(chosen(["float64"], ["layer/degree-3"]))
    assert {x.status for x in findings} == {f.NOT_APPLICABLE}
    assert "other intervals than 5" in findings[0].message


@each_row(
    "declared, message",
    ({"intervals": 0}, "capability intervals must be None or a positive int; got 0"),
    ({"intervals": (3,)}, "capability intervals must be None or a positive int; got (3,)"),
    ({"domain": (1.0, 0.0)}, "capability domain must be None or a pair of numbers a < b; got (1.0, 0.0)"),
    ({"domain": "01"}, "capability domain must be None or a pair of numbers a < b; got '01'"),
    ({"domain": 1.0}, "capability domain must be None or a pair of numbers a < b; got 1.0"),
    ({"right_end": "open"}, "capability right_end must be one of 'closed', 'half-open', 'zero'; got 'open'"),
    (
        {"parts": ("bais",)},
        "capability parts has the unknown name 'bais'; known: 'base', 'scale', 'node-scale', 'bias'",
    ),
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
    findings = Judge(Declining()).run(chosen(["float64"], ["layer/degree-3/uniform/3x2/"])[:4])
    assert [x.status for x in findings] == [f.PASSED, f.DECLINED, f.PASSED, f.PASSED]
    assert "declined by the adapter (1): gradients are those of a later version" in text("x", findings)


def test_an_exception_in_declines_is_a_finding():
    class Raising(PlainNumpy):
        def declines(self, case):
            raise RuntimeError("no")

    (finding,) = Judge(Raising()).run(chosen(["float64"], ["layer/degree-3/uniform/3x2/values"]))
    assert (finding.status, finding.message) == (f.ERROR, "RuntimeError: no")


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
        (case,) = chosen(["float64"], [f"basis/degree-3/{kind}/ends/values"])
        for right_end in ("half-open", "zero"):
            s = replace(case.setting, right_end=right_end)
            specs, x = s.judged_as
            exact = np.array(ExactQuantities(specs, x).values, float)
            assert np.abs(exact - FloatQuantities(specs, x).values).max() < 1e-14
            at_b = case.setting.x[:, 0] == case.setting.spec.domain[1]
            total = 1.0 if right_end == "half-open" and kind != "clamped" else 0.0
            np.testing.assert_allclose(Case(s, "values").expected[at_b].sum(axis=1), total, atol=1e-15)
            assert Case(s, "coefficient-gradients").expected.shape == case.setting.spec.coefficients.shape
