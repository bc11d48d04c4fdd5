"""Enclosed spectra of networks against mpmath, float64 and known matrices, and what certificates must refuse."""

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.spectra.orthogonal_certificates import certified, enclosed_eigenvalues, products
from refkan.base.errors import ConvergenceError
from refkan.truth import UndecidedError
from tests.analysis.exact.test_network_ranks import problem
from tests.shared.refusals import refused


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
    with pytest.raises(ConvergenceError, match=r"null vectors of theory left out.*net\.freeze\(theta\)"):
        rk.exact.certified_spectrum(posed, theta, bits=256)


def test_enclosures_hold_known_eigenvalues_and_no_approximation_is_trusted():
    with flint.ctx.workprec(200):
        H = flint.arb_mat([[2, 1, 0], [1, 2, 0], [0, 0, 3]])  # 1, 3, 3
        pairs = enclosed_eigenvalues(flint, H)
        assert all(value.low <= k <= value.high for value, k in zip(pairs, (1, 3, 3), strict=True))
        assert all(value.relative_width < 1e-40 for value in pairs)
        wrong = flint.arb_mat([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
        wide = certified(flint, *products(4 * H + flint.arb_mat([[0, -3, 0], [-3, 0, 0], [0, 0, 0]]), wrong))
        assert all(value.low <= k <= value.high for value, k in zip(wide, (7, 9, 12), strict=True))
        assert wide[0].relative_width > 0.2
        with pytest.raises(UndecidedError):  # an eigenvalue 0
            enclosed_eigenvalues(flint, flint.arb_mat([[1, 1], [1, 1]]))
        shifted = flint.arb_mat([[1, 0, 0], [0, 1, 0], [0, flint.arb("0.6"), 1]])
        with pytest.raises(UndecidedError):  # far from orthogonal
            certified(flint, *products(H, shifted))


def test_too_few_bits_are_said():
    posed, theta = problem((2, 2), samples=30, widths=(1, 1, 1))
    with pytest.raises(ConvergenceError, match=r"bits = 32 is too low.*bits would do"):
        rk.exact.certified_spectrum(posed, theta, basis="relu", bits=32)


def test_bad_arguments():
    posed, theta = problem((1, 1), samples=10, widths=(1, 1, 1))
    refused(lambda: rk.exact.certified_spectrum(posed, theta, basis="fourier"), "basis must be")
    refused(lambda: rk.exact.certified_condition_number(posed, theta, which="gram"), "must be left out for a problem")
    with pytest.raises(ValueError, match="must be left out for a spline space"):
        rk.exact.certified_condition_number(rk.SplineSpace.uniform(2, 2), basis="relu")
    free, s = problem((2, 2), samples=20, widths=(1, 1, 1), free_knots=True)
    refused(lambda: rk.exact.certified_spectrum(free, s, basis="relu"), "needs fixed knots")


def test_a_missing_extra_is_named(monkeypatch):
    posed, theta = problem((1, 1), samples=10, widths=(1, 1, 1))
    monkeypatch.setitem(__import__("sys").modules, "flint", None)
    for function in (rk.exact.certified_rank, rk.exact.certified_spectrum, rk.exact.certified_condition_number):
        with pytest.raises(ImportError, match=r"refkan\[exact\]"):
            function(posed, theta)
