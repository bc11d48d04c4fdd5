"""Defects that no hypothesis was written against: found, and named as they are or not at all."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer, PlainNumpy
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.diagnosis import diagnose
from refkan.conformance.judging.observations import observations
from refkan.conformance.reports.text_and_junit import leading_hint, text
from tests.broken_layers import DEFECTS
from tests.conformance.broken_layers import ZeroAtB
from tests.conformance.judged_cases import chosen


def of(layer):
    adapter = PlainNumpy()
    adapter.layer = layer
    return adapter


def judged(adapter, *select):
    return Judge(adapter, proofs=False, pairs=False).run(chosen(select=select))


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
        found = super().vjp(model, x, dy)
        if self.kept is None or self.kept["inputs"].shape != found["inputs"].shape:
            self.kept = {name: np.zeros_like(part) for name, part in found.items()}
        for name, part in found.items():
            self.kept[name] += part
        return self.kept


@pytest.mark.parametrize(("adapter", "hint"), [(ReusedBuffers(), "not deterministic"),
                                               (ReusedGradients(), "gradients accumulate")])  # fmt: skip
def test_buffers_that_a_backend_uses_again_are_not_compared_with_themselves(adapter, hint):
    (finding,) = judged(adapter, "repeated-runs")
    assert (finding.status, finding.hint) == (f.FAILED, hint)


class RowsBeyond1024(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x).copy()
        y[1024:] = 0.5
        return y


def test_many_samples_are_compared_with_the_truth():
    (finding,) = judged(of(RowsBeyond1024), "repeated-runs")
    assert finding.status == f.FAILED
    assert finding.wrong > 9000
    assert "4097 samples" in finding.message
    (finding,) = judged(PlainNumpy(), "repeated-runs")
    assert finding.status == f.PASSED


def test_a_basis_that_is_zero_at_the_right_end_has_one_name():
    findings = [x for x in judged(of(ZeroAtB), "basis/degree-3", "ends") if x.status in f.BAD]
    assert {x.hint for x in findings} == {"right end open"}
    assert all("all basis functions are zero at x = b" in x.hints[0].text for x in findings)


class OneInput(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy, derivative) * np.array([1.0, 0.3])[: x.shape[1]]


class OneOutputBack(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, dy * (1 + (np.arange(dy.shape[1]) == 1)), derivative)


class OneCoefficient(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        return super().coefficient_gradient(x, dy) * (1 - 0.25 * (np.arange(self.C.shape[2]) == 2))


class OneEdgeColumn(NumpyLayer):
    def edges(self, x, derivative):
        found = super().edges(x, derivative)
        return [*found[:-1], 1.5 * found[-1]]


class BlockOfSamples(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x).copy()
        y[3:6] *= 2
        return y


@pytest.mark.parametrize(
    ("layer", "quantity", "name", "told"),
    [
        (OneInput, "input-gradients", "factor on one input", "input 1 of 2 is multiplied by 0.3"),
        (OneOutputBack, "input-gradients", "factor on one output", "output 1 of 3 is multiplied by 2"),
        (
            OneCoefficient,
            "coefficient-gradients",
            "factor on one coefficient",
            "coefficient 2 of 9 is multiplied by 0.75",
        ),
        (OneEdgeColumn, "values", "factor on one input", "input 1 of 2 is multiplied by 1.5"),
        (BlockOfSamples, "values", "factor on a block of samples", "samples 3 to 5 of 12 is multiplied by 2"),
    ],
)
def test_a_factor_on_one_part(layer, quantity, name, told):
    (finding,) = judged(of(layer), "layer/degree-3/uniform/3x2/" + quantity)
    assert finding.hint == name
    assert told in finding.hints[0].text


class Padded(NumpyLayer):
    def ratio(self, numerator, denominator):
        return numerator / (denominator + 1e-8)


class FortyUlps(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) * (1 + 1000 * 2.0**-52 * np.sin(1e3 * x[:, :1]))


def test_small_errors_are_not_called_float32():
    findings = judged(of(Padded), "layer/degree-3/uniform/3x2/values")
    assert "shifted denominators" in findings[0].hint
    assert not any(x.hint.startswith("float32") for x in judged(of(FortyUlps), "layer/degree-3", "3x2/values"))


class HalfRight(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) * (1 + 0.76 * np.sin(5 * x[:, :1]))


def test_large_errors_are_not_called_bfloat16():
    findings = Judge(of(HalfRight)).run(chosen(["float32"], ["layer/degree-3/uniform/3x2/", "values"]))
    assert not any("bfloat16" in x.hint for x in findings)


class UlpAtKnots(NumpyLayer):
    """Knots that are one unit in the last place off, as another parameterisation leaves them."""

    def __init__(self, spec):
        super().__init__(spec)
        self.t = np.nextafter(self.t, np.inf)


def test_ulps_of_a_result_that_ought_to_be_zero_are_those_of_the_others():
    findings = judged(of(UlpAtKnots), "basis/degree-1", "knots")
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


class Huge(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) * 1e308 * 100 + 1e308


def test_no_warning_of_numbers_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings = judged(of(Huge), "basis/degree-3/uniform/", "values")
        observations(of(Huge))
        text("x", findings, ())


def test_reversed_coefficients_are_not_called_reversed_outputs():
    findings = judged(DEFECTS["coefficients reversed"].make(), "degree-3", "interior")
    findings += judged(DEFECTS["coefficients reversed"].make(), "layer/degree-3/uniform/3x2/")
    assert leading_hint(findings) == "reversed coefficients"


class TwoBugs(NumpyLayer):
    """A mean over samples in one gradient, a wrong sign in the other."""

    def coefficient_gradient(self, x, dy):
        return super().coefficient_gradient(x, dy) / len(x)

    def pull_back(self, x, dy, derivative=1):
        return 2 * super().pull_back(x, dy, derivative)


def test_two_causes_are_both_shown_with_their_evidence():
    findings = judged(of(TwoBugs), "layer/degree-3", "3x2")
    shown = text("x", findings)
    assert "theirs are ours times 2" in shown
    assert "1 over the number N of samples" in shown


def test_a_hint_on_few_of_many_failures_does_not_lead():
    def failed(k, hints):
        return f.Finding(f"c{k}", "values", f.FAILED, hints=hints)

    hint = (f.Hint("sign", "theirs are ours with the opposite sign"),)
    few = [failed(k, hint if k < 2 else ()) for k in range(35)]
    assert "no hint explains more than a few of the failures" in text("x", few)
    some = [failed(k, hint if k < 12 else ()) for k in range(35)]
    assert "explains 12 of 35 failures: sign" in text("x", some)
    most = [failed(k, hint if k < 30 else ()) for k in range(35)]
    assert "explains 30 of 35 failures: sign" in text("x", most)


@pytest.mark.parametrize(("value", "name"), [(np.inf, "infinite results"), (np.nan, "NaN from repeated knots")])
def test_only_what_is_nan_is_called_nan(value, name):
    """Beside repeated knots: at a sample where 0/0 in the recursion gives NaN, too."""
    (case,) = chosen(["float64"], ["float64/basis/degree-3/repeated/interior/values"])
    (hint,) = diagnose(f.Evidence(case, np.full_like(case.expected, value)))
    assert hint.name == name


class HalfSums(NumpyLayer):
    """Sums of products in float16."""

    def sum(self, A, B):
        return (A.astype(np.float16) @ B.astype(np.float16)).astype(self.number)


def test_sums_in_float16_are_not_called_truncated_powers():
    cases = [case for case in chosen(["float32"], ["degree-3/uniform", "values"]) if not case.setting.spec.parts]
    findings = Judge(of(HalfSums), proofs=False, pairs=False).run(cases)
    assert any(x.status == f.FAILED for x in findings)
    assert "cancellation of truncated powers" not in {x.hint for x in findings}


def test_a_hint_on_few_values_gives_way_to_one_on_most_failures():
    def failed(quantity, name, count):
        hints = (f.Hint(name, name),)
        return [f.Finding(f"{name}{k}/{quantity}", quantity, f.FAILED, hints=hints) for k in range(count)]

    for count, lead in ((170, "transposed coefficients"), (40, "left limit at knots")):
        findings = failed("values", "left limit at knots", 24)
        findings += failed("coefficient-gradients", "transposed coefficients", count)
        assert leading_hint(findings) == lead
