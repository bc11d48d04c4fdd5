"""Products with the matrices of a question, nothing assembled: one forward sweep serves them all."""

from __future__ import annotations

import numpy as np

from refkan.analysis.conditioning.coordinate_frames import Frame
from refkan.analysis.conditioning.iterative import Product
from refkan.analysis.conditioning.questions import Question
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.networks.hessians import ProductsAtPoint
from refkan.networks.hessians.points import Points
from refkan.training.losses import LeastSquares


def product_of(question: Question, frame: Frame) -> Product:
    """v -> B^T H B v."""
    if question.matrix is not None:
        inner: Product = question.matrix.__matmul__
    elif question.which == "hessian":
        inner = _at_point(question).hessian
    else:
        inner = _at_point(question).gauss_newton

    def product(v: FloatArray) -> FloatArray:
        image = inner(np.ascontiguousarray(frame.back(v[:, None])[:, 0]))
        return np.ascontiguousarray(frame.gradient(image[:, None])[:, 0])

    return product


def images(question: Question, directions: FloatArray) -> FloatArray:
    """sqrt(W) J times the columns of directions (M, n) in theta, normalised: eigenvectors of the kernel (N Q, n)."""
    products, problem = _at_point(question), question.problem
    root = 1.0 if problem.weights is None else np.sqrt(problem.weights)[:, None]
    still = np.zeros_like(problem.x)
    columns = [(root * products.sweep.push_forward(np.ascontiguousarray(v), still)).ravel() for v in directions.T]
    result: FloatArray = np.stack(columns, axis=1)
    return result / np.linalg.norm(result, axis=0)


def _at_point(question: Question) -> ProductsAtPoint:
    problem = question.problem
    if not isinstance(problem, LeastSquares) or not isinstance(problem.net, Network):
        raise TypeError("iterative methods need least squares of a refkan Network; use method='svd'")
    points = Points.check(problem.net, question.theta, problem.x, problem.weights)
    return ProductsAtPoint(points, problem.y if question.which == "hessian" else None)
