"""Rows that algebra and certificates decide: each holds, each altered statement fails, and their tools are right."""

from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import factorial, pi, prod
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.ranks import ranks
from refkan.analysis.exact.spectra.rational import rational_change_of_basis
from tests.shared.tables import each_row
from validation.conditioning import certified_conditions
from validation.conditioning.certified_conditions import (
    START,
    Small,
    at_starts,
    float64_agrees,
    holds,
    proven_lower,
)
from validation.descent.kernels import certified_kernels, kernels_of_both_bases
from validation.descent.kernels.certified_kernels import certified_ratio, proofs, proven, radius
from validation.rationals import rank, sample_points, spline_design, uniform_knots
from validation.theorems import (
    levels_added_up,
    limits_of_bases,
    nullity,
    one_input,
    printed_formulas,
    spectral_constants,
    steps_on_levels,
)
from validation.theorems.drawn_networks import NAMED, Case, posed

flint = pytest.importorskip("flint")


def test_a_wrong_change_of_basis_refutes_what_rests_on_it(monkeypatch):
    right = truth.change_of_basis
    monkeypatch.setattr(truth, "change_of_basis", lambda t, r: [[a * (1 + (i == j)) for j, a in enumerate(each)]
                                                                for i, each in enumerate(right(t, r))])  # fmt: skip
    assert not printed_formulas.cancelling_powers().printed
    assert not printed_formulas.order_of_preconditioner().right


@each_row(
    "values, holds",
    ((2, 3, 2, 3), True),
    ((2, 3, Fraction(5, 2), 2), True),
    ((2, 3, 1, 2), False),  # one below the least
    ((2, 3, 2, 4), False),  # one above the largest
    ((1, 3, 2, 2), False),  # the alternating vector's is not the least
    ((2, 4, 2, 2), False),  # nor that of ones the largest
)
def test_extremes_are_the_least_and_the_largest_of_all_eigenvalues(values, holds):
    """Of the alternating vector, of ones, and of two more orthogonal to both; with the Gram matrix 2 I."""
    vectors = [(1, -1, 1, -1), (1, 1, 1, 1), (1, 1, -1, -1), (1, -1, -1, 1)]
    shares = [flint.fmpq(*Fraction(v, 4).as_integer_ratio()) for v in values]
    product = flint.fmpq_mat(
        [[sum(c * v[i] * v[j] for c, v in zip(shares, vectors, strict=True)) for j in range(4)] for i in range(4)]
    )
    gram = flint.fmpq_mat([[2 * int(i == j) for j in range(4)] for i in range(4)])
    assert levels_added_up.has_extremes(gram, product, Fraction(2), Fraction(3)) == holds


@pytest.mark.parametrize("order", range(1, 7))
def test_periodic_splines_meet_their_own_period_on_less_than_r_intervals(order):
    """The diagonal by which they are scaled is that of the theorem on r intervals or more, an even number, only."""
    own = levels_added_up.cardinal(2 * order, order)
    assert levels_added_up.periodic_gram(order, order + order % 2, Fraction(1))[0, 0] == flint.fmpq(
        *own.as_integer_ratio()
    )
    if order > 1:
        assert levels_added_up.periodic_gram(order, order - 1, Fraction(1))[0, 0] != flint.fmpq(*own.as_integer_ratio())


@pytest.mark.parametrize(("tails", "positive"), [("natural", True), ("linear", False), ("polynomial", False)])
def test_spectra_of_one_input_beyond_the_domain(tails, positive):
    assert one_input.positive_beyond_the_domain(tails) == positive


@pytest.mark.parametrize("inputs", [2, 3])
def test_no_zero_of_a_limit_is_missed_within_the_radius_that_is_stated(inputs, monkeypatch):
    """E_{2,2}(z) = sinh(z^(1/2))/z^(1/2): -pi^2 is the nearest zero; radii are not rounded downwards."""
    radii, right = [], limits_of_bases.zeros_within
    with precision(320):
        monkeypatch.setattr(limits_of_bases, "zeros_within", lambda s, radius: radii.append(radius) or right(s, radius))
        assert limits_of_bases.limits(2, inputs)[2]
        assert all(1.05 * pi**2 <= float(radius) <= 1.06 * pi**2 for radius in radii[1:])
        series = limits_of_bases.mittag_leffler(2, flint.fmpq(0))
        assert [len(limits_of_bases.zeros_within(series, flint.fmpq(k))) for k in (9, 10)] == [0, 1]


