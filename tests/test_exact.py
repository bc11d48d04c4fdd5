"""Certificates: exact matrices against the definitions, enclosures against mpmath, Arb and exact definiteness."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from factories import exact as fractions
from factories import space as make

import refkan as rk
from refkan import definitions, exact
from refkan.errors import ConvergenceError, KnotError
from refkan.exact import rational, spectrum
from refkan.exact.enclosures import Enclosure
from refkan.exact.extra import precision
from refkan.exact.perron import Congruence, UndecidedError, collatz_wielandt, extreme_eigenvalue

flint = pytest.importorskip("flint")

MATRICES = ("AtA", "gram", "relu_gram")
EPS = np.finfo(np.float64).eps


def uniform_random(order, dim, seed=0):
    """All knots uniformly distributed: very uneven spacing."""
    rng = np.random.default_rng([seed, order, dim])
    return rk.SplineSpace(np.sort(rng.uniform(size=dim + order)), order)


def dense(space, which):
    """Return the matrix whose spectrum is certified, rational and built without the bands."""
    A = exact.rational_change_of_basis(space)
    if which == "AtA":
        return A.transpose() * A
    if which == "AAt":
        return A * A.transpose()
    return exact.rational_gram(space, "spline" if which == "gram" else "relu")


def is_positive_definite(matrix):
    """Whether a rational symmetric matrix is positive definite, by the signs of its exact pivots."""
    rows = [list(row) for row in matrix.tolist()]
    for i, row in enumerate(rows):
        if not row[i] > 0:
            return False
        for below in rows[i + 1 :]:
            factor = below[i] / row[i]
            below[:] = [b - factor * a for a, b in zip(row, below, strict=True)]
    return True


def shifted(matrix, shift, sign=1):
    """Return sign (matrix - shift)."""
    identity = flint.fmpq_mat(
        matrix.nrows(), matrix.nrows(), [int(i % (matrix.nrows() + 1) == 0) for i in range(matrix.nrows() ** 2)]
    )
    return flint.fmpq(sign) * (matrix - flint.fmpq(shift.numerator, shift.denominator) * identity)


def is_enclosure(matrix, smallest, largest):
    """Whether the extreme eigenvalues lie in the enclosures: decided exactly, with no theorem on signs."""
    return (
        (is_positive_definite(shifted(matrix, smallest.low)) or smallest.low == smallest.high)
        and not is_positive_definite(shifted(matrix, smallest.high))
        and (is_positive_definite(shifted(matrix, largest.high, -1)) or largest.low == largest.high)
        and not is_positive_definite(shifted(matrix, largest.low, -1))
    )


# Exact matrices


@pytest.mark.parametrize("order", range(1, 8))
@pytest.mark.parametrize("kind", ["random", "graded", "offset"])
def test_change_of_basis_is_the_definition(kind, order):
    for intervals in (1, 2, 4):
        space = make(kind, order, intervals)
        t = fractions(space.knots)
        A = exact.as_fractions(exact.rational_change_of_basis(space))
        assert definitions.change_of_basis(t, order) == A
        assert definitions.change_of_basis_divided_differences(t, order) == A
        h = (t[-order] - t[order - 1]) / intervals
        scaled = exact.as_fractions(exact.rational_change_of_basis(space, scaled=True))
        assert scaled == [[a * h ** (order - 1) for a in row] for row in A]


def newton_cotes(count):
    """Weights on [0, 1] of the points (k + 1/2)/count, exact for degree below count."""
    nodes = [Fraction(2 * k + 1, 2 * count) for k in range(count)]
    weights = []
    for j, node in enumerate(nodes):
        poly = [Fraction(1)]  # coefficients of the Lagrange polynomial, constant first
        for other in nodes[:j] + nodes[j + 1 :]:
            poly = [(a - other * b) / (node - other) for a, b in zip([0, *poly], [*poly, 0], strict=True)]
        weights.append(sum(c / (k + 1) for k, c in enumerate(poly)))
    return nodes, weights


def gram_by_definition(space, function):
    t, order = fractions(space.knots), space.order
    nodes, weights = newton_cotes(2 * order - 1)
    G = [[Fraction(0)] * space.dim for _ in range(space.dim)]
    for m in range(order - 1, order - 1 + space.intervals):
        for node, weight in zip(nodes, weights, strict=True):
            h = t[m + 1] - t[m]
            values = [function(t, order, i, t[m] + h * node) for i in range(space.dim)] if h else [0] * space.dim
            for i, a in enumerate(values):
                for j, b in enumerate(values):
                    G[i][j] += h * weight * a * b
    return G


@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("kind", ["random", "graded", "clamped", "repeated"])
def test_gram_matrices_are_integrals_of_the_definitions(kind, order):
    space = make(kind, order, 3)
    assert exact.as_fractions(exact.rational_gram(space)) == gram_by_definition(space, definitions.bspline)
    if kind in ("random", "graded"):
        G = gram_by_definition(space, definitions.truncated_power)
        assert exact.as_fractions(exact.rational_gram(space, "relu")) == G
        h = rational.spacing(space)
        scaled = exact.rational_gram(space, "relu", scaled=True)
        assert scaled * h ** (2 * order - 2) == exact.rational_gram(space, "relu")


@pytest.mark.parametrize("order", [1, 3, 6])
def test_float_matrices_agree(order):
    space = make("random", order, 6)
    A = np.array([[float(a) for a in row] for row in exact.as_fractions(exact.rational_change_of_basis(space))])
    # r divisions and subtractions of numbers no larger than the result's own row
    np.testing.assert_allclose(rk.ChangeOfBasis(space).dense(), A, rtol=4 * order * EPS, atol=0)
    G = np.array([[float(a) for a in row] for row in exact.as_fractions(exact.rational_gram(space))])
    np.testing.assert_allclose(rk.bsplines.gram_matrix(space).toarray(), G, rtol=0, atol=8 * order * EPS * G.max())


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("dim", [5, 9])
def test_bands_of_products(order, dim):
    space = uniform_random(order, dim)
    for which in ("AtA", "AAt"):
        band = rational.normal_band(rational.change_of_basis_band(space), transposed=which == "AAt")
        X = dense(space, which)
        for k in range(dim):
            diagonal = band[k] if k < len(band) else [0] * (dim - k)
            assert all(X[i, i + k] == entry for i, entry in enumerate(diagonal))


def test_sabotage_of_the_recursion_is_noticed():
    space = make("random", 3, 3)
    moved = rk.SplineSpace(np.append(space.knots[1:], space.knots[-1] + 1.0), 3)
    t = fractions(space.knots)
    assert exact.as_fractions(exact.rational_change_of_basis(moved)) != definitions.change_of_basis(t, 3)
    assert exact.as_fractions(exact.rational_gram(moved)) != gram_by_definition(space, definitions.bspline)


# Enclosures and their rounding


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Fraction(1, 3), (1 / 3, math.nextafter(1 / 3, 1.0))),
        (Fraction(1, 10), (math.nextafter(0.1, 0.0), 0.1)),
        (Fraction(-1, 3), (-math.nextafter(1 / 3, 1.0), -1 / 3)),
        (Fraction(5, 4), (1.25, 1.25)),
        (Fraction(0), (0.0, 0.0)),
        (Fraction(1, 10**400), (0.0, 5e-324)),
        (Fraction(-1, 10**400), (-5e-324, -0.0)),
        (Fraction(10**400), (sys.float_info.max, math.inf)),
        (Fraction(-(10**400)), (-math.inf, -sys.float_info.max)),
        (Fraction(sys.float_info.max) + 1, (sys.float_info.max, math.inf)),
        (Fraction(sys.float_info.max), (sys.float_info.max, sys.float_info.max)),
    ],
)
def test_outward_rounding(value, expected):
    assert Enclosure(value, value).floats() == expected


def test_outward_rounding_of_random_rationals(rng):
    for p, q in rng.integers(1, 2**62, (200, 2)).tolist():
        low, high = Enclosure(Fraction(p, q), Fraction(p, q)).floats()
        assert Fraction(low) <= Fraction(p, q) <= Fraction(high) <= Fraction(math.nextafter(low, math.inf))


def test_enclosures_refuse_nonsense():
    with pytest.raises(ValueError, match="low must not exceed high"):
        Enclosure(Fraction(2), Fraction(1))
    one, zero = Enclosure(Fraction(1), Fraction(1)), Enclosure(Fraction(-1), Fraction(1))
    with pytest.raises(ValueError, match="two positive numbers"):
        one.quotient(zero)
    assert (one.sign, zero.sign, zero.relative_width, one.relative_width) == (1, 0, math.inf, 0.0)
    assert Enclosure(Fraction(10**400), Fraction(10**400)).midpoint == math.inf


# Extreme eigenvalues


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("kind", ["uniform", "random", "graded", "uneven"])
def test_extreme_eigenvalues_decided_exactly(kind, order, which):
    space = uniform_random(order, 7) if kind == "uneven" else make(kind, order, 5)
    smallest, largest = exact.extreme_eigenvalues(space, which)
    assert is_enclosure(dense(space, which), smallest, largest)
    assert max(smallest.relative_width, largest.relative_width) <= 2.0**-58


@pytest.mark.parametrize("which", MATRICES)
def test_exact_decision_refuses_shifted_enclosures(which):
    space = uniform_random(3, 7)
    smallest, largest = exact.extreme_eigenvalues(space, which)
    X = dense(space, which)
    for factor in (1 + Fraction(1, 10**16), 1 - Fraction(1, 10**16)):
        moved = Enclosure(smallest.low * factor, smallest.high * factor)
        assert not is_enclosure(X, moved, largest)
        moved = Enclosure(largest.low * factor, largest.high * factor)
        assert not is_enclosure(X, smallest, moved)


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize("order", [2, 4])
def test_extreme_eigenvalues_contain_those_of_mpmath(order, which):
    space = uniform_random(order, 16)
    enclosures = exact.extreme_eigenvalues(space, which)
    with mpmath.workdps(150):
        X = mpmath.matrix(
            [[mpmath.mpf(a.numerator) / a.denominator for a in row] for row in exact.as_fractions(dense(space, which))]
        )
        values = mpmath.eigsy(X, eigvals_only=True)
        for enclosure, value in zip(enclosures, (min(values), max(values)), strict=True):
            low, high = (mpmath.mpf(end.numerator) / end.denominator for end in (enclosure.low, enclosure.high))
            assert low <= value <= high


def test_step_functions_have_known_eigenvalues():
    dim = 300
    smallest, largest = exact.extreme_eigenvalues(rk.SplineSpace.uniform(1, dim))
    with mpmath.workdps(40):
        for k, enclosure in ((1, smallest), (dim, largest)):
            value = 4 * mpmath.sin((2 * k - 1) * mpmath.pi / (4 * dim + 2)) ** 2
            assert mpmath.mpf(enclosure.low.numerator) / enclosure.low.denominator <= value
            assert value <= mpmath.mpf(enclosure.high.numerator) / enclosure.high.denominator


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
        matrix = Congruence.of(space, which).rounded(flint.arb)
        signs = [(-1) ** i if end == matrix.alternating else 1 for i in range(space.dim)]
        for _ in range(20):
            z = [flint.arb(x) for x in rng.uniform(0.1, 1.0, space.dim)]
            if end == "smallest":  # a vector whose image is positive: z = M^-1 x
                y = matrix.solve_shifted(flint.arb(0), [s * x for s, x in zip(signs, z, strict=True)])
                z = [s * x for s, x in zip(signs, y, strict=True)]
            image = matrix.multiply([s * x for s, x in zip(signs, z, strict=True)])
            low, high = collatz_wielandt([s * x for s, x in zip(signs, image, strict=True)], z)
            bounds = Enclosure.between(low, high)
            assert bounds.low <= enclosure.low <= enclosure.high <= bounds.high


@pytest.mark.parametrize("which", MATRICES)
def test_wrong_signs_give_no_certificate(which):
    with precision(256):
        right = Congruence.of(make("random", 3, 6), which).rounded(flint.arb)
        other = "smallest" if right.alternating == "largest" else "largest"
        wrong = Congruence(right.K, right.metric, right.deltas, other)
        for end in ("smallest", "largest"):
            extreme_eigenvalue(right, end, flint.arb(1))
            with pytest.raises(UndecidedError):
                extreme_eigenvalue(wrong, end, flint.arb(1))


def test_a_wrong_entry_is_noticed():
    space = make("random", 3, 6)
    matrix = Congruence.of(space, "AtA")
    matrix.K[1][2] *= 1 + flint.fmpq(1, 10**12)
    with precision(256):
        balls = matrix.rounded(flint.arb)
        ends = [extreme_eigenvalue(balls, end, flint.arb(1)) for end in ("smallest", "largest")]
    assert not is_enclosure(dense(space, "AtA"), *ends)


def test_scaled_relu_powers():
    space = rk.SplineSpace.uniform(3, 5, (0.0, 2.5))  # h = 1/2 exactly
    for which, factor in (("AtA", Fraction(1, 16)), ("relu_gram", Fraction(16))):
        plain, scaled = (exact.extreme_eigenvalues(space, which, scaled=s) for s in (False, True))
        for a, b in zip(plain, scaled, strict=True):
            assert max(a.low * factor, b.low) <= min(a.high * factor, b.high)


# Condition numbers


def test_condition_number_of_order_six_at_dim_200():
    space = rk.SplineSpace.uniform(6, 195)
    low, high = exact.certified_condition_number(space)
    assert low < high <= math.nextafter(math.nextafter(low, math.inf), math.inf)
    assert low == pytest.approx(1.0520500506663970e25, rel=1e-13)
    # Float64 finds both ends when neither is drowned by the other: singular values of A, and of the non-negative A^-1.
    A = rk.ChangeOfBasis(space)
    condition = (np.linalg.norm(A.dense(), 2) * np.linalg.norm(A.solve(np.eye(space.dim)), 2)) ** 2
    assert low == pytest.approx(condition, rel=8 * space.dim * EPS)


@pytest.mark.parametrize("which", MATRICES)
def test_condition_numbers_are_neighbouring_floats(which):
    for space in (rk.SplineSpace.uniform(4, 30), uniform_random(4, 30), make("graded", 3, 8)):
        low, high = exact.certified_condition_number(space, which)
        assert 1 <= low < high <= math.nextafter(math.nextafter(low, math.inf), math.inf)
        smallest, largest = exact.extreme_eigenvalues(space, which)
        assert Fraction(low) <= largest.low / smallest.high <= largest.high / smallest.low <= Fraction(high)


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


# Precision


@pytest.mark.parametrize("which", MATRICES)
def test_too_few_bits_say_how_many_would_do(which):
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match=r"bits = 48 is too low a precision .*; \d+ bits would do") as caught:
        exact.certified_condition_number(space, which, bits=48)
    enough = int(str(caught.value).split(";")[1].split()[0])
    assert exact.certified_condition_number(space, which, bits=enough) == exact.certified_condition_number(space, which)


def test_bits_and_names_are_checked():
    space = rk.SplineSpace.uniform(2, 3)
    for function in (exact.certified_condition_number, exact.extreme_eigenvalues, exact.eigenpairs):
        with pytest.raises(ValueError, match="bits must be at least 32; got 8"):
            function(space, bits=8)
        with pytest.raises(TypeError, match="bits must be an integer"):
            function(space, bits=128.0)
        with pytest.raises(ValueError, match="which must be one of 'AtA'"):
            function(space, "A")
    with pytest.raises(ValueError, match="basis must be one of"):
        exact.rational_gram(space, "hat")


def test_precision_of_flint_is_put_back():
    before = flint.ctx.prec
    exact.certified_condition_number(rk.SplineSpace.uniform(2, 5), bits=200)
    with pytest.raises(ConvergenceError):
        exact.certified_condition_number(rk.SplineSpace.uniform(6, 40), bits=48)
    assert flint.ctx.prec == before


def test_knots_are_checked():
    clamped = rk.SplineSpace.clamped(3, [0, 1, 2])
    for which in ("AtA", "relu_gram"):
        with pytest.raises(KnotError, match="strictly increasing"):
            exact.certified_condition_number(clamped, which)
    with pytest.raises(KnotError, match="strictly increasing"):
        exact.rational_gram(clamped, "relu")
    outside = rk.SplineSpace([-1.0, 0.0, 0.0, 1.0, 2.0, 3.0], 2)
    with pytest.raises(KnotError, match=r"B-spline 0 vanishes on the domain \[0.0, 2.0\]"):
        exact.certified_condition_number(outside, "gram")


# All eigenpairs


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([], (0, 0)),
        ([1], (0, 0)),
        ([0], (0, 0)),
        ([1, -1, 1], (2, 2)),
        ([1, 0, -1], (1, 1)),
        ([1, 0, 0, -1], (1, 3)),
        ([1, 0, 1], (0, 2)),
        ([0, 1], (0, 1)),
        ([0, 0, 0], (0, 2)),
    ],
)
def test_sign_changes(signs, expected):
    assert exact.sign_changes(signs) == expected


@pytest.mark.parametrize("which", spectrum.MATRICES)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_eigenpairs_overlap_those_of_arb(order, which):
    space = uniform_random(order, 12)
    pairs = exact.eigenpairs(space, which)
    with precision(512):
        values, right = flint.acb_mat(flint.arb_mat(dense(space, which))).eig(right=True)
        ranks = sorted(range(12), key=lambda k: values[k].real.mid())
        for k, index in enumerate(ranks):
            assert overlap(pairs.values[k], values[index].real)
            column = [right[i, index] for i in range(12)]
            pivot = max(range(12), key=lambda i: abs(column[i]).mid())
            for i in range(12):
                assert overlap(pairs.vectors[k][i], (column[i] / column[pivot]).real)
                assert abs(pairs.vectors[k][i].midpoint) <= 1 + EPS
    assert max(value.relative_width for value in pairs.values) < 1e-40


def overlap(enclosure, ball):
    other = Enclosure.between(ball, ball)
    return max(enclosure.low, other.low) <= min(enclosure.high, other.high)


def test_extreme_eigenvalues_are_the_first_and_the_last():
    space = uniform_random(3, 20)
    for which in MATRICES:
        pairs = exact.eigenpairs(space, which)
        for a, b in zip(exact.extreme_eigenvalues(space, which), (pairs.values[0], pairs.values[-1]), strict=True):
            assert max(a.low, b.low) <= min(a.high, b.high)


@pytest.mark.parametrize("order", range(1, 6))
def test_eigenvectors_are_ordered_by_smoothness(order):
    space = uniform_random(order, 24)
    ascending = tuple(range(24))
    assert exact.eigenpairs(space, "AtA").sign_changes == ascending
    assert exact.eigenpairs(space, "AAt").sign_changes == ascending
    if order > 1:
        assert exact.eigenpairs(space, "gram").sign_changes == ascending[::-1]
    assert exact.eigenpairs(space, "relu_gram").sign_changes == ascending[::-1]


def test_sign_changes_at_dim_100():
    assert exact.eigenpairs(uniform_random(3, 100), bits=1024).sign_changes == tuple(range(100))


def test_exact_zeros_stay_undecided_and_do_not_count():
    pairs = exact.eigenpairs(rk.SplineSpace.uniform(1, 7))  # 2 dim + 1 = 15 = 3 * 5
    zeros = tuple((k, i) for k in range(7) for i in range(7) if (2 * k + 1) * (2 * i + 1) % 15 == 0)
    assert len(zeros) > 0
    assert pairs.undecided == zeros
    assert pairs.sign_changes == tuple(range(7))


def test_too_few_bits_leave_signs_undecided():
    pairs = exact.eigenpairs(uniform_random(2, 60), bits=160)
    assert None in pairs.sign_changes
    assert all(changes in (None, k) for k, changes in enumerate(pairs.sign_changes))
    assert exact.eigenpairs(uniform_random(2, 60)).sign_changes == tuple(range(60))


def test_eigenvalues_that_do_not_come_apart():
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match="too low a precision to isolate the eigenvalues of 'AtA'; 80 bits"):
        exact.eigenpairs(space, bits=40)
    with pytest.raises(ConvergenceError, match="no precision up to 4096 bits suffices to isolate"):
        exact.eigenpairs(rk.SplineSpace.uniform(1, 4, (0.0, 4.0)), "gram")  # the identity


def leave_rough(monkeypatch, choose=list):
    """Make `eigenpairs` work with vectors that are right to 53 bits."""
    find = spectrum._approximate_vectors

    def rough(module, balls):
        return choose([[flint.arb(float(x)) for x in vector] for vector in find(module, balls)])

    def no_solution(matrix, shift, v):
        raise ZeroDivisionError

    monkeypatch.setattr(spectrum, "_approximate_vectors", rough)
    monkeypatch.setattr(Congruence, "solve_shifted", no_solution)


def test_rough_vectors_still_give_true_enclosures(monkeypatch):
    space = make("random", 2, 8)
    true = exact.eigenpairs(space)
    leave_rough(monkeypatch)
    pairs = exact.eigenpairs(space, bits=256)
    for wide, narrow in zip(pairs.values, true.values, strict=True):
        assert wide.low <= narrow.low <= narrow.high <= wide.high
        assert 1e-20 < wide.relative_width < 1e-10
    for wide, narrow in zip(pairs.vectors, true.vectors, strict=True):
        assert all(a.low <= b.low <= b.high <= a.high for a, b in zip(wide, narrow, strict=True))


@pytest.mark.parametrize("which", range(8))
def test_a_vector_twice_is_noticed(monkeypatch, which):
    leave_rough(monkeypatch, lambda vectors: [*vectors[:-1], vectors[which]])
    with pytest.raises(ConvergenceError, match="no precision"):
        exact.eigenpairs(make("random", 2, 8))


# The extra


def test_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    space = rk.SplineSpace.uniform(2, 3)
    for call in (
        lambda: exact.certified_condition_number(space),
        lambda: exact.certified_condition_number(space, "gram"),
        lambda: exact.extreme_eigenvalues(space),
        lambda: exact.eigenpairs(space, "relu_gram"),
        lambda: exact.rational_change_of_basis(space),
        lambda: exact.rational_gram(space),
    ):
        with pytest.raises(ImportError, match=r"needs the extra: pip install 'refkan\[exact\]'"):
            call()


def test_importing_does_not_need_the_extra():
    code = "import sys; sys.modules['flint'] = sys.modules['mpmath'] = None; import refkan.exact"
    subprocess.run([sys.executable, "-c", code], check=True)
