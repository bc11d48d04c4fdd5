"""Enclosed spectra of Hessians and networks against mpmath, float64 and known matrices; what must be refused."""

from dataclasses import replace
from fractions import Fraction
from itertools import chain

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.ranks import chain_rule
from refkan.analysis.exact.ranks.network_rows import _spoken, checked, expected_seconds
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.spectra import curvatures
from refkan.analysis.exact.spectra.certified_spectra import CertifiedSpectrum
from refkan.base.errors import ConvergenceError
from tests.analysis.exact.test_network_ranks import problem
from tests.shared.refusals import refused


def posed(widths=(2, 2, 1), order=3, intervals=2, samples=24, **options):
    """A regression problem with residuals that are not small, and weights."""
    rng = np.random.default_rng(5)
    x, weights = rng.uniform(size=(samples, widths[0])), rng.uniform(0.5, 1.5, size=samples)
    net, theta = rk.kan(list(widths), order, intervals, outside="polynomial", **options).initialize(rng, x)
    return rk.LeastSquares(net, x, np.sin(4 * x.sum(axis=1, keepdims=True)), weights), theta


CHAINS = {
    "three layers": (lambda: rk.kan([2, 3, 2, 2], 4, 2, outside="polynomial"), flint.fmpq),
    "no maps, ReLU powers": (lambda: rk.kan([2, 2, 1], 3, 2, basis="scaled-relu", node_map="none"), flint.fmpq),
    "cubes": (lambda: rk.mlp([2, 3, 2], "relu3"), flint.fmpq),
    "chebyshev": (lambda: rk.chebyshev_kan([2, 2, 1], 3, node_map="affine"), flint.fmpq),
    "silu, sigmoid": (lambda: rk.kan([2, 2, 1], 3, 2, edge="silu", node_map="sigmoid"), flint.arb),
    "tanh": (lambda: rk.mlp([2, 3, 1], "tanh"), flint.arb),
    "free knots": (lambda: rk.kan([2, 2, 1], 4, 3, free_knots=True), flint.arb),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_chain_rule_gives_jacobians_and_hessians_of_truth(name):
    """Equal over the rationals, balls that overlap otherwise, which are not wide; the curvature is not zero."""
    make, number = CHAINS[name]
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(6, 2))
    net, theta = make().initialize(rng, x)
    t = rk.truth.of(net, theta, x, number)
    C = [[number(int(c)) / 7 for c in row] for row in rng.integers(-9, 9, (6, net.widths[-1]))]
    dense = [[row.get(m, 0) for m in range(net.n_params)] for row in chain_rule.jacobian_rows(t.network, t.theta, t.x)]
    H = chain_rule.curvature_rows(t.network, t.theta, t.x, C)
    pairs = [(dense, t.jacobian()), ([[H[m].get(l, 0) for l in H] for m in H], t.hessian(C))]
    for ours, theirs in pairs:
        entries = list(zip(chain(*ours), chain(*theirs), strict=True))
        assert any(b != 0 for _, b in entries)
        if number is flint.fmpq:
            assert all(a == b for a, b in entries)
        else:
            assert all(flint.arb(a).overlaps(b) and flint.arb(a).rad() < 1e-9 for a, b in entries)


def test_the_condition_number_is_one_of_magnitudes():
    values = (
        Enclosure(Fraction(2), Fraction(3)),
        Enclosure(Fraction(-1), Fraction(-1)),
        Enclosure(Fraction(-9), Fraction(-8)),
    )
    spectrum = CertifiedSpectrum(values, 4, None, "exact", 64, "hessian")
    assert (spectrum.condition.low, spectrum.condition.high) == (8, 9)
    assert (spectrum.rank, spectrum.nullity, spectrum.negative) == (3, 1, 2)


def test_effective_dimensions_counts_and_steps_are_enclosed():
    values = tuple(Enclosure(Fraction(low), Fraction(high)) for low, high in ((4, 5), (1, 2)))
    spectrum = CertifiedSpectrum(values, 4, None, "exact", 64)
    assert spectrum.largest_stable_step == Enclosure(Fraction(2, 5), Fraction(1, 2))
    assert spectrum.effective_dimension(1.0) == Enclosure(Fraction(13, 10), Fraction(3, 2))
    counts = {-1.0: (4, 4), 0.0: (2, 2), 1.0: (1, 2), 1.5: (1, 2), 2.0: (1, 1), 4.0: (0, 1), 5.0: (0, 0)}
    assert {at: spectrum.count_above(at) for at in counts} == counts
    none = CertifiedSpectrum((), 4, None, "exact", 64)
    assert none.effective_dimension(1.0) == Enclosure(Fraction(0), Fraction(0))
    negative = CertifiedSpectrum((Enclosure(Fraction(-2), Fraction(-1)),), 4, None, "exact", 64, "hessian")
    for bad in (none, negative):
        with pytest.raises(ValueError, match="no eigenvalue is positive"):
            bad.largest_stable_step  # noqa: B018
    refused(lambda: negative.effective_dimension(1.0), "negative eigenvalues")
    for mu in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="mu must be"):
            spectrum.effective_dimension(mu)


