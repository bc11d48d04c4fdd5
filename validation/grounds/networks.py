"""Networks, losses and spectra against the truth in float64, whose code shares nothing with that of the library.

Small networks of every kind at random parameters, samples inside the domain and outside: values and derivatives of the
first and second order, through the statistics of node maps too.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

import refkan as rk
from refkan import truth
from refkan.truth.bases.change_of_basis import change_of_basis_inverse
from validation.grounds.spaces import Departures, departure

MANY = 2000
"""Samples of which engines take the forms that trainings take."""


def posed(net: rk.Network, samples: int = 4) -> tuple[rk.Network, np.ndarray, np.ndarray, np.ndarray]:
    """Bind a network to random data; return it with theta, samples, some outside [0, 1], and targets."""
    rng = np.random.default_rng(0)
    net, theta = net.initialize(rng, rng.uniform(size=(5, net.widths[0])))
    x = rng.uniform(-0.1, 1.1, (samples, net.widths[0]))
    return net, theta + 0.1 * rng.normal(size=theta.size), x, rng.normal(size=(samples, net.widths[-1]))


def kinds() -> Iterator[tuple[str, rk.Network]]:
    """Networks of every kind of edge and node map."""
    for node_map in ("affine", "mean-std", "min-max", "sigmoid"):
        yield node_map, rk.kan([2, 2, 1], 3, [2, 3], node_map=node_map, outside="linear")
    yield "ReLU powers", rk.kan([2, 1, 1], 3, 2, basis="relu", node_map="affine", outside="polynomial")
    yield "SiLU edges", rk.kan([2, 1, 1], 3, 2, edge="silu", node_map="mean-std", outside="natural")
    yield "free knots", rk.kan([2, 1, 1], 3, [2, 3], free_knots=True, node_map="affine")
    yield "Chebyshev", rk.chebyshev_kan([2, 1, 1], 3)
    yield "MLP", rk.mlp([2, 3, 1], "tanh")


def networks() -> Departures:
    """Values, pullback, pushforward and Jacobian of every kind, and prolongation to a finer network."""
    for name, net in kinds():
        net, theta, x, dy = posed(net)
        exact = truth.of(net, theta, x, float)
        yield f"{name}: values", departure(net(theta, x), exact.value)
        dtheta, dx = net.vjp(theta, x)[1](dy)
        exact_dtheta, exact_dx = exact.pullback(dy)
        yield f"{name}: pullback to theta", departure(dtheta, exact_dtheta)
        yield f"{name}: pullback to x", departure(dx, exact_dx)
        J = np.array(exact.jacobian())
        yield f"{name}: Jacobian", departure(net.jacobian(theta, x), J)
        direction = np.cos(np.arange(theta.size))
        yield f"{name}: pushforward", departure(net.jvp(theta, x, direction).ravel(), J @ direction)


def refinements() -> Departures:
    """Finer networks, and those in the other basis, are the same functions."""
    for net in (rk.kan([2, 2, 1], 3, [2, 3], node_map="affine"), rk.chebyshev_kan([2, 1, 1], 2)):
        net, theta, x, _ = posed(net)
        values = truth.of(net, theta, x, float).value
        for other in (net.refine(), net.to_basis("relu")) if net.basis == "spline" else (net.refine(),):
            converted = truth.of(other, net.convert(theta, other), x, float).value
            yield f"{other!r}: conversion", departure(converted, values)
        moved = net.prolongation(net.refine()) @ theta
        yield f"{net!r}: prolongation", departure(truth.of(net.refine(), moved, x, float).value, values)


def by_the_plain_engine(problem: Any, theta: np.ndarray) -> Departures:
    """As many samples as trainings have, by the engine in force against the plain one, which the truth is held to."""
    with rk.use_engine("plain"):
        value, gradient = problem.value_and_gradient(theta)
        matrix = problem.gauss_newton(theta)
    ours = problem.value_and_gradient(theta)
    yield "many samples: loss", departure([ours[0]], [value])
    yield "many samples: gradient", departure(ours[1], gradient)
    yield "many samples: Gauss-Newton matrix", departure(problem.gauss_newton(theta), matrix)


def losses() -> Departures:
    """Least squares: value, gradient, Gauss-Newton matrix, Hessian and tangent kernel."""
    for node_map in ("affine", "mean-std"):
        net, theta, x, y = posed(rk.kan([2, 1, 1], 3, 2, node_map=node_map))
        problem, exact = rk.LeastSquares(net, x, y), truth.of(net, theta, x, float).least_squares(y)
        value, gradient = problem.value_and_gradient(theta)
        yield f"{node_map}: loss", departure([problem.value(theta), value, problem.mse(theta) / 2], [exact.value] * 3)
        yield f"{node_map}: gradient", departure([gradient, problem.gradient(theta)], [exact.gradient()] * 2)
        yield f"{node_map}: misfit", departure(problem.misfit(theta), exact.misfit)
        yield f"{node_map}: residual Jacobian", departure(problem.residual_and_jacobian(theta)[1], exact.jacobian())
        yield f"{node_map}: Gauss-Newton matrix", departure(problem.gauss_newton(theta), exact.gauss_newton())
        yield f"{node_map}: Hessian", departure(problem.hessian(theta), exact.hessian())
        yield f"{node_map}: tangent kernel", departure(problem.ntk(theta), exact.ntk())
    net, theta, x, y = posed(rk.kan([2, 5, 1], 4, [4, 12], node_map="mean-std"), MANY)
    yield from by_the_plain_engine(rk.LeastSquares(net, x, y), theta)


def equations() -> Iterator[tuple[str, rk.Network]]:
    """Networks with second derivatives in x: splines, splines beside another function, and polynomials."""
    for node_map in ("sigmoid", "mean-std"):
        yield node_map, rk.kan([2, 2, 1], 4, 2, node_map=node_map, outside="polynomial")
    yield "SiLU edges", rk.kan([2, 1, 1], 4, 2, edge="silu", node_map="sigmoid")
    yield "Chebyshev", rk.chebyshev_kan([2, 1, 4, 1], 2)  # a layer of more outputs than functions, and one of fewer


DIRECTIONS = np.array([[1.0, 0.0], [0.25, 1.0]])


def term_of(x: np.ndarray) -> rk.Term:
    """The equation F_11 + F_22 + F F_1 = 1 along two directions."""
    return rk.Term(
        "equation",
        rk.Side(x, first=DIRECTIONS),
        lambda x, F, a, b, aa, bb: aa + bb + F * a - 1.0,
        lambda x, F, a, b, aa, bb: (a, F, 0.0, 1.0, 1.0),
    )


def term_of_trainings(x: np.ndarray) -> rk.Term:
    """Burgers' equation F_2 + F F_1 = F_11, with the derivatives that trainings in space and time compile."""
    side = rk.Side(x, first=DIRECTIONS, orders=(2, 1))
    return rk.Term("Burgers", side, lambda x, F, a, b, aa: b + F * a - aa, lambda x, F, a, b, aa: (a, F, 1.0, -1.0))


