"""Modes and singular values from factors and matrices, in two bases, to full relative accuracy."""

import tracemalloc
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np
import pytest
from scipy import linalg

import refkan as rk
from refkan.analysis.conditioning import jacobian_factors
from refkan.analysis.conditioning.coordinate_frames import IDENTITY, basis_frame
from refkan.analysis.conditioning.modes import Modes, factor_modes, require_normal, rounding_level, symmetric_modes
from refkan.base import singular_values
from refkan.base.singular_values import svd
from tests.analysis.conditioning import spectrum_problems
from tests.shared.factories import EPS, samples
from tests.shared.refusals import refused


def layer(order, intervals, n_samples=150, inputs=2):
    x = samples(n_samples, inputs)
    net, theta = rk.kan([inputs, 1], order, intervals).initialize(np.random.default_rng(1), x)
    return net, np.linalg.qr(net.jacobian(theta, x), mode="r")


def exact_eigenvalues(R, space, inputs):
    """Eigenvalues of (R A^-T)^T (R A^-T), falling: R as it is, A of the float64 knots, 60 digits."""
    with mpmath.workdps(60):
        t = [Fraction(v) for v in space.knots.tolist()]
        dim, r = space.dim, space.order
        A = mpmath.zeros(dim)
        for i in range(dim):
            for j in range(i, min(i + r, dim - 1) + 1):
                entry = (-1) ** r * (t[i + r] - t[i])
                for m in range(i, i + r + 1):
                    entry /= t[j] - t[m] if m != j else 1
                A[i, j] = mpmath.mpf(entry.numerator) / entry.denominator
        inverse = (A**-1).T
        F = mpmath.matrix(R.shape[0], R.shape[1])
        for p in range(inputs):
            block = mpmath.matrix(R[:, p * dim : (p + 1) * dim].tolist()) * inverse
            for i in range(R.shape[0]):
                for j in range(dim):
                    F[i, p * dim + j] = block[i, j]
        values = mpmath.eigsy(F.T * F, eigvals_only=True)
        return np.array([float(v) for v in values])[::-1]


@pytest.mark.parametrize(("order", "intervals", "condition"), [(2, 8, 1e3), (4, 8, 1e10), (6, 10, 1e17)])
def test_relu_eigenvalues_against_sixty_digits(order, intervals, condition):
    """Condition numbers beyond 1/eps, right to 10 digits: float64 alone."""
    net, R = layer(order, intervals)
    modes = factor_modes(R, basis_frame(net, "relu"))
    exact = exact_eigenvalues(R, net.layers[0].spaces[0], 2)
    n = modes.rank
    assert n == R.shape[1] - 1
    assert exact[0] / exact[n - 1] > condition
    # eps times the condition of J in the spline basis (1e1 to 1e4 here), squares included; C = 100 sums of dim terms.
    singular = np.linalg.svd(R, compute_uv=False)
    tolerance = 100 * EPS * singular[0] / singular[n - 1]
    np.testing.assert_allclose(modes.values[[0, n - 1]], exact[[0, n - 1]], rtol=tolerance)
    # In the middle eps sqrt(cond) on top.
    np.testing.assert_allclose(modes.values[:n], exact[:n], rtol=tolerance * (1 + (exact[0] / exact[n - 1]) ** 0.25))


def test_eigenvalues_are_normal_numbers():
    least = np.finfo(np.float64).tiny
    for values, rank in (([1.0, least], 2), ([1.0, -least], 2), ([1.0, least / 2], 1), ([], 0)):
        require_normal(Modes(np.array(values), np.eye(len(values)), rank, 1.0, 0.0, {}))
    for values in ([1.0, least / 2], [np.inf, 1.0], [1.0, np.nan], [np.inf, least / 2]):
        modes = Modes(np.array(values), np.eye(2), 2, 1.0, 0.0, {})
        refused(partial(require_normal, modes), "OverflowError: the eigenvalues must be normal float64 numbers")