def test_the_time_that_a_hessian_takes_is_asked_of_hessians_alone():
    problem, theta = posed(samples=7)
    times = [expected_seconds(checked(problem, theta), 1, hessian=hessian) for hessian in (False, True)]
    between = sum(times) / 2
    assert rk.exact.certified_spectrum(problem, theta, seconds=between).which == "gauss-newton"
    refused(
        lambda: rk.exact.certified_spectrum(problem, theta, which="hessian", seconds=between), "is expected to take"
    )


def test_statistics_cost_as_much_as_samples():
    posed, theta = problem(node_map="mean-std", samples=90)
    parts = [rk.LeastSquares(posed.net, posed.x[:count], posed.y[:count]) for count in (60, 30)]
    more, fewer = (expected_seconds(checked(part, theta), 0) for part in parts)
    assert more / fewer == pytest.approx((60 + 90) / (30 + 90))


def test_decompositions_cost_the_cube_of_the_parameters():
    small, large = (checked(*problem(intervals, samples=10)) for intervals in ((1, 1), (4, 4)))
    costs = [expected_seconds(each, 3) - expected_seconds(each, 1) for each in (small, large)]
    assert costs[1] / costs[0] == pytest.approx((large.net.n_params / small.net.n_params) ** 3)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.25, "0.25 s"), (119.0, "119 s"), (120.0, "2 min"), (7190.0, "120 min"), (7200.0, "2 h"), (172800.0, "2 d")],
)
def test_times_are_told_in_the_largest_unit_of_which_there_are_two(seconds, told):
    assert _spoken(seconds) == told


@pytest.mark.parametrize("samples", [24, 7])
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_tangent_kernels_have_the_eigenvalues_of_their_transposes(samples, basis):
    problem, theta = posed(samples=samples)
    kernel = rk.exact.certified_spectrum(problem, theta, basis, which="ntk")
    gauss_newton = rk.exact.certified_spectrum(problem, theta, basis)
    assert (kernel.size, kernel.which, kernel.values) == (samples, "ntk", gauss_newton.values)
    assert kernel.rank <= samples
    expected = rk.spectrum(problem, theta, which="ntk", basis=basis).values[: kernel.rank]
    np.testing.assert_allclose([v.midpoint for v in kernel.values], expected, rtol=1e-6, atol=1e-13 * expected[0])


def test_null_vectors_that_are_none_are_noticed(monkeypatch):
    problem, theta = posed(node_map="sigmoid")
    right = known_null_vectors(checked(problem, theta))
    right[0, 0] += flint.fmpq(1, 2**60)
    monkeypatch.setattr(curvatures, "known_null_vectors", lambda *args, **options: right)
    for which in ("gauss-newton", "hessian"):
        with pytest.raises(ConvergenceError, match="H Z is proven not to be zero"):
            rk.exact.certified_spectrum(problem, theta, which=which)


def test_hessians_of_many_parameters_are_those_of_theory(monkeypatch):
    problem, theta = posed()
    exact = rk.exact.certified_spectrum(problem, theta, which="hessian")
    monkeypatch.setattr(curvatures, "EXACT_HESSIAN", 10)
    theory = rk.exact.certified_spectrum(problem, theta, which="hessian")
    assert (exact.rank_by, theory.rank_by, exact.rank) == ("exact", "theory", theory.rank)
    assert all(max(a.low, b.low) <= min(a.high, b.high) for a, b in zip(exact.values, theory.values, strict=True))


def test_null_vectors_that_do_not_depend_on_theta_are_those_of_the_hessian():
    for options in ({}, {"node_map": "min-max"}):
        case = checked(*posed(**options))
        everywhere, at_theta = known_null_vectors(case, translations=True), known_null_vectors(case)
        H = case.hessian(flint.fmpq, flint.fmpq_mat)
        assert everywhere.ncols() > 0
        assert all(entry == 0 for entry in (H * everywhere).entries())
        if options:  # multiples of a node's function change the gradient, though not the network
            assert at_theta.ncols() > everywhere.ncols()
            assert any(entry != 0 for entry in (H * at_theta).entries())


def test_what_it_does_not_take():
    problem, theta = posed()
    refused(lambda: rk.exact.certified_spectrum(problem, theta, which="fisher"), "which must be")
    with pytest.raises(ValueError, match=r"is expected to take .*, more than the 0\.01 s that `seconds` allows.*fit"):
        rk.exact.certified_spectrum(problem, theta, which="hessian", seconds=0.01)


