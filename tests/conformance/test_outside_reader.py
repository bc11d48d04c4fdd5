"""Broken layers that an outside reader judged: each has its right name, and no wrong one beside it."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance import findings as f
from refkan.conformance import report
from refkan.conformance.backends.plain_numpy import NumpyLayer, PlainNumpy
from refkan.conformance.causes import causes, leading_hint
from refkan.conformance.findings import Finding
from tests.conformance.declaring import judged, of

WITHOUT_RULES = {"outside": (), "knots": ("uniform", "arbitrary"), "parts": (), "update": False, "refine": ()}


def failures(layer, *select, derivatives=("inputs", "coefficients")):
    adapter = of(layer, derivatives=derivatives, **WITHOUT_RULES)
    return [x for x in judged(adapter, *select) if x.status in f.BAD]


class Zeros(NumpyLayer):
    def __call__(self, x):
        return np.zeros((len(x), self.C.shape[0]))

    def pull_back(self, x, dy, derivative=1):
        return np.zeros(x.shape)

    def coefficient_gradient(self, x, dy):
        return np.zeros(self.C.shape)


class SlopeWithoutSpacing(NumpyLayer):
    """dB/dx lacks 1/h."""

    def pull_back(self, x, dy, derivative=1):
        h = self.t[:, self.order] - self.t[:, self.order - 1]
        return super().pull_back(x, dy, derivative) * h**derivative


class Shifted(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) + 0.01 * np.sin(5 * x).sum(axis=1, keepdims=True)


class SecondOutputHalved(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) * np.where(np.arange(self.C.shape[0]) == 1, 0.5, 1.0)


def test_small_gradients_are_not_called_zero():
    found = failures(SlopeWithoutSpacing, "uniform/3x2/tiny-spans/input-gradients")
    assert len(found) == 2
    for finding in found:
        assert 0 < abs(finding.theirs) < 1e-3 * abs(finding.ours)
        assert finding.hint == "constant factor"
        assert "4.76837e-07, the spacing h" in finding.hints[0].text


@pytest.mark.parametrize("select", ["layer/degree-3/uniform", "basis/degree-2/", "network/degree-2/"])
def test_values_that_are_zero_are_called_that_alone(select):
    found = [x for x in failures(Zeros, select) if x.quantity == "values"]
    assert {hint.text for x in found for hint in x.hints} == {"all values are zero"}
    assert all(x.hints for x in found)


def test_a_factor_for_each_output_takes_samples_that_differ():
    found = failures(Shifted, "constant-data/values")
    assert len(found) == 2
    assert not any(x.hint == "constant factor" for x in found)
    found = failures(SecondOutputHalved, "constant-data/values")  # the other outputs are right
    assert {x.hint for x in found} == {"constant factor"}


class GradientOverDegree(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy, derivative) / (self.order - 1)


class HalfOfTheGradient(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy, derivative) / 2


class NoSecondDerivatives(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy, derivative) * (derivative == 1)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (SlopeWithoutSpacing, "the factor in input-gradients is the spacing h: it fits {0} of {0}"),
        (GradientOverDegree, "the factor in input-gradients is 1 over the degree: it fits {0} of {0}"),
        (HalfOfTheGradient, "theirs are ours times 0.5"),
    ],
)
def test_a_factor_is_named_by_what_fits_all_cases(layer, told):
    found = failures(layer, "layer/", "uniform", "input-gradients")
    (cause,) = causes(found)
    assert cause.name == "constant factor"
    assert cause.evidence[0] == (told.format(len(found)), len(found))
    assert not any(" or " in text for text, _ in cause.evidence)
    assert {hint.name for x in cause.members for hint in x.hints} == {"constant factor"}


def test_what_no_case_tells_apart_is_named_together():
    (cause,) = causes(failures(SlopeWithoutSpacing, "layer/degree-3/uniform/3x2/strided", "input-gradients"))
    assert "1 over the number P of inputs or the spacing h" in cause.evidence[0][0]


def test_gradients_of_zero_values_and_zeros_at_knots_are_no_second_cause():
    found = failures(Zeros, "basis/degree-2/")
    assert [cause.name for cause in causes(found)] == ["all values zero"]
    assert leading_hint(found) == "all values zero"
    found = failures(NoSecondDerivatives, "degree-2", derivatives=("inputs", "coefficients", "second"))
    assert [cause.name for cause in causes(found)] == ["detached gradient"]


def test_the_report_says_whose_numbers_it_shows_and_keeps_keys_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    key = "float64/layer/degree-3/arbitrary/3x2/constant-data/coefficient-gradients"
    found = [Finding(key, "coefficient-gradients", f.FAILED, index=(0, 0, 0), ours=1.0, theirs=2.0)]
    report.show(report.text("x", found), found)
    shown, _, table = capsys.readouterr().out.partition("┏")
    assert shown.count("ours: refkan's exact value; theirs: that of the layer judged") == 1
    assert key in table
    assert "ours: refkan's" not in report.text("x", [Finding(key, "values", f.PASSED)])


class OwnLayout(PlainNumpy):
    """Coefficients as (P, Q, dim), which the adapter does not turn."""

    def vjp(self, model, x, dy):
        found = super().vjp(model, x, dy)
        return found | {"coefficients": found["coefficients"].transpose(1, 0, 2)}


class OwnLayoutOfTorch(OwnLayout):
    """As adapters of PyTorch have it."""

    def to_papers(self, array):
        return array


def test_a_forgotten_layout_is_an_error_of_the_adapter():
    (finding,) = judged(OwnLayoutOfTorch(), "basis/degree-2/uniform/interior/coefficient-gradients")
    assert "returned shape (1, 8, 8); expected (8, 1, 8): to_papers must turn the layout into (Q, P, dim)" in (
        finding.message
    )
    assert "an error of the adapter, not of the layer" in finding.message
    (finding,) = judged(OwnLayout(), "basis/degree-2/uniform/interior/coefficient-gradients")
    assert "expected (8, 1, 8): its layout must be (Q, P, dim)" in finding.message
