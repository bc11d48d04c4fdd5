"""Problems of residuals and Jacobians on which Gauss-Newton and Levenberg-Marquardt are tested."""

import numpy as np

import refkan as rk
from refkan.training.losses import LeastSquares

METHODS = ("gauss-newton", "levenberg-marquardt", "natural-gradient")
SOLVERS = ("qr", "cholesky", "dual")
GN, LM, NG = METHODS


class Residuals:
    """A problem from functions r(theta), J(theta); it counts what it is asked for."""

    def __init__(self, r, J):
        self._r, self._J = r, J
        self.points, self.jacobians = [], []

    def value_and_gradient(self, theta):
        self.points.append(theta.copy())
        r = self._r(theta)
        return 0.5 * r @ r, self._J(theta).T @ r

    def residual_and_jacobian(self, theta):
        self.jacobians.append(theta.copy())
        return self._r(theta), self._J(theta)


def linear(A, b):
    return Residuals(lambda theta: A @ theta - b, lambda theta: A)


def rosenbrock():
    return Residuals(
        lambda t: np.array([10.0 * (t[1] - t[0] ** 2), 1.0 - t[0]]),
        lambda t: np.array([[-20.0 * t[0], 10.0], [-1.0, 0.0]]),
    )


def exponentials(noise=0.05):
    """y = a exp(-b x) + c exp(-d x) with residuals at the minimum."""
    x = np.linspace(0, 4, 30)
    y = 2 * np.exp(-1.5 * x) + np.exp(-0.3 * x) + noise * np.sin(17 * x)

    def J(t):
        e, f = np.exp(-t[1] * x), np.exp(-t[3] * x)
        return np.column_stack([e, -t[0] * x * e, f, -t[2] * x * f])

    return Residuals(lambda t: t[0] * np.exp(-t[1] * x) + t[2] * np.exp(-t[3] * x) - y, J)


EXPONENTIALS = np.array([1.0, 1.0, 1.5, 0.1])


def wall(beyond, limit=1.5):
    """log(theta) = 0.4, whose Gauss-Newton step leads from 1 to 1.4; at `limit` stands a wall, where r is `beyond`."""
    return Residuals(
        lambda t: np.array([np.log(t[0]) - 0.4]) if 0 < t[0] < limit else np.array([beyond]),
        lambda t: np.array([[1.0 / t[0]]]),
    )


def matrix(m, n, rank=None, seed=5):
    rng = np.random.default_rng(seed)
    rank = min(m, n) if rank is None else rank
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


def regression():
    """The regression of the papers, small: [2, 5, 1], order 3, mean-std."""
    rng = np.random.default_rng(1234)
    x = rng.uniform(1e-4, 0.9999, (300, 2))
    net, theta = rk.kan([2, 5, 1], 3, [2, 3], node_map="mean-std").initialize(rng, x)
    return LeastSquares(net, x, rk.problems.regression_target(x)), theta


def dense_step(J, r, damping, scale):
    return -np.linalg.solve(J.T @ J + damping * np.diag(scale), J.T @ r)
