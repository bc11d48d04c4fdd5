"""Between nested spline spaces: prolongation against exact blossoms, its laws, ReLU injections, least squares."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from factories import EPS, KINDS, STRICT, exact_knots, exact_powers, points, points_outside, space
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import bsplines, definitions, relu_powers, transfer
from refkan.checks import dot_test
from refkan.kernels import knot_insertion
from refkan.transfer import matrices

ORDERS = (1, 2, 3, 4, 5, 7)
FINER = ("refined", "inserted", "inserted twice", "moved ends")


def finer(S: rk.SplineSpace, how: str) -> rk.SplineSpace:
    """Return a space that contains S on its domain."""
    a, b = S.domain
    if how == "refined":
        return S.refine(3)
    new = a + (b - a) * np.array([0.07, 0.31, 0.33, 0.87])
    if how == "inserted":
        return S.insert(new)
    if how == "inserted twice":  # as often as the order allows, up to two
        return rk.SplineSpace(np.sort(np.concatenate([S.knots, *[new] * min(S.order, 2)])), S.order)
    inside = S.insert(new).breakpoints
    steps = (b - a) * np.cumsum(np.linspace(0.11, 0.4, S.order - 1))
    return rk.SplineSpace(np.concatenate([a - steps[::-1], inside, b + steps / 3]), S.order)


def insertion_only(how: str) -> bool:
    """Whether the fine knots hold all coarse ones, the exterior ones too: then P is convex."""
    return how.startswith("inserted")


def exact_prolongation(coarse: rk.SplineSpace, fine: rk.SplineSpace) -> list[list[Fraction]]:
    return definitions.prolongation(exact_knots(coarse), exact_knots(fine), coarse.order)


def difference(P, expected) -> np.ndarray:
    """Return |P - expected|, the difference taken in rational arithmetic."""
    return np.array(
        [
            [abs(float(Fraction(float(p)) - e)) for p, e in zip(row, right, strict=True)]
            for row, right in zip(P, expected, strict=True)
        ]
    )


def contributions(coarse: rk.SplineSpace, fine: rk.SplineSpace) -> np.ndarray:
    """Return for each entry of P the sum of the absolute values of all terms of its recursion.

    From the interval at the end of the domain over which more of the fine B-spline hangs. Where exterior knots moved,
    the recursion extrapolates, and how far depends on the interval.
    """
    r, t, s = coarse.order, coarse.knots, fine.knots
    sizes = np.zeros((fine.dim, coarse.dim))
    a, b = coarse.domain
    for j in range(fine.dim):
        at_the_right = j + r - (fine.dim - 1) > max(r - j, 1)
        m = int(np.searchsorted(t, b) if at_the_right else np.searchsorted(t, max(s[j], a), "right")) - 1
        C = np.eye(r)
        for k in range(1, r):
            for i in range(r - k):
                left, right = t[m - r + 1 + k + i], t[m + 1 + i]
                C[i] = abs(right - s[j + k]) / (right - left) * C[i] + abs(s[j + k] - left) / (right - left) * C[i + 1]
        sizes[j, m - r + 1 : m + 1] = C[0]
    return sizes


PAIRS = pytest.mark.parametrize("how", FINER)
SPACES = pytest.mark.parametrize(("kind", "order"), [(kind, order) for kind in KINDS for order in ORDERS])


# --- the oracle, exactly


def fraction_knots(order, intervals, seed):
    """Return knots with random rational gaps, and a finer vector with other exterior knots."""
    rng = np.random.default_rng([seed, order, intervals])

    def gaps(count):
        return [Fraction(int(g), 12) for g in rng.integers(1, 25, count)]

    knots = [Fraction(0)]
    for gap in gaps(intervals + 2 * order - 2):
        knots.append(knots[-1] + gap)
    t = knots[order - 1 : len(knots) - order + 1]
    inner = sorted([*t, *((left + 2 * right) / 3 for left, right in pairwise(t))])
    if order > 1:  # a double knot
        inner = sorted([*inner, inner[1]])
    low, high = [t[0]], [t[-1]]
    for gap in gaps(order - 1):
        low.append(low[-1] - gap)
    for gap in gaps(order - 1):
        high.append(high[-1] + gap)
    return knots, [*low[:0:-1], *inner, *high[1:]]


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("intervals", [1, 2, 4])
def test_the_oracle_gives_the_same_functions(order, intervals):
    """b_i = sum_j P_ji b'_j at r points of each fine interval, and so on the domain: polynomials of degree r - 1."""
    coarse, fine = fraction_knots(order, intervals, 0)
    P = definitions.prolongation(coarse, fine, order)
    for left, right in pairwise(fine[order - 1 : len(fine) - order + 1]):
        for k in range(order if left < right else 0):
            x = left + (right - left) * Fraction(2 * k + 1, 2 * order)
            b_fine = [definitions.bspline(fine, order, j, x) for j in range(len(P))]
            for i in range(len(P[0])):
                assert sum(P[j][i] * b_fine[j] for j in range(len(P))) == definitions.bspline(coarse, order, i, x)