@each_row("more, real", (0, 0), (1, 0), (0, 1))
def test_a_zero_is_to_be_the_only_one_and_real(more, real, monkeypatch):
    zero = flint.arb(-10), flint.arb(real)
    monkeypatch.setattr(limits_of_bases, "zeros_within", lambda series, radius: [zero] * (1 + more))
    assert limits_of_bases.limits(2, 2)[2] == (not more and not real)


def test_what_is_left_of_a_constant_for_order_1():
    """Components of 1 along sin((j - 1/2) pi x), whose sum over all j is known to float64."""
    places = np.arange(0.5, 1e6)
    weights, factors = 2 / (places * pi) ** 2, np.log1p(-1 / (2 * places[1:]) ** 2)
    with precision(320):
        for k, enclosed in zip((3, 64), limits_of_bases.constant_left(1, (3, 64), 20, 160), strict=True):
            own = weights[1:] @ np.exp(2 * k * factors)
            assert abs(float(enclosed) - own) <= float(enclosed.rad()) + 1e-6
            assert float(enclosed.rad()) < 0.1 * own
    assert limits_of_bases.constant_of_steps(1) == pytest.approx((2 / pi**3) ** 0.25, rel=1e-11)
    assert (weights[1:] @ np.exp(2 * 10**6 * factors)) ** 0.5 * 10**1.5 == pytest.approx((2 / pi**3) ** 0.25, rel=1e-3)


@each_row(
    "gaps, width, status",
    ((0.6, 0.3, 0.1), 0.0, "holds"),
    ((0.6, 0.3, 0.1), 0.01, "refuted"),
    ((0.6, 0.3, 0.25), 0.0, "refuted"),
    ((0.6, 0.5, 0.1), 0.0, "refuted"),
    ((0.6, 0.3, 0.0), 0.0, "refuted"),
)
def test_errors_near_those_of_many_knots_at_each_doubling(gaps, width, status, monkeypatch):
    """Of full size, by at least a third each time; and balls are narrow."""

    def left(r, steps, *size):
        sizes = [limits_of_bases.constant_of_steps(r) ** 2 / k ** (1 / (2 * r)) for k in steps]
        return [flint.arb(size, width * size) for size in sizes]

    monkeypatch.setattr(limits_of_bases, "constant_left", left)
    monkeypatch.setattr(limits_of_bases, "constant_left_on", lambda r, n, k: left(r, [k])[0] - gaps[n.bit_length() - 5])
    with precision(320):
        assert limits_of_bases.landweber(False).status == status


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradients_at_a_coarse_optimum_follow_a_derivative_that_varies(order):
    """Theorem 2 with y = 3 x^(r+2) - 2 x^(r+1) + x^r, in the middle of [0, 1]: departures fall as n doubles."""
    x, r = steps_on_levels.X, order
    y = slope = 3 * x ** (r + 2) - 2 * x ** (r + 1) + x**r
    for _ in range(r):
        slope = slope.derivative()
    mu, far = levels_added_up.tangent_number(r) / factorial(2 * r - 1), []
    for n in (16, 32):
        pair, h = [rk.SplineSpace.uniform(r, size) for size in (n, 2 * n)], 1 / (2 * n)
        g = steps_on_levels.fine_gradient(pair, y)
        w = rational_change_of_basis(pair[1]).inv() * g
        at = [(i, i * h - (r - 1) * h) for i in range(pair[1].dim)]
        middle = [(i, t) for i, t in at if 0.4 < t + r * h / 2 < 0.6]
        shares = [
            (-1) ** i * float(g[i, 0]) / (mu * h ** (r + 1) / 2**r) / value(slope, t + r * h / 2) for i, t in middle
        ]
        height = 2 * factorial(r - 1) * mu * h ** (2 * r) / 4**r
        new = [float(w[i, 0]) / height / value(slope, t) for i, t in middle if round(t * 2 * n) % 2]
        far.append(max(abs(abs(share) - 1) for share in (*shares, *new)))
        assert len({share > 0 for share in shares}) == len({share > 0 for share in new}) == 1
    assert far[1] < 0.6 * far[0]
    assert far[1] < 0.04


def value(polynomial, x):
    return float(polynomial(flint.fmpq(*float(x).as_integer_ratio())))


