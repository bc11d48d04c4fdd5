"""Bounds of errors by comparison and by eigenfunctions: where they are attained, and against sums of many digits."""

from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.solutions import bounds_of_errors
from refkan.analysis.exact.solutions.bounds_of_errors import Comparison, by_eigenfunctions, comparisons
from tests.shared.refusals import refused

PI = float(np.pi)


def bounds(sides, q, slopes=None, constant=True):
    """The least factor of |delta|, and of |rho|, each over all comparison functions."""
    ends = Intervals.of(np.asarray(q, float)) if np.ndim(q) == 0 else Intervals(*map(np.asarray, q))
    found = [
        *comparisons(Intervals.of(np.array(sides)), ends, np.ones(len(sides)) if slopes is None else slopes, constant)
    ]
    return tuple(min((getattr(f, name) for f in found), default=np.inf) for name in ("boundary", "source"))


@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_in_one_dimension_the_waves_are_attained(length, share):
    """e'' + K e = 0 with e = 1 at the ends has the maximum 1/cos(k L/2), and with -1 and zeros one less, over K."""
    K = (share * PI / length) ** 2
    with mpmath.workdps(40):
        H = 1 / mpmath.cos(mpmath.sqrt(K) * length / 2)
        source = (H - 1) / K
        boundary, of_source = bounds([length], K)
        assert H <= boundary <= H * (1 + 1e-11)
        assert source <= of_source <= source * (1 + 1e-9)
    assert bounds([length], (PI / length) ** 2 * (1 + 1e-12)) == (np.inf, np.inf)


@pytest.mark.parametrize("sides", [(1.0, 1.0), (1.0, 8.0), (2.0, 1.0, 0.5)])
@pytest.mark.parametrize("share", [0.1, 0.7, 0.98])
def test_below_the_first_eigenvalue_there_is_a_bound_that_the_first_mode_keeps(sides, share):
    """With e the first mode, rho = (K - lambda_1) e: max |e| = 1 <= (lambda_1 - K) times the factor of |rho|."""
    first = sum((PI / side) ** 2 for side in sides)
    boundary, source = bounds(sides, share * first)
    assert 1 / (first * (1 - share)) <= source < np.inf
    assert 1 < boundary < np.inf
    assert bounds(sides, first * (1 + 1e-9)) == (np.inf, np.inf)


def test_without_waves_and_with_reactions():
    assert bounds([2.0, 1.0], 0.0) == (1.0, pytest.approx(1 / 8, rel=1e-14))
    assert bounds([2.0, 1.0], 0.0)[1] >= 1 / 8
    assert bounds([2.0, 1.0], -100.0) == (1.0, pytest.approx(0.01, rel=1e-14))
    assert bounds([2.0, 1.0], (-9.0, -4.0))[1] == pytest.approx(1 / 8)


def test_functions_of_coefficients_are_those_of_the_table():
    """m/(m - K W) and W/(m - K W) for each input with K W < m, and 1/r, over Fractions, rounded upwards."""
    rng = np.random.default_rng(3)
    for _ in range(300):
        sides, slopes = rng.uniform(0.1, 3.0, (2, int(rng.integers(1, 4))))
        low, high = np.sort(rng.choice([-1.0, 0.0, 1.0], 2) * 10.0 ** rng.uniform(-2, 1.5, 2))
        K, expected = Fraction(max(high, 0.0)), [Comparison(1, -1 / Fraction(high))] if high < 0 else []
        for m, W in ((Fraction(m), Fraction(side) ** 2 / 8) for m, side in zip(slopes, sides, strict=True)):
            if m > K * W:
                expected.append(Comparison(m / (m - K * W), W / (m - K * W)))
        made = [*comparisons(Intervals.of(sides), Intervals(*map(np.asarray, (low, high))), slopes, False)]
        assert len(made) == len(expected)
        for ours, exact in zip(sorted(made), sorted(expected), strict=True):
            for end, number in zip(ours, exact, strict=True):
                assert number <= Fraction(end) <= number * (1 + Fraction(exact.boundary) * Fraction(1e-14))


def test_bounds_of_errors_are_rounded_upwards():
    rng = np.random.default_rng(5)
    for boundary, source, delta, residual in 10.0 ** rng.uniform(-4, 4, (400, 4)):
        exact = Fraction(boundary) * Fraction(delta) + Fraction(source) * Fraction(residual)
        assert exact <= Fraction(Comparison(boundary, source).bound(delta, residual)) <= exact * (1 + Fraction(2e-15))


CASES = [((1.0,), 50.0), ((1.0, 1.0), 36.0), ((1.0, 2.5), 20.0), ((1.0, 0.5, 0.75), 100.0)]


