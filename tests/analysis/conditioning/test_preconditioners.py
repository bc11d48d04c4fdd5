"""Spectra under preconditioners: another geometry, Jacobi, given ones; their modes."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import refkan as rk
from tests.analysis.conditioning.spectrum_problems import X, falling, small


def inverse_of_the_inner_product(problem, basis="relu"):
    """B B^T with theta = B w: (A A^T)^-1, from columns of the public coordinates."""
    B = np.stack([problem.net.coordinates(basis).back(e) for e in np.eye(problem.net.n_params)], axis=1)
    return B @ B.T


def test_descent_in_another_geometry_is_a_preconditioner():
    problem, theta = small()
    there = rk.spectrum(problem, theta, basis="relu")
    here = rk.spectrum(problem, theta, preconditioner="relu")
    np.testing.assert_array_equal(here.values, there.values)
    C = inverse_of_the_inner_product(problem)
    A = [rk.ChangeOfBasis(layer.spaces[0]).dense() for layer in problem.net.layers]
    first = A[0].shape[0]
    np.testing.assert_allclose(C[:first, :first], np.linalg.inv(A[0] @ A[0].T), rtol=1e-10)
    as_matrix = rk.spectrum(problem, theta, preconditioner=C)
    np.testing.assert_allclose(as_matrix.values[: here.rank], here.values[: here.rank], rtol=1e-8)


GIVEN = {
    "matrix": lambda C: C,
    "sparse": sparse.csr_array,
    "operator": aslinearoperator,
    "function": lambda C: lambda v: C @ v,
}


@pytest.mark.parametrize("kind", GIVEN)
def test_a_preconditioner_of_ones_own(kind):
    problem, theta = small()
    factor = np.random.default_rng(3).standard_normal((theta.size, theta.size))
    C = np.eye(theta.size) + 0.1 * factor @ factor.T
    found = rk.spectrum(problem, theta, preconditioner=GIVEN[kind](C))
    assert found.preconditioner == ("operator" if kind in ("operator", "function") else "matrix")
    _assert_modes(found, C, problem.gauss_newton(theta))


@pytest.mark.parametrize("method", ["svd", "eigh"])
@pytest.mark.parametrize("basis", [None, "relu"])
@pytest.mark.parametrize("preconditioner", ["relu", "jacobi", "diagonal", "spline"])
def test_modes_under_every_preconditioner(method, basis, preconditioner):
    problem, theta = small()
    G = problem.gauss_newton(theta)
    B = np.eye(theta.size)
    if basis is not None:
        B = np.stack([problem.net.coordinates(basis).back(e) for e in B], axis=1)
    H = B.T @ G @ B
    if preconditioner in ("relu", "spline"):
        T = np.stack([problem.net.coordinates(preconditioner).back(e) for e in np.eye(theta.size)], axis=1)
        S = np.linalg.solve(B, T)
        C = S @ S.T
    else:
        d = 1 / np.diag(H) if preconditioner == "jacobi" else np.linspace(1.0, 2.0, theta.size)
        C = np.diag(d)
    given = np.diag(C) if preconditioner == "diagonal" else preconditioner
    found = rk.spectrum(problem, theta, basis=basis, preconditioner=given, method=method)
    _assert_modes(found, C, H, tolerance=1e-9)


def _assert_modes(found, C, H, tolerance=1e-11):
    V, D = found.vectors, found.dual_vectors
    scale = np.linalg.norm(C, 2) * np.linalg.norm(H, 2) * np.linalg.norm(V, 2)
    np.testing.assert_allclose(C @ (H @ V), V * found.values, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(D.T @ V, np.eye(V.shape[1]), rtol=0, atol=1e-7)
    np.testing.assert_allclose(C @ D, V, rtol=0, atol=tolerance * np.linalg.norm(C, 2) * np.linalg.norm(D, 2))
    expected = np.sort(np.linalg.eigvals(C @ H).real)[::-1]
    np.testing.assert_allclose(found.values[:10], expected[:10], rtol=1e-7)


def test_jacobi_leaves_parameters_that_nothing_depends_on():
    """Basis functions without data have a zero diagonal: they stay in the null space, and nothing is divided by 0."""
    net, theta = rk.kan([1, 1], 2, 8).initialize(np.random.default_rng(0), X[:, :1])
    x = np.linspace(0.0, 0.5, 40)[:, None]
    problem = rk.LeastSquares(net, x, np.zeros_like(x))
    found = rk.spectrum(problem, theta, preconditioner="jacobi")
    assert (found.nullity, found.analytic_nullity, found.flags) == (4, 0, ("nullity",))
    assert found.condition < rk.spectrum(problem, theta).condition


def test_kernels_can_be_preconditioned():
    problem, theta = small()
    C = inverse_of_the_inner_product(problem)
    J = problem.jacobian(theta)
    found = rk.spectrum(problem, theta, which="ntk", preconditioner="relu")
    K = J @ C @ J.T
    np.testing.assert_allclose(found.values, falling(K)[: found.values.size], rtol=0, atol=1e-11 * found.largest)
    np.testing.assert_allclose(K @ found.vectors, found.vectors * found.values, rtol=0, atol=1e-11 * found.largest)
