"""Bad points, coefficients and policies of both bases, bad vectors and spaces of the change of basis."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.splines import bsplines, relu_powers
from tests.shared.refusals import INF, NAN, refusals, refused

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
    ("x", "answer"),
    [
        (0.5, r"x must have 1 dimension; got shape \(\)"),
        ([[0.5]], r"x must have 1 dimension; got shape \(1, 1\)"),
        ([0.1, NAN], r"x must be finite; got x\[1\] = nan"),
        ([0.1, 1.1], r"x must lie in the domain under outside='error'; got x\[1(, 0)?\] = 1.1 outside \[0.0, 1.0\]"),
        ([0.1, -1e-9], r"got x\[1(, 0)?\] = -1e-09 outside \[0.0, 1.0\]"),
        (np.array(["2020"], dtype="datetime64[s]"), "TypeError: x must hold numbers; got dtype datetime64"),
    ],
)
def test_points(call, x, answer):
    refused(lambda: SPLINE_CALLS[call](x), answer)


@pytest.mark.parametrize("call", SPLINE_CALLS)
def test_policies(call):
    message = "outside must be one of 'linear', 'polynomial', 'natural', 'error'; got "
    for outside in ("clamp", "", ["linear"]):
        answer = refused(partial(SPLINE_CALLS[call], [0.5], outside=outside), message)
        assert answer.endswith(repr(outside))


def test_knot_derivatives_have_no_natural_tails_and_no_steps():
    refused(lambda: SPLINE_CALLS["knots"]([0.5], outside="natural"), r"outside='linear', .* got 'natural'")
    steps = rk.SplineSpace.uniform(1, 3)
    refused(lambda: bsplines.knot_derivative_matrix(steps, np.ones(3), [0.5]), r"order >= 2; got order 1")


@pytest.mark.parametrize("evaluate", [bsplines.evaluate, relu_powers.evaluate, bsplines.knot_derivative_matrix])
def test_coefficients(evaluate):
    refused(lambda: evaluate(S, np.ones(5), [0.5]), "coefficients must have length 6; got length 5")
    refused(lambda: evaluate(S, np.ones((6, 1)), [0.5]), r"coefficients must have 1 dimension; got shape \(6, 1\)")
    refused(
        lambda: evaluate(S, [1, 2, 3, NAN, 5, 6], [0.5]), r"coefficients must be finite; got coefficients\[3\] = nan"
    )


@pytest.mark.parametrize("name", ["apply", "solve", "to_relu", "to_spline"])
def test_vectors_of_a_change_of_basis(name):
    operation = getattr(rk.ChangeOfBasis(S), name)
    argument = {"apply": "v", "solve": "v", "to_relu": "u", "to_spline": "w"}[name]
    last = rf"{argument} must have last axis of length dim = 6; got shape "
    refused(lambda: operation(np.ones((6, 2))), last + r"\(6, 2\)")
    refused(lambda: operation(1.0), last + r"\(\)")
    refused(lambda: operation([1, 2, 3, 4, 5, INF]), rf"{argument} must be finite; got {argument}\[5\] = inf")
    refused(lambda: operation(["a"] * 6), rf"TypeError: {argument} must hold numbers")


test_changes_of_basis = refusals(
    (lambda: rk.ChangeOfBasis.uniform(2, 0), "dim must be at least 1; got 0"),
    (lambda: rk.ChangeOfBasis.uniform(2, 3, 0.0), "spacing must be finite and positive; got 0.0"),
    (lambda: rk.ChangeOfBasis.uniform(2, 3, -1), "spacing must be finite and positive; got -1"),
)
