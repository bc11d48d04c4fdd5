"""Bad knots, domains and orders: every error names the argument, the requirement and what came."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, relu_powers
from tests.shared.refusals import INF, NAN, bad, check

CLAMPED = rk.SplineSpace.clamped(3, [0, 0.5, 1])


@bad(
    (
        "unsorted",
        lambda: rk.SplineSpace([0, 1, 3, 2], 2),
        rk.KnotError,
        r"knots must be in ascending order; got knots\[3\]=2.0 after knots\[2\]=3.0",
    ),
    (
        "descending",
        lambda: rk.SplineSpace([3, 2, 1, 0], 2),
        rk.KnotError,
        r"ascending order; got knots\[1\]=2.0 after knots\[0\]=3.0",
    ),
    ("nan", lambda: rk.SplineSpace([0, 1, NAN, 3], 2), rk.KnotError, r"knots must be finite; got knots\[2\]=nan"),
    ("infinite", lambda: rk.SplineSpace([0, 1, 2, INF], 2), rk.KnotError, r"knots must be finite; got knots\[3\]=inf"),
    (
        "minus infinite",
        lambda: rk.SplineSpace([-INF, 1, 2, 3], 2),
        rk.KnotError,
        r"knots must be finite; got knots\[0\]=-inf",
    ),
    ("too few", lambda: rk.SplineSpace([0, 1, 2], 2), rk.KnotError, r"order 2 needs at least 4 knots .*; got 3"),
    ("none", lambda: rk.SplineSpace([], 1), rk.KnotError, r"order 1 needs at least 2 knots .*; got 0"),
    (
        "a table",
        lambda: rk.SplineSpace([[0, 1], [2, 3]], 1),
        rk.KnotError,
        r"knots must be a vector; got shape \(2, 2\)",
    ),
    ("a number", lambda: rk.SplineSpace(3.0, 1), rk.KnotError, r"knots must be a vector; got shape \(\)"),
    ("complex", lambda: rk.SplineSpace([0, 1j], 1), TypeError, r"knots must be real numbers; got dtype complex128"),
    ("text", lambda: rk.SplineSpace(["a", "b"], 1), TypeError, r"knots must hold numbers; got dtype <U1"),
    ("objects", lambda: rk.SplineSpace([None, 1], 1), TypeError, r"knots must hold numbers; got dtype object"),
    ("ragged", lambda: rk.SplineSpace([[0], [1, 2]], 1), (ValueError, TypeError), r"knots"),
    (
        "repeated too often",
        lambda: rk.SplineSpace([0, 1, 1, 1, 2, 3], 2),
        rk.KnotError,
        r"repeated at most order = 2 times; got knots\[1\] to knots\[3\] = 1.0",
    ),
    (
        "empty domain",
        lambda: rk.SplineSpace([0, 1, 1, 2], 2),
        rk.KnotError,
        r"the domain is empty: knots\[1\] = knots\[2\] = 1.0",
    ),
    (
        "too close",
        lambda: rk.SplineSpace([0, 5e-324, 1, 2], 2),
        rk.KnotError,
        r"knots must .*got knots\[1\]=5e-324 after knots\[0\]=0.0",
    ),
)
def test_knots(call, error, message):
    check(call, error, message)


def test_spans_that_overflow_are_refused():
    with np.errstate(all="ignore"), pytest.raises(rk.KnotError, match=r"knots|domain"):
        rk.SplineSpace([-1.7e308, 1.7e308], 1)
    with np.errstate(all="ignore"), pytest.raises(rk.KnotError, match=r"knots|domain"):
        rk.SplineSpace.uniform(2, 2, (-1.7e308, 1.7e308))


def strictly(knots):
    return rf"knots must be strictly increasing; got knots\[{knots}\]"


@bad(
    ("change of basis", lambda: rk.ChangeOfBasis(CLAMPED), rk.KnotError, strictly(1)),
    (
        "interior",
        lambda: rk.ChangeOfBasis(rk.SplineSpace([0, 1, 2, 2, 3, 4], 2)),
        rk.KnotError,
        r"got knots\[3\]=2.0 after knots\[2\]=2.0",
    ),
    ("relu values", lambda: relu_powers.design_matrix(CLAMPED, [0.1]), rk.KnotError, strictly(1)),
    ("relu evaluate", lambda: relu_powers.evaluate(CLAMPED, np.ones(4), [0.1]), rk.KnotError, strictly(1)),
    ("relu gram", lambda: relu_powers.gram_matrix(CLAMPED), rk.KnotError, strictly(1)),
    ("relu layer", lambda: rk.ReluLayer((CLAMPED,), 1), rk.KnotError, strictly(1)),
    (
        "knot derivatives",
        lambda: bsplines.knot_derivative_matrix(rk.SplineSpace.clamped(3, [0, 1, 1, 2]), np.ones(5), [0.5]),
        rk.KnotError,
        r"strictly increasing",
    ),
    (
        "free knots",
        lambda: rk.SplineLayer((rk.SplineSpace.clamped(3, [0, 1, 1, 2]),), 1, free_knots=True),
        ValueError,
        r"every interval at least 0\.01.*got an interval of 0 between breakpoints 1 and 2 of input 0",
    ),
)
def test_repeated_knots_where_they_are_refused(call, error, message):
    check(call, error, message)


@bad(
    (
        "empty",
        lambda: rk.SplineSpace.uniform(2, 3, (1, 1)),
        rk.KnotError,
        r"domain must be a pair \(a, b\) with a < b; got \(1.0, 1.0\)",
    ),
    ("reversed", lambda: rk.SplineSpace.uniform(2, 3, (1, 0)), rk.KnotError, r"a < b; got \(1.0, 0.0\)"),
    (
        "three",
        lambda: rk.SplineSpace.uniform(2, 3, (0, 1, 2)),
        rk.KnotError,
        r"domain must be a pair \(a, b\) of real numbers; got \(0, 1, 2\)",
    ),
    ("a number", lambda: rk.SplineSpace.uniform(2, 3, 1.0), rk.KnotError, r"domain must be a pair .* got 1.0"),
    ("none", lambda: rk.SplineSpace.uniform(2, 3, None), TypeError, r"domain must hold numbers"),
    (
        "nan",
        lambda: rk.SplineSpace.uniform(2, 3, (0, NAN)),
        ValueError,
        r"domain must be finite; got domain\[1\] = nan",
    ),
    (
        "infinite",
        lambda: rk.SplineSpace.uniform(2, 3, (0, INF)),
        ValueError,
        r"domain must be finite; got domain\[1\] = inf",
    ),
    (
        "complex",
        lambda: rk.SplineSpace.uniform(2, 3, (0, 1j)),
        ValueError,
        r"domain must be a pair \(a, b\) of real numbers",
    ),
    (
        "one breakpoint",
        lambda: rk.SplineSpace.clamped(2, [0]),
        rk.KnotError,
        r"breakpoints must hold at least two points; got 1",
    ),
    (
        "breakpoints nan",
        lambda: rk.SplineSpace.from_breakpoints(2, [0, NAN]),
        ValueError,
        r"breakpoints must be finite; got breakpoints\[1\] = nan",
    ),
    ("breakpoints complex", lambda: rk.SplineSpace.clamped(2, [0, 1j]), TypeError, r"breakpoints must be real numbers"),
    (
        "breakpoints a table",
        lambda: rk.SplineSpace.clamped(2, [[0, 1]]),
        ValueError,
        r"breakpoints must have 1 dimension; got shape \(1, 2\)",
    ),
    ("breakpoints unsorted", lambda: rk.SplineSpace.from_breakpoints(2, [0, 2, 1]), rk.KnotError, r"ascending order"),
)
def test_domains_and_breakpoints(call, error, message):
    check(call, error, message)


CONSTRUCTORS = {
    "knots": lambda order: rk.SplineSpace(np.arange(30.0), order),
    "uniform": lambda order: rk.SplineSpace.uniform(order, 4),
    "clamped": lambda order: rk.SplineSpace.clamped(order, [0, 1]),
    "from_breakpoints": lambda order: rk.SplineSpace.from_breakpoints(order, [0, 1]),
    "kan": lambda order: rk.kan([2, 1], order, 4),
    "toeplitz": lambda order: rk.ChangeOfBasis.uniform(order, 4),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (0, ValueError, r"order must be at least 1; got 0"),
        (-3, ValueError, r"order must be at least 1; got -3"),
        (11, ValueError, r"order must be at most 10; got 11"),
        (10**30, ValueError, r"order must be at most 10; got 10+$"),
        (2.0, TypeError, r"order must be an integer; got 2.0"),
        (NAN, TypeError, r"order must be an integer; got nan"),
        ("3", TypeError, r"order must be an integer; got '3'"),
        (None, TypeError, r"order must be an integer; got None"),
        (True, TypeError, r"order must be an integer; got True"),
        ([3], TypeError, r"order must be an integer; got \[3\]"),
    ],
    ids=str,
)
def test_orders(constructor, order, error, message):
    check(lambda: CONSTRUCTORS[constructor](order), error, message)
