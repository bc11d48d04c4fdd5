"""What reports say beside names: of buffers used again, many samples, exceptions and numbers beyond any range."""

import warnings

import numpy as np
import pytest

from refkan.conformance.identification import identify
from refkan.conformance.judging import findings as f
from refkan.conformance.reports.findings_reported import text
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.declaring import judged, of


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
        text("x", findings, identify(of(Huge)))
