"""Enclosed spectra of Hessians against mpmath, float64 and known matrices, and wrong ones that must be noticed."""

from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact import Enclosure
from refkan.analysis.exact.ranks.network_rows import Problem, checked
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.spectra import curvatures
from refkan.analysis.exact.spectra.orthogonal_certificates import enclosed_eigenvalues


def posed(widths=(2, 2, 1), order=3, intervals=2, samples=24, **options):
    """A regression problem with residuals that are not small, and weights."""
    rng = np.random.default_rng(5)
    x, weights = rng.uniform(size=(samples, widths[0])), rng.uniform(0.5, 1.5, size=samples)
    net, theta = rk.kan(list(widths), order, intervals, outside="polynomial", **options).initialize(rng, x)
    return rk.LeastSquares(net, x, np.sin(4 * x.sum(axis=1, keepdims=True)), weights), theta


def reference(problem, theta, basis):
    """All eigenvalues by mpmath at 200 bits, ascending: J^T J and the curvature of the residuals, each by itself."""
    with mpmath.workprec(200):
        t = rk.truth.of(problem.net, theta, problem.x, mpmath.mpf)
        N = len(problem.x)
        scaled = [[mpmath.mpf(w) / N * (f - mpmath.mpf(y)) for f, y in zip(*pair, strict=True)]
                  for w, *pair in zip(problem.weights.tolist(), t.value, problem.y.tolist(), strict=True)]  # fmt: skip
        J = mpmath.matrix(t.jacobian())
        W = mpmath.diag([mpmath.mpf(w) / N for w in problem.weights.tolist()])
        H = J.T * W * J + mpmath.matrix(t.hessian(scaled))
        change = curvatures.matrix_of_basis(problem.net, theta, basis)[0]
        B = mpmath.matrix([[mpmath.mpf(int(e.p)) / int(e.q) for e in row] for row in change.tolist()])
        H = B.T * H * B
        return sorted(mpmath.eigsy((H + H.T) / 2, eigvals_only=True))


def disagreements(found, values):
    """The enclosures that do not hold their eigenvalue, and zeros that are none; mpmath's own rounding granted."""
    slack = mpmath.mpf(2) ** -180 * max(map(abs, values))
    wrong = sum(abs(v) > slack for v in values) - found.rank
    others = sorted(values, key=abs)[found.nullity :]
    for enclosure, value in zip(found.values, sorted(others, reverse=True), strict=True):
        with mpmath.workprec(400):
            low, high = (mpmath.mpf(e.numerator) / e.denominator for e in (enclosure.low, enclosure.high))
            wrong += not low - slack <= value <= high + slack
    return wrong


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_agrees_with_mpmath_at_200_bits_and_a_moved_eigenvalue_does_not(basis):
    problem, theta = posed()
    spectrum = rk.exact.certified_spectrum(problem, theta, basis, which="hessian")
    values = reference(problem, theta, basis)
    assert spectrum.rank_by == "exact"
    assert spectrum.relative_width <= 1e-10
    assert 0 < spectrum.negative < spectrum.rank < spectrum.size
    assert disagreements(spectrum, values) == 0
    for k in (0, spectrum.rank - spectrum.negative, spectrum.rank - 1):
        factor = 1 + Fraction(1, 10**12)
        moved = [Enclosure(*sorted((v.low * factor, v.high * factor))) if m == k else v
                 for m, v in enumerate(spectrum.values)]  # fmt: skip
        spoilt = rk.exact.CertifiedSpectrum(tuple(moved), spectrum.size, basis, "exact", spectrum.bits, "hessian")
        assert disagreements(spoilt, values) == 1
    fewer = rk.exact.CertifiedSpectrum(spectrum.values[:-1], spectrum.size, basis, "exact", spectrum.bits, "hessian")
    assert disagreements(fewer, values) > 0


