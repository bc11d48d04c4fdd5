"""Spectra of problems and matrices, and what they refuse."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import refkan as rk
from refkan.analysis.conditioning import jacobian_factors
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.analysis.conditioning.spectrum_of_problem import ASYMMETRY
from tests.analysis.conditioning.spectrum_problems import W, X, Y, falling, small
from tests.shared.factories import EPS, SOME_NETWORKS, NetworkCase, name
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row


def problem_of(case, weights=None):
    net, theta = case.start(X)
    return rk.LeastSquares(net, X, Y[:, : net.widths[-1]], weights), theta


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
@pytest.mark.parametrize("weighted", [False, True])
def test_eigenvalues_are_those_of_the_matrices(case, weighted):
    problem, theta = problem_of(case, W if weighted else None)
    G, K = problem.gauss_newton(theta), problem.ntk(theta)
    spectrum, kernel = rk.spectrum(problem, theta), rk.spectrum(problem, theta, which="ntk")
    atol = 1e3 * EPS * spectrum.largest
    np.testing.assert_allclose(spectrum.values, falling(G), rtol=0, atol=atol)
    np.testing.assert_allclose(kernel.values, falling(K)[: kernel.values.size], rtol=0, atol=atol)
    np.testing.assert_allclose(kernel.values[: kernel.rank], spectrum.values[: spectrum.rank], rtol=1e-9)
    np.testing.assert_allclose(G @ spectrum.vectors, spectrum.vectors * spectrum.values, rtol=0, atol=atol)
    np.testing.assert_allclose(K @ kernel.vectors, kernel.vectors * kernel.values, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "case", [NetworkCase("spline"), NetworkCase("silu", "mean-std"), NetworkCase("mlp-tanh")], ids=name
)
def test_the_hessian(case):
    problem, theta = problem_of(case, W)
    H = problem.hessian(theta)
    spectrum = rk.spectrum(problem, theta, which="hessian")
    np.testing.assert_allclose(spectrum.values, falling(H), rtol=0, atol=1e3 * EPS * spectrum.largest)
    assert spectrum.negative > 0
    assert "indefinite" in spectrum.flags
    assert spectrum.condition == spectrum.largest / spectrum.smallest
    # At zero residual it is the Gauss-Newton matrix.
    fitted = rk.LeastSquares(problem.net, X, problem.net(theta, X), W)
    zero = rk.spectrum(fitted, theta, which="hessian")
    np.testing.assert_allclose(zero.values, rk.spectrum(fitted, theta).values, rtol=0, atol=1e3 * EPS * zero.largest)


def test_the_null_space_of_the_hessian_is_that_of_translations():
    """The direction that scales a node under mean-std is no null vector of H away from stationary points."""
    problem, theta = problem_of(NetworkCase("spline", "mean-std"))
    spectrum = rk.spectrum(problem, theta, which="hessian")
    H, Z = problem.hessian(theta), spectrum.null_vectors
    assert spectrum.analytic_nullity == Z.shape[1] == 3 + 4 + 3
    assert np.abs(H @ Z).max() < 1e-12 * spectrum.largest
    every = null_vectors(problem.net, theta, X)
    assert every.shape[1] == Z.shape[1] + 3
    assert np.abs(H @ every).max() > 1e-3 * spectrum.largest


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
    spectrum = rk.spectrum(twice, theta)
    np.testing.assert_allclose(spectrum.values[: spectrum.rank], expected[: spectrum.rank], rtol=1e-9)


def test_blocks_of_rows_give_the_same_triangle(monkeypatch):
    problem, theta = problem_of(NetworkCase("spline", "mean-std"), W)
    whole = rk.spectrum(problem, theta)
    monkeypatch.setattr("refkan.analysis.conditioning.jacobian_factors.BLOCK_ENTRIES", 1)
    x = np.tile(X, (8, 1)) + 1e-3 * np.random.default_rng(1).standard_normal((560, 2))
    many = rk.LeastSquares(problem.net, x, np.zeros((560, 2)))
    spectrum = rk.spectrum(many, theta)
    assert jacobian_factors.triangle(many, theta).shape == (theta.size, theta.size)
    np.testing.assert_allclose(
        spectrum.values, falling(many.gauss_newton(theta)), rtol=0, atol=1e3 * EPS * spectrum.largest
    )
    np.testing.assert_allclose(rk.spectrum(problem, theta).values, whole.values, rtol=0, atol=1e2 * EPS * whole.largest)


@pytest.mark.parametrize("wrap", [lambda H: H, sparse.csr_array, lambda H: H.tolist()])
def test_matrices_of_every_form(wrap):
    H = np.diag([5.0, -4.0, 1.0, 0.0]) + 0.0
    spectrum = rk.spectrum(wrap(H))
    np.testing.assert_allclose(spectrum.values, [5.0, -4.0, 1.0, 0.0], rtol=0, atol=1e-15)
    assert (spectrum.rank, spectrum.negative, spectrum.condition) == (3, 1, 5.0)
    assert spectrum.analytic_nullity is None
    assert (spectrum.which, spectrum.flags) == ("matrix", ("indefinite",))
    jacobi = rk.spectrum(np.diag([4.0, 1.0, 2.0]), preconditioner="jacobi")
    np.testing.assert_allclose(jacobi.values, 1.0, rtol=1e-15)


def test_a_foreign_model_has_no_known_null_space():
    class Line:
        def __call__(self, theta, x):
            return x @ theta[:, None]

        def jacobian(self, theta, x):
            return x.copy()

    problem = rk.LeastSquares(Line(), X, Y[:, :1], W)
    spectrum, kernel = rk.spectrum(problem, np.zeros(2)), rk.spectrum(problem, np.zeros(2), which="ntk")
    np.testing.assert_allclose(spectrum.values, falling((X.T * W) @ X / 70), rtol=1e-13)
    np.testing.assert_allclose(kernel.values, spectrum.values, rtol=1e-13)
    assert (spectrum.size, kernel.size, kernel.nullity) == (2, 70, 68)
    assert spectrum.analytic_nullity is None
    refused(lambda: rk.spectrum(problem, [np.inf, 0.0]), "theta must be finite|residuals must be finite")
    assert "unknown" in spectrum.table


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
    for options in ({}, {"basis": "relu"}, {"which": "ntk"}, {"preconditioner": "jacobi"}):
        spectrum = rk.spectrum(problem, theta, **options)
        assert spectrum.rank == 0
        assert np.isnan(spectrum.condition)
        assert np.isnan(spectrum.largest)
        assert spectrum.flags == ("zero",)
        assert np.isnan(spectrum.smallest)
    assert rk.spectrum(np.zeros((3, 3))).flags == ("zero",)


def test_kernels_have_the_nullity_that_their_rows_leave():
    """Of 70 rows those beyond the rank of J, which the null vectors of 42 parameters bound; none in theta are its."""
    problem, theta = small()
    known = rk.spectrum(problem, theta).analytic_nullity
    kernel = rk.spectrum(problem, theta, which="ntk")
    assert kernel.analytic_nullity == 70 - (theta.size - known)
    assert kernel.null_vectors.shape == (70, 0)
    few = rk.LeastSquares(problem.net, X[:5], Y[:5, :1])
    assert rk.spectrum(few, theta, which="ntk").analytic_nullity == 0


def test_table_amplitudes_and_pickle():
    problem, theta = small()
    spectrum = rk.spectrum(problem, theta, preconditioner="jacobi")
    lines = [line.rsplit("  ", 1) for line in str(spectrum).splitlines()]
    size, known = theta.size, spectrum.analytic_nullity
    assert {name.strip(): value for name, value in lines} == {
        "matrix": f"gauss-newton, preconditioned by jacobi, {size} x {size}, basis spline",
        "largest": f"{spectrum.largest:.6e}",
        "smallest in range": f"{spectrum.smallest:.6e}",
        "condition": f"{spectrum.condition:.6e}",
        "numerical rank": str(spectrum.rank),
        "numerical nullity": str(size - spectrum.rank),
        "analytic nullity": f"at least {known}",
        "gap": f"{spectrum.gap:.3e}",
        **{f"flag: {name}": said for name, said in spectrum.notes.items()},
    }
    assert len({len(name) for name, _ in lines}) == 1  # values stand below each other
    assert str(rk.spectrum(np.eye(2))).splitlines()[0].endswith("  matrix, 2 x 2")
    again = pickle.loads(pickle.dumps(spectrum))
    np.testing.assert_array_equal(again.values, spectrum.values)
    assert again.notes == spectrum.notes
    steps = np.random.default_rng(0).standard_normal((3, theta.size))
    np.testing.assert_allclose(spectrum.amplitudes(steps) @ spectrum.vectors.T, steps, rtol=0, atol=1e-9)
    for few in (steps[:, 1:], 1.0):
        with pytest.raises(ValueError, match=f"steps must have a last axis of length {size}; got shape"):
            spectrum.amplitudes(few)


def test_bad_preconditioners_are_told_apart():
    problem, theta = small()
    n = theta.size
    refused(lambda: rk.spectrum(problem, theta, preconditioner=np.eye(n)), r"of a matrix C = L L\^T ask")
    with pytest.raises(ValueError, match=r"must be positive; got preconditioner\[2\] = 0.0"):
        rk.spectrum(problem, theta, preconditioner=np.where(np.arange(n) == 2, 0.0, 1.0))
    refused(lambda: rk.spectrum(np.diag([1.0, -1.0]), preconditioner="jacobi"), "'jacobi' needs a.*0; entry 1 is -1")
    refused(lambda: rk.spectrum(np.eye(2), preconditioner="relu"), "preconditioner must be one of 'jacobi'; got 'relu'")


def test_theta_belongs_to_problems_and_has_a_length():
    problem, theta = small()
    refused(lambda: rk.spectrum(problem), "theta must be given with a problem")
    refused(lambda: rk.spectrum(3, theta), "TypeError: must be a problem or a matrix; got int")
    for extra in ({"theta": theta}, {"basis": "relu"}, {"weights": W}, {"which": "ntk"}):
        with pytest.raises(ValueError, match=f"{next(iter(extra))} must be left out for a matrix"):
            rk.spectrum(np.eye(2), **extra)


test_bad_matrices_are_refused = refusals(
    (np.ones((2, 3)), "square"),
    ([[1.0, 2.0], [0.0, 1.0]], "symmetric"),
    (sparse.csr_array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
    (aslinearoperator(np.eye(2)), "TypeError: must be a problem or a matrix; got MatrixLinearOperator"),
    (sparse.csr_array([[np.nan]]), "problem_or_matrix must be finite"),
    (sparse.csr_array((0, 0)), "square"),
    ([[np.nan]], r"problem_or_matrix must be finite; got problem_or_matrix\[0, 0\]"),
    (1j * np.eye(2), "real"),
    (np.zeros((0, 0)), "square"),
    ([1.0, 2.0], "2 dimensions"),
    (lambda v: v, "TypeError: must be a problem or a matrix; got function: pass rk.LeastSquares"),
    (3, "TypeError: must be a problem or a matrix; got int: pass rk.LeastSquares"),
    (np.float64(3), "TypeError: must be a problem or a matrix; got float64"),
    (small()[0].net, r"TypeError: must be a loss, not a network: pass a LeastSquares"),
    call=lambda matrix: rk.spectrum(matrix),
)


@pytest.mark.parametrize("form", [np.array, sparse.csr_array])
def test_matrices_are_symmetric_up_to_a_share_of_their_largest_entry(form):
    rk.spectrum(form([[-4.0, 4.0 * ASYMMETRY], [0.0, 0.0]]))
    off = np.nextafter(4.0 * ASYMMETRY, 1.0)
    refused(lambda: rk.spectrum(form([[-4.0, off], [0.0, 0.0]])), "problem_or_matrix must be symmetric")


def test_what_is_no_problem_is_answered_with_the_remedy():
    problem, theta = small()
    refused(lambda: rk.spectrum(problem.net, theta), "TypeError: not a network: pass a LeastSquares")
    net, theta = rk.kan([1, 1], 4, 2).initialize(np.random.default_rng(0), [[0.0], [1.0]])
    ends = rk.Collocation(net, rk.prescribed("ends", [[0.0], [1.0]], 0.0))
    refused(lambda: rk.spectrum(ends, theta), "TypeError: Collocation: pass the matrix")
    assert rk.spectrum(ends.gauss_newton(theta)).rank == 2


@pytest.mark.parametrize("scale", [1e-318, 1e-322, 6e307, 1.7e308])
def test_eigenvalues_that_float64_does_not_hold_are_refused(scale):
    """As matrices, and as Gauss-Newton matrices by their weights, which seemed to be zero or lost digits."""
    with pytest.raises(OverflowError, match="must be normal float64 numbers"):
        rk.spectrum(np.full((3, 3), scale))
    net, x = rk.kan([1, 1], 3, 2), np.linspace(0, 1, 9)[:, None]
    problem = rk.LeastSquares(net, x, x)
    if scale < 1:
        with pytest.raises(OverflowError, match="must be normal float64 numbers"):
            rk.spectrum(problem, np.ones(4), weights=np.full(9, scale))
    largest = rk.spectrum(np.diag([1.7e308, 1e308, 0.0]))
    assert (largest.rank, round(largest.condition, 12), largest.flags) == (2, 1.7, ())


def test_residuals_that_overflow_are_refused():
    net = rk.mlp([2, 3, 3, 1], "relu3")
    net, theta = net.initialize(np.random.default_rng(0), X)
    problem = rk.LeastSquares(net, X, Y[:, :1])
    for options in ({}, {"which": "ntk"}, {"which": "hessian"}):
        with pytest.raises(ValueError, match=r"residuals must be finite; got residuals\[.* at theta"):
            rk.spectrum(problem, theta * 1e60, **options)


def test_other_bases_are_refused_where_there_are_none():
    net, theta = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(0), X)
    refused(lambda: rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu"), "DenseLayer has none")
    net, theta = rk.kan([2, 1], 3, 2, edge="silu").initialize(np.random.default_rng(0), X)
    refused(lambda: rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu"), "a SiLU edge is defined")
    net, theta = rk.kan([2, 1], 3, 2, free_knots=True).initialize(np.random.default_rng(0), X)
    refused(lambda: rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu"), "needs fixed knots")


@each_row(
    "which, what",
    ("gauss-newton", "a spectrum of .* parameters by singular values"),
    ("ntk", "the singular vectors of a Jacobian of 70 rows"),
    ("hessian", "all eigenvalues of a matrix of"),
)
def test_too_much_for_the_memory_is_said_before_it_is_tried(monkeypatch, which, what):
    problem, theta = small()
    monkeypatch.setattr("refkan.networks.hessians.memory.available_memory", lambda: 60_000)
    refused(lambda: rk.spectrum(problem, theta, which=which), what + r".* needs .* of memory; 60 kB are available: ")
    assert rk.spectrum(np.eye(38)).size == 38  # of 40 bytes an entry
    refused(lambda: rk.spectrum(np.eye(39)), "all eigenvalues of a matrix of 39 rows needs 60.8 kB of memory")
