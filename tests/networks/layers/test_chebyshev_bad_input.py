"""Bad degrees, domains and points of Chebyshev layers: every error names what came."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from refkan.networks import chebyshev_kan
from refkan.networks.layers import ChebyshevLayer

ENDS = ((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ChebyshevLayer([], 1, 2), ValueError, "ends must hold one pair for each input; got none"),
        (lambda: ChebyshevLayer(3, 1, 2), TypeError, "ends must hold one pair for each input; got 3"),
        (lambda: ChebyshevLayer([(0, 1), (1, 1)], 1, 2), rk.KnotError, r"ends\[1\] must be a pair \(a, b\) with a < b"),
        (lambda: ChebyshevLayer([(0, np.inf)], 1, 2), ValueError, r"ends\[0\] must be finite"),
        (lambda: ChebyshevLayer(ENDS, 0, 2), ValueError, "n_outputs must be at least 1; got 0"),
        (lambda: ChebyshevLayer(ENDS, 1, 0), ValueError, "degree must be at least 1; got 0"),
        (lambda: ChebyshevLayer(ENDS, 1, 1001), ValueError, "degree must be at most 1000; got 1001"),
        (lambda: ChebyshevLayer(ENDS, 1, 2.0), TypeError, "degree must be an integer; got 2.0"),
        (lambda: ChebyshevLayer(ENDS, 1, 2, "natural"), ValueError, "outside must be one of 'linear', 'polynomial'"),
        (lambda: chebyshev_kan([2], 3), ValueError, "widths must hold at least two numbers"),
        (lambda: chebyshev_kan([2, 1], [3, 4]), ValueError, r"degree must be one value or one a layer \(1\)"),
        (lambda: chebyshev_kan([2, 3, 1], [3, 0]), ValueError, r"degree\[1\] must be at least 1; got 0"),
        (lambda: chebyshev_kan([2, 1], 3, node_map="tanh"), ValueError, "node_map must be one of"),
        (lambda: chebyshev_kan([2, 1], 3, outside="natural"), ValueError, "outside must be one of"),
        (lambda: chebyshev_kan([2, 1], 3, domain=[(0, 1)]), ValueError, "one for each of the 2 inputs; got 1 pairs"),
        (lambda: chebyshev_kan([2, 1], 3).refine(0), ValueError, "factor must be at least 1; got 0"),
        (lambda: chebyshev_kan([2, 1], 300).refine(4), ValueError, "degree must be at most 1000; got 1200"),
        (
            lambda: chebyshev_kan([2, 1], 3).insert(0, [0.5]),
            ValueError,
            "layer 0 must be one with knots; got a ChebyshevLayer",
        ),
        (lambda: chebyshev_kan([2, 1], 3).with_free_knots(), ValueError, "needs a network with knots; got none"),
        (
            lambda: chebyshev_kan([2, 1], 3).convert(np.zeros(8), chebyshev_kan([2, 1], 2)),
            ValueError,
            "layer 0: other must have at least degree 3; got 2",
        ),
        (
            lambda: chebyshev_kan([2, 1], 3).prolongation(chebyshev_kan([2, 1], 4, domain=(0, 2))),
            ValueError,
            "layer 0: other must have the same domains, outputs and outside rule",
        ),
        (
            lambda: chebyshev_kan([2, 1], 3).convert(np.zeros(8), rk.kan([2, 1], 3, 3)),
            ValueError,
            "layer 0: cannot convert a ChebyshevLayer into a SplineLayer",
        ),
        (
            lambda: rk.kan([2, 1], 3, 3).prolongation(chebyshev_kan([2, 1], 3)),
            ValueError,
            "layer 0: cannot prolong a SplineLayer into a ChebyshevLayer",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
