"""Both ends of a spectrum by products alone, against the complete one."""

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import ArpackNoConvergence

import refkan as rk
from refkan.analysis.conditioning import iterative
from tests.shared.factories import NetworkCase, samples

X = samples(80)
W = np.random.default_rng(2).uniform(0.5, 1.5, 80)


def problem_of(case):
    net, theta = case.start(X)
    return rk.LeastSquares(net, X, np.sin(X), W), theta


WELL = NetworkCase("spline", "mean-std", order=2, intervals=(3, 3))


def check_ends(found, complete, k, rtol_low=1e-5):
    """The k largest, and as many of the smallest as are not zero."""
    n = complete.n_range
    np.testing.assert_allclose(found.values[:k], complete.values[:k], rtol=1e-9)
    np.testing.assert_allclose(found.values[k:], complete.values[:n][-(found.values.size - k) :], rtol=rtol_low)
    assert found.condition == pytest.approx(complete.condition, rel=rtol_low)
    assert "partial" in found.flags


@pytest.mark.parametrize("which", ["gauss-newton", "ntk"])
@pytest.mark.parametrize("preconditioner", [None, "jacobi"])
def test_ends_of_gauss_newton_matrices_and_kernels(which, preconditioner):
    problem, theta = problem_of(WELL)
    complete = rk.spectrum(problem, theta, which=which, preconditioner=preconditioner)
    spectrum = rk.spectrum(problem, theta, which=which, preconditioner=preconditioner, method="eigsh", k=3)
    assert (spectrum.method, spectrum.size) == ("eigsh", complete.size)
    check_ends(spectrum, complete, 3)
    assert spectrum.analytic_nullity == complete.analytic_nullity
    # Modes are the same up to sign.
    overlaps = np.abs(np.sum(spectrum.dual_vectors[:, :3] * complete.vectors[:, :3], axis=0))
    np.testing.assert_allclose(overlaps, 1.0, rtol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e-30])
def test_it_does_not_matter_how_small_a_matrix_is(size):
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]
    spectrum = rk.spectrum(size * (Q * np.linspace(1.0, 3.0, 40)) @ Q.T, method="eigsh", k=2)
    assert spectrum.condition == pytest.approx(3.0, rel=1e-8)
    np.testing.assert_allclose(spectrum.vectors.T @ spectrum.vectors, np.eye(4), rtol=0, atol=1e-6)


def test_the_smallest_magnitude_between_ends_of_both_signs_is_not_known():
    values = np.linspace(-1.0, 3.01, 40)
    spectrum = rk.spectrum(np.diag(values), method="eigsh", k=2)
    assert "indefinite" in spectrum.flags
    assert np.isnan(spectrum.condition)
    assert rk.spectrum(np.diag(values)).condition == pytest.approx(3.01 / np.abs(values).min())
    negative = rk.spectrum(np.diag(values - 4.0), method="eigsh", k=2)
    assert negative.condition == pytest.approx(5.0 / 0.99)
    one_negative = rk.spectrum(np.diag([-1.0, *np.linspace(0.5, 3.0, 39)]), method="eigsh", k=2)
    assert one_negative.condition == pytest.approx(6.0)


def test_the_number_that_is_zero_to_rounding_is_counted():
    net, theta = rk.kan([2, 5, 1], 3, (1, 3)).initialize(np.random.default_rng(1), X)
    problem = rk.LeastSquares(net, X, X[:, :1])
    spectrum = rk.spectrum(problem, theta, method="eigsh", k=3)
    assert (spectrum.rank, spectrum.nullity, spectrum.analytic_nullity) == (45, 10, 9)
    assert "nullity" in spectrum.flags
    assert spectrum.condition == pytest.approx(rk.spectrum(problem, theta).condition, rel=1e-2)


def test_without_the_deflation_only_zeros_would_be_seen(monkeypatch):
    """Sabotage: the analytic null space not taken out."""
    problem, theta = problem_of(WELL)
    original = iterative.ends
    monkeypatch.setattr(
        "refkan.analysis.conditioning.spectrum_of_problem.ends",
        lambda product, size, k, null: original(product, size, k, null[:, :0]),
    )
    spectrum = rk.spectrum(problem, theta, method="eigsh", k=3)
    assert "all zero to rounding" in spectrum.message