@pytest.mark.parametrize("order", range(1, 8))
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_closed_form_of_the_oracle(order, n):
    """Uniform knots, exterior ones at half the distance after refinement."""
    h = Fraction(2, 3)
    coarse = [h * k for k in range(1 - order, n + order)]
    fine = [h / 2 * k for k in range(1 - order, 2 * n + order)]
    assert definitions.uniform_prolongation(order, n) == definitions.prolongation(coarse, fine, order)


def test_the_oracle_refuses_knots_that_are_not_nested():
    coarse = [Fraction(t) for t in (-1, 0, 1, 2, 3)]
    for fine in ((-1, 0, 2, 3), (-1, 0, 1, 3, 4), (-1, 0, Fraction(1, 2), 2, 3)):
        with pytest.raises(ValueError, match="fine_knots must have the domain"):
            definitions.prolongation(coarse, [Fraction(t) for t in fine], 2)
    doubled = [Fraction(t) for t in (-1, 0, 1, 1, 2, 3)]
    with pytest.raises(ValueError, match="missing"):
        definitions.prolongation(doubled, coarse, 2)


def test_the_oracle_takes_any_numbers():
    knots = [-1.0, 0.0, 1.0, 2.0]
    assert definitions.prolongation(knots, [-1.0, 0.0, 0.25, 1.0, 2.0], 2) == [[1, 0], [0.75, 0.25], [0, 1]]


# --- P against the oracle


@SPACES
@PAIRS
def test_prolongation_against_exact_blossoms(kind, order, how):
    """Relative to each entry where all are convex, at most r - 1 levels of five roundings (of eps/2) each.

    Otherwise relative to the sums of absolute contributions.
    """
    coarse = space(kind, order)
    fine = finer(coarse, how)
    P = rk.prolongation_matrix(coarse, fine)
    assert P.shape == (fine.dim, coarse.dim)
    expected = exact_prolongation(coarse, fine)
    size = np.array(expected, dtype=float) if insertion_only(how) else contributions(coarse, fine)
    error = difference(P.toarray(), expected)
    assert np.all(error <= 2.5 * (order - 1) * EPS * size)


@pytest.mark.parametrize("order", [9, 10])
def test_high_orders(order):
    coarse = space("random", order, 2)
    fine = coarse.insert([sum(coarse.domain) / 2])
    error = difference(rk.prolongation_matrix(coarse, fine).toarray(), exact_prolongation(coarse, fine))
    assert np.all(error <= 2 * (order - 1) * EPS)


@pytest.mark.parametrize("order", range(1, 9))
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_dyadic_prolongation_is_exact(order, n):
    """Numbers C(r, s)/2^(r-1) are floats; on knots that are floats the general P has the same bits."""
    expected = np.array(definitions.uniform_prolongation(order, n), dtype=float)
    np.testing.assert_array_equal(transfer.dyadic_prolongation(order, n).toarray(), expected)
    coarse = rk.SplineSpace.uniform(order, n, (0.0, float(n)))
    np.testing.assert_allclose(
        rk.prolongation_matrix(coarse, coarse.refine()).toarray(), expected, rtol=0, atol=2 * order * EPS
    )


