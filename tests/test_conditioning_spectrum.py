"""`rk.spectrum`: against the assembled matrices, across bases and preconditioners, by every complete method."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from factories import EPS, SOME_NETWORKS, NetworkCase, name, samples
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import refkan as rk
from refkan.conditioning import null_vectors
from refkan.conditioning.spectra import doubts

X = samples(70)
RNG = np.random.default_rng(11)
Y = RNG.standard_normal((70, 2))
W = RNG.uniform(0.2, 2.0, 70)


def problem_of(case, weights=None):
    net, theta = case.start(X)
    return rk.LeastSquares(net, X, Y[:, : net.widths[-1]], weights), theta


def small(basis="spline", **options):
    net, theta = rk.kan([2, 3, 1], 3, [4, 2], basis=basis, **options).initialize(np.random.default_rng(5), X)
    return rk.LeastSquares(net, X, Y[:, :1], W), theta


def falling(matrix):
    values = np.linalg.eigvalsh(matrix)
    return values[np.argsort(-np.abs(values), kind="stable")]


# --- the matrices


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
@pytest.mark.parametrize("weighted", [False, True])
def test_eigenvalues_are_those_of_the_matrices(case, weighted):
    problem, theta = problem_of(case, W if weighted else None)
    G, K = problem.gauss_newton(theta), problem.ntk(theta)
    found, kernel = rk.spectrum(problem, theta), rk.spectrum(problem, theta, which="ntk")
    atol = 1e3 * EPS * found.largest
    np.testing.assert_allclose(found.values, falling(G), rtol=0, atol=atol)
    np.testing.assert_allclose(kernel.values, falling(K)[: kernel.values.size], rtol=0, atol=70 * atol)
    np.testing.assert_allclose(kernel.values[: kernel.rank], 70 * found.values[: found.rank], rtol=1e-9)
    np.testing.assert_allclose(G @ found.vectors, found.vectors * found.values, rtol=0, atol=atol)
    np.testing.assert_allclose(K @ kernel.vectors, kernel.vectors * kernel.values, rtol=0, atol=70 * atol)
    by_matrix = rk.spectrum(problem, theta, method="eigh")
    np.testing.assert_allclose(by_matrix.values, found.values, rtol=0, atol=atol)
    by_matrix = rk.spectrum(problem, theta, which="ntk", method="eigh")
    np.testing.assert_allclose(by_matrix.values[: kernel.values.size], kernel.values, rtol=0, atol=70 * atol)


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
    monkeypatch.setattr("refkan.conditioning.triangles.BLOCK_ENTRIES", 1)
    x = np.tile(X, (8, 1)) + 1e-3 * np.random.default_rng(1).standard_normal((560, 2))
    many = rk.LeastSquares(problem.net, x, np.zeros((560, 2)))
    found = rk.spectrum(many, theta)
    np.testing.assert_allclose(found.values, falling(many.gauss_newton(theta)), rtol=0, atol=1e3 * EPS * found.largest)
    np.testing.assert_allclose(rk.spectrum(problem, theta).values, whole.values, rtol=0, atol=1e2 * EPS * whole.largest)


# --- bases


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
@pytest.mark.parametrize("which", ["gauss-newton", "ntk", "hessian"])
def test_another_basis_is_the_structure_applied(basis, which):
    problem, theta = small(node_map="mean-std")
    other = problem.net.to_basis(basis)
    twin = rk.LeastSquares(other, X, Y[:, :1], W)
    w = problem.net.convert(theta, other)
    found = rk.spectrum(problem, theta, which=which, basis=basis)
    matrix = {"gauss-newton": twin.gauss_newton, "ntk": twin.ntk, "hessian": twin.hessian}[which](w)
    atol = 1e-11 * found.largest  # the twin's matrix is evaluated in the ReLU basis
    np.testing.assert_allclose(found.values, falling(matrix)[: found.values.size], rtol=0, atol=atol)
    np.testing.assert_allclose(matrix @ found.vectors, found.vectors * found.values, rtol=0, atol=atol)
    assert found.rank == rk.spectrum(problem, theta, which=which).rank
    assert found.basis == basis
    # A network that is in that basis already has the same spectrum, as its own.
    own = rk.spectrum(twin, w, which=which)
    np.testing.assert_allclose(own.values[: own.rank], found.values[: found.rank], rtol=1e-6)
    assert own.basis == basis
    back = rk.spectrum(twin, w, which=which, basis="spline")
    mine = rk.spectrum(problem, theta, which=which)
    np.testing.assert_allclose(back.values, mine.values, rtol=0, atol=1e-12 * mine.largest)


def test_null_vectors_come_in_the_coordinates_asked_for():
    problem, theta = small()
    relu = rk.spectrum(problem, theta, basis="relu")
    other = problem.net.to_basis("relu")
    J = other.jacobian(problem.net.convert(theta, other), X)
    Z = relu.null_vectors
    np.testing.assert_allclose(Z.T @ Z, np.eye(relu.analytic_nullity), rtol=0, atol=1e-13)
    assert np.abs(J @ Z).max() < 1e-12 * np.abs(J).max()


def test_nothing_is_evaluated_in_the_relu_basis(monkeypatch):
    problem, theta = small("relu")
    monkeypatch.setattr(rk.ReluLayer, "linearize", lambda *_, **__: pytest.fail("evaluated in the ReLU basis"))
    assert rk.spectrum(problem, theta).rank > 0
    assert rk.spectrum(problem, theta, method="eigsh", k=2).rank > 0


def test_natural_tails_differ_between_the_bases_and_are_evaluated():
    """Outside the domain the two bases are two functions: the ReLU network's own Jacobian is what counts."""
    net, theta = rk.kan([2, 1], 3, 4, basis="relu", outside="natural").initialize(np.random.default_rng(1), X)
    x = samples(60, reach=0.4)
    problem = rk.LeastSquares(net, x, np.zeros((60, 1)))
    found = rk.spectrum(problem, theta)
    assert "evaluated" in found.flags
    np.testing.assert_allclose(found.values, falling(problem.gauss_newton(theta)), rtol=0, atol=1e-12 * found.largest)