def agrees_with_float64(problem, theta):
    spectrum = rk.exact.certified_spectrum(problem, theta, which="hessian")
    other = rk.spectrum(problem, theta, which="hessian")
    values = np.sort(other.values[: other.rank])[::-1]
    scale = np.abs(values).max()
    same = spectrum.rank == other.rank and np.allclose(
        [v.midpoint for v in spectrum.values], values, rtol=0, atol=1e-13 * scale
    )
    return bool(same) and spectrum.negative == other.negative


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
def test_agrees_with_float64_where_that_is_good(node_map):
    problem, theta = posed((2, 3, 1), samples=40, node_map=node_map)
    assert agrees_with_float64(problem, theta)


def test_a_wrong_sign_of_the_curvature_term_is_noticed(monkeypatch):
    problem, theta = posed()
    assert agrees_with_float64(problem, theta)
    right = Problem.hessian

    def spoilt(self, number):
        rows = rk.truth.of(self.net, self.theta, self.x, number)
        weights = [share * len(self.shares) for share in self.shares]
        gauss_newton = rows.least_squares(self.y, weights).gauss_newton()
        return [[2 * g - h for g, h in zip(*pair, strict=True)]
                for pair in zip(gauss_newton, right(self, number), strict=True)]  # fmt: skip

    monkeypatch.setattr(Problem, "hessian", spoilt)
    assert not agrees_with_float64(problem, theta)


def test_of_one_layer_and_of_no_residual_it_is_the_gauss_newton_matrix():
    problem, theta = posed((1, 1), samples=20)
    net = rk.kan([1, 2, 1], 2, 2, node_map="none")
    zero = rk.LeastSquares(net, problem.x, np.zeros_like(problem.y))
    for posed_, at in ((problem, theta), (zero, np.zeros(net.n_params))):
        pair = [rk.exact.certified_spectrum(posed_, at, which=which) for which in ("gauss-newton", "hessian")]
        assert pair[0].rank == pair[1].rank
        for a, b in zip(pair[0].values, pair[1].values, strict=True):
            assert max(a.low, b.low) <= min(a.high, b.high)


def test_the_condition_number_is_one_of_magnitudes():
    values = (
        Enclosure(Fraction(2), Fraction(3)),
        Enclosure(Fraction(-1), Fraction(-1)),
        Enclosure(Fraction(-9), Fraction(-8)),
    )
    spectrum = rk.exact.CertifiedSpectrum(values, 4, None, "exact", 64, "hessian")
    assert (spectrum.condition.low, spectrum.condition.high) == (8, 9)
    assert (spectrum.rank, spectrum.nullity, spectrum.negative) == (3, 1, 2)


def test_null_vectors_that_do_not_depend_on_theta_are_those_of_the_hessian():
    for options in ({}, {"node_map": "min-max"}):
        case = checked(*posed(**options))
        everywhere, at_theta = known_null_vectors(case, translations=True), known_null_vectors(case)
        H = flint.fmpq_mat([[flint.fmpq(v.numerator, v.denominator) for v in row] for row in case.hessian(Fraction)])
        assert everywhere.ncols() > 0
        assert all(entry == 0 for entry in (H * everywhere).entries())
        if options:  # multiples of a node's function change the gradient, though not the network
            assert at_theta.ncols() > everywhere.ncols()
            assert any(entry != 0 for entry in (H * at_theta).entries())


def test_signs_are_those_of_the_inertia():
    with flint.ctx.workprec(200):
        low, high = enclosed_eigenvalues(flint, flint.arb_mat([[1, 2], [2, 1]]))
        assert low.low <= -1 <= low.high < 0 < high.low <= 3 <= high.high
        assert max(low.relative_width, high.relative_width) < 1e-50


def test_what_it_does_not_take():
    problem, theta = posed()
    with pytest.raises(ValueError, match="which must be"):
        rk.exact.certified_spectrum(problem, theta, which="fisher")
    with pytest.raises(ValueError, match=r"is expected to take .*, more than the 0\.01 s that `seconds` allows.*fit"):
        rk.exact.certified_spectrum(problem, theta, which="hessian", seconds=0.01)
