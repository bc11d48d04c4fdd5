"""Certified extreme eigenvalues, condition numbers and eigenpairs, against known values; Ostrowski's bounds."""

import math
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra import condition_numbers, orthogonal_certificates
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.analysis.exact.spectra.orthogonal_certificates import (
    SETTLED,
    certified,
    departure,
    enclosed_eigenvalues,
    nearly_orthonormal,
    products,
)
from refkan.analysis.exact.spectra.perron import ALTERNATING, collatz_wielandt, matrix_of
from refkan.base.errors import ConvergenceError
from refkan.truth import UndecidedError
from tests.analysis.exact.certified_matrices import MATRICES, dense, uniform_random
from tests.analysis.exact.oracles import matrices
from tests.analysis.exact.oracles.jets import rational, to_mp
from tests.shared.factories import EPS
from tests.shared.factories import space as make
from tests.shared.refusals import refused
from tests.shared.tables import each_row

flint = pytest.importorskip("flint")


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("kind", ["uniform", "random", "graded", "uneven"])
def test_extreme_eigenvalues_against_many_digits(kind, order, which):
    space = uniform_random(order, 7) if kind == "uneven" else make(kind, order, 5)
    found = exact.extreme_eigenvalues(space, which)
    with mpmath.workdps(120):
        values = matrices.eigenvalues([[*map(rational, row)] for row in dense(space, which).tolist()])
        for value, each in zip((values[0], values[-1]), found, strict=True):
            slack = value * mpmath.mpf(10) ** -60
            assert to_mp(each.low) - slack <= value <= to_mp(each.high) + slack
            assert each.relative_width <= 2.0**-58


def test_step_functions_have_known_eigenvalues():
    dim = 300
    smallest, largest = exact.extreme_eigenvalues(rk.SplineSpace.uniform(1, dim))
    with mpmath.workdps(40):
        for k, enclosure in ((1, smallest), (dim, largest)):
            value = 4 * mpmath.sin((2 * k - 1) * mpmath.pi / (4 * dim + 2)) ** 2
            assert to_mp(enclosure.low) <= value <= to_mp(enclosure.high)


@pytest.mark.parametrize("which", MATRICES)
def test_signs_that_the_enclosures_rest_on(which):
    for order in (1, 2, 3, 5):
        X = dense(uniform_random(order, 8), which)
        inverse = X.inv()
        for i in range(8):
            for j in range(8):
                sign = (-1) ** (i + j)
                positive, alternating = (inverse, X) if which == "AtA" else (X, inverse)
                assert positive[i, j] >= 0
                assert sign * alternating[i, j] >= 0


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("end", ["smallest", "largest"])
def test_any_positive_vector_gives_true_bounds(which, end, rng):
    space = make("random", 3, 6)
    enclosure = exact.extreme_eigenvalues(space, which)[end == "largest"]
    with precision(256):
        M = flint.arb_mat(matrix_of(space, which))
        if end == ALTERNATING[which]:
            M = flint.arb_mat([[(-1) ** (i + k) * x for k, x in enumerate(row)] for i, row in enumerate(M.tolist())])
        for _ in range(20):
            z = flint.arb_mat([[x] for x in rng.uniform(0.1, 1.0, space.dim)])
            if end == "smallest":  # a vector whose image is positive: z = M^-1 x
                z = M.solve(z).mid()
            bounds = Enclosure.between(*collatz_wielandt((M * z).entries(), z.entries()))
            assert bounds.low <= enclosure.low <= enclosure.high <= bounds.high


def test_scaled_relu_powers():
    space = rk.SplineSpace.uniform(3, 5, (0.0, 2.5))  # h = 1/2 exactly
    for which, factor in (("AtA", Fraction(1, 16)), ("relu_gram", Fraction(16))):
        plain, scaled = (exact.extreme_eigenvalues(space, which, scaled=s) for s in (False, True))
        for a, b in zip(plain, scaled, strict=True):
            assert max(a.low * factor, b.low) <= min(a.high * factor, b.high)


def test_condition_number_of_order_six_at_dim_200():
    space = rk.SplineSpace.uniform(6, 195)
    low, high = exact.certified_condition_number(space)
    assert low < high <= math.nextafter(math.nextafter(low, math.inf), math.inf)
    assert low == pytest.approx(1.0520500506663970e25, rel=1e-13)
    # Float64 finds both ends when neither is drowned by the other: singular values of A, and of the non-negative A^-1.
    A = rk.ChangeOfBasis(space)
    condition = (np.linalg.norm(A.dense(), 2) * np.linalg.norm(A.solve(np.eye(space.dim)), 2)) ** 2
    assert low == pytest.approx(condition, rel=8 * space.dim * EPS)