@pytest.mark.parametrize("order", range(1, 7))
def test_the_printed_coefficients_are_half_of_the_true_ones(order):
    printed = transfer.printed_dyadic_coefficients(order)
    n = order + 2
    P = transfer.dyadic_prolongation(order, n).toarray()
    interior = P[:, order]  # the paper's i = 1: no term left out
    np.testing.assert_array_equal(2 * printed, interior[interior > 0])
    assert printed.sum() == 1  # as a weight each column would do; but rows must sum to one, and sum to a half


@SPACES
@pytest.mark.parametrize("how", FINER[:3])
def test_rows_are_convex_weights(kind, order, how):
    coarse = space(kind, order)
    P = rk.prolongation_matrix(coarse, finer(coarse, how))
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=0, atol=2 * order * EPS)
    assert np.diff(P.indptr).max() <= order
    if insertion_only(how) or kind in ("uniform", "clamped", "repeated"):
        assert P.data.min() > 0
        assert P.data.max() <= 1 + 2 * order * EPS


@SPACES
def test_rows_sum_to_one_with_any_exterior_knots(kind, order):
    coarse = space(kind, order)
    fine = finer(coarse, "moved ends")
    P = rk.prolongation_matrix(coarse, fine)
    scale = np.maximum(1.0, contributions(coarse, fine).sum(axis=1))
    assert np.all(np.abs(P.sum(axis=1) - 1) <= 2 * order * EPS * scale)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_other_exterior_knots_may_extrapolate(order):
    """The fine ones reach beyond the coarse ones: then weights are negative, and the function is still the same."""
    coarse = rk.SplineSpace.uniform(order, 3)
    far = np.concatenate([np.arange(1 - order, 0) * 2.0, coarse.breakpoints, 1 + np.arange(1, order) * 2.0])
    fine = rk.SplineSpace(far, order)
    P = rk.prolongation_matrix(coarse, fine).toarray()
    assert (P.min() < -0.1) == (order > 2)
    error = difference(P, exact_prolongation(coarse, fine))
    assert np.all(error <= 2 * order * EPS * np.maximum(1.0, contributions(coarse, fine)))


@SPACES
@PAIRS
def test_the_function_is_unchanged_on_and_off_the_domain(kind, order, how):
    coarse = space(kind, order)
    fine = finer(coarse, how)
    u = np.random.default_rng(order).standard_normal(coarse.dim)
    v = rk.prolongation_matrix(coarse, fine) @ u
    size = 1.0
    if how == "moved ends" or kind in ("random", "graded", "offset"):
        size = max(1.0, contributions(coarse, fine).sum(axis=1).max())
    for outside, x in [("error", points(fine)), *((o, points_outside(coarse)) for o in ("linear", "polynomial"))]:
        pair = [bsplines.design_matrix(S, x, 0, outside).toarray() for S in (coarse, fine)]
        # The sum of absolute contributions: tails cancel inside the basis functions of both spaces.
        tails = (1.0 if outside == "error" else 4.0**order) * (np.abs(pair[0]).sum(1) + np.abs(pair[1]).sum(1))
        bound = 4 * order * EPS * size * np.abs(u).max() * tails
        assert np.all(np.abs(pair[0] @ u - pair[1] @ v) <= bound), (kind, outside)


