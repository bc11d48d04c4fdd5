"""Broken layers that an outside reader judged: each has its right name, and no wrong one beside it."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer, PlainNumpy
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes, leading_hint, verdict
from refkan.conformance.judging.findings import Finding
from refkan.conformance.reports import text_and_junit
from tests.conformance.broken_layers import PreviousBlock, SlopeWithoutSpacing
from tests.conformance.declaring import judged, of
from tests.conformance.judged_cases import chosen

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
    assert not any(x.hints for x in failures(WrongAboveOrderTwo, "constant-data/values"))
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
    found = failures(layer, "layer/", "uniform", "input-gradients") + failures(layer, "repeated-runs")
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
    text_and_junit.show(text_and_junit.text("x", found), found)
    shown, _, table = capsys.readouterr().out.partition("┏")
    assert shown.count("ours: refkan's exact value; theirs: that of the layer judged") == 1
    assert key in table
    assert "ours: refkan's" not in text_and_junit.text("x", [Finding(key, "values", f.PASSED)])


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


class FirstBlock(NumpyLayer):
    def splines(self, x, derivative):
        return [self.sum(self.basis(p, x[:, p], derivative), self.C[:, 0].T) for p in range(x.shape[1])]


class Exchanged(NumpyLayer):
    """The inputs themselves are exchanged, not the coefficients."""

    def __call__(self, x):
        return super().__call__(x[:, ::-1])


class WrongAboveOrderTwo(NumpyLayer):
    def lift(self, b, x, t, k):
        found = super().lift(b, x, t, k)
        return found * (1 + 0.01 * np.sin(x[:, None])) if k > 2 else found


class WrongOnUnequalKnots(NumpyLayer):
    def basis(self, p, x, derivative=0):
        found = super().basis(p, x, derivative)
        unequal = np.ptp(np.diff(self.t[p])) > 0
        return found * (1 + unequal * 0.01 * np.cos(7 * np.arange(found.shape[1]) + x[:, None]))


class TwiceAndStrange(NumpyLayer):
    """A factor in one gradient, and nonsense in the other."""

    def pull_back(self, x, dy, derivative=1):
        return 3 * super().pull_back(x, dy, derivative)

    def coefficient_gradient(self, x, dy):
        found = super().coefficient_gradient(x, dy)
        return found + np.sin(1e3 * found)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (PreviousBlock, "each input uses the coefficients of the input before it, the first those of the last"),
        (FirstBlock, "all inputs use the coefficients of the first"),
    ],
)
def test_mixed_up_inputs(layer, told):
    for select in ("layer/degree-3/", "network/"):
        found = failures(layer, select)
        assert [(cause.name, len(cause.members)) for cause in causes(found)] == [("inputs mixed up", len(found))]
    for select in ("3x3", "5x7", "network/degree-2/"):
        assert {x.hints[0].text for x in failures(layer, "uniform", select)} == {told}


def test_exchanged_inputs_are_not_called_mixed_up_blocks():
    found = failures(Exchanged, "layer/degree-3/", "/values")
    names = [cause.name for cause in causes(found)]
    assert names[0] == leading_hint(found) == "inputs reordered"
    assert "inputs mixed up" not in names


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (PreviousBlock, "only cases with more than one input fail: "),
        (WrongAboveOrderTwo, "only cases with order above 2 fail: "),
        (WrongOnUnequalKnots, "only cases with knots that are not equally spaced fail: "),
        (Zeros, ""),
    ],
)
def test_what_failing_cases_have_in_common(layer, told):
    cases = [*chosen(["float64"], ["basis/", "interior/values"]), *chosen(["float64"], ["layer/", "3x2/values"])]
    adapter = of(layer, derivatives=(), **WITHOUT_RULES)
    said = [line for line in verdict(Judge(adapter, pairs=False).run(cases)) if "only cases" in line]
    assert [line.startswith(told) for line in said] == ([True] if told else [])


def test_a_second_mistake_is_announced():
    adapter = of(TwiceAndStrange, derivatives=("inputs", "coefficients"), **WITHOUT_RULES)
    said = verdict(judged(adapter, "layer/degree-3/uniform/3x"))
    silent = next(line for line in said if line.endswith("without a hint"))
    count = silent.partition(" ")[0]
    assert said[-1] == (
        f'Mend "constant factor" first and run again: {count} failures that no hint explains may come from a second '
        "mistake."
    )
    assert "Mend" not in "".join(verdict(judged(of(Zeros, derivatives=()), "layer/degree-3/uniform/3x")))