def test_blocks_of_a_gram_matrix():
    # Two intervals of lengths 1 and 2, all Bernstein polynomials of degree 3 on each: condition number 2 * 35.
    low, high = exact.certified_condition_number(rk.SplineSpace.clamped(4, [0, 1, 1, 1, 1, 3]), "gram")
    assert low <= 70 <= high
    # Order 1: the diagonal matrix of the interval lengths.
    low, high = exact.certified_condition_number(rk.SplineSpace([0.0, 0.1, 0.4, 0.5], 1), "gram")
    assert (
        Fraction(low)
        <= (Fraction(0.4) - Fraction(0.1)) / min(Fraction(0.1), Fraction(0.5) - Fraction(0.4))
        <= Fraction(high)
    )
    assert exact.certified_condition_number(rk.SplineSpace.uniform(1, 1)) == (1.0, 1.0)


def test_condition_numbers_beyond_the_range_of_floats():
    breakpoints = np.concatenate([[0.0], 10.0 ** np.linspace(-120, 0, 25)])
    space = rk.SplineSpace.from_breakpoints(4, breakpoints)
    for which in MATRICES[::2]:
        assert exact.certified_condition_number(space, which) == (sys.float_info.max, math.inf)
    smallest, largest = exact.extreme_eigenvalues(space)
    assert largest.low / smallest.high > 10**400


@each_row(
    "signs, expected",
    ([], (0, 0)),
    ([1], (0, 0)),
    ([0], (0, 0)),
    ([1, -1, 1], (2, 2)),
    ([1, 0, -1], (1, 1)),
    ([1, 0, 0, -1], (1, 3)),
    ([1, 0, 1], (0, 2)),
    ([0, 1], (0, 1)),
    ([0, 0, 0], (0, 2)),
)
def test_sign_changes(signs, expected):
    assert condition_numbers.sign_changes(signs) == expected


@pytest.mark.parametrize("order", range(1, 6))
def test_eigenvectors_are_ordered_by_smoothness(order):
    space = uniform_random(order, 24)
    ascending = tuple(range(24))
    assert eigenpairs(space, "AtA").sign_changes == ascending
    assert eigenpairs(space, "AAt").sign_changes == ascending
    if order > 1:
        assert eigenpairs(space, "gram").sign_changes == ascending[::-1]
    assert eigenpairs(space, "relu_gram").sign_changes == ascending[::-1]


def test_signs_are_decided_with_as_many_bits_as_they_need():
    space = uniform_random(3, 60)
    assert None in eigenpairs(space, bits=256).sign_changes
    pairs = eigenpairs(space)
    assert (pairs.bits, pairs.sign_changes) == (512, tuple(range(60)))


def test_exact_zeros_stay_undecided_and_do_not_count():
    pairs = eigenpairs(rk.SplineSpace.uniform(1, 7))  # 2 dim + 1 = 15 = 3 * 5
    zeros = tuple((k, i) for k in range(7) for i in range(7) if (2 * k + 1) * (2 * i + 1) % 15 == 0)
    assert len(zeros) > 0
    assert (pairs.bits, pairs.undecided) == (256, zeros)
    assert pairs.sign_changes == tuple(range(7))


def test_too_few_bits_leave_signs_undecided():
    pairs = eigenpairs(uniform_random(2, 40), bits=96)
    assert None in pairs.sign_changes
    assert all(changes in (None, k) for k, changes in enumerate(pairs.sign_changes))
    assert eigenpairs(uniform_random(2, 40)).sign_changes == tuple(range(40))


def test_eigenvalues_that_do_not_come_apart():
    space = rk.SplineSpace.uniform(6, 40)
    refused(lambda: eigenpairs(space, bits=40), "ConvergenceError: too low a precision to isolate.*160")
    with pytest.raises(ConvergenceError, match="no precision up to 4096 bits suffices to isolate"):
        eigenpairs(rk.SplineSpace.uniform(1, 4, (0.0, 4.0)), "gram")  # the identity


SMALL = Fraction(1, 2**200)


def enclosed(H, V):
    with precision(256):
        return certified(flint, *products(*(flint.arb_mat([[flint.arb(x) for x in row] for row in A]) for A in (H, V))))