@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_free_knots_in_another_basis(basis):
    net, theta = rk.kan([2, 3, 1], 3, 4, free_knots=True).initialize(np.random.default_rng(1), X)
    theta = theta + 0.05 * np.random.default_rng(2).standard_normal(theta.size)
    problem, other = rk.LeastSquares(net, X, Y[:, :1]), net.to_basis(basis)
    twin = rk.LeastSquares(other, X, Y[:, :1])
    found = rk.spectrum(problem, theta, basis=basis)
    expected = falling(twin.gauss_newton(net.convert(theta, other)))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-11 * found.largest)
    np.testing.assert_allclose(rk.spectrum(twin, net.convert(theta, other)).values, found.values, atol=1e-9)


def quadrature(space):
    """Points and weights that integrate products of two splines exactly, N times the weights of the mean."""
    nodes, weights = np.polynomial.legendre.leggauss(space.order)
    t = space.breakpoints
    x = (t[:-1, None] + np.diff(t)[:, None] * (nodes + 1) / 2).ravel()
    w = (np.diff(t)[:, None] * weights / 2).ravel()
    return x[:, None], w * x.size


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_one_layer_gram_matrices_grow_as_in_the_theory(order):
    """Spline: bounded in n. ReLU: (dim + 1/2)^(2r); at r = 4, n = 64 that is 1e14. Weights make the Gram exact."""
    sizes, conditions = [], {"spline": [], "relu": []}
    for n in (16, 32, 64):
        net, theta = rk.kan([1, 1], order, n).initialize(np.random.default_rng(0), X[:, :1])
        x, w = quadrature(net.layers[0].spaces[0])
        problem = rk.LeastSquares(net, x, np.zeros_like(x), w)
        sizes.append(n + order - 1 + 0.5)
        for basis, values in conditions.items():
            values.append(rk.spectrum(problem, theta, basis=basis).condition)
    slope = np.polyfit(np.log(sizes), np.log(conditions["relu"]), 1)[0]
    assert abs(slope - 2 * order) < 0.02
    assert conditions["spline"][-1] < 1.1 * conditions["spline"][0]