def collocation() -> Departures:
    """A nonlinear equation with second derivatives: residuals, gradient and Jacobian by jets of the truth.

    The truth holds the statistics of node maps fixed, as the library does in derivatives in x alone: hence frozen.
    """
    for name, net in equations():
        net, theta, x, _ = posed(net)
        net = net.freeze(theta)
        jet = truth.of(net, theta, x, float).jet(DIRECTIONS)
        value, first, second = (np.array(part) for part in (jet.value, jet.first, jet.second))
        r = second.sum(axis=1) + value * first[:, 0] - 1.0
        dfirst, dsecond = np.stack([r * value, 0 * r], axis=1), np.stack([r, r], axis=1)
        gradient = np.array(jet.pullback(r * first[:, 0], dfirst, dsecond)) / len(x)
        problem = rk.Collocation(net, [term_of(x)], quiet=True)
        loss, ours = problem.value_and_gradient(theta)
        yield f"{name}: loss", departure([loss, problem.value(theta)], [float((r**2).mean()) / 2] * 2)
        yield f"{name}: gradient", departure([ours, problem.gradient(theta)], [gradient] * 2)
        residuals, J = problem.residual_and_jacobian(theta)
        yield f"{name}: residuals", departure(residuals, r.ravel() / np.sqrt(len(x)))
        yield f"{name}: J^T r", departure(J.T @ residuals, gradient)
        yield f"{name}: Gauss-Newton matrix", departure(problem.gauss_newton(theta), J.T @ J)
    net, theta, x, _ = posed(rk.kan([2, 5, 1], 4, 4, node_map="mean-std", outside="polynomial"), MANY)
    yield from by_the_plain_engine(rk.Collocation(net, [term_of_trainings(x)], quiet=True), theta)


def spectra() -> Departures:
    """Spectra of Gauss-Newton matrix, Hessian and kernel in both bases, by NumPy from matrices of the truth."""
    net = rk.kan([1, 1], 2, 2)
    net, theta, _, _ = posed(net)
    x = np.array([[0.1], [0.3], [0.45], [0.6], [0.8], [0.95]])
    y = np.cos(5 * x)
    problem, exact = rk.LeastSquares(net, x, y), truth.of(net, theta, x, float).least_squares(y)
    inverse = np.array(change_of_basis_inverse([-0.5, 0.0, 0.5, 1.0, 1.5], 2), dtype=float)
    matrices = {"gauss-newton": exact.gauss_newton(), "hessian": exact.hessian()}
    for which, matrix in matrices.items():
        for basis, T in (("spline", np.eye(3)), ("relu", inverse.T)):
            values = np.linalg.eigvalsh(T.T @ np.array(matrix) @ T)[::-1]
            spectrum = rk.spectrum(problem, theta, which=which, basis=basis)
            yield f"{which}, {basis}", departure(spectrum.values, values)
            yield f"{which}, {basis}: condition", departure([spectrum.condition], [values[0] / values[-1]])
    kernel = np.linalg.eigvalsh(np.array(exact.ntk()))[::-1][:3]
    yield "tangent kernel", departure(rk.spectrum(problem, theta, which="ntk").values[:3], kernel)