@pytest.mark.parametrize("value", [3.0, -3.0, 2.0**-900, -(2.0**900)])
@pytest.mark.parametrize("stretch", [0.125, -0.125, 0.2])
def test_vectors_that_are_too_long_or_too_short_attain_the_bound(value, stretch):
    """V = 1 + s makes d = (1 + s)^2 lambda, and one of the ends d/(1 -+ e) is lambda itself."""
    (pairs,) = enclosed([[value]], [[1 + stretch]])
    exact, v = Fraction(value), Fraction(1 + stretch)
    assert pairs.low <= exact <= pairs.high
    low, high = sorted([exact, exact * v**2 / (2 - v**2)])
    assert abs(pairs.low - low) <= SMALL * abs(exact)
    assert abs(pairs.high - high) <= SMALL * abs(exact)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("off", [0.25, -0.25, 1e-9])
def test_off_diagonal_entries_widen_by_their_norm(sign, off):
    """The eigenvalues of [[1, c], [c, 1]] are 1 -+ c, the bound is 1 -+ sqrt(2) c."""
    pairs = enclosed([[sign * 1.0, off], [off, sign * 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    values = sorted([sign - abs(Fraction(off)), sign + abs(Fraction(off))])
    for value, each in zip(values, pairs, strict=True):
        assert each.low <= value <= each.high
        assert float(each.high - each.low) == pytest.approx(2 * np.sqrt(2) * abs(off), rel=1e-9)


def test_what_balls_around_zero_may_hold_counts():
    """The matrix may be any [[1, c], [c, 1]] with |c| <= 1/4, whose eigenvalues are 1 -+ c."""
    pairs = enclosed([[1.0, flint.arb(0, 0.25)], [flint.arb(0, 0.25), 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    assert pairs[0].low <= Fraction(3, 4) < Fraction(5, 4) <= pairs[1].high


def test_what_the_bounds_do_not_cover_is_undecided():
    one = [[1.0, 0.0], [0.0, 1.0]]
    for H, V in (
        ([[1.0, 0.4], [0.4, 1.0]], one),  # f = 0.57
        (one, [[1.2, 0.0], [0.0, 1.2]]),  # e = 0.62
        ([[0.0, 0.0], [0.0, 1.0]], one),
    ):
        with pytest.raises(UndecidedError):
            enclosed(H, V)
    assert len(enclosed([[1.0, 0.35], [0.35, 1.0]], one)) == 2  # f = 0.495


def planted(values, seed=0):
    """Return Q D Q^T of given eigenvalues, and Q, rational by Cayley from a skew matrix."""
    rng, n = np.random.default_rng(seed), len(values)
    S = flint.fmpq_mat([[flint.fmpq(int(i < k) * int(rng.integers(-9, 9)), 7) for k in range(n)] for i in range(n)])
    skew, unit = S - S.transpose(), flint.fmpq_mat([[int(i == k) for k in range(n)] for i in range(n)])
    Q = (unit - skew) * (unit + skew).inv()
    rows = [[flint.fmpq(v.numerator, v.denominator) if i == k else 0 for k in range(n)] for i, v in enumerate(values)]
    return Q * flint.fmpq_mat(rows) * Q.transpose(), Q


@pytest.mark.parametrize("seed", range(5))
def test_vectors_of_any_origin(seed):
    """H = Q diag Q^T with a rational Q by Cayley; V is Q but for a perturbation of every size."""
    rng = np.random.default_rng(seed)
    n = 4
    values = sorted(
        Fraction(int(v), 2 ** int(s)) for v, s in zip(rng.choice([-3, 1, 2, 5], n), rng.integers(0, 80, n), strict=True)
    )
    H, Q = planted(values, seed)
    for size in (1e-2, 1e-30, 1e-60):
        noise = flint.fmpq_mat(
            [[flint.fmpq(*(size * x).as_integer_ratio()) for x in row] for row in rng.normal(size=(n, n)).tolist()]
        )
        with precision(512):
            try:
                found = certified(flint, *products(flint.arb_mat(H), flint.arb_mat(Q + noise)))
            except UndecidedError:
                assert size > 1e-60
                continue
        assert all(each.low <= value <= each.high for each, value in zip(found, values, strict=True))


@pytest.mark.parametrize("decades", [1, 12, 70])
@pytest.mark.parametrize("signs", [(1,), (1, -1)])
def test_vectors_are_found_for_all_spreads_signs_and_multiplicities(decades, signs):
    """Eigenvalues from 1 to 10^-decades, two of them double and one beside another by 1e-12 of it, in any units."""
    n = 14
    values = [Fraction(1, 10 ** (decades * k // (n - 5))) * signs[k % len(signs)] for k in range(n - 4)]
    values += [values[0], values[-1], values[3] * (1 + Fraction(1, 10**12)), values[5]]
    H, _ = planted(values, decades)
    for unit in (Fraction(1), Fraction(1, 10**400), Fraction(10**150)):
        with precision(160 + 8 * decades):
            for width in (1e-10, 1e-25):
                found = enclosed_eigenvalues(
                    flint, flint.arb_mat(H * flint.fmpq(unit.numerator, unit.denominator)), width
                )
                exact = [v * unit for v in sorted(values)]
                assert all(each.low <= v <= each.high for each, v in zip(found, exact, strict=True))
                assert max(each.relative_width for each in found) <= width


def test_eigenvalues_may_differ_by_more_than_float64_holds():
    """By a factor of 10^690, in three groups that are far from one another, with signs."""
    values = [1, Fraction(-7, 10**300), Fraction(1, 10**310), Fraction(3, 10**690), Fraction(-1, 10**690)]
    H, _ = planted(values)
    with precision(2600):
        found = enclosed_eigenvalues(flint, flint.arb_mat(H), 1e-10)
    assert all(each.low <= v <= each.high for each, v in zip(found, sorted(values), strict=True))
    assert max(each.relative_width for each in found) <= 1e-10


def test_few_products_are_needed(monkeypatch):
    """Each step finds some fifteen digits: twenty-five need two for the vectors, and two that make them orthonormal."""
    counted = []
    monkeypatch.setattr(orthogonal_certificates, "products", lambda H, V: counted.append(H) or products(H, V))
    values = [Fraction(1, 10 ** (25 * k // 39)) for k in range(40)]
    with precision(192):
        found = enclosed_eigenvalues(flint, flint.arb_mat(planted(values)[0]), 1e-10)
    assert all(each.low <= v <= each.high for each, v in zip(found, sorted(values), strict=True))
    assert len(counted) <= 5


def test_an_eigenvalue_that_is_zero_or_may_be_is_undecided(monkeypatch):
    """After a few steps, whatever the others are: no more would tell."""
    counted = []
    monkeypatch.setattr(orthogonal_certificates, "products", lambda H, V: counted.append(H) or products(H, V))
    for H in ([[1, 1], [1, 1]], [[0, 0], [0, 1]], [[flint.arb(0, 1e-9), 0], [0, 1]], [[float("nan"), 0], [0, 1]]):
        counted.clear()
        with precision(512), pytest.raises(UndecidedError):
            enclosed_eigenvalues(flint, flint.arb_mat(H))
        assert len(counted) <= SETTLED + 2


def test_columns_are_made_nearly_orthonormal_in_their_span():
    """Columns that depend but for 1e-30; those that depend, or may, are undecided."""
    with precision(256):
        small = flint.arb(10) ** -30
        Z = flint.arb_mat([[1, 1], [2, 2 + small], [2, 2], [0, 5 * small]])
        Q = nearly_orthonormal(flint, Z)
        assert departure(flint, Q.transpose() * Q) < 0.25
        for normal in ([2, 0, -1, 0], [10, -5, 0, 1]):  # the span of Z is that of (1, 2, 2, 0) and (0, 1, 0, 5)
            assert all(entry.contains(0) for entry in (flint.arb_mat([normal]) * Q).entries())
        for columns in ([[1, 2], [2, 4]], [[0, 1], [0, 1]], [[flint.arb(1, 0.5), 1], [1, 1]]):
            with pytest.raises(UndecidedError):
                nearly_orthonormal(flint, flint.arb_mat(columns))


@pytest.mark.parametrize(("smallest", "largest", "low", "high"), [((1, 2), (6, 8), 3, 8), ((1, 2), (1, 2), 1, 2)])
def test_condition_numbers_are_bounded_by_the_ends_of_both_eigenvalues(smallest, largest, low, high, monkeypatch):
    """However wide they are; no condition number is below one."""
    ends = tuple(Enclosure(*map(Fraction, pair)) for pair in (smallest, largest))
    monkeypatch.setattr(condition_numbers, "extreme_eigenvalues", lambda *arguments: ends)
    assert exact.certified_condition_number(rk.SplineSpace.uniform(2, 3)) == (low, high)