@given(st.data())
def test_random_nested_knots(data):
    """Random multiplicities, spans over three magnitudes, several insertions at one point: convex, and exact."""
    order = data.draw(st.integers(1, 5))
    gaps = data.draw(st.lists(st.sampled_from([0, 1, 2, 7, 300]), min_size=2 * order, max_size=2 * order + 4))
    knots = np.concatenate([[0.0], np.cumsum(gaps)])
    try:
        coarse = rk.SplineSpace(knots, order)
    except rk.KnotError:
        return
    a, b = coarse.domain
    places = st.floats(a, b, exclude_min=True, exclude_max=True)
    new = data.draw(st.lists(places | st.sampled_from(list(np.arange(a + 1, b))) if b - a > 1 else places, max_size=4))
    try:
        fine = rk.SplineSpace(np.sort(np.concatenate([coarse.knots, new])), order)
    except rk.KnotError:
        return
    P = rk.prolongation_matrix(coarse, fine)
    live = (fine.knots[order:] > a) & (fine.knots[:-order] < b)
    error = difference(P.toarray(), exact_prolongation(coarse, fine))
    assert np.all(error[live] <= 2 * order * EPS)
    assert P.data.min() >= 0


def test_functions_that_vanish_on_the_domain_keep_their_coefficients():
    """Ends repeated inwards: b_0, b_1 live to the left of the domain alone, and matter under outside='natural'."""
    for knots, new in (([-2, -1, 0, 0, 0, 1, 2, 3, 4], [0.3, 1.5]), ([-4, -3, -2, -1, 0, 0, 0, 1, 2], [-1.5])):
        coarse = rk.SplineSpace(np.array(knots, float), 3)
        fine = coarse.insert(new)
        u = np.arange(1.0, coarse.dim + 1)
        v = transfer.prolong(coarse, fine, u)
        x = np.linspace(-5, 5, 201)
        np.testing.assert_allclose(
            bsplines.evaluate(fine, v, x, 0, "natural"),
            bsplines.evaluate(coarse, u, x, 0, "natural"),
            rtol=0, atol=4 * EPS * u.max(),
        )  # fmt: skip


# --- laws


@SPACES
def test_refining_twice_by_two_is_refining_once_by_four(kind, order):
    coarse = space(kind, order)
    middle, twice, once = coarse.refine(), coarse.refine().refine(), coarse.refine(4)
    scale = np.abs(once.knots).max()
    if kind == "uniform":
        assert twice == once
    np.testing.assert_allclose(twice.breakpoints, once.breakpoints, rtol=0, atol=2 * EPS * scale)
    assert np.isin(coarse.breakpoints, middle.breakpoints).all()
    assert np.isin(middle.breakpoints, twice.breakpoints).all()
    product = rk.prolongation_matrix(middle, twice) @ rk.prolongation_matrix(coarse, middle)
    P = rk.prolongation_matrix(coarse, twice)
    size = max(1.0, contributions(coarse, middle).sum(axis=1).max() * contributions(middle, twice).sum(axis=1).max())
    assert np.abs(product - P).max() <= 6 * order * EPS * size


@SPACES
def test_products_of_insertions(kind, order):
    coarse = space(kind, order)
    middle = finer(coarse, "inserted")
    fine = finer(middle.insert([0.5 * sum(middle.domain)]), "refined") if kind == "clamped" else middle.insert(
        [0.55 * middle.domain[0] + 0.45 * middle.domain[1]]
    )
    product = rk.prolongation_matrix(middle, fine) @ rk.prolongation_matrix(coarse, middle)
    assert np.abs(product - rk.prolongation_matrix(coarse, fine)).max() <= 6 * order * EPS


@SPACES
@PAIRS
def test_prolong_is_the_matrix_and_passes_the_dot_test(kind, order, how):
    coarse = space(kind, order)
    fine = finer(coarse, how)
    P = rk.prolongation_matrix(coarse, fine)
    rng = np.random.default_rng(order)
    u = rng.standard_normal((2, 3, coarse.dim))
    v = transfer.prolong(coarse, fine, u)
    size = np.abs(P).sum(axis=1).max() * np.abs(u).max()
    np.testing.assert_allclose(v, u @ P.toarray().T, rtol=0, atol=2 * order * EPS * size)
    report = dot_test(lambda u: transfer.prolong(coarse, fine, u), lambda g: P.T @ g, coarse.dim, fine.dim, rng, 1e-13)
    assert report.ok, report.table


