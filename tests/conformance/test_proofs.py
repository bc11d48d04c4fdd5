"""Proven distances from the exact value: right, below it, for layers and networks; and where nothing is proven."""

from fractions import Fraction

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.results_explained import exact_entry, proven, rounded_down
from refkan.conformance.reports.findings_reported import line
from tests.broken_layers.plain_numpy import PlainNumpy
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


class Shifted(PlainNumpy):
    """Values that are wrong by a thousandth."""

    def forward(self, model, x):
        return super().forward(model, x) + 1e-3


def test_the_judge_says_it():
    judge = Judge(Shifted(), hints=False)
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
