"""What a spectrum is asked of: a matrix in given coordinates, posed where it is well conditioned."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame, basis_frame
from refkan.analysis.conditioning.null_space import graded_orthonormal, null_directions
from refkan.base.arguments import as_array, as_vector, check_choice
from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.layers import BASES

ASYMMETRY = 1e-10
"""Largest |H - H^T| over the largest |H| taken for rounding."""

PRODUCTS = "ask scipy.sparse.linalg.eigsh for the ends, by products such as problem.gauss_newton_vector(theta, v)"
"""What to do instead where memory is too small for all eigenvalues."""

BLOCK_ENTRIES = 2**23
"""Entries of J formed at once, unless 2 M^2 is more: R is factorised again with every block."""


@dataclass(frozen=True, eq=False)
class Question(ShortRepr):
    """A matrix in coordinates v.

    Attributes
    ----------
    which : str
        "gauss-newton", "hessian", "ntk" or "matrix".
    size, n_params : int
        Rows of the matrix; number of parameters (of rows, for a matrix given).
    basis : str or None
        Name of the coordinates v.
    problem, theta, network
        With the spline basis wherever there is one, whatever was given; None, nothing and None for a matrix.
    matrix
        The matrix given, None for problems.
    target : Frame
        From theta to v.
    directions : array (n_params, count) or None
        Analytic null vectors of J (or of the Hessian) in theta, one for each symmetry; None if nothing is known.
    notes : dict
    """

    which: str
    size: int
    n_params: int
    basis: str | None
    problem: Any
    theta: FloatArray
    network: Network | None
    matrix: Any
    target: Frame
    directions: FloatArray | None
    notes: dict[str, str]

    @property
    def analytic_nullity(self) -> int | None:
        """Known lower bound of the nullity: a kernel of N Q rows has rank M - nullity of J at most."""
        if self.directions is None:
            return None
        count = self.directions.shape[1]
        return max(0, self.size - (self.n_params - count)) if self.which == "ntk" else count

    @lazy
    def null_vectors(self) -> FloatArray:
        """Orthonormal basis (size, count) of the known null space in v."""
        if self.directions is None or self.which == "ntk" or not self.directions.size:
            return np.empty((self.size, 0))
        return graded_orthonormal(self.target.to(self.directions))

    def assembled(self) -> FloatArray:
        """The Hessian in theta, or the matrix given, dense and exactly symmetric."""
        n = self.size
        owner = f"all eigenvalues of a matrix of {n} rows"
        require_memory(40 * n * n, owner, PRODUCTS)
        H = self.problem.hessian(self.theta) if self.matrix is None else self.matrix
        H = H.toarray() if sparse.issparse(H) else H
        return 0.5 * (H + H.T)


def question_of_matrix(matrix: Any, theta: Any, which: str, basis: Any, weights: Any) -> Question:
    """Check a matrix given, and that nothing was said that belongs to problems alone."""
    if matrix is None or isinstance(matrix, str | LinearOperator) or callable(matrix):
        remedy = "rk.LeastSquares(net, x, y)" if hasattr(matrix, "vjp") else "a LeastSquares, or a matrix"
        raise TypeError(f"problem_or_matrix must be a problem or a matrix; got {type(matrix).__name__}: pass {remedy}")
    for name, value in (("theta", theta), ("basis", basis), ("weights", weights)):
        if value is not None:
            raise ValueError(f"{name} must be left out for a matrix: it belongs to a problem")
    if which != "gauss-newton":
        raise ValueError(f"which must be left out for a matrix; got {which!r}")
    if sparse.issparse(matrix):
        matrix = sparse.csr_array(matrix)
        as_array("problem_or_matrix", matrix.data)
    else:
        matrix = as_array("problem_or_matrix", matrix, ndim=2)
    n = matrix.shape[0]
    if matrix.shape != (n, n) or n == 0 or np.dtype(matrix.dtype).kind == "c":
        raise ValueError(
            f"problem_or_matrix must be a problem or a real square matrix; got shape {matrix.shape}, {matrix.dtype}"
        )
    if abs(matrix - matrix.T).max() > ASYMMETRY * abs(matrix).max():
        raise ValueError("problem_or_matrix must be symmetric")
    return Question("matrix", n, n, None, None, np.empty(0), None, matrix, IDENTITY, None, {})


def question_of_problem(problem: Any, theta: Any, which: str, basis: str | None, weights: Any) -> Question:
    """Check a problem and theta, and pose it in the spline basis."""
    if basis is not None:
        check_choice("basis", basis, BASES)
    if theta is None:
        raise ValueError("theta must be given with a problem")
    if weights is not None:
        problem = replace(problem, weights=weights)
    net = problem.net
    if not isinstance(net, Network):
        return _of_foreign_model(problem, theta, which, basis)
    theta = as_vector("theta", theta, net.n_params)
    if theta.dtype.kind == "c":
        raise TypeError("theta must be real; got complex128")
    basis = net.basis if basis is None else basis
    notes: dict[str, str] = {}
    if net.basis not in (None, "spline"):
        if any(layer.outside == "natural" or layer.free_knots for layer in net.layers):
            notes["evaluated"] = (
                "J was evaluated in the ReLU-power basis, because of natural tails or free knots, and loses "
                "eps n^(r-1) of accuracy"
            )
        else:
            twin = net.to_basis("spline")
            theta, net = net.convert(theta, twin), twin
            problem = replace(problem, net=twin)
    target = IDENTITY if basis is None else basis_frame(net, basis)
    with np.errstate(over="ignore", invalid="ignore"):
        require_finite(problem.residual(theta))
    known = null_directions(net, theta, problem.x, translations=which == "hessian")
    size = problem.n_residuals if which == "ntk" else net.n_params
    return Question(which, size, net.n_params, basis, problem, theta, net, None, target, known, notes)


def _of_foreign_model(problem: Any, theta: Any, which: str, basis: str | None) -> Question:
    """A model that offers values and a Jacobian, of whose structure nothing is known."""
    if basis is not None:
        raise ValueError(f"basis must be left out for a model that is no refkan Network; got {basis!r}")
    theta = as_array("theta", theta, ndim=1)
    with np.errstate(over="ignore", invalid="ignore"):
        require_finite(problem.residual(theta))
    size = problem.n_residuals if which == "ntk" else theta.size
    return Question(which, size, theta.size, None, problem, theta, None, None, IDENTITY, None, {})


def triangle(problem: Any, theta: FloatArray) -> FloatArray:
    """R (min(N Q, M), M) of the rows that ``problem.residual_blocks(theta)`` yields, weights and 1/N included.

    Singular values of R are those of J to the same accuracy as by an SVD of J itself; J is never whole in memory.

    Raises
    ------
    ValueError
        If R exceeds the memory available, before it is allocated, or J or the residuals are not finite.
    """
    M = theta.size
    require_memory(
        8 * (8 * M * M + BLOCK_ENTRIES),
        f"a spectrum of {M} parameters by singular values",
        PRODUCTS,
    )
    R = np.empty((0, M))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused below, with its place
        for residuals, J in problem.residual_blocks(theta, max(BLOCK_ENTRIES, 2 * M * M)):
            require_finite(residuals, J)
            stacked = np.concatenate([R, J]) if R.size else J
            R = linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)[0][:M]
    return R


def jacobian(problem: Any, theta: FloatArray) -> FloatArray:
    """J (N Q, M) of the same rows, whole."""
    m, M = problem.n_residuals, theta.size
    require_memory(
        8 * (3 * m * M + 2 * M * M + min(m, M) * m),
        f"the singular vectors of a Jacobian of {m} rows and {M} columns",
        "ask for which='gauss-newton', whose non-zero eigenvalues are the same divided by N",
    )
    with np.errstate(over="ignore", invalid="ignore"):
        blocks = list(problem.residual_blocks(theta, max(BLOCK_ENTRIES, M * M)))
    for residuals, J in blocks:
        require_finite(residuals, J)
    return np.concatenate([J for _, J in blocks])


def require_finite(residuals: FloatArray, J: FloatArray | None = None) -> None:
    """Raise ValueError at the first residual or entry of J that is NaN or infinite."""
    for name, array in (("residuals", residuals), ("the Jacobian", J)):
        if array is None:
            continue
        finite = np.isfinite(array)
        if not finite.all():
            index = tuple(map(int, np.argwhere(~finite)[0]))
            where = ", ".join(map(str, index))
            raise ValueError(f"{name} must be finite at theta; got {array[index]} at [{where}] of a block of samples")
