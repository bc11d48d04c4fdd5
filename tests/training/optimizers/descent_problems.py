"""A chain of Rosenbrock terms, with two bases to its parameters, on which the methods of descent are tested."""

import numpy as np

from refkan.training.optimizers import minimize

OPTIONS = {
    "gd": {"learning_rate": 0.01},
    "adam": {"learning_rate": 0.01},
    "lbfgs": {},
    "self-scaled-broyden": {},
}
START = np.array([-0.5, 0.3, 0.8, 0.2, -0.4])


def triangular(n, seed=11):
    """A well conditioned upper triangular matrix in the part of the change of basis."""
    A = np.triu(np.random.default_rng(seed).uniform(-0.4, 0.4, (n, n)))
    return A + np.diag(np.linspace(0.6, 1.8, n))


A = triangular(5)


class LinearCoordinates:
    """v = M theta."""

    def __init__(self, M):
        self.M = M

    def to(self, theta):
        return self.M @ theta

    def back(self, v):
        return np.linalg.solve(self.M, v)

    def gradient(self, g_theta):
        return np.linalg.solve(self.M.T, g_theta)


class ToyNet:
    """Stands in for a network: w = A^T u, its own parameters being u or w."""

    def __init__(self, basis="spline"):
        self.basis = basis

    def coordinates(self, name):
        if name == self.basis:
            return LinearCoordinates(np.eye(5))
        return LinearCoordinates(A.T if name == "relu" else np.linalg.inv(A.T))


class Chain:
    """A Rosenbrock chain, sum a (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 with x the spline coefficients u."""

    def __init__(self, a=3.0, basis="spline"):
        self.a, self.net, self.points = a, ToyNet(basis), []

    def function(self, u):
        r, q = u[1:] - u[:-1] ** 2, 1 - u[:-1]
        g = np.zeros_like(u)
        g[1:] += 2 * self.a * r
        g[:-1] -= 4 * self.a * r * u[:-1] + 2 * q
        return self.a * np.sum(r * r) + np.sum(q * q), g

    def value_and_gradient(self, theta):
        self.points.append(theta.copy())
        if self.net.basis == "spline":
            return self.function(theta)
        value, g = self.function(np.linalg.solve(A.T, theta))
        return value, np.linalg.solve(A, g)


def trajectory(problem, start, steps=6, **arguments):
    thetas = [np.array(start)]
    minimize(problem, start, steps=steps, callback=lambda s: thetas.append(s.theta), **arguments)
    return np.array(thetas)
