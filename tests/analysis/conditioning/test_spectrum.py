"""Spectra of Gauss-Newton matrices, kernels, Hessians and given matrices; flags, tables, pickles."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import refkan as rk
from refkan.analysis.conditioning import null_vectors
from refkan.analysis.conditioning.spectra import doubts
from tests.analysis.conditioning.spectrum_problems import W, X, Y, falling, small
from tests.shared.factories import EPS, SOME_NETWORKS, NetworkCase, name


def problem_of(case, weights=None):
    net, theta = case.start(X)
    return rk.LeastSquares(net, X, Y[:, : net.widths[-1]], weights), theta


# --- the matrices


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
@pytest.mark.parametrize("weighted", [False, True])
def test_eigenvalues_are_those_of_the_matrices(case, weighted):
    problem, theta = problem_of(case, W if weighted else None)
    G, K = problem.gauss_newton(theta), problem.ntk(theta)
    found, kernel = rk.spectrum(problem, theta), rk.spectrum(problem, theta, which="ntk")
    atol = 1e3 * EPS * found.largest
    np.testing.assert_allclose(found.values, falling(G), rtol=0, atol=atol)
    np.testing.assert_allclose(kernel.values, falling(K)[: kernel.values.size], rtol=0, atol=atol)
    np.testing.assert_allclose(kernel.values[: kernel.rank], found.values[: found.rank], rtol=1e-9)
    np.testing.assert_allclose(G @ found.vectors, found.vectors * found.values, rtol=0, atol=atol)
    np.testing.assert_allclose(K @ kernel.vectors, kernel.vectors * kernel.values, rtol=0, atol=atol)
    by_matrix = rk.spectrum(problem, theta, method="eigh")
    np.testing.assert_allclose(by_matrix.values, found.values, rtol=0, atol=atol)
    by_matrix = rk.spectrum(problem, theta, which="ntk", method="eigh")
    np.testing.assert_allclose(by_matrix.values[: kernel.values.size], kernel.values, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "case", [NetworkCase("spline"), NetworkCase("silu", "mean-std"), NetworkCase("mlp-tanh")], ids=name
)
def test_the_hessian(case):
    problem, theta = problem_of(case, W)
    H = problem.hessian(theta)
    found = rk.spectrum(problem, theta, which="hessian")
    np.testing.assert_allclose(found.values, falling(H), rtol=0, atol=1e3 * EPS * found.largest)
    assert found.negative > 0
    assert "indefinite" in found.flags
    assert found.condition == found.largest / found.smallest
    # At zero residual it is the Gauss-Newton matrix.
    fitted = rk.LeastSquares(problem.net, X, problem.net(theta, X), W)
    zero = rk.spectrum(fitted, theta, which="hessian")
    np.testing.assert_allclose(zero.values, rk.spectrum(fitted, theta).values, rtol=0, atol=1e3 * EPS * zero.largest)


def test_the_null_space_of_the_hessian_is_that_of_translations():
    """The direction that scales a node under mean-std is no null vector of H away from stationary points."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std"))
    found = rk.spectrum(problem, theta, which="hessian")
    H, Z = problem.hessian(theta), found.null_vectors
    assert found.analytic_nullity == Z.shape[1] == 3 + 4 + 3
    assert np.abs(H @ Z).max() < 1e-12 * found.largest
    every = null_vectors(problem.net, theta, X)
    assert every.shape[1] == Z.shape[1] + 3
    assert np.abs(H @ every).max() > 1e-3 * found.largest


def test_weights_are_the_users():
    problem, theta = small()
    unweighted = rk.LeastSquares(problem.net, X, Y[:, :1])
    given = rk.spectrum(unweighted, theta, weights=W)
    np.testing.assert_array_equal(given.values, rk.spectrum(problem, theta).values)
    assert given.condition != rk.spectrum(unweighted, theta).condition
    # Two samples of weight one count as one of weight two.
    twice = rk.LeastSquares(problem.net, np.concatenate([X, X[:10]]), np.zeros((80, 1)))
    weights = np.where(np.arange(70) < 10, 2.0, 1.0)
    expected = rk.spectrum(unweighted, theta, weights=weights).values * 70 / 80
    found = rk.spectrum(twice, theta)
    np.testing.assert_allclose(found.values[: found.rank], expected[: found.rank], rtol=1e-9)


def test_blocks_of_rows_give_the_same_triangle(monkeypatch):
    problem, theta = problem_of(NetworkCase("spline", "mean-std"), W)
    whole = rk.spectrum(problem, theta)
    monkeypatch.setattr("refkan.analysis.conditioning.triangles.BLOCK_ENTRIES", 1)
    x = np.tile(X, (8, 1)) + 1e-3 * np.random.default_rng(1).standard_normal((560, 2))
    many = rk.LeastSquares(problem.net, x, np.zeros((560, 2)))
    found = rk.spectrum(many, theta)
    np.testing.assert_allclose(found.values, falling(many.gauss_newton(theta)), rtol=0, atol=1e3 * EPS * found.largest)
    np.testing.assert_allclose(rk.spectrum(problem, theta).values, whole.values, rtol=0, atol=1e2 * EPS * whole.largest)


