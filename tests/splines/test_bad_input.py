"""Bad points, coefficients and policies of both bases, bad vectors and spaces of the change of basis."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, relu_powers
from tests.shared.refusals import INF, NAN, bad, check

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
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (0.5, ValueError, r"x must have 1 dimension; got shape \(\)"),
        ([[0.5]], ValueError, r"x must have 1 dimension; got shape \(1, 1\)"),
        ([0.1, NAN], ValueError, r"x must be finite; got x\[1\] = nan"),
        ([INF, 0.1], ValueError, r"x must be finite; got x\[0\] = inf"),
        (["a"], TypeError, r"x must hold numbers; got dtype <U1"),
        ([None], TypeError, r"x must hold numbers; got dtype object"),
        (
            [0.1, 1.1],
            ValueError,
            r"x must lie in the domain under outside='error'; got x\[1(, 0)?\] = 1.1 outside \[0.0, 1.0\]",
        ),
        ([0.1, -1e-9], ValueError, r"got x\[1(, 0)?\] = -1e-09 outside \[0.0, 1.0\]"),
        ([[0.1], [0.2, 0.3]], (ValueError, TypeError), r"\bx\b"),
        (np.array(["2020"], dtype="datetime64[s]"), TypeError, r"x must hold numbers; got dtype datetime64"),
    ],
    ids=["scalar", "table", "nan", "infinite", "text", "none", "right", "left", "ragged", "dates"],
)
def test_points(call, x, error, message):
    check(lambda: SPLINE_CALLS[call](x), error, message)


@pytest.mark.parametrize("call", [c for c in SPLINE_CALLS if c != "knots"])
@pytest.mark.parametrize(
    ("derivative", "error", "message"),
    [
        (-1, ValueError, r"derivative must be at least 0; got -1"),
        (1.0, TypeError, r"derivative must be an integer; got 1.0"),
        (None, TypeError, r"derivative must be an integer; got None"),
    ],
    ids=str,
)
def test_derivatives(call, derivative, error, message):
    check(lambda: SPLINE_CALLS[call]([0.5], derivative=derivative), error, message)


@pytest.mark.parametrize("call", SPLINE_CALLS)
@pytest.mark.parametrize("outside", ["clamp", "", None, 0, ["linear"]], ids=str)
def test_policies(call, outside):
    message = r"outside must be one of 'linear', 'polynomial', 'natural', 'error'; got "
    assert check(lambda: SPLINE_CALLS[call]([0.5], outside=outside), ValueError, message).endswith(repr(outside))


def test_knot_derivatives_have_no_natural_tails_and_no_steps():
    check(lambda: SPLINE_CALLS["knots"]([0.5], outside="natural"), ValueError, r"outside='linear', .* got 'natural'")
    steps = rk.SplineSpace.uniform(1, 3)
    check(lambda: bsplines.knot_derivative_matrix(steps, np.ones(3), [0.5]), ValueError, r"order >= 2; got order 1")


@pytest.mark.parametrize("evaluate", [bsplines.evaluate, relu_powers.evaluate, bsplines.knot_derivative_matrix])
@pytest.mark.parametrize(
    ("c", "error", "message"),
    [
        (np.ones(5), ValueError, r"coefficients must have length 6; got length 5"),
        (np.ones((6, 1)), ValueError, r"coefficients must have 1 dimension; got shape \(6, 1\)"),
        ([1, 2, 3, NAN, 5, 6], ValueError, r"coefficients must be finite; got coefficients\[3\] = nan"),
        (["a"] * 6, TypeError, r"coefficients must hold numbers"),
    ],
    ids=["length", "table", "nan", "text"],
)
def test_coefficients(evaluate, c, error, message):
    check(lambda: evaluate(S, c, [0.5]), error, message)


@pytest.mark.parametrize("name", ["apply", "solve", "to_relu", "to_spline"])
def test_vectors_of_a_change_of_basis(name):
    operation = getattr(rk.ChangeOfBasis(S), name)
    argument = {"apply": "v", "solve": "v", "to_relu": "u", "to_spline": "w"}[name]
    last = rf"{argument} must have last axis of length dim = 6; got shape "
    check(lambda: operation(np.ones((6, 2))), ValueError, last + r"\(6, 2\)")
    check(lambda: operation(1.0), ValueError, last + r"\(\)")
    check(lambda: operation([1, 2, 3, 4, 5, INF]), ValueError, rf"{argument} must be finite; got {argument}\[5\] = inf")
    check(lambda: operation(["a"] * 6), TypeError, rf"{argument} must hold numbers")


@bad(
    ("dim 0", lambda: rk.ChangeOfBasis.uniform(2, 0), ValueError, r"dim must be at least 1; got 0"),
    ("dim float", lambda: rk.ChangeOfBasis.uniform(2, 3.0), TypeError, r"dim must be an integer; got 3.0"),
    (
        "spacing 0",
        lambda: rk.ChangeOfBasis.uniform(2, 3, 0.0),
        ValueError,
        r"spacing must be finite and positive; got 0.0",
    ),
    (
        "spacing negative",
        lambda: rk.ChangeOfBasis.uniform(2, 3, -1),
        ValueError,
        r"spacing must be finite and positive; got -1",
    ),
    (
        "spacing nan",
        lambda: rk.ChangeOfBasis.uniform(2, 3, NAN),
        ValueError,
        r"spacing must be finite and positive; got nan",
    ),
    ("spacing text", lambda: rk.ChangeOfBasis.uniform(2, 3, "h"), TypeError, r"spacing must be a number; got 'h'"),
    ("no space", lambda: rk.ChangeOfBasis("space"), TypeError, r"space must be a SplineSpace; got str"),
    (
        "no space to evaluate on",
        lambda: bsplines.design_matrix([0, 1, 2, 3], [0.5]),
        TypeError,
        r"space must be a SplineSpace; got list",
    ),
    (
        "no space to evaluate powers on",
        lambda: relu_powers.evaluate([0, 1, 2, 3], [1.0], [0.5]),
        TypeError,
        r"space must be a SplineSpace; got list",
    ),
    (
        "no space to integrate on",
        lambda: bsplines.gram_matrix([0, 1, 2, 3]),
        TypeError,
        r"space must be a SplineSpace; got list",
    ),
)
def test_changes_of_basis_and_spaces(call, error, message):
    check(call, error, message)
