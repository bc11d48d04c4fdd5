"""Spaces that are not nested, bad coefficients, samples and knots to insert: every error names what came."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from refkan.splines import transfer
from tests.shared.factories import EPS

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
    ids=["order", "domain", "not nested", "one missing", "swapped", "multiplicity", "one bit off"],
)  # fmt: skip
def test_spaces_that_are_not_nested(coarse, fine, message):
    for call in (
        lambda: rk.prolongation_matrix(coarse, fine),
        lambda: transfer.prolong(coarse, fine, np.zeros(coarse.dim)),
        lambda: rk.prolongation_matrix(coarse, fine, "relu"),
        lambda: transfer.require_nested(coarse, fine),
        lambda: transfer.injection_matrix(coarse, fine),
    ):
        with pytest.raises(rk.KnotError, match=message):
            call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda S, F: rk.prolongation_matrix(S.knots, F), TypeError, r"coarse must be a SplineSpace; got ndarray"),
        (lambda S, F: rk.prolongation_matrix(S, None), TypeError, r"fine must be a SplineSpace; got NoneType"),
        (lambda S, F: rk.prolongation_matrix(S, F, "bspline"), ValueError, r"basis must be one of 'spline', 'relu'"),
        (lambda S, F: transfer.prolong(S, F, np.zeros(5)), ValueError, r"length coarse.dim = 6; got shape \(5,\)"),
        (lambda S, F: transfer.prolong(S, F, 1.0), ValueError, r"length coarse.dim = 6; got shape \(\)"),
        (lambda S, F: transfer.prolong(S, F, [np.nan] * 6), ValueError, r"u must be finite; got u\[0\] = nan"),
        (lambda S, F: transfer.dyadic_prolongation(0, 3), ValueError, r"order must be"),
        (lambda S, F: transfer.dyadic_prolongation(3, 0), ValueError, r"intervals must be"),
        (lambda S, F: transfer.dyadic_prolongation(3, 2.5), TypeError, r"intervals must be"),
        (lambda S, F: transfer.least_squares_transfer(S, F, np.zeros(6), []), ValueError, r"x must hold at least one"),
        (lambda S, F: transfer.least_squares_transfer(S, F, np.zeros(4), [0.5]), ValueError, r"coarse.dim = 6"),
        (lambda S, F: transfer.least_squares_transfer(S, F, np.zeros(6), [1.5]), rk.OutsideDomainError, r"x"),
        (lambda S, F: transfer.least_squares_transfer(S, F, np.zeros(6), [[0.5]]), ValueError, r"x must have 1 dim"),
        (
            lambda S, F: transfer.least_squares_transfer(S, rk.SplineSpace.uniform(3, 4, (0, 2)), np.zeros(6), [0.5]),
            rk.KnotError,
            r"fine must have the domain \(0.0, 1.0\)",
        ),
        (
            lambda S, F: rk.prolongation_matrix(*[rk.SplineSpace.clamped(3, [0, 1])] * 2, "relu"),
            rk.KnotError,
            r"strictly increasing",
        ),
        (lambda S, F: S.refine(0), ValueError, r"factor must be"),
        (lambda S, F: S.refine(1.5), TypeError, r"factor must be"),
        (lambda S, F: S.refine(10**9), ValueError, r"factor must be"),
        (lambda S, F: S.insert([0.3, 1.0]), rk.KnotError, r"inside the domain \(0.0, 1.0\); got new_knots\[1\]=1.0"),
        (lambda S, F: S.insert([-0.1]), rk.KnotError, r"inside the domain \(0.0, 1.0\); got new_knots\[0\]=-0.1"),
        (lambda S, F: S.insert([0.3, 0.25]), rk.KnotError, r"must not be knots already; got new_knots\[1\]=0.25"),
        (lambda S, F: S.insert([0.3, 0.4, 0.3]), rk.KnotError, r"must be distinct; got new_knots\[2\]=0.3 twice"),
        (lambda S, F: S.insert([np.nan]), ValueError, r"new_knots must be finite"),
        (lambda S, F: S.insert([[0.3]]), ValueError, r"new_knots must have 1 dimension"),
        (lambda S, F: S.insert([0.3 + 0j]), TypeError, r"new_knots must be real"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(UNIT, UNIT.refine())