def test_schedules_with_shares_on_the_bound_are_those_of_the_criterion(monkeypatch):
    """Of squares 1, 1, 2 the coarse levels have exactly 1/4 and 1/2."""
    right, drawn = np.random.default_rng, SimpleNamespace(integers=lambda low, high, size: np.array([12, 6, 4]))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: drawn if seed == 5 else right(seed))
    made = steps_on_levels.schedules(True)
    assert (made.status, made.mutations["shares at most 3^(j-J)"]) == ("holds", "refuted")


def test_constants_of_levels_and_spectra():
    assert [levels_added_up.tangent_number(r) for r in range(1, 6)] == [1, 2, 16, 272, 7936]
    assert [levels_added_up.cardinal(4, x) for x in range(5)] == [0, Fraction(1, 6), Fraction(2, 3), Fraction(1, 6), 0]
    for r in range(1, 6):  # mu(pi) by its values, and by tangent numbers
        symbol = sum((-1) ** (k % 2) * levels_added_up.cardinal(2 * r, r + k) for k in range(-r, r + 1))
        assert symbol == Fraction(levels_added_up.tangent_number(r), 1) / factorial(2 * r - 1)
    low, high = spectral_constants.volterra_norm(1)
    assert float(low) <= 4 / pi**2 * (1 + 1e-11)
    assert 4 / pi**2 <= float(high)
    assert steps_on_levels.decay(2) == pytest.approx(2 - 3**0.5, rel=1e-12)
    n = 400  # (I - N)^-r at midpoints approximates V^r
    V = (np.tril(np.ones((n, n))) - 0.5 * np.eye(n)) / n
    low, high = spectral_constants.volterra_norm(3)
    assert np.linalg.norm(V @ V @ V, 2) ** 2 == pytest.approx(float(low), rel=1e-4)


pytest.importorskip("flint")

FEW = (
    Case((2, 2, 1), 2, (2, 2)),
    Case((1, 3, 1), 3, (1, 2)),
    Case((2, 2, 1), 2, (1, 3), "partial"),
    Case((1, 2, 1), 5, (1, 1)),
)


@pytest.mark.parametrize("off", [-1, 1])
def test_a_rank_off_by_one_turns_it(off, monkeypatch):
    right = ranks.rank_of_matrix
    monkeypatch.setattr(ranks, "rank_of_matrix", lambda *a: replace(r := right(*a), low=r.low + off, high=r.high + off))
    assert nullity.verdict(list(nullity.measure(iter(FEW[:1])))).status == "refuted"


@pytest.mark.parametrize(("P", "n", "r"), [(1, 1, 4), (1, 3, 3), (2, 1, 3), (2, 2, 2), (2, 2, 3), (3, 1, 2)])
def test_products_of_splines_have_the_dimensions_of_the_theorem(P, n, r):
    """Ranks over the rationals of all products of at most j functions, at points enough for their degrees."""
    knots = uniform_knots(r, n)
    points = [x for part in sample_points(knots, r, 2 * (r - 1) + 1) for x in part]
    values = spline_design(knots, r, points)
    functions = [
        [values[index[p]][i] for index in product(range(len(points)), repeat=P)]
        for p in range(P)
        for i in range(len(values[0]))
    ]
    sizes = [1]
    for j in (1, 2):
        products = [
            list(map(prod, zip(*chosen, strict=True))) for chosen in combinations_with_replacement(functions, j)
        ]
        sizes.append(rank(products))
    assert [1, sizes[1] - 1, sizes[2] - sizes[1]][:r] == nullity.new_powers(P, n, r)[:3]


@pytest.mark.parametrize(("case", "expected"), list(zip(NAMED, (23, 37, 19, 27, 29, 9, 45), strict=True)))
def test_networks_that_were_counted_wrongly(case, expected):
    assert nullity.predict(case, posed(case, 1)[2]).nullity == expected


def test_rotations_behind_the_first_hidden_layer_are_no_bound():
    """All pieces are quadratic: outputs are polynomials of degree 8, and nine samples reach the rank.

    The 55 rotations of the second hidden layer would make the sum 242, where the nullity is 240.
    """
    case = Case((1, 6, 11, 1), 3, (1, 1, 1))
    problem, theta, inputs = posed(case, 1)
    few = rk.LeastSquares(problem.net, problem.x[:9], np.zeros((9, 1)))
    assert rk.exact.certified_rank(few, theta).rank == 9
    assert nullity.predict(case, inputs).nullity == 242 - 55 < problem.net.n_params - 9
    assert nullity.predict(Case((2, 2, 1), 3, (1, 1)), posed(Case((2, 2, 1), 3, (1, 1)), 1)[2]).terms["rotations"] == 1


