"""Least squares problems whose last layer is linear in its coefficients, and their elimination the plain way."""

from dataclasses import replace

import numpy as np

import refkan as rk
from refkan.training.losses import LeastSquares


def data(n_samples=150, n_outputs=1, seed=1234):
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (n_samples, 2))
    y = rk.problems.regression_target(x)
    return x, np.concatenate([y, *(np.sin((k + 2) * x[:, :1] * y) for k in range(n_outputs - 1))], axis=1)


def network(kind, n_outputs):
    widths = [2, 4, n_outputs]
    if kind == "dense":
        return rk.mlp(widths, "tanh")
    if kind == "dense-bias":
        mlp = rk.mlp(widths, "tanh")
        return replace(mlp, layers=(mlp.layers[0], rk.DenseLayer(4, n_outputs, "identity", bias=True)))
    edge, free = ("silu" if kind == "silu" else "spline"), ([False, True] if kind == "free" else False)
    basis = kind if "relu" in kind else "spline"
    node_map = {"free": "min-max", "silu": "sigmoid"}.get(kind, "mean-std")
    return rk.kan(widths, 3, [2, 3], basis=basis, node_map=node_map, edge=edge, free_knots=free)


KINDS = ("spline", "free", "silu", "relu", "scaled-relu", "dense", "dense-bias")
LINEAR = {"coefficients", "weights", "bias", "w_b"}


def problem_of(kind, n_outputs=1, weighted=False, seed=7):
    x, y = data(n_outputs=n_outputs)
    rng = np.random.default_rng(seed)
    net, theta = network(kind, n_outputs).initialize(rng, x)
    return LeastSquares(net, x, y, rng.uniform(0.1, 2.0, len(x)) if weighted else None), theta


def linear_positions(net):
    """Where the linear parameters of the last layer lie, found by name."""
    names = np.zeros(net.n_params, dtype=bool)
    start = net.slices[-1].start
    for name, shape in net.layers[-1].blocks.items():
        size = int(np.prod(shape))
        names[start : start + size] = name in LINEAR
        start += size
    return np.flatnonzero(names)


def third_differences(n_edges, dim):
    """Of the coefficients of each edge, halved: the jumps of quadratic splines on uniform knots, in h^2."""
    return np.kron(np.eye(n_edges), np.diff(np.eye(dim), 3, axis=0) / 2)


def eliminated_by_lstsq(problem, theta, ridge, jumps=None):
    """theta with the linear parameters at their best, from the Jacobian of the whole network."""
    c = linear_positions(problem.net)
    zero = theta.copy()
    zero[c] = 0.0
    r = problem.residual_and_jacobian(zero)[0]
    Phi = problem.residual_and_jacobian(theta)[1][:, c]
    A = np.vstack([Phi, np.sqrt(ridge) * np.eye(c.size), np.zeros((0, c.size)) if jumps is None else jumps])
    zero[c] = np.linalg.lstsq(A, np.concatenate([-r, np.zeros(len(A) - r.size)]), rcond=None)[0]
    return zero
