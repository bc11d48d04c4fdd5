"""Methods of descent, held to what their definitions say of one step, by gradients of the truth."""

from typing import Any

import numpy as np

import refkan as rk
from refkan import truth
from refkan.truth.bases.change_of_basis import change_of_basis_inverse
from validation.grounds.networks import posed
from validation.grounds.spaces import Departures, departure, fractions

SAMPLES = 20
"""More than parameters: the least value is not zero."""

METHODS: dict[str, dict[str, Any]] = {
    "gd": {"learning_rate": 1e-3},
    "adam": {"learning_rate": 1e-3},
    "lbfgs": {},
    "levenberg-marquardt": {},
    "variable-projection": {},
}


def descent() -> Departures:
    """One step of gradient descent in both geometries; what every method reports is true of where it ends."""
    net, theta, x, y = posed(rk.kan([2, 1, 1], 3, 2), SAMPLES)
    problem = rk.LeastSquares(net, x, y)
    gradient = np.array(truth.of(net, theta, x, float).least_squares(y).gradient())
    plain = rk.minimize(problem, theta, "gd", steps=1, learning_rate=1e-3).theta
    yield "a step of gradient descent", departure(plain - theta, -1e-3 * gradient)
    # In ReLU powers w = A^T u: grad_w = A^-1 grad_u and du = A^-T dw, edge by edge.
    tiny = 1e-6
    mapped = rk.minimize(problem, theta, "gd", steps=1, geometry="relu", learning_rate=tiny).theta
    expected = theta.copy()
    for layer, where in zip(net.layers, net.slices, strict=True):
        edges = gradient[where].reshape(layer.n_outputs, layer.n_inputs, -1)
        for p, space in enumerate(layer.spaces):  # type: ignore[attr-defined]
            inverse = np.array(change_of_basis_inverse(fractions(space.knots), space.order), dtype=float)
            edges[:, p] = edges[:, p] @ (inverse.T @ inverse).T
        expected[where] -= tiny * edges.ravel()
    yield "the same in the ReLU basis", departure(mapped - theta, expected - theta)
    for method, options in METHODS.items():
        result = rk.minimize(problem, theta, method, steps=2, **options)
        at = truth.of(net, result.theta, x, float).least_squares(y)
        yield f"{method}: the value at the end", departure([result.value], [at.value])
        fell = at.value < truth.of(net, theta, x, float).least_squares(y).value
        yield f"{method}: the loss falls", 0.0 if fell else np.inf


def levels() -> Departures:
    """Multilevel training: what it reports is true of where it ends, on the finest network."""
    net, theta, x, y = posed(rk.kan([2, 1, 1], 3, 2), SAMPLES)
    problem = rk.LeastSquares(net, x, y)
    result = rk.minimize_multilevel(problem, theta, [1, 1], "gd", learning_rate=1e-3)
    fine = net.refine()
    gradient = np.array(truth.of(net, theta, x, float).least_squares(y).gradient())
    values = truth.of(net, theta - 1e-3 * gradient, x, float).least_squares(y)
    yield "the value after prolongation", departure([result.history.value[2]], [values.value])
    at = truth.of(fine, result.theta, x, float).least_squares(y)
    yield "the value at the end", departure([result.value], [at.value])
