"""Products with J, J^T and the Hessian at one theta, each from one forward sweep, nothing assembled."""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.conditioning.frames import Frame
from refkan.conditioning.iterative import Product
from refkan.conditioning.questions import Question
from refkan.losses import LeastSquares
from refkan.networks import Network
from refkan.sweeps import Sweep


class JacobianProducts:
    """J = sqrt(W / N) dF/dtheta of a network on the samples of a problem, and its transpose, as products."""

    def __init__(self, problem: Any, theta: FloatArray) -> None:
        if not isinstance(problem, LeastSquares) or not isinstance(problem.net, Network):
            raise TypeError("iterative methods need least squares of a refkan Network; use method='svd'")
        self._sweep = Sweep.forward(problem.net, theta, problem.x, share=True)
        self._shape = problem.y.shape
        self._no_dx = np.zeros_like(problem.x)
        weights = np.ones(problem.x.shape[0]) if problem.weights is None else problem.weights
        self._root = np.sqrt(weights / problem.x.shape[0])[:, None]

    def forward(self, dtheta: FloatArray) -> FloatArray:
        """J dtheta, shape (N Q,)."""
        return (self._root * self._sweep.push_forward(dtheta, self._no_dx)).ravel()

    def backward(self, rows: FloatArray) -> FloatArray:
        """J^T rows, shape (M,)."""
        return self._sweep.pull_back(self._root * rows.reshape(self._shape), inputs=False)[0]


def product_of(question: Question, frame: Frame) -> Product:
    """v -> B^T H B v."""
    theta, problem = question.theta, question.problem
    if question.matrix is not None:
        inner: Product = lambda v: question.matrix @ v  # noqa: E731
    elif question.which == "hessian":
        inner = lambda v: problem.hessian_vector(theta, v)  # noqa: E731
    else:
        J = JacobianProducts(problem, theta)
        inner = lambda v: J.backward(J.forward(v))  # noqa: E731

    def product(v: FloatArray) -> FloatArray:
        image = inner(np.ascontiguousarray(frame.back(v[:, None])[:, 0]))
        return np.ascontiguousarray(frame.gradient(image[:, None])[:, 0])

    return product
