"""Bad options, preconditioners and matrices of spectra: every error names what came."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import refkan as rk
from tests.analysis.conditioning.spectrum_problems import W, X, Y, small
from tests.shared.refusals import refusals, refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preconditioner": "ilu"}, "preconditioner must be one of 'jacobi', 'spline', 'relu', 'scaled-relu'"),
        ({"preconditioner": np.eye(3)}, "preconditioner must be real, of shape"),
        ({"preconditioner": lambda v: v[:2]}, r"preconditioner\(v\) must have shape"),
        ({"preconditioner": LinearOperator((2, 2), lambda v: v)}, "preconditioner must have shape"),
        ({"which": "hessian", "method": "svd"}, "method 'svd' needs a Jacobian, which 'hessian' has not"),
        ({"method": "svd", "k": 3}, "k must be left out for method 'svd'"),
        ({"method": "eigsh", "preconditioner": lambda v: v}, "method 'eigsh' needs a preconditioner with a factor"),
        ({"method": "eigsh", "k": 40}, "k must be at most"),
    ],
)
def test_bad_arguments_are_named(options, message):
    problem, theta = small()
    refused(lambda: rk.spectrum(problem, theta, **options), message)


def test_bad_preconditioners_are_told_apart():
    problem, theta = small()
    n = theta.size
    lopsided = np.eye(n)
    lopsided[0, 1] = 1.0
    refused(lambda: rk.spectrum(problem, theta, preconditioner=lopsided), "must be symmetric")
    with pytest.raises(ValueError, match="must be positive definite"):
        rk.spectrum(problem, theta, preconditioner=np.eye(n) - 2 * np.ones((n, n)))
    with pytest.raises(ValueError, match=r"must be positive; got preconditioner\[2\] = 0.0"):
        rk.spectrum(problem, theta, preconditioner=np.where(np.arange(n) == 2, 0.0, 1.0))
    with pytest.raises(ValueError, match="'jacobi' needs a diagonal >= 0; entry 1 is -1"):
        rk.spectrum(np.diag([1.0, -1.0]), preconditioner="jacobi")
    refused(lambda: rk.spectrum(np.eye(2), preconditioner="relu"), "preconditioner must be one of 'jacobi'; got 'relu'")


def test_theta_belongs_to_problems_and_has_a_length():
    problem, theta = small()
    refused(lambda: rk.spectrum(problem), "theta must be given with a problem")
    for extra in ({"theta": theta}, {"basis": "relu"}, {"weights": W}, {"which": "ntk"}):
        with pytest.raises(ValueError, match=f"{next(iter(extra))} must be left out for a matrix"):
            rk.spectrum(np.eye(2), **extra)


test_bad_matrices_are_refused = refusals(
    (np.ones((2, 3)), "square"),
    ([[1.0, 2.0], [0.0, 1.0]], "symmetric"),
    (sparse.csr_array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
    (aslinearoperator(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
    ([[np.nan]], r"problem_or_matrix must be finite; got problem_or_matrix\[0, 0\]"),
    (1j * np.eye(2), "real"),
    (np.zeros((0, 0)), "square"),
    ([1.0, 2.0], "2 dimensions"),
    (lambda v: v, "TypeError: must be a problem or a matrix; got function: pass a LeastSquares, or a matrix"),
    (None, "TypeError: must be a problem or a matrix; got NoneType: pass a LeastSquares"),
    ("gram", "TypeError: must be a problem or a matrix; got str"),
    (small()[0].net, r"TypeError: must be a loss, not a network: pass a LeastSquares"),
    call=lambda matrix: rk.spectrum(matrix),
)


def test_what_is_no_problem_is_answered_with_the_remedy():
    problem, theta = small()
    with pytest.raises(TypeError, match=r"not a network: pass a LeastSquares: rk.LeastSquares\(net, x, y\)"):
        rk.spectrum(problem.net, theta)
    net, theta = rk.kan([1, 1], 4, 2).initialize(np.random.default_rng(0), [[0.0], [1.0]])
    ends = rk.Collocation(net, rk.prescribed("ends", [[0.0], [1.0]], 0.0))
    with pytest.raises(TypeError, match=r"Collocation: pass the matrix, rk.spectrum\(problem.gauss_newton\(theta\)\)"):
        rk.spectrum(ends, theta)
    assert rk.spectrum(ends.gauss_newton(theta)).rank == 2


def test_residuals_that_overflow_are_refused():
    net = rk.mlp([2, 3, 3, 1], "relu3")
    net, theta = net.initialize(np.random.default_rng(0), X)
    problem = rk.LeastSquares(net, X, Y[:, :1])
    for options in ({}, {"which": "ntk"}, {"which": "hessian"}, {"method": "lobpcg", "k": 2}):
        with pytest.raises(ValueError, match="residuals must be finite at theta; got"):
            rk.spectrum(problem, theta * 1e60, **options)


def test_other_bases_are_refused_where_there_are_none():
    net, theta = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(0), X)
    refused(lambda: rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu"), "a dense layer has none")
    net, theta = rk.kan([2, 1], 3, 2, edge="silu").initialize(np.random.default_rng(0), X)
    with pytest.raises(ValueError, match="a SiLU edge is defined in the spline basis"):
        rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu")
    net, theta = rk.kan([2, 1], 3, 2, free_knots=True).initialize(np.random.default_rng(0), X)
    with pytest.raises(ValueError, match="needs fixed knots"):
        rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, which="hessian", basis="relu")


@pytest.mark.parametrize(
    ("which", "what"),
    [
        ("gauss-newton", "a spectrum of .* parameters by singular values"),
        ("ntk", "the singular vectors of a Jacobian of 70 rows"),
        ("hessian", "all eigenvalues of a matrix of"),
    ],
)
def test_too_much_for_the_memory_is_said_before_it_is_tried(monkeypatch, which, what):
    problem, theta = small()
    monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda: 60_000)
    refused(lambda: rk.spectrum(problem, theta, which=which), what + r".* needs .* of memory; 60 kB are available: ")
