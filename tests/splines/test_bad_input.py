"""Bad knots, points, coefficients and policies of spaces and both bases: every error names what came."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, relu_powers
from tests.shared.refusals import INF, refusals, refused
from tests.shared.tables import each_row

S = rk.SplineSpace.uniform(3, 4)
C = np.ones(S.dim)


SPLINE_CALLS = {
    "B": lambda x, **kw: bsplines.design_matrix(S, x, **kw),
    "B evaluate": lambda x, **kw: bsplines.evaluate(S, C, x, **kw),
    "psi": lambda x, **kw: relu_powers.design_matrix(S, x, **kw),
    "psi evaluate": lambda x, **kw: relu_powers.evaluate(S, C, x, **kw),
    "knots": lambda x, **kw: bsplines.knot_derivative_matrix(S, C, x, **kw),
}


@pytest.mark.parametrize("call", SPLINE_CALLS)
@each_row(
    "x, answer",
    ([0.1, 1.1], r"x must lie in the domain under outside='error'; got x\[1(, 0)?\] = 1.1 outside \[0.0, 1.0\]"),
    ([0.1, -1e-9], r"got x\[1(, 0)?\] = -1e-09 outside \[0.0, 1.0\]"),
)
def test_points(call, x, answer):
    refused(lambda: SPLINE_CALLS[call](x), answer)


def test_knot_derivatives_have_no_natural_tails_and_no_steps():
    refused(
        lambda: SPLINE_CALLS["knots"]([0.5], outside="natural"),
        "outside must be one of 'linear', 'polynomial', 'error'; got 'natural'",
    )
    steps = rk.SplineSpace.uniform(1, 3)
    refused(lambda: bsplines.knot_derivative_matrix(steps, np.ones(3), [0.5]), r"order >= 2; got order 1")


test_changes_of_basis = refusals(
    (lambda: rk.ChangeOfBasis.uniform(2, 3, 0.0), "spacing must be finite and positive; got 0.0"),
)


CLAMPED = rk.SplineSpace.clamped(3, [0, 0.5, 1])


test_knots = refusals(
    (lambda: rk.SplineSpace([0, 1, 3, 2], 2), r"KnotError: ascending order; got knots\[3\]=2.0 after knots\[2\]=3.0"),
    (lambda: rk.SplineSpace([-INF, 1, 2, 3], 2), r"KnotError: knots must be finite; got knots\[0\]=-inf"),
    (lambda: rk.SplineSpace([0, 1, 2], 2), "KnotError: order 2 needs at least 4 knots .*; got 3"),
    (lambda: rk.SplineSpace([], 1), "KnotError: order 1 needs at least 2 knots .*; got 0"),
    (
        lambda: rk.SplineSpace([0, 1, 1, 1, 2, 3], 2),
        r"KnotError: at most order = 2 times; got knots\[1\] to knots\[3\] = 1.0",
    ),
    (lambda: rk.SplineSpace([0, 1, 1, 2], 2), r"KnotError: the domain is empty: knots\[1\] = knots\[2\] = 1.0"),
    (
        lambda: rk.SplineSpace([0, 5e-324, 1, 2], 2),
        r"KnotError: knots must .*got knots\[1\]=5e-324 after knots\[0\]=0.0",
    ),
)


STRICTLY = r"KnotError: knots must be strictly increasing; got knots\[1\]"


test_repeated_knots_where_they_are_refused = refusals(
    (lambda: rk.ChangeOfBasis(CLAMPED), STRICTLY),
    (
        lambda: rk.ChangeOfBasis(rk.SplineSpace([0, 1, 2, 2, 3, 4], 2)),
        r"KnotError: got knots\[3\]=2.0 after knots\[2\]=",
    ),
    (lambda: relu_powers.design_matrix(CLAMPED, [0.1]), STRICTLY),
    (lambda: relu_powers.evaluate(CLAMPED, np.ones(4), [0.1]), STRICTLY),
    (lambda: relu_powers.gram_matrix(CLAMPED), STRICTLY),
    (lambda: rk.ReluLayer((CLAMPED,), 1), STRICTLY),
    (
        lambda: bsplines.knot_derivative_matrix(rk.SplineSpace.clamped(3, [0, 1, 1, 2]), np.ones(5), [0.5]),
        r"KnotError: strictly increasing",
    ),
    (
        lambda: rk.SplineLayer((rk.SplineSpace.clamped(3, [0, 1, 1, 2]),), 1, free_knots=True),
        r"every interval at least 0\.01.*got an interval of 0 between breakpoints 1 and 2 of input 0",
    ),
)


test_domains_and_breakpoints = refusals(
    (lambda: rk.SplineSpace.uniform(2, 3, (1, 1)), r"KnotError: domain must be .* with a < b; got \(1.0, 1.0\)"),
    (lambda: rk.SplineSpace.uniform(2, 3, (1, 0)), r"KnotError: a < b; got \(1.0, 0.0\)"),
    (lambda: rk.SplineSpace.uniform(2, 3, (0, INF)), r"domain must be finite; got domain\[1\] = inf"),
    (lambda: rk.SplineSpace.clamped(2, [0]), "KnotError: breakpoints must hold at least two points; got 1"),
    (lambda: rk.SplineSpace.from_breakpoints(2, [0, 2, 1]), "KnotError: ascending order"),
)


def test_spans_that_overflow_are_refused():
    with np.errstate(all="ignore"):
        refused(lambda: rk.SplineSpace([-1.7e308, 1.7e308], 1), "KnotError: knots|domain")
        refused(lambda: rk.SplineSpace.uniform(2, 2, (-1.7e308, 1.7e308)), "KnotError: knots|domain")


CONSTRUCTORS = {
    "knots": lambda order: rk.SplineSpace(np.arange(30.0), order),
    "uniform": lambda order: rk.SplineSpace.uniform(order, 4),
    "clamped": lambda order: rk.SplineSpace.clamped(order, [0, 1]),
    "from_breakpoints": lambda order: rk.SplineSpace.from_breakpoints(order, [0, 1]),
    "kan": lambda order: rk.kan([2, 1], order, 4),
    "toeplitz": lambda order: rk.ChangeOfBasis.uniform(order, 4),
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_orders(constructor):
    for order, answer in (
        (11, "order must be at most 10; got 11"),
        (10**30, "order must be at most 10; got 10+$"),
    ):
        refused(partial(CONSTRUCTORS[constructor], order), answer)