def test_ends_of_a_hessian():
    """Of an indefinite matrix the lower end is the most negative one."""
    problem, theta = problem_of(WELL)
    H = np.linalg.eigvalsh(problem.hessian(theta))
    spectrum = rk.spectrum(problem, theta, which="hessian", method="eigsh", k=2)
    expected = np.concatenate([H[:2], H[-2:]])
    np.testing.assert_allclose(np.sort(spectrum.values), expected, rtol=1e-7)


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_the_upper_end_in_another_basis(basis):
    problem, theta = problem_of(WELL)
    spectrum = rk.spectrum(problem, theta, basis=basis, method="eigsh", k=2)
    np.testing.assert_allclose(spectrum.values[:2], rk.spectrum(problem, theta, basis=basis).values[:2], rtol=1e-10)


@pytest.mark.parametrize("which", ["gauss-newton", "ntk"])
def test_preconditioners_of_ones_own(which):
    problem, theta = problem_of(WELL)
    factor = np.random.default_rng(3).standard_normal((theta.size, theta.size))
    C = np.eye(theta.size) + 0.01 * factor @ factor.T
    spectrum = rk.spectrum(problem, theta, which=which, preconditioner=C, method="eigsh", k=2)
    check_ends(spectrum, rk.spectrum(problem, theta, which=which, preconditioner=C), 2)
    if which == "gauss-newton":
        V = spectrum.vectors[:, :2]
        moved = C @ problem.gauss_newton(theta) @ V
        np.testing.assert_allclose(moved, V * spectrum.values[:2], atol=1e-5 * spectrum.largest * np.abs(V).max())
        np.testing.assert_allclose(spectrum.dual_vectors[:, :2].T @ V, np.eye(2), rtol=0, atol=1e-6)


def test_large_sparse_matrices():
    n = 2000
    diagonal, beside = np.concatenate([[4.0, 3.0], np.linspace(2.0, 1.0, n - 4), [0.2, 0.1]]), np.full(n - 1, 1e-3)
    H = sparse.diags_array([beside, diagonal, beside], offsets=[-1, 0, 1])
    spectrum = rk.spectrum(H, method="eigsh", k=2)
    exact = eigh_tridiagonal(diagonal, beside, eigvals_only=True)
    np.testing.assert_allclose(spectrum.values, exact[[-1, -2, 1, 0]], rtol=1e-7)
    assert spectrum.rank == n
    assert rk.spectrum(H, k=1).method == "eigsh"


def test_auto_takes_products_where_all_would_be_too_many(monkeypatch):
    monkeypatch.setattr("refkan.analysis.conditioning.spectrum_of_problem.DENSE", 20)
    problem, theta = problem_of(WELL)
    assert rk.spectrum(problem, theta).method == "eigsh"
    with pytest.raises(ValueError, match="'eigsh' needs a preconditioner with a factor: give its matrix"):
        rk.spectrum(problem, theta, preconditioner=lambda v: v)


def test_a_zero_matrix_and_failures():
    spectrum = rk.spectrum(np.zeros((9, 9)), method="eigsh", k=2)
    assert (spectrum.flags, spectrum.rank) == (("zero",), 0)

    class Foreign:
        def __call__(self, theta, x):
            return x @ theta[:, None]

    with pytest.raises(TypeError, match="needs least squares of a refkan Network"):
        rk.spectrum(rk.LeastSquares(Foreign(), X, X[:, :1]), np.zeros(2), method="eigsh", k=1)


def test_a_method_that_finds_nothing_says_so(monkeypatch):
    def fail(*_, **__):
        raise ArpackNoConvergence("no", np.empty(0), np.empty((9, 0)))

    monkeypatch.setattr(iterative, "eigsh", fail)
    with pytest.raises(rk.ConvergenceError, match="did not find the largest eigenvalues"):
        rk.spectrum(np.eye(9), method="eigsh", k=1)


def test_a_lower_end_out_of_reach_leaves_the_upper_one(monkeypatch):
    problem, theta = problem_of(WELL)
    original = iterative.eigsh

    def upper_alone(H, k, which, **options):
        if which == "SA":
            raise ArpackNoConvergence("no", np.empty(0), np.empty((theta.size, 0)))
        return original(H, k, which=which, **{**options, "maxiter": 100})

    monkeypatch.setattr(iterative, "eigsh", upper_alone)
    spectrum = rk.spectrum(problem, theta, method="eigsh", k=2)
    np.testing.assert_allclose(spectrum.values, rk.spectrum(problem, theta).values[:2], rtol=1e-9)
    assert "did not find the smallest" in spectrum.message
    assert np.isnan(spectrum.condition)
    assert np.isnan(spectrum.smallest)
