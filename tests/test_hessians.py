"""Gauss-Newton matrices, Hessians, products and tangent kernels."""

from __future__ import annotations

import numpy as np
import pytest

import refkan as rk
from refkan import hessians

N = 13

NETWORKS = {
    f"{kind}-{node_map}-{outside}": (kind, node_map, outside)
    for kind in ("spline", "relu", "scaled-relu", "silu")
    for node_map in ("affine", "mean-std", "min-max", "sigmoid", "none")
    for outside in ("linear", "polynomial", "natural")
    if outside == "linear" or node_map in ("affine", "mean-std")
} | {f"mlp-{activation}": ("mlp", activation, "") for activation in ("relu", "relu3", "tanh")}


def start(name, weights=False, residual=True):
    """A small problem of cubic splines, away from its minimum, with samples inside and outside the domain."""
    kind, node_map, outside = NETWORKS[name]
    rng = np.random.default_rng(5)
    if kind == "mlp":
        net = rk.mlp([2, 3, 4, 2], node_map)
    else:
        basis, edge = ("spline", "silu") if kind == "silu" else (kind, "spline")
        net = rk.kan([2, 3, 2], 4, [3, 2], basis=basis, edge=edge, node_map=node_map, outside=outside)
    # The maps are bound to other samples: bound to x itself, its extremes would sit on the ends of a domain, where
    # second derivatives jump and differences say nothing.
    net, theta = net.initialize(rng, rng.uniform(size=(11, 2)), statistics=rng.uniform(size=(9, 2)))
    theta = theta + 0.05 * rng.normal(size=theta.size)
    x = rng.uniform(-0.1, 1.1, (N, 2))
    y = net(theta, x) if not residual else rng.normal(size=(N, 2))
    return rk.LeastSquares(net, x, y, weights=rng.uniform(0.5, 2.0, N) if weights else None), theta


def dense_gauss_newton(problem, theta):
    J = problem.net.jacobian(theta, problem.x)
    w = np.ones(N) if problem.weights is None else problem.weights
    return J.T @ (np.repeat(w, 2)[:, None] * J) / N, np.abs(J).T @ (np.repeat(w, 2)[:, None] * np.abs(J)) / N


def differences(problem, theta, h=1e-6):
    """Central differences of the gradient, column by column."""
    return np.stack(
        [(problem.gradient(theta + h * e) - problem.gradient(theta - h * e)) / (2 * h) for e in np.eye(theta.size)],
        axis=1,
    )


@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("name", NETWORKS)
def test_gauss_newton_is_the_product_of_jacobians(name, path):
    problem, theta = start(name, weights=True)
    expected, contributions = dense_gauss_newton(problem, theta)
    try:
        H = problem.gauss_newton(theta, path=path)
    except ValueError:
        assert path == "sparse"  # a layer without a local form says so instead of taking the other path in silence
        return
    # Statistics maps add large parts of opposite sign: relative to the largest contribution, not entry by entry.
    assert np.abs(H - expected).max() <= 1e-13 * contributions.max()
    assert np.array_equal(H, H.T)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_hessian_is_the_derivative_of_the_gradient(name):
    problem, theta = start(name, weights=True)
    H = problem.hessian(theta)
    # h = 1e-6: truncation h^2 f''''/6 reaches 3e-8 in the steepest case, rounding eps/h 1e-10 of the largest entry;
    # a bend of the second derivative within h of a sample adds h times the jump of the third.
    assert np.abs(H - differences(problem, theta)).max() <= 1e-6 * np.abs(H).max()
    assert np.abs(H - H.T).max() <= 1e-14 * np.abs(H).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_products_need_no_matrix(name):
    problem, theta = start(name, weights=True)
    v = np.random.default_rng(2).normal(size=theta.size)
    for matrix, product in (
        (problem.hessian(theta), problem.hessian_vector(theta, v)),
        (problem.gauss_newton(theta), problem.gauss_newton_vector(theta, v)),
    ):
        assert np.abs(matrix @ v - product).max() <= 1e-12 * (np.abs(matrix) @ np.abs(v)).max()


@pytest.mark.parametrize("name", ["spline-affine-linear", "relu-mean-std-linear", "silu-sigmoid-linear", "mlp-tanh"])
def test_without_residuals_the_hessian_is_gauss_newton(name):
    problem, theta = start(name, residual=False)
    H, G = problem.hessian(theta), problem.gauss_newton(theta)
    assert np.abs(H - G).max() <= 1e-12 * np.abs(G).max()
    problem, theta = start(name)
    assert np.abs(problem.hessian(theta) - problem.gauss_newton(theta)).max() > 1e-3 * np.abs(G).max()


