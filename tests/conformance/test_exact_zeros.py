"""Where zeros must be exact, and batches without samples: what docs/your-layer.md says of them."""

import numpy as np
import pytest

from refkan.conformance import Judge, catalogue
from refkan.conformance.adapters.backends import Refkan


class SmallZeros(Refkan):
    """Our layer with its zeros replaced by a small number."""

    size = 1e-300

    def filled(self, array):
        return np.where(array == 0, self.size, array)

    def forward(self, model, x):
        return self.filled(super().forward(model, x))

    def vjp(self, model, x, dy):
        return {name: self.filled(gradient) for name, gradient in super().vjp(model, x, dy).items()}

    def second(self, model, x, dy, direction):
        return self.filled(super().second(model, x, dy, direction))


def judged(select, size=1e-300):
    """Quantities that failed, and those that passed."""
    adapter = SmallZeros()
    adapter.size = size
    findings = Judge(adapter).run(catalogue(["float64"], [select]))
    return [
        {finding.key.rpartition("/")[2] for finding in findings if finding.status == status}
        for status in ("failed", "passed")
    ]


@pytest.mark.parametrize("rule", ["natural", "linear", "polynomial"])
def test_functions_that_do_not_reach_a_sample_outside_are_exactly_zero(rule):
    failed, _ = judged(f"basis/degree-3/uniform/outside-{rule}")
    assert failed >= {"values", "coefficient-gradients"}


def test_beyond_all_knots_everything_is_exactly_zero():
    failed, passed = judged("basis/degree-3/uniform/far-natural")
    assert failed == {"values", "input-gradients", "coefficient-gradients", "second-derivatives"}
    assert not passed


@pytest.mark.parametrize(("size", "right"), [(1e-16, True), (1e-15, False)])
def test_inside_half_a_unit_of_rounding_passes(size, right):
    failed, _ = judged("basis/degree-3/uniform/interior", size)
    assert ("values" not in failed) == right


def test_gradients_of_no_samples_are_exactly_zero():
    failed, passed = judged("layer/degree-3/uniform/3x2/0-samples")
    assert failed == {"coefficient-gradients"}
    assert passed == {"values", "input-gradients"}
