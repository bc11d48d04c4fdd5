"""Hypotheses on what was added to a layer: their functions, wherever an unjudged layer may lead."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance.judging.diagnosis.additions import BRANCHES, MAPS

PAIRS = [
    *BRANCHES.values(),
    *(one[:2] for one in MAPS.values()),
    *(one[1:] for name, one in MAPS.items() if name != "ReLU"),  # whose slope jumps
]


@pytest.mark.parametrize(("function", "slope"), PAIRS)
def test_functions_and_slopes_go_together_far_out_as_well(function, slope):
    x = np.array([[-1e5, -800.0, -30.0, -1.5, 0.7, 30.0, 800.0, 1e5]])  # no warning of an overflow
    assert np.isfinite(function(x)).all()
    step = 1e-6 * np.maximum(1.0, np.abs(x))
    differences = (function(x + step) - function(x - step)) / (2 * step)
    np.testing.assert_allclose(slope(x), differences, rtol=1e-6, atol=1e-8)
