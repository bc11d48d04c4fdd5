"""What reports say beside names: proven distances from exact values, buffers used again, exceptions, huge numbers."""

import warnings
from fractions import Fraction

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.cases.cases import Case
from refkan.conformance.identification import identify
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.proofs import exact_entry, proven, rounded_down
from refkan.conformance.reports.findings_reported import line, text
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.altered_layers import altered, judged, of, of_knots, of_outputs
from tests.conformance.judged_cases import chosen


def case_of(*parts):
    return next(case for case in chosen(["float64"], list(parts)) if not case.setting.change)


def off(case, index, by):
    """The finding on results that are right but for one entry."""
    theirs = case.expected.copy()
    theirs[index] += by
    return proven(case, f.compare(case, theirs))


CASES = {
    "layer": ("layer/degree-3/arbitrary", "/values"),
    "layer gradient": ("layer/degree-3/arbitrary", "/coefficient-gradients"),
    "network": ("network/degree-3/", "/values"),
    "network gradient": ("network/degree-3/", "/coefficient-gradients"),
    "network input gradient": ("network/degree-3/", "/input-gradients"),
    "second derivatives": ("network/degree-3/", "/second-derivatives"),
    "Gauss-Newton": ("/gauss-newton",),
    "knots": ("/knot-gradients",),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_proven_is_the_distance_rounded_down(name):
    case = case_of(*CASES[name])
    index = tuple(k // 2 for k in case.expected.shape)
    value = exact_entry(case, index)
    assert float(value) == case.expected[index]  # of the exact truth, rounded once
    by = 1e3 * (1 + abs(case.expected[index]))
    found = off(case, index, by)
    distance = abs(Fraction(found.theirs) - value)
    assert found.index == index
    assert Fraction(repr(found.proven)) <= distance
    assert found.proven >= 0.99 * float(distance)
    assert f"proven to differ from the exact value by at least {found.proven:.3g}" in line(found)


def test_a_wrong_exact_value_would_prove_something_else(monkeypatch):
    case = case_of(*CASES["network"])
    index = (0,) * case.expected.ndim
    right = off(case, index, 1.0).proven
    sweep = type(case.setting.truth).values.fget
    monkeypatch.setattr(type(case.setting.truth), "values", property(lambda self: -sweep(self)))
    assert abs(off(case, index, 1.0).proven - right) > 1e-3


def test_large_cases_in_float64_are_proven_by_their_sample():
    case = next(c for c in chosen(["float64"]) if c.setting.oracle == "float64" and c.quantity == "values")
    found = off(case, tuple(k - 1 for k in case.expected.shape), 0.5)
    assert 0.499 <= found.proven <= 0.5 + 1e-12


def test_where_nothing_is_proven():
    case = case_of(*CASES["layer"])
    assert np.isnan(off(case, (0,) * case.expected.ndim, np.nan).proven)
    assert np.isnan(proven(case, f.Finding(case.key, case.quantity, f.PASSED)).proven)
    many = next(c for c in chosen(["float64"]) if c.quantity == "repeatability")
    assert exact_entry(Case(many.setting, "coefficient-gradients"), (0, 0, 0)) is None
    assert exact_entry(Case(many.setting, "values"), (0, 0)) is not None
    refined = next(c for c in chosen(["float64"]) if c.quantity == "refinement")
    assert exact_entry(refined, (0, 0, 0)) is None


def test_the_judge_says_it():
    judge = Judge(altered("forward", lambda adapter, y, *at: y + 1e-3, base=PlainNumpy)(), hints=False)
    found = [judge(case) for case in chosen(["float64"], ["network", "values"])]
    failed = [finding for finding in found if finding.status == f.FAILED and "/with-" not in finding.key]
    parts = [finding for finding in found if finding.status == f.FAILED and "/with-" in finding.key]
    assert failed
    assert parts
    assert all(np.isnan(finding.proven) for finding in parts)  # SiLU is not rational
    assert all(abs(finding.proven - 1e-3) < 2e-6 for finding in failed)
    assert all(finding.proven <= 1e-3 * (1 + 1e-9) for finding in failed)
    assert failed[0].to_dict()["proven"] == failed[0].proven


@pytest.mark.parametrize(
    "value", [Fraction(2, 3), Fraction(10**400, 7 * 10**400), Fraction(999999, 10**6), Fraction(1)]
)
def test_rounding_goes_down(value):
    found = rounded_down(value)
    assert Fraction(repr(found)) <= value
    assert Fraction(repr(found)) > value * Fraction(99, 100)
    assert Fraction(f"{found:.3g}") <= value


def test_exact_entries_are_those_that_backends_are_judged_by():
    """In every case of the catalogue that has them, whatever stands beside its splines."""
    found = 0
    for case in chosen(["float64"]):
        if case.quantity == "values" and not case.setting.change and 0 < len(case.setting.x) < 100:
            index = (0,) * case.expected.ndim
            value = exact_entry(case, index)
            if value is not None:
                found += 1
                assert float(value) == pytest.approx(case.expected[index], rel=1e-12, abs=1e-300)
    assert found > 50


class ReusedBuffers(PlainNumpy):
    """Results lie in one buffer, which the next call writes over; each run adds noise."""

    buffer, calls = None, 0

    def forward(self, model, x):
        self.calls += 1
        y = super().forward(model, x) * (1 + 1e-9 * self.calls)
        if self.buffer is None or self.buffer.shape != y.shape:
            self.buffer = np.empty_like(y)
        self.buffer[...] = y
        return self.buffer


class ReusedGradients(PlainNumpy):
    """Gradients are written into arrays that are kept, and added to those of the call before."""

    kept = None

    def vjp(self, model, x, dy):
        gradients = super().vjp(model, x, dy)
        if self.kept is None or self.kept["inputs"].shape != gradients["inputs"].shape:
            self.kept = {name: np.zeros_like(part) for name, part in gradients.items()}
        for name, part in gradients.items():
            self.kept[name] += part
        return self.kept


@pytest.mark.parametrize(("adapter", "hint"), [(ReusedBuffers(), "not deterministic"),
                                               (ReusedGradients(), "gradients accumulate")])  # fmt: skip
def test_buffers_that_a_backend_uses_again_are_not_compared_with_themselves(adapter, hint):
    (finding,) = judged(adapter, "repeated-runs")
    assert finding.status == f.FAILED
    assert hint in [told.name for told in finding.hints]


def test_many_samples_are_compared_with_the_truth():
    (finding,) = judged(of(of_outputs(lambda y: np.where(np.arange(len(y))[:, None] < 1024, y, 0.5))), "repeated-runs")
    assert finding.status == f.FAILED
    assert finding.wrong > 9000
    assert "4097 samples" in finding.message
    (finding,) = judged(PlainNumpy(), "repeated-runs")
    assert finding.status == f.PASSED


def test_ulps_of_a_result_that_ought_to_be_zero_are_those_of_the_others():
    off = of_knots(lambda t: np.nextafter(t, np.inf))  # as another parameterisation leaves them
    findings = judged(of(off), "basis/degree-1", "knots")
    assert any(x.status == f.FAILED for x in findings)
    assert all(not x.ulps > 1e20 for x in findings)


class Raising(PlainNumpy):
    def forward(self, model, x):
        return self._inner(x)

    def _inner(self, x):
        raise RuntimeError("no kernel")


def test_exceptions_keep_their_traceback_for_those_who_ask():
    (finding,) = judged(Raising(), "layer/degree-3/uniform/3x2/values")
    assert finding.traceback.startswith('  File "')
    assert "in _inner" in finding.traceback
    assert "judge.py" not in finding.traceback
    assert "in _inner" not in text("x", [finding])
    assert "in _inner" in text("x", [finding], tracebacks=True)
    assert "in _inner" in finding.to_dict()["traceback"]


def test_no_warning_of_numbers_reaches_the_user():
    huge = of(of_outputs(lambda y: y * 1e308 * 100 + 1e308))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings = judged(huge, "basis/degree-3/uniform/", "values")
        text("x", findings, identify(huge))
