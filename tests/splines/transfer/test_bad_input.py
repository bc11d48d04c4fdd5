"""Spaces that are not nested, bad coefficients, samples and knots to insert: every error names what came."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.splines import transfer
from tests.shared.factories import EPS
from tests.shared.refusals import refusals, refused

UNIT = rk.SplineSpace.uniform(3, 4)


@pytest.mark.parametrize(
    ("coarse", "fine", "message"),
    [
        (UNIT, rk.SplineSpace.uniform(4, 8), r"fine must have the order 3 of coarse; got order 4"),
        (UNIT, rk.SplineSpace.uniform(3, 8, (0, 2)), r"the domain \(0.0, 1.0\) of coarse; got \(0.0, 2.0\)"),
        (UNIT, rk.SplineSpace.uniform(3, 6), r"breakpoint 1 = 0.25 is missing: the nearest is 0.333"),
        (UNIT, rk.SplineSpace.from_breakpoints(3, [0, 0.25, 0.5, 1]), r"breakpoint 3 = 0.75 is missing: the"),
        (UNIT.refine(), UNIT, r"breakpoint 1 = 0.125 is missing"),
        (
            rk.SplineSpace([-1.0, 0, 1, 1, 2, 3], 2),
            rk.SplineSpace([-1.0, 0, 0.5, 1, 2, 3], 2),
            r"breakpoint 2 = 1.0 is missing: it has fewer copies of it",
        ),
        (UNIT, rk.SplineSpace.from_breakpoints(3, [0, 0.25, 0.5 + EPS, 0.75, 1]), r"breakpoint 2 = 0.5 is missing"),
    ],
)
def test_spaces_that_are_not_nested(coarse, fine, message):
    calls = rk.prolongation_matrix, transfer.require_nested, transfer.injection_matrix
    refused(lambda: rk.prolongation_matrix(coarse, fine, "relu"), f"KnotError: {message}")
    refused(lambda: transfer.prolong(coarse, fine, np.zeros(coarse.dim)), f"KnotError: {message}")
    for call in calls:
        refused(partial(call, coarse, fine), f"KnotError: {message}")


FINE, SIX = UNIT.refine(), np.zeros(6)

test_bad_input = refusals(
    (lambda: rk.prolongation_matrix(UNIT, FINE, "bspline"), "basis must be one of 'spline', 'relu'"),
    (lambda: transfer.prolong(UNIT, FINE, np.zeros(5)), r"length coarse.dim = 6; got shape \(5,\)"),
    (lambda: transfer.prolong(UNIT, FINE, 1.0), r"length coarse.dim = 6; got shape \(\)"),
    (lambda: transfer.prolong(UNIT, FINE, [np.nan] * 6), r"u must be finite; got u\[0\] = nan"),
    (lambda: transfer.dyadic_prolongation(0, 3), "order must be"),
    (lambda: transfer.dyadic_prolongation(3, 0), "intervals must be"),
    (lambda: transfer.least_squares_transfer(UNIT, FINE, SIX, []), "x must hold at least one"),
    (lambda: transfer.least_squares_transfer(UNIT, FINE, np.zeros(4), [0.5]), "coarse.dim = 6"),
    (lambda: transfer.least_squares_transfer(UNIT, FINE, SIX, [1.5]), "OutsideDomainError: x"),
    (lambda: transfer.least_squares_transfer(UNIT, FINE, SIX, [[0.5]]), "x must have 1 dim"),
    (
        lambda: transfer.least_squares_transfer(UNIT, rk.SplineSpace.uniform(3, 4, (0, 2)), SIX, [0.5]),
        r"KnotError: fine must have the domain \(0.0, 1.0\)",
    ),
    (
        lambda: rk.prolongation_matrix(*[rk.SplineSpace.clamped(3, [0, 1])] * 2, "relu"),
        "KnotError: strictly increasing",
    ),
    (lambda: UNIT.refine(0), "factor must be"),
    (lambda: UNIT.refine(10**9), "factor must be"),
    (lambda: UNIT.insert([0.3, 1.0]), r"KnotError: inside the domain \(0.0, 1.0\); got new_knots\[1\]=1.0"),
    (lambda: UNIT.insert([-0.1]), r"KnotError: inside the domain \(0.0, 1.0\); got new_knots\[0\]=-0.1"),
    (lambda: UNIT.insert([0.3, 0.25]), r"KnotError: must not be knots already; got new_knots\[1\]=0.25"),
    (lambda: UNIT.insert([0.3, 0.4, 0.3]), r"KnotError: must be distinct; got new_knots\[2\]=0.3 twice"),
    (lambda: UNIT.insert([[0.3]]), "new_knots must have 1 dimension"),
    (lambda: UNIT.insert([0.3 + 0j]), "TypeError: new_knots must be real"),
)