def test_prolong_is_linear_in_complex_coefficients():
    coarse = space("random", 3)
    fine = coarse.refine()
    u = np.random.default_rng(0).standard_normal((2, coarse.dim))
    moved = transfer.prolong(coarse, fine, u[0] + 1j * u[1])
    np.testing.assert_array_equal(moved.real, transfer.prolong(coarse, fine, u[0]))
    np.testing.assert_array_equal(moved.imag, transfer.prolong(coarse, fine, u[1]))


@pytest.mark.parametrize("kind", KINDS)
def test_onto_itself_is_the_identity(kind):
    S = space(kind, 4)
    np.testing.assert_array_equal(rk.prolongation_matrix(S, S).toarray(), np.eye(S.dim))
    same = S.refine(1)
    assert same is S


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 3, 4])
def test_compiled_and_plain_python_give_the_same_bits(kind, order):
    for how in FINER:
        coarse = space(kind, order)
        fine = finer(coarse, how)
        results = []
        kernel = knot_insertion.prolongation_rows
        for run in (kernel, getattr(kernel, "py_func", kernel)):
            start, values = np.full(fine.dim, -1), np.full((fine.dim, order), np.nan)
            run(0, fine.dim, order, coarse.knots.copy(), fine.knots.copy(), start, values)
            results.append((start, values))
        np.testing.assert_array_equal(results[0][0], results[1][0])
        # LLVM may contract a product and a sum into one rounding.
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=2 * order * EPS * np.abs(values).max())


def test_a_range_of_rows_is_computed_alone():
    coarse = space("random", 3)
    fine = coarse.refine()
    start, values = np.full(fine.dim, -1), np.zeros((fine.dim, 3))
    knot_insertion.prolongation_rows(2, 5, 3, coarse.knots.copy(), fine.knots.copy(), start, values)
    assert (start[:2] == -1).all()
    assert (start[5:] == -1).all()
    full = transfer.prolong(coarse, fine, np.eye(coarse.dim)).T
    for j in range(2, 5):
        np.testing.assert_array_equal(values[j], full[j, start[j] : start[j] + 3])


# --- the ReLU-power bases


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (2, [[2, -1]]),
        (3, [[6, -8, 3], [1, 0, 0]]),
        (4, [[20, -45, 36, -10], [4, -6, 4, -1], [0, 1, 0, 0]]),
    ],
)
@pytest.mark.parametrize("n", [1, 4])
def test_polynomial_rows_of_the_injection(order, rows, n):
    """Uniform knots, re-extended at half the distance; the remaining rows are zeros and ones."""
    coarse = rk.SplineSpace.uniform(order, n, (0.0, float(n)))
    fine = coarse.refine()
    injection = transfer.injection_matrix(coarse, fine).toarray()
    assert injection.shape == (coarse.dim, fine.dim)
    np.testing.assert_allclose(injection[: order - 1, :order], rows, rtol=0, atol=1e-13)
    assert not injection[: order - 1, order:].any()
    rest = injection[order - 1 :]
    assert set(np.unique(rest)) <= {0.0, 1.0}
    np.testing.assert_array_equal(rest.argmax(axis=1), order - 1 + 2 * np.arange(n))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("how", ["refined", "inserted", "moved ends"])
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_injections_against_exact_powers(order, kind, how, scaled):
    """psi_coarse = I psi_fine at points of the domain, the powers exact, relative to |I| psi_fine."""
    coarse = space(kind, order)
    fine = finer(coarse, how)
    injection = transfer.injection_matrix(coarse, fine, scaled).toarray()
    for x in points(fine, 1, neighbours=False)[::3]:
        left = exact_powers(coarse, x, scaled=scaled)
        right = exact_powers(fine, x, scaled=scaled)
        for i in range(coarse.dim):
            terms = [Fraction(c) * v for c, v in zip(injection[i], right, strict=True) if c]
            error = abs(float(sum(terms) - left[i]))
            # The weights are products of r - 1 ratios of differences, all of them rounded.
            assert error <= 6 * order * EPS * float(sum(map(abs, terms)))