# --- matrices


@pytest.mark.parametrize("wrap", [lambda H: H, sparse.csr_array, aslinearoperator, lambda H: H.tolist()])
def test_matrices_of_every_form(wrap):
    H = np.diag([5.0, -4.0, 1.0, 0.0]) + 0.0
    found = rk.spectrum(wrap(H))
    np.testing.assert_allclose(found.values, [5.0, -4.0, 1.0, 0.0], rtol=0, atol=1e-15)
    assert (found.rank, found.negative, found.condition) == (3, 1, 5.0)
    assert found.analytic_nullity is None
    assert (found.which, found.method, found.flags) == ("matrix", "eigh", ("indefinite",))
    jacobi = rk.spectrum(np.diag([4.0, 1.0, 2.0]), preconditioner="jacobi")
    np.testing.assert_allclose(jacobi.values, 1.0, rtol=1e-15)


def test_a_foreign_model_has_no_known_null_space():
    class Line:
        def __call__(self, theta, x):
            return x @ theta[:, None]

        def jacobian(self, theta, x):
            return x.copy()

    found = rk.spectrum(rk.LeastSquares(Line(), X, Y[:, :1], W), np.zeros(2))
    np.testing.assert_allclose(found.values, falling((X.T * W) @ X / 70), rtol=1e-13)
    assert found.analytic_nullity is None
    assert "unknown" in found.table


# --- flags, tables, pickles


def test_flags_name_what_is_doubtful():
    flat = doubts(np.array([1.0, 1e-3, 0.0]), 3, 2, 1, 1e9, 0.0, None)
    assert flat == {}
    assert "rounding hides 1" in doubts(np.ones(3), 3, 3, 1, np.inf, 0.0, None)["nullity"]
    assert "J has 2 rows only" in doubts(np.array([1.0, 0.5, 0.0, 0.0]), 4, 2, 0, np.inf, 0.0, 2)["nullity"]
    assert "gap" in doubts(np.array([1.0, 0.5, 0.4]), 3, 2, 1, 1.25, 0.0, None)
    assert "resolution" in doubts(np.array([1.0, 1e-14]), 2, 2, 0, np.inf, 1e-15, None)
    assert "2 negative" in doubts(np.array([1.0, -0.5, -0.4]), 3, 3, None, np.inf, 0.0, None)["indefinite"]


def test_the_condition_number_is_of_the_range_that_structure_leaves():
    """A known null direction that rounding lifts above the threshold does not enter, and is flagged."""
    H = rk.spectrum(np.diag([4.0, 2.0, 1e-10]))
    known = rk.conditioning.Spectrum(**{**_fields(H), "analytic_nullity": 1})
    assert (H.rank, H.condition) == (3, pytest.approx(4e10))
    assert (known.rank, known.condition, known.smallest) == (3, 2.0, 2.0)


def _fields(spectrum):
    return {name: getattr(spectrum, name) for name in spectrum.__dataclass_fields__}


def test_a_zero_jacobian_is_flagged_not_divided_by():
    net, theta = rk.kan([1, 2, 1], 3, 2).initialize(np.random.default_rng(0), X[:, :1])
    problem = rk.LeastSquares(net, X[:, :1], Y[:, :1], np.zeros(70))
    for options in ({}, {"method": "eigh"}, {"basis": "relu"}, {"which": "ntk"}, {"preconditioner": "jacobi"}):
        found = rk.spectrum(problem, theta, **options)
        assert found.rank == 0
        assert np.isnan(found.condition)
        assert np.isnan(found.largest)
        assert found.flags == ("zero",)
    assert rk.spectrum(np.zeros((3, 3))).flags == ("zero",)


def test_table_amplitudes_and_pickle():
    problem, theta = small()
    found = rk.spectrum(problem, theta, preconditioner="jacobi")
    for word in ("preconditioned by jacobi", "analytic nullity", f"{found.condition:.6e}"):
        assert word in str(found)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.values, found.values)
    assert again.notes == found.notes
    steps = np.random.default_rng(0).standard_normal((3, theta.size))
    np.testing.assert_allclose(found.amplitudes(steps) @ found.vectors.T, steps, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match=rf"steps must have a last axis of length {theta.size}; got shape \(2,\)"):
        found.amplitudes([1.0, 2.0])
    with pytest.raises(TypeError):
        found.notes["new"] = "doubt"