def test_float64_is_wrong_where_the_condition_number_exceeds_1e22():
    posed, theta = problem((6, 6), samples=60, widths=(1, 2, 1), order=5)
    spectrum = rk.exact.certified_spectrum(posed, theta, basis="relu")
    condition = spectrum.condition
    assert condition.relative_width <= 1e-10
    assert condition.low > 1e22
    relu = posed.net.to_basis("relu")
    J = relu.jacobian(posed.net.convert(theta, relu), posed.x) / np.sqrt(60)
    values = np.linalg.eigvalsh(J.T @ J)
    float64 = values[-1] / abs(values[-spectrum.rank])
    assert max(float64 / condition.midpoint, condition.midpoint / float64) > 2


def test_weights_and_repeated_eigenvalues():
    net = rk.kan([1, 1], order=1, intervals=3)
    x = np.array([[0.1], [0.5], [0.9], [0.95]])
    spectrum = rk.exact.certified_spectrum(rk.LeastSquares(net, x, x, [2.0, 2.0, 1.0, 1.0]), np.zeros(3))
    assert [value.midpoint for value in spectrum.values] == [0.5, 0.5, 0.5]


def test_an_undecided_rank_says_what_theory_lacks():
    posed, theta = problem(
        (1, 3), "mean-std", samples=40, widths=(1, 3, 1)
    )  # of three outputs two: one null vector more
    refused(lambda: rk.exact.certified_spectrum(posed, theta, bits=256), "ConvergenceError: null vectors of theory")


def test_too_few_bits_are_said():
    posed, theta = problem((2, 2), samples=30, widths=(1, 1, 1))
    with pytest.raises(ConvergenceError, match=r"bits = 32 is too low.*bits suffice"):
        rk.exact.certified_spectrum(posed, theta, basis="relu", bits=32)


def test_bad_arguments():
    posed, theta = problem((1, 1), samples=10, widths=(1, 1, 1))
    space = posed.net.layers[0].spaces[0]
    refused(lambda: rk.exact.certified_condition_number(posed), "TypeError: space must be a SplineSpace; got LeastSq")
    refused(lambda: rk.exact.certified_gauss_newton_condition(space, theta), "TypeError: problem must be a LeastSq")
    free, s = problem((2, 2), samples=20, widths=(1, 1, 1), free_knots=True)
    first = free.net.layers[0].with_spaces(free.net.layers[0].spaces, free_knots=False)
    mixed = rk.LeastSquares(replace(free.net, layers=(first, free.net.layers[1])), free.x, free.y)
    for posed, at in ((free, s), (mixed, s[: mixed.net.n_params])):
        for spectrum in (rk.exact.certified_spectrum, rk.spectrum):
            refused(lambda: spectrum(posed, at, basis="relu"), "needs fixed knots")  # noqa: B023


def test_a_missing_extra_is_named(monkeypatch):
    posed, theta = problem((1, 1), samples=10, widths=(1, 1, 1))
    monkeypatch.setitem(__import__("sys").modules, "flint", None)
    for function in (rk.exact.certified_rank, rk.exact.certified_spectrum, rk.exact.certified_gauss_newton_condition):
        with pytest.raises(ImportError, match=r"refkan\[exact\]"):
            function(posed, theta)


@pytest.mark.parametrize("widths", [[1, 1], [1, 2, 1]])
def test_samples_of_weight_zero_are_rows_of_the_kernel(widths):
    net, x = rk.kan(widths, 3, 2, node_map="none"), np.linspace(0, 1, 6)[:, None]
    problem, theta = rk.LeastSquares(net, x, x, weights=[0, 1, 1, 0, 1, 1]), np.linspace(0, 1, net.n_params)
    kernel, expected = (
        function(problem, theta, which="ntk") for function in (rk.exact.certified_spectrum, rk.spectrum)
    )
    assert (kernel.size, kernel.rank, kernel.nullity) == (expected.size, expected.rank, expected.nullity) == (6, 4, 2)
    assert kernel.count_above(-1.0) == (6, 6)


def test_spectra_beyond_the_range_of_floats_take_more_bits():
    """Samples at 5e200 on linear tails: what turns towards large eigenvalues take overflows at few bits."""
    inner = 0.5393902728001845, 0.1863902059458935, 0.03730614711230107
    layer = rk.SplineLayer(tuple(rk.SplineSpace([-2.0, -1.0, t, 1.0, 2.0], 2) for t in inner), 2)
    x = [
        [-0.9497182766383746, 5.3333333333333334e200, -0.50738834522456],
        [-0.8956654675120065, -2.0, 0.03730614711230107],
        [-0.8686390629488224, 5.7113402061855676e200, 0.293741116979491],
        [-0.7875598492592703, 5.7113402061855676e200, 0.293741116979491],
        [-0.8209945765539308, -2e200, 0.03730614711230107],
        [-0.9497182766383747, 1.0, -0.30710597967354725],
    ]
    problem = rk.LeastSquares(rk.Network((layer,), ()), x, np.zeros((6, 2)))
    spectrum = rk.exact.certified_spectrum(problem, np.ones(18))
    assert (spectrum.rank, spectrum.condition.floats()[1]) == (12, np.inf)
