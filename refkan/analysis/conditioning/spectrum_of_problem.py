"""`spectrum`: matrices, bases and preconditioners, computed in the basis in which the problem is well conditioned."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame, basis_frame, precondition
from refkan.analysis.conditioning.jacobian_factors import AT_THETA, PRODUCTS, jacobian, triangle
from refkan.analysis.conditioning.modes import factor_modes, require_normal, symmetric_modes
from refkan.analysis.conditioning.null_space import graded_orthonormal, null_directions
from refkan.analysis.conditioning.spectra import Spectrum, doubts
from refkan.base import FloatArray, Frozen, as_array, as_vector, check_choice, lazy, require_finite
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.layers.layer import BASES
from refkan.training.losses import Collocation
from refkan.training.losses.mistaken import refuse_what_is_no_loss

ASYMMETRY = 1e-10
"""Largest |H - H^T| over the largest |H| taken for rounding."""


class Question(Frozen):
    """A matrix whose spectrum is to be computed, in coordinates v.

    Attributes
    ----------
    which : str
        "gauss-newton", "hessian", "ntk" or "matrix".
    basis : str or None
        Name of the coordinates v.
    network : Network or None
        In the spline basis, if it has one.
    J : array (any, M) or None
        With J^T J the Gauss-Newton matrix in theta, or J J^T the kernel.
    H : array (n, n) or None
        The Hessian in theta, or the matrix given, dense and exactly symmetric.
    rows : int or None
        Rows of the whole J.
    target : Frame
        From theta to v.
    directions : array (M, count) or None
        Analytic null vectors of J (or of the Hessian) in theta, one for each symmetry; None if nothing is known.
    notes : dict
    """

    which: str
    basis: str | None
    network: Network | None
    J: FloatArray | None
    H: FloatArray | None
    rows: int | None
    target: Frame
    directions: FloatArray | None
    notes: dict[str, str]

    @property
    def n_params(self) -> int:
        """Number of parameters, or of rows of a matrix given."""
        if self.J is not None:
            return int(self.J.shape[1])
        assert self.H is not None
        return int(self.H.shape[1])

    @property
    def size(self) -> int:
        """Rows of the matrix."""
        if self.which == "ntk" and self.rows is not None:
            return self.rows
        return self.n_params

    @property
    def analytic_nullity(self) -> int | None:
        """Known lower bound of the nullity: a kernel of N Q rows has rank M - nullity of J at most."""
        if self.directions is None:
            return None
        count = self.directions.shape[1]
        if self.which != "ntk":
            return count
        return max(0, self.size - (self.n_params - count))

    @lazy
    def null_vectors(self) -> FloatArray:
        """Orthonormal basis (size, count) of the known null space in v."""
        if self.directions is None or self.which == "ntk" or not self.directions.size:
            return np.empty((self.size, 0))
        return graded_orthonormal(self.target.to(self.directions))


def _assembled(size: int, matrix: Callable[[], Any]) -> FloatArray:
    """Make a matrix of `size` rows dense and exactly symmetric, if memory suffices for it and its eigenvalues."""
    require_memory(40 * size * size, f"all eigenvalues of a matrix of {size} rows", PRODUCTS)
    H = matrix()
    if sparse.issparse(H):
        H = H.toarray()
    require_finite("the matrix", H, AT_THETA)
    return 0.5 * H + 0.5 * H.T  # no sum overflows


def question_of_matrix(matrix: Any, theta: Any, which: str, basis: Any, weights: Any) -> Question:
    """Check a given matrix, and refuse arguments that only problems have."""
    no_matrix = matrix is None or isinstance(matrix, str | LinearOperator) or callable(matrix)
    if no_matrix or (not sparse.issparse(matrix) and np.ndim(matrix) == 0):
        kind = type(matrix).__name__
        remedy = "rk.LeastSquares(net, x, y), or a symmetric matrix (n, n)"
        raise TypeError(f"problem_or_matrix must be a problem or a matrix; got {kind}: pass {remedy}")
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
    return Question("matrix", None, None, None, _assembled(n, lambda: matrix), None, IDENTITY, None, {})


def question_of_problem(problem: Any, theta: Any, which: str, basis: str | None, weights: Any) -> Question:
    """Check a problem and theta, and pose it in the spline basis."""
    if basis is not None:
        check_choice("basis", basis, BASES)
    if theta is None:
        raise ValueError("theta must be given with a problem")
    if weights is not None:
        problem = replace(problem, weights=weights)
    net: Network | None = None
    target, known = IDENTITY, None
    notes: dict[str, str] = {}
    if isinstance(problem.net, Network):
        if basis is None:
            basis = problem.net.basis
        problem, theta, notes = _in_splines(problem, theta, basis)
        net = problem.net
        if basis is not None:
            target = basis_frame(net, basis)
    else:  # it offers values and a Jacobian, and nothing is known of its structure
        if basis is not None:
            raise ValueError(f"basis must be left out for a model that is not a refkan Network; got {basis!r}")
        theta = as_array("theta", theta, ndim=1)
    with np.errstate(over="ignore", invalid="ignore"):
        require_finite("residuals", problem.residual(theta), AT_THETA)
    if net is not None:
        known = null_directions(net, theta, problem.x, translations=which == "hessian")
    if which == "hessian":
        H = _assembled(theta.size, lambda: problem.hessian(theta))
        return Question(which, basis, net, None, H, None, target, known, notes)
    factor = triangle if which == "gauss-newton" else jacobian
    J = factor(problem, theta)
    return Question(which, basis, net, J, None, problem.n_residuals, target, known, notes)


EVALUATED = (
    "J was evaluated in the ReLU-power basis, because of natural tails, free knots or layers of other bases, and loses "
    "eps n^(r-1) of accuracy"
)
"""The note "evaluated"."""


def _in_splines(problem: Any, theta: Any, basis: str | None) -> tuple[Any, FloatArray, dict[str, str]]:
    """Convert the problem of a network, and theta, to the spline basis; where that cannot be, return the note."""
    net = problem.net
    theta = as_vector("theta", theta, net.n_params)
    if theta.dtype.kind == "c":
        raise TypeError("theta must be real; got complex128")
    own = {layer.basis for layer in net.layers}
    if own <= {None, "spline"}:
        return problem, theta, {}
    moves = any(layer.outside == "natural" or layer.free_knots for layer in net.layers)
    if moves or basis is None or None in own:
        return problem, theta, {"evaluated": EVALUATED}
    splines = net.to_basis("spline")
    return replace(problem, net=splines), net.convert(theta, splines), {}


WHICH = ("gauss-newton", "hessian", "ntk")


def spectrum(
    problem_or_matrix: Any,
    theta: Any = None,
    *,
    which: str = "gauss-newton",
    basis: str | None = None,
    weights: Any = None,
    preconditioner: Any = None,
) -> Spectrum:
    r"""Compute the eigenvalues of a curvature matrix of a least-squares problem, or of a symmetric matrix given.

    ::

        "gauss-newton"   J^T J                       (M, M)
        "hessian"        J^T J + sum_k r_k Hess r_k  (M, M)
        "ntk"            J J^T                       (N Q, N Q), the non-zero spectrum of Gauss-Newton

    with r the residual of the problem, value = |r|^2 / 2, weights and 1/N included, and J its Jacobian.
    In another basis, w = A^T u, J_w = J_u A^-T by structure: nothing is evaluated in the ReLU-power basis. Large
    eigenvalues come from that product and small ones from its inverse on the complement of the null space, so that
    condition numbers far beyond 1/eps are right to many digits. Two flags mark the limits: "resolution" if null vectors
    are known only from singular values and the basis scales parameters too differently, "middle" if eigenvalues are too
    far from both ends.

    Parameters
    ----------
    problem_or_matrix : LeastSquares, or array or sparse array (n, n)
        The samples and their distribution are those of the problem.
    theta : array (M,), optional
        In the network's own parameters; for problems only, and then required.
    which : {"gauss-newton", "hessian", "ntk"}
    basis : {"spline", "relu", "scaled-relu"}, optional
        The coefficients that the matrix refers to; by default the network's own.
    weights : array (N,), optional
        Weights of the samples, instead of the problem's.
    preconditioner : optional
        C, the symmetric positive definite map that a step applies to the gradient, theta <- theta - eta C grad; the
        spectrum is that of C H. The name of a basis: descent in its coordinates (for "relu" on a spline network C is
        (A A^T)^-1). "jacobi": the inverse of the diagonal of H. An array (M,): a diagonal. Both refer to coefficients
        in `basis`. For another C = L L^T, pass the matrix ``L.T @ H @ L``.

    Returns
    -------
    Spectrum

    Raises
    ------
    ValueError
        For unknown names, combinations that do not exist, wrong shapes, residuals or Jacobians that are not finite,
        matrices that are not symmetric, preconditioners that are not positive, and sizes that exceed the
        memory available (before allocating, with what is needed).
    TypeError
        For a network instead of a problem, and for a collocation problem: its matrix can be given.
    OverflowError
        If an eigenvalue of the numerical range is no normal number of float64.

    Notes
    -----
    The first and the last of the three come from singular values of J, never forming J^T J, which would square the
    condition number. For Hessians and given matrices, eigenvalues below about eps times the largest are noise.

    All eigenvalues are computed, which takes minutes from some 5000 parameters on. The ends of larger spectra are those
    of ``scipy.sparse.linalg.eigsh`` on products such as ``lambda v: problem.gauss_newton_vector(theta, v)``.

    A zero matrix gives rank 0, condition nan and the flag "zero". The analytic nullity of the Hessian counts only
    directions that do not depend on theta: the others are null vectors of H at stationary points only.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 101)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4).initialize(np.random.default_rng(0), x)
    >>> problem = rk.LeastSquares(net, x, np.sin(x))
    >>> spectrum = rk.spectrum(problem, theta)
    >>> spectrum.rank, spectrum.analytic_nullity, round(spectrum.condition, 1)
    (5, 0, 3.6)
    >>> round(rk.spectrum(problem, theta, basis="relu").condition)
    3342
    >>> rk.spectrum(np.diag([4.0, 1.0, 0.0])).condition
    4.0
    """
    check_choice("which", which, WHICH)
    refuse_what_is_no_loss("problem_or_matrix", problem_or_matrix)
    if isinstance(problem_or_matrix, Collocation):
        raise TypeError(
            "problem_or_matrix must be a LeastSquares or a matrix; got Collocation: pass the matrix, "
            "rk.spectrum(problem.gauss_newton(theta))"
        )
    pose = question_of_problem if hasattr(problem_or_matrix, "net") else question_of_matrix
    question = pose(problem_or_matrix, theta, which, basis, weights)
    J, H, known = question.J, question.H, question.directions

    def diagonal(frame: Frame) -> FloatArray:
        """Diagonal of B^T J^T J B or B^T H B."""
        if J is not None:
            return np.asarray(np.sum(frame.gradient(J.T) ** 2, axis=1))
        assert H is not None
        return np.diag(frame.gradient(frame.gradient(H).T)).copy()

    frame, relative, name = precondition(
        preconditioner,
        question.target,
        question.n_params,
        diagonal,
        question.network,
    )
    if H is not None:
        modes = symmetric_modes(H, frame, known)
    else:
        assert J is not None
        modes = factor_modes(J, frame, known, kernel=which == "ntk")
    require_normal(modes)
    nullity = question.analytic_nullity
    notes = doubts(
        modes.values,
        question.size,
        modes.rank,
        nullity,
        modes.gap,
        modes.noise,
        question.rows,
    )
    vectors, duals = modes.vectors, modes.vectors
    if which != "ntk" and relative is not IDENTITY:  # eigenvectors of kernels are functions on the samples
        vectors, duals = relative.back(vectors), relative.cogradient(duals)
    return Spectrum(
        values=modes.values,
        vectors=vectors,
        dual_vectors=duals,
        size=question.size,
        which=question.which,
        basis=question.basis,
        preconditioner=name,
        rank=modes.rank,
        analytic_nullity=nullity,
        gap=modes.gap,
        null_vectors=question.null_vectors,
        notes=question.notes | notes | modes.notes,
    )
