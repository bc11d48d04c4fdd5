"""B-splines and ReLU powers: values, derivatives and tails against exact rationals."""

from contextlib import nullcontext
from fractions import Fraction
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan.kernels import bspline_basis, plain_sums
from refkan.kernels.engine_choice import use_engine
from refkan.splines import bsplines, local_basis, relu_powers
from refkan.splines.local_basis import KnotTables
from refkan.truth.bases.relu_powers import truncated_powers
from tests.shared.drawn_spaces import any_space
from tests.shared.draws import within
from tests.shared.factories import (
    EPS,
    KINDS,
    ORDERS,
    POLICIES,
    STRICT,
    TINY,
    contributions,
    errors,
    exact,
    exact_bsplines,
    exact_knots,
    exact_powers,
    points,
    points_outside,
    space,
    value_tolerance,
)
from tests.shared.forms import DEPTHS, in_python
from tests.shared.refusals import refused
from tests.shared.tables import each_row


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_exact_up_to_1e_15_r(kind, order):
    S = space(kind, order)
    x = points(S) if order < 7 else points(S, 1, neighbours=False)
    B = rk.bsplines.design_matrix(S, x).toarray()
    for s, at in enumerate(x):
        error = errors(B[s], exact_bsplines(S, at))
        assert within(error, value_tolerance(order), "values of B-splines of order r against exact rationals"), at


@pytest.mark.parametrize("outside", ["linear", "natural", "polynomial"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_from_the_order_on_are_zero_whatever_memory_held(order, outside, monkeypatch):
    nan_filled = SimpleNamespace(empty=lambda shape, dtype=float: np.full(shape, np.nan, dtype), zeros=np.zeros)
    tables = KnotTables(rk.SplineSpace.uniform(order, 3).knots[None], order)
    with use_engine("plain"), in_python(plain_sums):
        monkeypatch.setattr(plain_sums, "np", nan_filled)
        rows = local_basis.local_basis(tables, np.array([[-0.1], [0.4], [1.2]]), order + 1, outside, fast=False).rows
    assert (rows[order:] == 0).all()
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("outside", POLICIES)
@each_row(
    "kind, order, top",
    *((kind, order, order) for kind in KINDS for order in (1, 2, 3)),
    ("random", 4, 4),
    ("repeated", 4, 4),
    ("random", 6, 1),
)
def test_values_and_derivatives_against_definitions(kind, order, top, outside):
    S = space(kind, order)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)])
    for derivative in range(top + 1):
        B = bsplines.design_matrix(S, x, derivative, outside).toarray()
        for s, at in enumerate(x):
            # Relative to the sum of absolute contributions; one more rounding for the tangent.
            bound = value_tolerance(order + 1) * contributions(S, at, derivative, outside)
            error = errors(B[s], exact_bsplines(S, at, derivative, outside))
            assert np.all(error <= bound + TINY), (at, derivative, error, bound)


@st.composite
def space_and_points(draw, **kwargs):
    S = draw(any_space(**kwargs))
    a, b = S.domain
    fractions = draw(st.lists(st.floats(0, 1), min_size=1, max_size=40))
    x = np.clip(a + (b - a) * np.array(fractions), a, b)
    return S, np.concatenate([x, S.breakpoints])


@given(space_and_points())
def test_every_row_stores_the_r_functions_of_its_interval(drawn):
    S, x = drawn
    B = bsplines.design_matrix(S, x)
    assert B.shape == (x.size, S.dim)
    np.testing.assert_array_equal(np.diff(B.indptr), S.order)
    first = B.indices.reshape(-1, S.order)[:, 0]
    np.testing.assert_array_equal(B.indices.reshape(-1, S.order), first[:, None] + np.arange(S.order))
    t = S.breakpoints
    assert np.all(t[first] <= x)
    # The interval is not empty, half open, and closed at the right end of the domain.
    assert np.all((x < t[first + 1]) | ((x == t[-1]) & (t[first] < t[-1]) & (t[first + 1] == t[-1])))


def contributions_of_powers(S, x, derivative, outside, scaled):
    """Sum of absolute contributions: the value itself, but for tangents left of a knot, which have two terms."""
    values = np.abs(np.array(exact_powers(S, x, derivative, outside, scaled), dtype=float))
    a, b = S.domain
    if outside == "linear" and derivative == 0 and not a <= x <= b:
        end = a if x < a else b
        at_end, slope = (np.array(exact_powers(S, end, k, "error", scaled), dtype=float) for k in (0, 1))
        values = np.abs(at_end) + abs(x - end) * np.abs(slope)
    return values


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_values_against_definitions(kind, order, scaled):
    S = space(kind, order)
    x = points(S, 1)
    Psi = rk.relu_powers.design_matrix(S, x, scaled=scaled)
    # r - 1 factors x - t, each rounded once, r - 1 products and as many factors 1/h.
    bound = 2 * order * EPS
    for s, at in enumerate(x):
        reference = exact_powers(S, at, scaled=scaled)
        assert np.all(errors(Psi[s], reference) <= bound * np.array(reference, dtype=float) + TINY), at


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_derivatives_and_tails_against_definitions(order, outside, scaled):
    S = space("random", order)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)])
    for derivative in range(order + 2):
        Psi = relu_powers.design_matrix(S, x, derivative, outside, scaled)
        for s, at in enumerate(x):
            error = errors(Psi[s], exact_powers(S, at, derivative, outside, scaled))
            bound = 2 * (order + 1) * EPS * contributions_of_powers(S, at, derivative, outside, scaled)
            assert np.all(error <= bound + TINY), (at, derivative, error, bound)