def test_touching_breakpoints_are_chained():
    a, b, c = {(0, 0)}, {(0, 0), (1, 1)}, {(1, 1)}
    assert nullity.chained([a, b, c])
    assert not nullity.chained([a, c])


SMALL = (Small((2, 1, 1), 3, (1, 3), samples=20), Small((2, 1, 1), 6, (2, 10), samples=34, states=(START,)))


@pytest.fixture(scope="module")
def conditions():
    return certified_conditions.measure(SMALL)


@pytest.fixture(scope="module")
def kernels():
    return proofs((1, 2, 3, 4, 5), (4,))


def test_bases_exchanged_prove_nothing(monkeypatch):
    right = certified_conditions.enclosed
    exchanged = {"spline": "relu", "relu": "spline", "scaled-relu": "scaled-relu"}
    monkeypatch.setattr(
        certified_conditions, "enclosed", lambda p, m, basis, width: right(p, m, exchanged[basis], width)
    )
    found = certified_conditions.measure(SMALL[:1])
    assert not proven_lower(at_starts(found))
    assert not holds(found)


def test_an_enclosure_that_is_off_by_a_hundred_thousandth_does_not_agree(conditions):
    spoilt = deepcopy(conditions)
    low, high = spoilt[0]["bounds"]["relu"]
    spoilt[0]["bounds"]["relu"] = low * (1 + 1e-5), high * (1 + 1e-5)
    assert float64_agrees(conditions)
    assert not float64_agrees(spoilt)
    assert not holds(spoilt)


def test_without_a_number_beyond_1e20_nothing_holds(conditions):
    assert not holds(conditions[:1])


@pytest.mark.parametrize("rows", [[[3, 4]], [[1, 0, 0], [0, 2, 0]], [[1, 1], [1, 1], [0, 0]], [[2, 0], [0, 2]]])
def test_radii_of_known_matrices(rows):
    with flint.ctx.workprec(certified_kernels.BITS):
        found = radius(flint, flint.arb_mat(rows))
        expected = np.linalg.norm(np.array(rows, float), 2) ** 2
        assert abs(found - round(expected)).upper() < 1e-13
        assert found.contains(round(expected))


@pytest.mark.parametrize(
    "case", [kernels_of_both_bases.Case(2, 3, (2, 3, 1), m, 0) for m in ("affine", "mean-std", "sigmoid")]
)
def test_ratios_hold_those_of_float64(case):
    net, theta, x = case.build(6)
    low, high = certified_ratio(net, theta, x)
    assert low <= high <= low * (1 + 1e-12)
    assert kernels_of_both_bases.kernel_ratio(net, theta, x) == pytest.approx(low, rel=1e-9)


def test_kernels_are_proven_and_spoilt_ones_are_not(kernels):
    assert proven(kernels, 4.0)
    assert not proven(kernels, 16.0)
    for group, number in (("norms", 1), ("near the counterexample", 0), ("wide", 0)):
        spoilt = deepcopy(kernels)
        spoilt[group][number]["bounds"] = tuple(bound / 5.0 for bound in spoilt[group][number]["bounds"])
        assert not proven(spoilt, 4.0)
    inside = deepcopy(kernels)
    inside["one layer, one sample"][0]["bounds"] = (1.0, 1.0 + 1e-9)
    assert not proven(inside, 4.0)


def test_a_wrong_change_of_basis_is_noticed(monkeypatch):
    right = certified_kernels.matrix_of_basis
    monkeypatch.setattr(certified_kernels, "matrix_of_basis", lambda *a: (right(*a)[0] * flint.fmpq(1, 2), None))
    assert not proven(proofs((1, 2, 3, 4, 5), (4,)), 4.0)


def test_the_counterexample_itself_lies_on_a_knot():
    x = np.array([[2.0], [3.0], [4.0]]) / 8.0
    net, _ = rk.kan([1, 1, 1], 2, 8, node_map="mean-std").initialize(np.random.default_rng(0), x)
    greville = rk.SplineSpace.uniform(2, 8).greville
    with pytest.raises(rk.truth.UndecidedError):
        certified_ratio(net, np.concatenate([greville, 100 * greville]), x)
