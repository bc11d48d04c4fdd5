"""`spectrum`: one entry for all matrices, bases and preconditioners, posed where they are well conditioned."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame, basis_frame, precondition
from refkan.analysis.conditioning.modes import factor_modes, require_normal, symmetric_modes
from refkan.analysis.conditioning.null_space import graded_orthonormal, null_directions
from refkan.analysis.conditioning.spectra import Spectrum, doubts
from refkan.base import FloatArray, Frozen, as_array, as_vector, check_choice, lazy, require_finite
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.layers import BASES
from refkan.training.losses import Collocation
from refkan.training.losses.mistaken import refuse_what_is_no_loss

ASYMMETRY = 1e-10
"""Largest |H - H^T| over the largest |H| taken for rounding."""

PRODUCTS = "ask scipy.sparse.linalg.eigsh for the ends, by products such as problem.gauss_newton_vector(theta, v)"
"""What to do instead where memory is too small for all eigenvalues."""

BLOCK_ENTRIES = 2**23
"""Entries of J formed at once, unless 2 M^2 is more: R is factorised again with every block."""

AT_THETA = " at theta"
"""Where arrays of a problem are not finite."""


class Question(Frozen):
    """A matrix in coordinates v.

    Attributes
    ----------
    which : str
        "gauss-newton", "hessian", "ntk" or "matrix".
    basis : str or None
        Name of the coordinates v.
    network : Network or None
        With the spline basis wherever there is one, whatever was given.
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
        known = self.H if self.J is None else self.J
        assert known is not None
        return int(known.shape[1])

    @property
    def size(self) -> int:
        """Rows of the matrix."""
        return self.n_params if self.which != "ntk" or self.rows is None else self.rows

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


def _assembled(size: int, matrix: Callable[[], Any]) -> FloatArray:
    """A matrix of `size` rows, dense and exactly symmetric, if memory allows that and its eigenvalues."""
    require_memory(40 * size * size, f"all eigenvalues of a matrix of {size} rows", PRODUCTS)
    H = matrix()
    H = H.toarray() if sparse.issparse(H) else H
    require_finite("the matrix", H, AT_THETA)
    return 0.5 * H + 0.5 * H.T  # no sum overflows


def question_of_matrix(matrix: Any, theta: Any, which: str, basis: Any, weights: Any) -> Question:
    """Check a matrix given, and that nothing was said that belongs to problems alone."""
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
    notes: dict[str, str] = {}
    net, target, known = problem.net, IDENTITY, None
    if not isinstance(net, Network):  # it offers values and a Jacobian, and of its structure nothing is known
        if basis is not None:
            raise ValueError(f"basis must be left out for a model that is not a refkan Network; got {basis!r}")
        net, theta = None, as_array("theta", theta, ndim=1)
    else:
        theta = as_vector("theta", theta, net.n_params)
        if theta.dtype.kind == "c":
            raise TypeError("theta must be real; got complex128")
        own, basis = {layer.basis for layer in net.layers}, net.basis if basis is None else basis
        if own - {None, "spline"}:
            if None in (basis, *own) or any(layer.outside == "natural" or layer.free_knots for layer in net.layers):
                notes["evaluated"] = (
                    "J was evaluated in the ReLU-power basis, because of natural tails, free knots or layers of other "
                    "bases, and loses eps n^(r-1) of accuracy"
                )
            else:
                twin = net.to_basis("spline")
                theta, net = net.convert(theta, twin), twin
                problem = replace(problem, net=twin)
        target = IDENTITY if basis is None else basis_frame(net, basis)
    with np.errstate(over="ignore", invalid="ignore"):
        require_finite("residuals", problem.residual(theta), AT_THETA)
    if net is not None:
        known = null_directions(net, theta, problem.x, translations=which == "hessian")
    J, H = None, None
    if which == "hessian":
        H = _assembled(theta.size, lambda: problem.hessian(theta))
    else:
        J = (triangle if which == "gauss-newton" else jacobian)(problem, theta)
    rows = None if J is None else problem.n_residuals
    return Question(which, basis, net, J, H, rows, target, known, notes)


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
            _require_finite_block(residuals, J)
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
        _require_finite_block(residuals, J)
    return np.concatenate([J for _, J in blocks])


def _require_finite_block(residuals: FloatArray, J: FloatArray) -> None:
    for name, array in (("residuals", residuals), ("the Jacobian", J)):
        require_finite(name, array, f"{AT_THETA}, in a block of samples")


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
    condition numbers far beyond 1/eps are right to many digits. Two flags say where this ends: "resolution" where
    null vectors are known from singular values alone and the basis scales parameters too differently, "middle" where
    eigenvalues are too far from both ends.

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
        in `basis`. Of another C = L L^T ask for the spectrum of the matrix ``L.T @ H @ L``.

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
    condition number. Of the Hessian and of matrices eigenvalues below about eps times the largest are noise.

    All eigenvalues are computed, which takes minutes from some 5000 parameters on. The ends of larger spectra are those
    of ``scipy.sparse.linalg.eigsh`` on products such as ``lambda v: problem.gauss_newton_vector(theta, v)``.

    A zero matrix gives rank 0, condition nan and the flag "zero". The analytic nullity of the Hessian counts directions
    that do not depend on theta alone: the others are null vectors of H at stationary points only.

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

    frame, relative, name = precondition(preconditioner, question.target, question.n_params, diagonal, question.network)
    if H is not None:
        modes = symmetric_modes(H, frame, known)
    else:
        assert J is not None
        modes = factor_modes(J, frame, known, kernel=which == "ntk")
    require_normal(modes)
    nullity = question.analytic_nullity
    notes = doubts(modes.values, question.size, modes.rank, nullity, modes.gap, modes.noise, question.rows)
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
