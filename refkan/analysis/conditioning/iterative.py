"""Both ends of a spectrum by the Lanczos method, through products alone: one forward sweep serves them all."""

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from refkan.analysis.conditioning.coordinate_frames import Frame
from refkan.analysis.conditioning.modes import Modes, rounding_level
from refkan.analysis.conditioning.questions import Question
from refkan.base.array_types import FloatArray
from refkan.base.errors import ConvergenceError
from refkan.networks import Network
from refkan.networks.hessians import ProductsAtPoint
from refkan.networks.hessians.points import Points
from refkan.training.losses import LeastSquares

Product = Callable[[FloatArray], FloatArray]

RESTARTS = 100
"""Restarts of the Lanczos method at most; each costs about 20 + k products."""

TOLERANCE = 1e-10
"""Relative accuracy asked of eigenvalues: full accuracy may be out of reach of the small ones."""

RELATIVE_RESIDUAL = 0.05
"""Residual over eigenvalue up to which an eigenvalue counts as found: an upper bound of its relative error."""


def ends(product: Product, size: int, k: int, null: FloatArray) -> Modes:
    r"""The k largest and k smallest eigenvalues of H outside a known null space, those that are zero left out.

    Parameters
    ----------
    product : callable
        v -> H v.
    size, k : int
    null : array (size, c)
        Orthonormal null vectors, taken out by H + lambda_max Z Z^T.

    Raises
    ------
    ConvergenceError
        If the upper end is not found.
    """
    rng = np.random.default_rng(0)  # a start of its own: results are reproducible
    values, vectors = _lanczos(_operator(product, size), k, "LA", rng)
    top = float(np.abs(values).max(initial=0.0))
    if top == 0.0:
        return Modes(values[:0], vectors[:, :0], 0, np.nan, 0.0, {"zero": "the matrix is zero"})
    known = null.shape[1]
    notes = {"partial": f"the {k} largest and smallest eigenvalues alone were computed"}
    deflated = _operator(lambda v: product(v) + top * (null @ (null.T @ v)), size)
    low, low_vectors = _lanczos(deflated, k, "SA", rng)
    if low.size == 0:
        notes["one-sided"] = (
            f"the Lanczos method did not find the smallest eigenvalues in {RESTARTS} restarts, method='svd' or 'eigh' "
            "would: the upper end alone is known, and no condition number"
        )
        return Modes(*_falling(values, vectors), size - known, np.nan, 0.0, notes)
    zero = np.abs(low) <= rounding_level(size) * top
    low, low_vectors = low[~zero], low_vectors[:, ~zero]
    if low.size == 0:
        notes["partial"] = f"the smallest {k} eigenvalues are all zero to rounding: ask for a larger k"
    else:
        least = int(np.abs(low).argmin())
        worst = float(np.abs(low[least]))
        v = np.ascontiguousarray(low_vectors[:, least])
        residual = float(np.linalg.norm(product(v) - low[least] * v))
        if residual > RELATIVE_RESIDUAL * worst:
            notes["partial"] += (
                f"; the smallest, {worst:.3g}, is not converged (residual {residual:.3g}): the condition number is at "
                "least this"
            )
        if low.max() < 0 < values.min():
            notes["indefinite"] = (
                "eigenvalues have both signs: the smallest magnitude lies between the ends, and the condition number "
                "is not known; method='eigh' tells both"
            )
    if zero.any():
        notes["nullity"] = f"{zero.sum()} eigenvalues or more are zero beside the {known} known analytically"
    merged = _falling(np.concatenate([values, low]), np.hstack([vectors, low_vectors]))
    return Modes(*merged, size - known - int(zero.sum()), np.nan, 0.0, notes)


def _operator(product: Product, size: int) -> LinearOperator:
    return LinearOperator((size, size), matvec=lambda v: product(np.ravel(v)), dtype=np.float64)


def _lanczos(H: LinearOperator, k: int, end: str, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    size = H.shape[0]
    start = rng.standard_normal(size)
    if not np.any(H @ start):
        return np.zeros(k), np.zeros((size, k))
    basis = min(size, max(2 * k + 1, 60))  # clustered small eigenvalues need more than ARPACK's default of 20
    try:
        values, vectors = eigsh(H, k, which=end, v0=start, ncv=basis, tol=TOLERANCE, maxiter=RESTARTS)
    except ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        if len(values) == 0 and end == "LA":
            raise ConvergenceError(
                f"the Lanczos method did not find the largest eigenvalues in {RESTARTS} restarts; "
                "use method='svd' or 'eigh'"
            ) from None
    return values, vectors


def _falling(values: FloatArray, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], vectors[:, order]


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
        raise TypeError("method 'eigsh' needs least squares of a refkan Network; use method='svd'")
    points = Points.check(problem.net, question.theta, problem.x, problem.weights)
    return ProductsAtPoint(points, problem.y if question.which == "hessian" else None)