# --- preconditioners


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


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"which": "fisher"}, "which must be one of 'gauss-newton', 'hessian', 'ntk'; got 'fisher'"),
        ({"basis": "fourier"}, "basis must be one of"),
        ({"method": "qr"}, "method must be one of"),
        ({"preconditioner": "ilu"}, "preconditioner must be one of 'jacobi', 'spline', 'relu', 'scaled-relu'"),
        ({"preconditioner": np.eye(3)}, "preconditioner must be real, of shape"),
        ({"preconditioner": lambda v: v[:2]}, r"preconditioner\(v\) must have shape"),
        ({"preconditioner": LinearOperator((2, 2), lambda v: v)}, "preconditioner must have shape"),
        ({"weights": [1.0]}, "weights must have length 70"),
        ({"which": "hessian", "method": "svd"}, "method 'svd' needs a Jacobian, which 'hessian' has not"),
        ({"method": "svd", "k": 3}, "k must be left out for method 'svd'"),
        ({"k": 0}, "k must be at least 1"),
        ({"method": "eigsh", "preconditioner": lambda v: v}, "method 'eigsh' needs a preconditioner with a factor"),
        ({"method": "eigsh", "k": 40}, "k must be at most"),
    ],
)
def test_bad_arguments_are_named(options, message):
    problem, theta = small()
    with pytest.raises(ValueError, match=message):
        rk.spectrum(problem, theta, **options)


def test_bad_preconditioners_are_told_apart():
    problem, theta = small()
    n = theta.size
    lopsided = np.eye(n)
    lopsided[0, 1] = 1.0
    with pytest.raises(ValueError, match="must be symmetric"):
        rk.spectrum(problem, theta, preconditioner=lopsided)
    with pytest.raises(ValueError, match="must be positive definite"):
        rk.spectrum(problem, theta, preconditioner=np.eye(n) - 2 * np.ones((n, n)))
    with pytest.raises(ValueError, match=r"must be positive; got preconditioner\[2\] = 0.0"):
        rk.spectrum(problem, theta, preconditioner=np.where(np.arange(n) == 2, 0.0, 1.0))
    with pytest.raises(ValueError, match="'jacobi' needs a diagonal >= 0; entry 1 is -1"):
        rk.spectrum(np.diag([1.0, -1.0]), preconditioner="jacobi")
    with pytest.raises(ValueError, match="preconditioner must be one of 'jacobi'; got 'relu'"):
        rk.spectrum(np.eye(2), preconditioner="relu")


def test_theta_belongs_to_problems_and_has_a_length():
    problem, theta = small()
    with pytest.raises(ValueError, match="theta must be given with a problem"):
        rk.spectrum(problem)
    with pytest.raises(ValueError, match=f"theta must have length {theta.size}; got length 3"):
        rk.spectrum(problem, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="theta must be real"):
        rk.spectrum(problem, theta + 1j)
    for extra in ({"theta": theta}, {"basis": "relu"}, {"weights": W}, {"which": "ntk"}):
        with pytest.raises(ValueError, match=f"{next(iter(extra))} must be left out for a matrix"):
            rk.spectrum(np.eye(2), **extra)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), "square"),
        ([[1.0, 2.0], [0.0, 1.0]], "symmetric"),
        (sparse.csr_array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (aslinearoperator(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
        ([[np.nan]], r"problem_or_matrix must be finite; got problem_or_matrix\[0, 0\]"),
        (1j * np.eye(2), "real"),
        (np.zeros((0, 0)), "square"),
        ([1.0, 2.0], "2 dimensions"),
    ],
)
def test_bad_matrices_are_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        rk.spectrum(matrix)


def test_residuals_that_overflow_are_refused():
    net = rk.mlp([2, 3, 3, 1], "relu3")
    net, theta = net.initialize(np.random.default_rng(0), X)
    problem = rk.LeastSquares(net, X, Y[:, :1])
    for options in ({}, {"which": "ntk"}, {"which": "hessian"}, {"method": "lobpcg", "k": 2}):
        with pytest.raises(ValueError, match="residuals must be finite at theta; got"):
            rk.spectrum(problem, theta * 1e60, **options)


def test_other_bases_are_refused_where_there_are_none():
    net, theta = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(0), X)
    with pytest.raises(ValueError, match="a dense layer has none"):
        rk.spectrum(rk.LeastSquares(net, X, Y[:, :1]), theta, basis="relu")
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
    monkeypatch.setattr("refkan.hessians.memory.available_memory", lambda: 60_000)
    with pytest.raises(ValueError, match=what + r".* needs .* of memory; 60 kB are available: "):
        rk.spectrum(problem, theta, which=which)