@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize("order", [2, 5, 10])
@pytest.mark.parametrize("length", [2e100, 1e-150, 1e-250, 1e250])
def test_scaled_powers_of_any_length(order, length, outside):
    """Also where h^(r-1) alone is no number."""
    S = rk.SplineSpace.uniform(order, 4, (0.0, length))
    knots, x = S.knots[None], length * np.array([[0.0], [0.3], [0.75], [1.0], [1.2]])
    rows = relu_powers.relu_rows(knots, order, np.array([relu_powers.inverse_scale(S, True)]), x, 1, outside)
    t, h = exact_knots(S), Fraction(S.mean_spacing)
    for s, at in enumerate(x[:, 0]):
        for k in range(2):
            psi = truncated_powers(t, order, Fraction(at), k, h, outside)
            expected = np.array([float(psi.get(i, 0)) for i in range(S.dim)])
            np.testing.assert_allclose(rows[k, s, 0], expected, rtol=4 * order * EPS, atol=0)


@pytest.mark.parametrize("length", [2e100, 1e-100])
def test_plain_powers_that_are_no_numbers_are_refused_when_a_layer_is_built(length):
    refused(lambda: rk.kan([1, 1], 5, 4, domain=(0.0, length), basis="relu"), "powers .* exceed the range of float64")
    rk.kan([1, 1], 3, 4, domain=(0.0, length), basis="relu")


@pytest.mark.parametrize(
    ("order", "intervals", "refused_length", "inward"), [(3, 4, 2.0**-509, 2), (4, 2, 2.0**339, 0.5)]
)
def test_plain_powers_are_normal_numbers_from_one_interval_to_all_knots(order, intervals, refused_length, inward):
    """h = 2^-511 has the square 2^-1022, and eight intervals of knots of h = 2^338 together the cube 2^1023."""
    build = partial(rk.kan, [1, 1], order, intervals, basis="relu")
    refused(lambda: build(domain=(0.0, refused_length)), "powers .* exceed the range of float64")
    assert build(domain=(0.0, inward * refused_length)).layers[0].basis == "relu"


def test_losing_digits_grows_with_n():
    """The accuracy of psi @ A^T falls like eps n^(r-1): a documented finding, and why truth never goes this way."""
    losses = []
    for n in (8, 64):
        S = rk.SplineSpace.uniform(4, n)
        x = np.linspace(0, 1, 101)
        through = relu_powers.design_matrix(S, x) @ rk.ChangeOfBasis(S).dense().T
        losses.append(np.abs(through - rk.bsplines.design_matrix(S, x)).max())
    assert 1e-16 < losses[0] < 1e-11
    # 8^(r-1) = 512, within the spread of rounding errors.
    assert 50 < losses[1] / losses[0] < 5000


@pytest.fixture(params=["plain", "fast"])
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
def test_splines_and_derivatives_are_exact_up_to_1e_15_r(kind, order, rng, engine):
    """Also for a single coefficient, which nothing may cancel against: each B-spline is right relative to itself."""
    S = space(kind, order)
    x = points(S, 1)
    coefficients = rng.standard_normal(S.dim), *np.eye(S.dim)[[0, S.dim // 2, -1]]
    for derivative in range(min(order, 3)):
        error = list(spline_errors(S, coefficients, x, derivative))
        assert within(error, value_tolerance(order), "splines and their derivatives")


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
def test_equal_intervals_of_a_few_spacings_of_numbers(spacings, rng, engine):
    n, far = 256, 2.0**40
    S = rk.SplineSpace.uniform(4, n, (far, far + n * spacings * np.spacing(far)))
    c, x = rng.standard_normal(S.dim), np.sort(rng.uniform(*S.domain, 10 * n))
    few = [bsplines.evaluate(S, c, part) for part in np.array_split(x, 10)]  # too few for pieces
    np.testing.assert_allclose(bsplines.evaluate(S, c, x), np.concatenate(few), rtol=0, atol=2 * value_tolerance(4))


def test_a_point_that_is_not_finite_or_outside_is_found_among_many(engine):
    S = space("random", 3)
    for position in (0, 200, 999):
        for bad, policy in ((np.nan, "linear"), (np.inf, "linear"), (S.domain[1] + 1, "error")):
            x = np.full(1000, S.domain[0])
            x[position] = bad
            with pytest.raises(ValueError, match=rf"x\[{position}"):
                bsplines.evaluate(S, np.ones(S.dim), x, outside=policy)


def test_a_large_block_is_what_its_points_are_one_by_one(engine):
    S = space("random", 4, 9)
    x = np.random.default_rng(0).uniform(*S.domain, 2 * bspline_basis.BLOCK + 5)
    whole = bsplines.design_matrix(S, x).toarray()
    for s in [0, 1, bspline_basis.BLOCK - 1, bspline_basis.BLOCK, x.size - 1]:
        np.testing.assert_array_equal(bsplines.design_matrix(S, x[s : s + 1]).toarray()[0], whole[s])


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("basis", [bsplines, rk.relu_powers])
def test_no_points_and_one_point(basis, n, engine):
    S = space("uniform", 4)
    x = np.full(n, 0.5)
    assert basis.design_matrix(S, x).shape == (n, S.dim)
    assert basis.evaluate(S, np.ones(S.dim), x).shape == (n,)
    assert bsplines.knot_derivative_matrix(S, np.ones(S.dim), x).shape == (n, S.intervals - 1)