@pytest.mark.parametrize(
    "name", ["spline-mean-std-linear", "scaled-relu-affine-linear", "silu-none-linear", "mlp-tanh"]
)
def test_taylor_remainders_fall_with_the_third_power(name):
    problem, theta = start(name)
    report = rk.checks.taylor_test(
        problem.value, problem.gradient, theta, hessian_vector=problem.hessian_vector, rng=np.random.default_rng(1)
    )
    assert report.ok, report.table


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
def test_the_matrix_in_the_other_basis(node_map):
    problem, theta = start(f"spline-{node_map}-linear")
    relu = problem.net.to_basis("scaled-relu")
    w = problem.net.convert(theta, relu)
    other = rk.LeastSquares(relu, problem.x, problem.y)
    to_spline = relu.coordinates("spline")
    for name in ("gauss_newton", "hessian"):
        H_w = getattr(other, name)(w)
        half = np.stack([to_spline.gradient(row) for row in H_w])  # H_w A^T, row by row
        H_u = np.stack([to_spline.gradient(column) for column in half.T])
        expected = getattr(problem, name)(theta)
        assert np.abs(H_u - expected).max() <= 1e-8 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["spline-affine-linear", "spline-mean-std-linear", "mlp-relu"])
def test_the_tangent_kernel_shares_the_spectrum(name):
    problem, theta = start(name)
    K = problem.ntk(theta)
    J = problem.net.jacobian(theta, problem.x)
    assert np.abs(K - J @ J.T).max() <= 1e-13 * np.abs(K).max()
    rank = min(K.shape[0], theta.size)
    of_kernel = np.linalg.eigvalsh(K)[::-1][:rank] / N
    of_matrix = np.linalg.eigvalsh(problem.gauss_newton(theta))[::-1][:rank]
    assert np.abs(of_kernel - of_matrix).max() <= 1e-13 * of_matrix[0]


def test_blocks_are_those_of_the_layers():
    problem, theta = start("spline-mean-std-linear", weights=True)
    H = problem.gauss_newton(theta)
    blocks = problem.gauss_newton_blocks(theta)
    assert len(blocks) == 2
    for block, where in zip(blocks, problem.net.slices, strict=True):
        assert np.abs(block - H[where, where]).max() <= 1e-13 * np.abs(H).max()


def test_many_samples_in_chunks_give_the_same():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(30000, 2))
    net, theta = rk.kan([2, 3, 1], 3, 3).initialize(rng, x[:100])
    y = rk.problems.regression_target(x)
    whole = rk.LeastSquares(net, x, y)
    halves = [rk.LeastSquares(net, x[rows], y[rows]) for rows in (slice(0, 15000), slice(15000, None))]
    for name in ("gauss_newton", "hessian"):
        H = getattr(whole, name)(theta)
        mean = 0.5 * sum(getattr(half, name)(theta) for half in halves)
        assert np.abs(H - mean).max() <= 1e-13 * np.abs(H).max()


def test_the_check_notices_wrong_matrices():
    problem, theta = start("spline-mean-std-linear")
    H, truth = problem.hessian(theta), differences(problem, theta)
    scale = 1e-6 * np.abs(H).max()
    wrong = {
        "sign of the residual part": 2 * problem.gauss_newton(theta) - H,
        "factor": 1.001 * H,
        "index": np.roll(H, 1, axis=0),
        "constants of the maps held fixed": rk.LeastSquares(problem.net.freeze(theta), problem.x, problem.y).hessian(
            theta
        ),
    }
    for name, matrix in wrong.items():
        assert np.abs(matrix - truth).max() > scale, name


def test_bad_input_is_refused():
    problem, theta = start("spline-affine-linear")
    with pytest.raises(ValueError, match="theta must have length"):
        problem.gauss_newton(theta[1:])
    with pytest.raises(ValueError, match="finite"):
        problem.hessian(np.full_like(theta, np.nan))
    with pytest.raises(ValueError, match="length"):
        problem.hessian_vector(theta, theta[1:])
    with pytest.raises(ValueError, match="path must be one of"):
        problem.gauss_newton(theta, path="fast")
    free, start_theta = rk.kan([1, 1], 3, 4, free_knots=True).initialize(np.random.default_rng(0), np.ones((2, 1)) / 2)
    with pytest.raises(ValueError, match="knots"):
        rk.LeastSquares(free, [[0.2]], [[1.0]]).hessian(start_theta)
    with pytest.raises(ValueError, match=r"needs .* of memory; 100 bytes are allowed"):
        hessians.gauss_newton(problem.net, theta, problem.x, memory_limit=100)