@pytest.mark.parametrize(("sides", "q"), CASES)
def test_sums_over_eigenfunctions(sides, q):
    """Against a sum of many more terms, which the bound exceeds by little; and modes alone attain a part of it."""
    terms = {1: 100_000, 2: 1500, 3: 150}[len(sides)]
    axes = np.meshgrid(*[(PI * np.arange(1, terms + 1) / side) ** 2 for side in sides], sparse=True)
    eigenvalues = sum(axes)
    total = np.sqrt(2.0 ** len(sides) * np.sum((eigenvalues - q) ** -2.0))
    factor = by_eigenfunctions(Intervals.of(np.array(sides)), Intervals.of(np.asarray(q)))
    assert total * (1 - 1e-9) <= factor <= total * 1.05
    assert factor >= 1 / np.abs(eigenvalues - q).min()


def test_terms_that_are_left_out_of_the_sum_are_bounded(monkeypatch):
    """Most of them, in rectangles of any shape: they begin beyond the smaller of the two reaches."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(bounds_of_errors, "RESOLVED", 1.0)
    for sides in 10.0 ** rng.uniform(-1, 0, (200, 2)):
        eigenvalues = sum(np.meshgrid(*[(PI * np.arange(1, 301) / side) ** 2 for side in sides], sparse=True))
        total = 2 * np.sqrt(np.sum(eigenvalues**-2.0))
        factor = by_eigenfunctions(Intervals.of(sides), Intervals.of(np.asarray(0.0)))
        assert total <= factor <= 1.6 * total


@pytest.mark.parametrize(("sides", "q", "points"), [((1,), 5, 31), ((2, 1), 3, 11), ((1, 2, 1), 4, 5)])
def test_the_constant_of_the_sum_is_that_of_a_difference_equation_over_the_rationals(sides, q, points):
    """At the centre, where phi_n^2 is 2^P/volume for odd n, |rho| <= 1 makes at most volume^(1/2) |G|.

    G is Green's function, from the difference equation on a grid, solved exactly; its error is of second order.
    """
    flint = pytest.importorskip("flint")
    grid = list(product(range(points), repeat=len(sides)))
    steps = [flint.fmpq(side, points + 1) for side in sides]
    cell, volume = flint.fmpq(1), 1
    A, right = flint.fmpq_mat(len(grid), len(grid)), flint.fmpq_mat(len(grid), 1)
    for p, h in enumerate(steps):
        cell, volume = cell * h, volume * sides[p]
        for i, place in enumerate(grid):
            A[i, i] = A[i, i] - 2 / h**2
            for k in {place[p] - 1, place[p] + 1} & set(range(points)):
                A[i, grid.index((*place[:p], k, *place[p + 1 :]))] = 1 / h**2
    for i in range(len(grid)):
        A[i, i] = A[i, i] + q
    right[grid.index((points // 2,) * len(sides)), 0] = 1 / cell
    square = sum((g * g for g in A.solve(right).entries()), flint.fmpq(0)) * cell * volume
    eigenvalues = sum(np.meshgrid(*[(PI * np.arange(1, 80) / side) ** 2 for side in sides], sparse=True))
    terms = (eigenvalues - q) ** -2.0
    odd = terms[(slice(None, None, 2),) * len(sides)].sum() / terms.sum()
    factor = by_eigenfunctions(Intervals.of(np.array(sides, float)), Intervals.of(np.asarray(float(q))))
    assert factor * np.sqrt(odd) == pytest.approx(float(int(square.p) / int(square.q)) ** 0.5, rel=0.08)


def test_eigenvalues_are_named_and_too_many_terms_bound_nothing():
    square = Intervals.of(np.array([1.0, 1.0]))
    near = Intervals(np.asarray(5 * PI**2 - 1e-9), np.asarray(5 * PI**2 + 1e-9))
    assert sorted(by_eigenfunctions(square, near)) == [1, 2]
    assert by_eigenfunctions(Intervals.of(np.array([1.0, 1e6])), Intervals.of(np.asarray(1.0))) == np.inf
    assert by_eigenfunctions(Intervals.of(np.ones(4)), Intervals.of(np.asarray(1.0))) == np.inf


def error_of(net, theta, source, boundary, box, **options):
    return rk.exact.certified_error(net, theta, source, boundary, box, residual_tolerance=1e-3, budget=400, **options)


@pytest.mark.parametrize("k", [0.5, 3.0, 4.0, 6.0, 8.0])
def test_helmholtz_in_a_square(k):
    """v = 0 and u = sin(pi x) sin(pi y) or cos(a x) cos(b y), below the first eigenvalue and above."""
    net = rk.kan([2, 1], order=4, intervals=1)
    zero, square = np.zeros(net.n_params), [[0.0, 1.0], [0.0, 1.0]]
    wave = lambda x, y: (x * PI).sin() * (y * PI).sin()  # noqa: E731
    bound = error_of(net, zero, lambda x, y: wave(x, y) * (k * k - 2 * PI * PI), wave, square, wavenumber=k)
    assert 1 <= bound.error <= 40
    other = lambda x, y: (x * 2).cos() * (y * 3).cos()  # noqa: E731
    bound = error_of(net, zero, lambda x, y: other(x, y) * (k * k - 13), other, square, wavenumber=k)
    assert 1 <= bound.error <= 100
    assert (bound.by_maximum_principle < np.inf) == (k * k < 2 * PI * PI)
    assert bound.by_integration == np.inf


def test_two_layers_in_a_rectangle_above_the_first_eigenvalue():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 2)) * [1.0, 0.5]
    net, theta = rk.kan([2, 2, 1], 4, 1, node_map="sigmoid", domain=[[0, 1], [0, 0.5]]).initialize(rng, x)
    k, box = (
        9.0,
        [[0.0, 1.0], [0.0, 0.5]],
    )  # 81 between 49.3, of (1, 1), and 79.0, (2, 1), on the one side, 128.3 on the other
    u = lambda x, y: (x * 3).sin() + (y * 2).cos()  # noqa: E731
    f = lambda x, y: (x * 3).sin() * (k * k - 9) + (y * 2).cos() * (k * k - 4)  # noqa: E731
    bound = error_of(net, theta, f, u, box, wavenumber=k)
    grid = rng.uniform(size=(2000, 2)) * [1.0, 0.5]
    error = np.abs(net(theta, grid)[:, 0] - np.sin(3 * grid[:, 0]) - np.cos(2 * grid[:, 1])).max()
    assert bound.by_maximum_principle == np.inf
    assert error <= bound.by_eigenfunctions == bound.error < np.inf


def known(order=6, intervals=16):
    """A spline near sin(pi x), and its largest error there."""
    space, x = rk.SplineSpace.uniform(order, intervals), np.linspace(0, 1, 400)
    theta = np.linalg.lstsq(rk.bsplines.design_matrix(space, x).toarray(), np.sin(PI * x), rcond=None)[0]
    theta[4] += 1e-4
    net = rk.kan([1, 1], order, intervals)
    grid = np.linspace(0, 1, 5001)[:, None]
    return net, theta, np.abs(net(theta, grid)[:, 0] - np.sin(PI * grid[:, 0])).max()


@pytest.mark.parametrize("r", [1.0, 100.0, lambda x: x.exp() * 3, lambda x: x * 4 - 2])
def test_reactions_in_one_dimension(r):
    """u'' - r u = f with u = sin(pi x), r a constant, a positive function, and one that changes sign."""
    net, theta, error = known()
    reaction = r if callable(r) else lambda x: r
    u = lambda x: (x * PI).sin()  # noqa: E731
    f = lambda x: u(x) * (-PI * PI) - reaction(x) * u(x)  # noqa: E731
    bound = error_of(net, theta, f, u, [[0.0, 1.0]], reaction_coefficient=reaction)
    assert error <= bound.by_integration <= 6 * error
    assert error <= bound.by_maximum_principle


@pytest.mark.parametrize("q", [0.2, 0.9, 1.2])
def test_waves_make_what_is_integrated_grow(q):
    """u'' + q u = f, u = sin(pi x/L), v = 0: the error is 1/(1 - q (L/pi)^2) times that without q u."""
    length = 2.5
    u = lambda x: (x * (PI / length)).sin()  # noqa: E731
    f = lambda x: u(x) * (q - (PI / length) ** 2)  # noqa: E731
    bound = error_of(rk.kan([1, 1], 4, 1), np.zeros(4), f, u, [[0.0, length]], reaction_coefficient=lambda x: -q)
    assert 1 <= bound.by_integration <= 4


@pytest.mark.parametrize("rate", [0.5, 8.0, -6.0])
@pytest.mark.parametrize("r", [0.0, 2.0])
def test_coefficients_in_one_dimension_are_integrated(rate, r):
    """(c u')' - r u = f, c = exp(rate x), also where it varies too much for the comparison."""
    net, theta, error = known()
    c = lambda x: (x * rate).exp()  # noqa: E731
    u = lambda x: (x * PI).sin()  # noqa: E731
    f = lambda x: c(x) * ((x * PI).cos() * (PI * rate) - u(x) * (PI * PI)) - u(x) * r  # noqa: E731
    options = {"reaction_coefficient": lambda x: r} if r else {}
    bound = error_of(net, theta, f, u, [[0.0, 1.0]], diffusion_coefficient=c, **options)
    assert error <= bound.by_integration <= 6 * error
    assert (bound.by_maximum_principle < np.inf) == (abs(rate) < 2 or r > 0)
    assert error <= bound.by_maximum_principle


def test_a_coefficient_is_attained_and_has_to_be_positive():
    """v = 0, (c u')' = 1 with c = 1 + x, u(0) = u(1) = 0: u = x - log(1 + x)/log 2, least at 1/log 2 - 1."""
    net = rk.kan([1, 1], order=4, intervals=1)
    bound = error_of(net, [0.0] * 4, lambda x: 1.0, lambda x: 0.0, [[0, 1]], diffusion_coefficient=lambda x: x + 1)
    assert 0.08607133205 <= bound.by_integration <= 0.0860714
    with pytest.raises(ValueError, match="diffusion_coefficient must be positive"):
        error_of(net, [0.0] * 4, lambda x: 1.0, lambda x: 0.0, [[0, 1]], diffusion_coefficient=lambda x: x * 2 - 1)


@pytest.mark.parametrize("c", [lambda x, y: -1.0, lambda x, y: x - 1.0, lambda x, y: 0.0 * x])
def test_reactions_do_not_replace_positive_coefficients(c):
    """-Lap u - u = 1 in [0, 4]^2 has a solution of 6.9 in the middle, and v = 0 the residual 1 = r."""
    net, box = rk.kan([2, 1], order=3, intervals=1), [[0.0, 4.0], [0.0, 4.0]]
    problem = net, [0.0] * 6, lambda x, y: 1.0, lambda x, y: 0.0, box
    with pytest.raises(ValueError, match="where k\\^2 - r is negative c must be positive"):
        error_of(*problem, diffusion_coefficient=c, reaction_coefficient=lambda x, y: 1.0)
    varies = lambda x, y: (3 * x).exp()  # noqa: E731
    assert error_of(*problem, diffusion_coefficient=varies, reaction_coefficient=lambda x, y: 1.0).error < 1.01


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_coefficients_are_compared_in_any_unit(unit):
    """(c u')' = f with c = exp(x): m = exp(x) (x + 1/2) is positive, a sum whose terms are not over the whole box."""
    net = rk.kan([1, 1], order=4, intervals=1)
    bound = error_of(
        net, [0.0] * 4, lambda x: unit, lambda x: 0.0, [[0, 1]], diffusion_coefficient=lambda x: x.exp() * unit
    )
    assert 0.25 <= bound.by_maximum_principle <= 0.26


def test_hypotheses_that_fail_are_named():
    net, plane = rk.kan([1, 1], 4, 1), rk.kan([2, 1], 4, 1)
    zero = lambda *x: 0.0  # noqa: E731
    with pytest.raises(ValueError, match=r"below the first eigenvalue.*eigenvalues; .* half waves \(1, 1\)"):
        error_of(plane, np.zeros(8), zero, zero, [[0, 1], [0, 1]], wavenumber=float(np.sqrt(2) * np.pi))
    with pytest.raises(ValueError, match="below the first eigenvalue"):
        error_of(plane, np.zeros(8), zero, zero, [[0, 1], [0, 1]], reaction_coefficient=lambda x, y: -30 - x)
    refused(
        lambda: error_of(net, np.zeros(4), zero, zero, [[0, 1]], reaction_coefficient=lambda x: -11), "below the first"
    )


def test_sums_of_too_many_eigenfunctions_are_not_begun(monkeypatch):
    """33 half waves along one side, for the rounding of pi counts; of more than three inputs the sum has no bound."""
    one, no_wave = Intervals.of(np.ones(1)), Intervals.of(0.0)
    for terms, finite in ((33, True), (32, False)):
        monkeypatch.setattr(bounds_of_errors, "TERMS", terms)
        assert np.isfinite(by_eigenfunctions(one, no_wave)) == finite
    monkeypatch.undo()
    assert by_eigenfunctions(Intervals.of(np.ones(4)), no_wave) == np.inf


def test_without_a_reaction_there_are_no_waves():
    sides = Intervals.of(np.array([1.0, 2.0]))
    assert len([*comparisons(sides, Intervals.of(0.0), np.ones(2), True)]) == 2
    assert len([*comparisons(sides, Intervals.of(1e-3), np.ones(2), True)]) > 2


def test_an_interval_that_spans_a_wave_exactly_bounds_nothing():
    """k^2 w^2/8 = 1 after rounding; a little less leaves a bound, of some 1e15 times the error at points."""
    k = float(np.sqrt(2.0)) - 3 * 2.0**-52
    refused(
        lambda: bounds_of_errors._between_points(1.0, 0.0, 2.0, k, 1),
        "integration_intervals = 1 are too few for wavenumber",
    )
    assert 1e14 < bounds_of_errors._between_points(1.0, 0.0, 2.0, k - 9 * 2.0**-52, 1) < np.inf
