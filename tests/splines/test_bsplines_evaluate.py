"""Splines and design matrices against SciPy, exact values and one another, by pieces and point by point."""

from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import bspline_basis
from refkan.splines import bsplines
from tests.shared.factories import (
    KINDS,
    POLICIES,
    contributions,
    exact,
    exact_bsplines,
    points,
    points_outside,
    space,
)
from tests.shared.forms import DEPTHS, in_python
from tests.shared.rounding_of_bsplines import TINY, value_tolerance


@pytest.fixture(autouse=True, params=["plain", "fast"])
def engine(request):
    with rk.use_engine(request.param):
        yield request.param


def derivatives(order, engine, end):
    """From 0 to the end, under the fast engine those that the local basis is compiled for."""
    return [d for d in range(end) if engine == "plain" or d in DEPTHS[order]]


def spline_errors(S, coefficients, x, derivative):
    """Errors of `evaluate` over the sum of absolute contributions, for so many points that it works by pieces."""
    at = np.concatenate([x, np.full(S.order * S.intervals, x[-1])])
    rows = [exact_bsplines(S, point, derivative) for point in x]
    scales = [contributions(S, point, derivative) for point in x]
    for c in coefficients:
        exact_c = exact(c)
        values = bsplines.evaluate(S, c, at, derivative)[: x.size]
        for value, row, scale in zip(values, rows, scales, strict=True):
            right = sum(a * b for a, b in zip(exact_c, row, strict=True))
            yield abs(float(Fraction(float(value)) - right)) / max(scale @ np.abs(c), TINY)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_splines_and_derivatives_are_exact_up_to_1e_15_r(kind, order, rng):
    """Also for a single coefficient, which nothing may cancel against: each B-spline is right relative to itself."""
    S = space(kind, order)
    x = points(S, 1)
    coefficients = rng.standard_normal(S.dim), *np.eye(S.dim)[[0, S.dim // 2, -1]]
    for derivative in range(min(order, 3)):
        assert max(spline_errors(S, coefficients, x, derivative)) <= value_tolerance(order)


@pytest.mark.parametrize("outside", POLICIES)
def test_many_points_give_what_few_give(outside, rng, engine):
    """By pieces and by the r B-splines at each point: also outside, and where few of many points are outside."""
    for kind in KINDS:
        S = space(kind, 4)
        c = rng.standard_normal(S.dim)
        few = np.concatenate([points_outside(S), points(S, 1)])
        x = np.concatenate([np.full(3 * bspline_basis.BLOCK, few[-1]), few])
        for derivative in range(5):
            compiled = derivative in derivatives(4, engine, 5)
            with nullcontext() if compiled else in_python(bspline_basis):
                many = bsplines.evaluate(S, c, x, derivative, outside)[-few.size :]
                one = np.array([bsplines.evaluate(S, c, [at], derivative, outside)[0] for at in few])
            scale = np.array([contributions(S, at, min(derivative, 3), outside) @ np.abs(c) for at in few])
            assert np.all(np.abs(many - one) <= 2 * value_tolerance(5) * scale + TINY)


@pytest.mark.parametrize("spacings", [2, 8, 32, 64, 128])
def test_equal_intervals_of_a_few_spacings_of_numbers(spacings, rng):
    n, far = 256, 2.0**40
    S = rk.SplineSpace.uniform(4, n, (far, far + n * spacings * np.spacing(far)))
    c, x = rng.standard_normal(S.dim), np.sort(rng.uniform(*S.domain, 10 * n))
    few = [bsplines.evaluate(S, c, part) for part in np.array_split(x, 10)]  # too few for pieces
    np.testing.assert_allclose(bsplines.evaluate(S, c, x), np.concatenate(few), rtol=0, atol=2 * value_tolerance(4))


def test_a_point_that_is_not_finite_or_outside_is_found_among_many():
    S = space("random", 3)
    for position in (0, 200, 999):
        for bad, policy in ((np.nan, "linear"), (np.inf, "linear"), (S.domain[1] + 1, "error")):
            x = np.full(1000, S.domain[0])
            x[position] = bad
            with pytest.raises(ValueError, match=rf"x\[{position}"):
                bsplines.evaluate(S, np.ones(S.dim), x, outside=policy)


def test_a_large_block_is_what_its_points_are_one_by_one():
    S = space("random", 4, 9)
    x = np.random.default_rng(0).uniform(*S.domain, 2 * bspline_basis.BLOCK + 5)
    whole = bsplines.design_matrix(S, x).toarray()
    for s in [0, 1, bspline_basis.BLOCK - 1, bspline_basis.BLOCK, x.size - 1]:
        np.testing.assert_array_equal(bsplines.design_matrix(S, x[s : s + 1]).toarray()[0], whole[s])


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("basis", [bsplines, rk.relu_powers])
def test_no_points_and_one_point(basis, n):
    S = space("uniform", 4)
    x = np.full(n, 0.5)
    assert basis.design_matrix(S, x).shape == (n, S.dim)
    assert basis.evaluate(S, np.ones(S.dim), x).shape == (n,)
    assert bsplines.knot_derivative_matrix(S, np.ones(S.dim), x).shape == (n, S.intervals - 1)


def test_sabotage_of_pieces_is_noticed(monkeypatch, rng, engine):
    if engine == "plain":
        pytest.skip("the plain engine has no pieces")
    S = space("random", 4)
    c, x = [rng.standard_normal(S.dim)], points(S, 1)
    assert max(spline_errors(S, c, x, 0)) <= value_tolerance(4)
    right = bspline_basis.bernstein_coefficients
    faults = {
        "factor": lambda first, last, *a: (right(first, last, *a), np.multiply(a[-1], 1 + 1e-13, out=a[-1])),
        "binomial": lambda first, last, *a: (right(first, last, *a), np.divide(a[-1][1], 3, out=a[-1][1])),
        "index": lambda first, last, *a: (right(first, last, *a), np.copyto(a[-1], np.roll(a[-1], 1, axis=1))),
    }
    for fault in faults.values():
        monkeypatch.setattr(bspline_basis, "bernstein_coefficients", fault)
        assert max(spline_errors(S, c, x, 0)) > value_tolerance(4)