@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_insertions_inject_by_zeros_and_ones(kind, order):
    coarse = space(kind, order)
    fine = finer(coarse, "inserted")
    injection = transfer.injection_matrix(coarse, fine)
    np.testing.assert_array_equal(injection.toarray(), np.isin(fine.knots[: fine.dim], coarse.knots) * 1.0 * (
        coarse.knots[: coarse.dim, None] == fine.knots[: fine.dim]
    ))  # fmt: skip


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_prolongation_in_the_relu_bases(basis, order):
    coarse = rk.SplineSpace.uniform(order, 3, (0.0, 3.0))
    fine = coarse.refine()
    scaled = basis == "scaled-relu"
    P = rk.prolongation_matrix(coarse, fine, basis)
    np.testing.assert_array_equal(P.toarray(), transfer.injection_matrix(coarse, fine, scaled).toarray().T)
    w = np.random.default_rng(0).standard_normal(coarse.dim)
    x = points(fine, 1)
    left, right = (relu_powers.design_matrix(S, x, scaled=scaled) for S in (coarse, fine))
    bound = 100 * EPS * (right @ (np.abs(P) @ np.abs(w)))
    assert np.all(np.abs(left @ w - right @ (P @ w)) <= bound)
    # w = A^T u in both spaces: A_f^T P u = I^T A_c^T u
    A, fine_A = rk.ChangeOfBasis(coarse, scaled), rk.ChangeOfBasis(fine, scaled)
    u = np.random.default_rng(1).standard_normal(coarse.dim)
    v = rk.prolongation_matrix(coarse, fine) @ u
    scale = np.abs(fine_A.dense()).sum(axis=0).max() * np.abs(u).max()
    np.testing.assert_allclose(fine_A.to_relu(v), P @ A.to_relu(u), rtol=0, atol=1e-13 * scale)