def test_symmetric_matrices_by_congruence_agree():
    net, R = layer(4, 8)
    frame = basis_frame(net, "relu")
    by_factor, by_matrix = factor_modes(R, frame), symmetric_modes(R.T @ R, frame)
    assert by_factor.rank == by_matrix.rank
    np.testing.assert_allclose(by_factor.values, by_matrix.values, rtol=1e-9, atol=0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_indefinite_matrices_keep_their_inertia(sign):
    rng = np.random.default_rng(2)
    net, R = layer(3, 6)
    Q = np.linalg.qr(rng.standard_normal((R.shape[1], R.shape[1])))[0]
    spectrum = np.concatenate([[3.0, -2.0, 1.0, -0.5], rng.uniform(0.1, 1.0, R.shape[1] - 6), [0.0, 0.0]])
    H = sign * (Q * spectrum) @ Q.T
    H = 0.5 * (H + H.T)
    frame = basis_frame(net, "relu")
    modes = symmetric_modes(H, frame)
    assert modes.rank == R.shape[1] - 2
    assert np.sum(sign * modes.values < 0) == 2
    assert symmetric_modes(H).noise == pytest.approx(rounding_level(len(H)) * 3.0)
    H_w = frame.gradient(frame.gradient(H).T)
    top = np.argsort(-np.abs(np.linalg.eigvalsh(H_w)))[:10]
    np.testing.assert_allclose(modes.values[:10], np.linalg.eigvalsh(H_w)[top], rtol=1e-11)
    np.testing.assert_allclose(H_w @ modes.vectors, modes.vectors * modes.values, atol=1e-12 * abs(modes.values[0]))


@pytest.mark.parametrize("compute", ["factor", "kernel", "matrix"])
@pytest.mark.parametrize("basis", [None, "relu"])
def test_vectors_are_orthonormal_eigenvectors(compute, basis):
    net, R = layer(3, 6)
    frame = IDENTITY if basis is None else basis_frame(net, basis)
    F = frame.gradient(R.T).T
    if compute == "factor":
        modes, H = factor_modes(R, frame), F.T @ F
    elif compute == "kernel":
        modes, H = factor_modes(R, frame, kernel=True), F @ F.T
    else:
        modes, H = symmetric_modes(R.T @ R, frame), F.T @ F
    noise = rounding_level(R.shape[1]) * np.linalg.norm(R, 2)
    expected = 0.0 if basis else noise**2 if compute != "matrix" else noise * np.linalg.norm(R, 2)
    assert modes.noise == pytest.approx(expected)
    V = modes.vectors
    np.testing.assert_allclose(V.T @ V, np.eye(V.shape[1]), rtol=0, atol=1e-11)  # eps sqrt(cond) at the seam
    np.testing.assert_allclose(H @ V, V * modes.values, rtol=0, atol=1e-12 * modes.values[0])
    assert (np.diff(np.abs(modes.values)) <= 0).all()


def test_fewer_rows_than_columns_and_zero_matrices():
    rng = np.random.default_rng(0)
    modes = factor_modes(rng.standard_normal((3, 5)))
    assert (modes.rank, modes.values.size, modes.vectors.shape) == (3, 5, (5, 5))
    assert modes.gap == np.inf
    for J in (np.zeros((4, 3)), np.zeros((0, 3))):
        zero = factor_modes(J, IDENTITY.scaled(np.ones(3)))
        assert (zero.rank, list(zero.values)) == (0, [0.0] * 3)
        assert np.isnan(zero.gap)
        assert factor_modes(J, kernel=True).rank == 0
    assert symmetric_modes(np.zeros((3, 3)), IDENTITY.scaled(np.ones(3))).rank == 0


def test_gap_and_rank_of_a_known_matrix():
    modes = factor_modes(np.diag([1.0, 1e-3, 1e-9, 1e-16, 0.0]))
    assert (modes.rank, modes.gap) == (3, pytest.approx(1e7))


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_frames_are_the_derivative_of_the_conversion(basis):
    """J in the other basis, evaluated there, is the Jacobian here times B."""
    x = samples(40)
    net, theta = rk.kan([2, 3, 1], 3, [4, 3]).initialize(np.random.default_rng(1), x)
    theta = theta + 0.2 * np.random.default_rng(2).standard_normal(theta.size)
    other = net.to_basis(basis)
    frame = basis_frame(net, basis)
    J = other.jacobian(net.convert(theta, other), x)
    np.testing.assert_allclose(frame.gradient(net.jacobian(theta, x).T).T, J, rtol=0, atol=1e-12 * np.abs(J).max())
    identity = np.eye(theta.size)
    for there, back in ((frame.to, frame.back), (frame.gradient, frame.cogradient)):
        np.testing.assert_allclose(back(there(identity)), identity, rtol=0, atol=1e-11)


def test_the_four_maps_of_scaled_frames_fit_together():
    rng = np.random.default_rng(0)
    s = rng.uniform(0.5, 2.0, 4)
    B = np.diag(s)
    frame, X = IDENTITY.scaled(s), rng.standard_normal((4, 3))
    np.testing.assert_allclose(frame.back(X), B @ X, rtol=1e-13)
    np.testing.assert_allclose(frame.to(X), np.linalg.solve(B, X), rtol=1e-11)
    np.testing.assert_allclose(frame.gradient(X), B.T @ X, rtol=1e-13)
    np.testing.assert_allclose(frame.cogradient(X), np.linalg.solve(B.T, X), rtol=1e-11)


def graded(rng, m, n):
    """Columns from 1 to far below the smallest number whose square is one, and some that are zero."""
    A = rng.normal(size=(m, n)) * 10.0 ** -rng.uniform(0, 200, n)
    A[:, rng.integers(0, n, n // 4)] = 0.0
    return A


def decomposes(A, U, s, V):
    k = min(A.shape)
    tiny = 50 * np.finfo(float).eps * max(A.shape)
    assert np.all(np.diff(s) <= 0)
    assert np.allclose((U[:, :k] * s) @ V[:k], A, rtol=0, atol=tiny * s[0])
    assert np.allclose(U.T @ U, np.eye(U.shape[1]), rtol=0, atol=tiny)
    assert np.allclose(V @ V.T, np.eye(V.shape[0]), rtol=0, atol=tiny)


@pytest.mark.parametrize("shape", [(30, 30), (40, 12), (12, 40)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_a_matrix_is_the_product_whichever_algorithm_converges(monkeypatch, shape, full, fails):
    library, asked = linalg.svd, []

    def first_fails(A, **options):
        asked.append(options.get("lapack_driver"))
        if fails and "lapack_driver" not in options:
            raise np.linalg.LinAlgError("SVD did not converge")
        return library(A, **options)

    monkeypatch.setattr(singular_values.linalg, "svd", first_fails)
    A = graded(np.random.default_rng(4), *shape)
    U, s, V = svd(A, full_matrices=full)
    assert asked == ([None, "gesvd"] if fails else [None])
    assert U.shape == (shape[0], shape[0] if full else min(shape))
    assert V.shape == (shape[1] if full else min(shape), shape[1])
    decomposes(A, U, s, V)
    assert np.allclose(s, library(A, compute_uv=False, lapack_driver="gesvd"), rtol=0, atol=1e-14 * s[0])


@pytest.mark.parametrize("entries", [64, 2**20])
def test_the_memory_that_is_asked_for_holds_what_is_formed(monkeypatch, entries):
    """Eight doubles for each entry of R^T R and those of a block, more than is taken at its peak, and not tenfold."""
    asked = []
    monkeypatch.setattr(jacobian_factors, "BLOCK_ENTRIES", entries)
    monkeypatch.setattr(jacobian_factors, "require_memory", lambda size, *_: asked.append(size))
    problem, theta = spectrum_problems.small()
    m, M = problem.n_residuals, theta.size
    for function in (jacobian_factors.triangle, jacobian_factors.jacobian):
        function(problem, theta)
        tracemalloc.start()
        function(problem, theta)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= asked[-1] + 10**5  # of other objects
    assert asked[::2] == [8 * (8 * M * M + entries), 8 * (3 * m * M + 2 * M * M + min(m, M) * m)]
