"""Both ends of a spectrum through products alone: Lanczos (eigsh) and LOBPCG."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, lobpcg

from refkan.analysis.conditioning.modes import rounding_level
from refkan.base.array_types import FloatArray
from refkan.base.errors import ConvergenceError
from refkan.base.short_reprs import ShortRepr

Product = Callable[[FloatArray], FloatArray]

LOBPCG_STEPS = 2000
"""Steps of LOBPCG at most; each costs k products."""

LANCZOS_RESTARTS = 100
"""Restarts of the Lanczos method at most; each costs about 20 + k products."""

LANCZOS_TOLERANCE = 1e-10
"""Relative accuracy asked of eigenvalues: full accuracy may be out of reach of the small ones."""

RELATIVE_RESIDUAL = 0.05
"""Residual over eigenvalue up to which an eigenvalue counts as found: an upper bound of its relative error."""

ONE_SIDED = "the upper end alone is known, and no condition number"
NOT_FOUND = (
    f"the Lanczos method did not find the smallest eigenvalues in {LANCZOS_RESTARTS} restarts: "
    "method='svd' or 'eigh' would, and 'lobpcg' bounds them"
)


@dataclass(frozen=True, eq=False)
class Ends(ShortRepr):
    """Eigenpairs at both ends, those at the lower end that count as zero left out.

    Attributes
    ----------
    values : ndarray (n,)
        By falling magnitude.
    vectors : ndarray (size, n)
    n_zero : int
        How many at the lower end were zero to rounding.
    notes : dict
    """

    values: FloatArray
    vectors: FloatArray
    n_zero: int
    notes: dict[str, str]


def ends(
    product: Product,
    size: int,
    k: int,
    null: FloatArray,
    method: str,
    mass: Product | None = None,
    diagonal: FloatArray | None = None,
) -> Ends:
    r"""The k largest and k smallest eigenvalues of H outside a known null space.

    Parameters
    ----------
    product : callable
        v -> H v.
    size, k : int
    null : array (size, c)
        Orthonormal null vectors. Lanczos takes them out by H + lambda_max Z Z^T, LOBPCG by constraints.
    method : {"eigsh", "lobpcg"}
    mass : callable, optional
        v -> C v, "lobpcg" only: the largest eigenvalues of H y = lambda C y; no small ones.
    diagonal : array (size,), optional
        Of H, to precondition LOBPCG at the lower end.

    Raises
    ------
    ConvergenceError
        If the upper end is not found.
    """
    H = _operator(product, size)
    rng = np.random.default_rng(0)  # a start of its own: results are reproducible
    wanted = max(k, 1)
    if method == "eigsh":
        values, vectors = _lanczos(H, wanted, "LA", rng)
    else:
        values, vectors = _lobpcg(H, rng.standard_normal((size, wanted)), largest=True, mass=mass)
    top = float(np.abs(values).max(initial=0.0))
    notes = {"partial": f"the {wanted} largest and smallest eigenvalues alone were computed"}
    if top == 0.0:
        return Ends(values[:0], vectors[:, :0], size - null.shape[1], {"zero": "the matrix is zero"})
    if mass is not None:
        return Ends(*_falling(values, vectors), 0, {**notes, "one-sided": ONE_SIDED})
    if method == "eigsh":
        deflated = _operator(lambda v: product(v) + top * (null @ (null.T @ v)), size)
        low, low_vectors = _lanczos(deflated, wanted, "SA", rng)
        if low.size == 0:
            return Ends(*_falling(values, vectors), 0, {**notes, "one-sided": f"{NOT_FOUND}; {ONE_SIDED}"})
    else:
        start = rng.standard_normal((size, wanted))
        start -= null @ (null.T @ start)
        low, low_vectors = _lobpcg(H, start, largest=False, constraints=null, diagonal=diagonal)
    zero = np.abs(low) <= rounding_level(size) * top
    low, low_vectors = low[~zero], low_vectors[:, ~zero]
    if low.size == 0:
        notes["partial"] = f"the smallest {wanted} eigenvalues are all zero to rounding: ask for a larger k"
    else:
        worst = float(np.abs(low).min())
        residual = float(np.linalg.norm(H @ low_vectors - low_vectors * low, axis=0)[np.abs(low).argmin()])
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
    merged = _falling(np.concatenate([values, low]), np.hstack([vectors, low_vectors]))
    return Ends(*merged, int(zero.sum()), notes)


def _operator(product: Product, size: int) -> LinearOperator:
    def columns(V: FloatArray) -> FloatArray:
        return np.stack([product(np.ascontiguousarray(v)) for v in V.T], axis=1)

    def column(v: FloatArray) -> FloatArray:
        return product(np.ravel(v))

    return LinearOperator((size, size), matvec=column, matmat=columns, dtype=np.float64)


def _lanczos(H: LinearOperator, k: int, end: str, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    size = H.shape[0]
    start = rng.standard_normal(size)
    if not np.any(H @ start):
        return np.zeros(k), np.zeros((size, k))
    basis = min(size, max(2 * k + 1, 60))  # clustered small eigenvalues need more than ARPACK's default of 20
    try:
        values, vectors = eigsh(H, k, which=end, v0=start, ncv=basis, tol=LANCZOS_TOLERANCE, maxiter=LANCZOS_RESTARTS)
    except ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        if len(values) == 0 and end == "LA":
            raise ConvergenceError(
                f"the Lanczos method did not find the largest eigenvalues in {LANCZOS_RESTARTS} restarts; "
                "use method='svd' or 'eigh', or 'lobpcg', which returns bounds"
            ) from None
    return values, vectors


def _lobpcg(
    H: LinearOperator,
    start: FloatArray,
    largest: bool,
    mass: Product | None = None,
    constraints: FloatArray | None = None,
    diagonal: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    size = H.shape[0]
    B = None if mass is None else _operator(mass, size)
    # LOBPCG stops at absolute residuals: for a matrix whose entries are small it would return its start.
    unit = min(1.0, float(np.linalg.norm(H @ start) / np.linalg.norm(start))) or 1.0
    Y = None if constraints is None or constraints.shape[1] == 0 else constraints
    M = None
    if diagonal is not None:
        scale = np.where(diagonal > 0, diagonal, 1.0)
        M = _operator(lambda v: v / scale, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what it found is judged by its residual
        values, vectors = lobpcg(H * (1 / unit), start, B=B, M=M, Y=Y, largest=largest, maxiter=LOBPCG_STEPS)
    return unit * values, vectors


def _falling(values: FloatArray, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(-np.abs(values), kind="stable")
    return values[order], vectors[:, order]