def exact_formula(coarse, fine, order):
    """Return A I A'^-1 in rationals, transposed: the formula of [S26]."""
    nodes = fine[:order]

    def row(i):
        if i >= order:
            return [Fraction(int(s == coarse[i])) for s in fine[: len(fine) - order]]
        row = [Fraction(0)] * (len(fine) - order)
        for j in range(order):
            row[j] = Fraction(1)
            for m in range(order):
                row[j] *= (coarse[i] - nodes[m]) / (nodes[j] - nodes[m]) if m != j else 1
        return row

    injection = [row(i) for i in range(len(coarse) - order)]
    A, inverse = definitions.change_of_basis(coarse, order), definitions.change_of_basis_inverse(fine, order)

    def product(X, Y):
        return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*Y, strict=True)] for row in X]

    return [list(column) for column in zip(*product(product(A, injection), inverse), strict=True)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_formula_through_the_relu_basis_is_exact_in_exact_arithmetic(order):
    coarse, fine = space("random", order, 3), finer(space("random", order, 3), "moved ends")
    knots = exact_knots(coarse), exact_knots(fine)
    assert exact_formula(*knots, order) == exact_prolongation(coarse, fine)


def test_the_formula_through_the_relu_basis_loses_digits():
    """r = 4: like n^3, and 1e-9 at n = 128, ten times that with a general inverse; P itself loses none."""
    errors = []
    for n in (16, 32, 64, 128):
        coarse = rk.SplineSpace.uniform(4, n, (0.0, 0.7))
        fine = coarse.refine()
        expected = transfer.dyadic_prolongation(4, n).toarray()
        errors.append(np.abs(transfer.prolongation_through_relu(coarse, fine) - expected).max())
        # The knots are rounded, and their spans by eps n relative to the spacing.
        assert np.abs(rk.prolongation_matrix(coarse, fine).toarray() - expected).max() <= EPS * n
    assert 5e-10 < errors[-1] < 2e-8
    np.testing.assert_allclose(np.diff(np.log2(errors)), 3, rtol=0, atol=0.5)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("kind", STRICT[:3])
def test_the_formula_is_right_where_there_are_few_knots(order, kind):
    coarse = space(kind, order)
    fine = finer(coarse, "refined")
    P = rk.prolongation_matrix(coarse, fine).toarray()
    np.testing.assert_allclose(transfer.prolongation_through_relu(coarse, fine), P, rtol=0, atol=1e-9)


# --- least squares at data


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_least_squares_finds_the_prolongation_where_the_samples_determine_it(order):
    coarse = space("random", order)
    fine = finer(coarse, "refined")
    u = np.random.default_rng(0).standard_normal((2, 3, coarse.dim))
    x = points(fine, 4)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert v.shape == (2, 3, fine.dim)
    assert report.rank == fine.dim
    np.testing.assert_allclose(v, transfer.prolong(coarse, fine, u), rtol=0, atol=1e-11)
    assert report.on_samples < 1e-12
    assert report.off_samples < 1e-11


def test_least_squares_with_few_samples_changes_the_function_elsewhere():
    """The trap of grid extension: on the samples nothing moved, off them the function did, and the report says so."""
    coarse = rk.SplineSpace.uniform(3, 4)
    fine = coarse.refine(4)
    u = np.random.default_rng(0).standard_normal(coarse.dim)
    x = np.linspace(0.05, 0.95, 12)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert report.rank == 12 < fine.dim
    assert report.on_samples < 1e-13
    assert report.off_samples > 0.01
    dense = np.linspace(0, 1, 2001)
    change = np.abs(bsplines.evaluate(fine, v, dense) - bsplines.evaluate(coarse, u, dense)).max()
    assert report.off_samples == pytest.approx(change, rel=0.05)
    on = np.abs(bsplines.evaluate(fine, v, x) - bsplines.evaluate(coarse, u, x)).max()
    assert report.on_samples == pytest.approx(on, rel=0, abs=1e-14)


def test_least_squares_serves_spaces_that_are_not_nested():
    coarse, other = rk.SplineSpace.uniform(4, 3), rk.SplineSpace.uniform(4, 5)
    x = np.linspace(0, 1, 101)
    u = np.array([0.0, 1.0, -1.0, 1.0, 0.0, 2.0])
    v, report = transfer.least_squares_transfer(coarse, other, u, x)
    residual = bsplines.design_matrix(other, x) @ v - bsplines.evaluate(coarse, u, x)
    # the normal equations: the residual is orthogonal to the space
    assert np.abs(bsplines.design_matrix(other, x).T @ residual).max() < 1e-13
    assert report.on_samples == pytest.approx(np.abs(residual).max(), abs=1e-15)
    assert report.off_samples > 1e-3
    with pytest.raises(rk.KnotError):
        rk.prolongation_matrix(coarse, other)


def test_least_squares_keeps_the_shape_of_no_functions_at_all():
    coarse = rk.SplineSpace.uniform(2, 2)
    v, report = transfer.least_squares_transfer(coarse, coarse.refine(), np.zeros((0, 3)), np.linspace(0, 1, 9))
    assert v.shape == (0, 5)
    assert (report.on_samples, report.off_samples) == (0.0, 0.0)


# --- spaces: refine and insert


@SPACES
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_refined_spaces(kind, order, factor):
    S = space(kind, order)
    fine = S.refine(factor)
    spans = np.diff(S.breakpoints)
    assert fine.domain == S.domain
    assert fine.order == order
    assert np.isin(S.breakpoints, fine.breakpoints).all()  # bit for bit
    assert fine.intervals == factor * np.count_nonzero(spans) + np.count_nonzero(spans == 0)
    expected = np.concatenate([np.repeat(h / factor, factor if h else 1) for h in spans])
    np.testing.assert_allclose(np.diff(fine.breakpoints), expected, rtol=0, atol=4 * EPS * np.abs(S.knots).max())
    if kind == "uniform":
        assert fine == rk.SplineSpace.uniform(order, factor * S.intervals, S.domain)
    if kind in ("clamped", "repeated"):
        assert np.array_equal(fine.knots[:order], S.knots[:order])
        assert np.array_equal(fine.knots[-order:], S.knots[-order:])
    values, counts = np.unique(S.breakpoints[1:-1], return_counts=True)
    for t, count in zip(values, counts, strict=True):
        assert np.count_nonzero(fine.knots == t) == count


def test_the_mean_spacing_of_exterior_knots_is_kept():
    S = rk.SplineSpace.from_breakpoints(4, [0, 1, 4, 6])
    fine = S.refine(2)
    assert fine == rk.SplineSpace.from_breakpoints(4, [0, 0.5, 1, 2.5, 4, 5, 6])


def test_insertion_keeps_exterior_knots():
    S = space("random", 4)
    fine = finer(S, "inserted")
    np.testing.assert_array_equal(fine.knots[:4], S.knots[:4])
    np.testing.assert_array_equal(fine.knots[-4:], S.knots[-4:])
    assert fine.intervals == S.intervals + 4
    assert S.insert([]) == S


# --- bad input


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
        (lambda S, F: transfer.printed_dyadic_coefficients(11), ValueError, r"order must be"),
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


# --- sabotage: each fault must be seen by the comparison with the oracle


def prolongation_fault(monkeypatch, change):
    right = matrices.prolongation_rows

    def wrong(*arguments):
        start, values = right(*arguments)
        return change(start.copy(), values.copy())

    monkeypatch.setattr(matrices, "prolongation_rows", wrong)


def flip(start, values):
    row = np.argmax((values > 0).sum(axis=1))
    values[row] = values[row, ::-1]
    return start, values


@pytest.mark.parametrize(
    "change",
    [
        flip,
        lambda start, values: (np.maximum(start - 1, 0), values),
        lambda start, values: (start, values / 2),
        lambda start, values: (start, values * (1 + 1e-14)),
    ],
    ids=["a row of weights reversed", "an index shifted", "the printed factor", "a relative error of 1e-14"],
)
@pytest.mark.parametrize("order", [2, 3, 4])
def test_sabotage_of_the_prolongation_is_noticed(monkeypatch, change, order):
    test_prolongation_against_exact_blossoms("random", order, "inserted")
    prolongation_fault(monkeypatch, change)
    with pytest.raises(AssertionError):
        test_prolongation_against_exact_blossoms("random", order, "inserted")


def test_a_formula_without_polynomial_rows_is_noticed(monkeypatch):
    """The extension-knot trap: injecting by zeros and ones alone, though the exterior knots moved."""
    coarse = rk.SplineSpace.uniform(3, 4)
    fine = coarse.refine()
    injection = transfer.injection_matrix(coarse, fine).toarray()
    naive = np.array(coarse.knots[: coarse.dim, None] == fine.knots[: fine.dim], dtype=float)
    np.testing.assert_array_equal(naive[2:], injection[2:])
    assert not naive[0].any()  # a - 2h is no knot of the fine space
    A, fine_A = rk.ChangeOfBasis(coarse), rk.ChangeOfBasis(fine)
    wrong = fine_A.to_spline(A.dense() @ naive).T
    assert np.abs(wrong - rk.prolongation_matrix(coarse, fine).toarray()).max() > 0.1


def test_the_blossom_is_used_only_where_insertion_leads_nowhere(monkeypatch):
    """Both ways give the same rows; the plain-Python kernel without insertion is the reference."""
    coarse, fine = space("random", 4), finer(space("random", 4), "inserted")
    kernel = knot_insertion.prolongation_rows
    plain = getattr(kernel, "py_func", kernel)
    monkeypatch.setattr(knot_insertion, "position", lambda *arguments: -1)
    start, values = np.empty(fine.dim, np.int64), np.empty((fine.dim, 4))
    plain(0, fine.dim, 4, coarse.knots.copy(), fine.knots.copy(), start, values)
    P = rk.prolongation_matrix(coarse, fine).toarray()
    for j in range(fine.dim):
        np.testing.assert_allclose(values[j], P[j, start[j] : start[j] + 4], rtol=0, atol=1e-14)
