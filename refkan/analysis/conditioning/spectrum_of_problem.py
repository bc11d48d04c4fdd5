"""`spectrum`: one entry for all matrices, bases and preconditioners."""

from typing import Any

import numpy as np

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame, Preconditioned, precondition
from refkan.analysis.conditioning.modes import factor_modes, kernel_modes, symmetric_modes
from refkan.analysis.conditioning.questions import Question, jacobian, question_of_matrix, question_of_problem, triangle
from refkan.analysis.conditioning.spectra import Spectrum, doubts
from refkan.base.arguments import check_choice
from refkan.base.array_types import FloatArray
from refkan.training.losses import Collocation
from refkan.training.losses.mistaken import refuse_what_is_no_loss

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
        Weights of the samples in place of the problem's.
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
        For a network in place of a problem, and for a collocation problem: its matrix can be given.

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
    return _answered(question, preconditioner)


def _answered(question: Question, preconditioner: Any) -> Spectrum:
    J, H = _factor(question), None
    if J is None:
        H = question.assembled()

    def diagonal(frame: Frame) -> FloatArray:
        """Diagonal of B^T J^T J B or B^T H B."""
        if J is not None:
            return np.asarray(np.sum(frame.gradient(J.T) ** 2, axis=1))
        assert H is not None
        return np.diag(frame.gradient(frame.gradient(H).T)).copy()

    chosen = precondition(preconditioner, question.target, question.n_params, diagonal, question.network)
    known = question.directions
    if J is None:
        assert H is not None
        modes = symmetric_modes(H, chosen.frame, known)
    else:
        modes = (kernel_modes if question.which == "ntk" else factor_modes)(J, chosen.frame, known)
    n_rows = None if J is None else question.problem.n_residuals
    notes = doubts(modes.values, question.size, modes.rank, question.analytic_nullity, modes.gap, modes.noise, n_rows)
    vectors, duals = modes.vectors, modes.vectors
    if question.which != "ntk":  # eigenvectors of kernels are functions on the samples
        vectors, duals = _in_coordinates(modes.vectors, chosen)
    return Spectrum(
        values=modes.values,
        vectors=vectors,
        dual_vectors=duals,
        size=question.size,
        which=question.which,
        basis=question.basis,
        preconditioner=chosen.name,
        rank=modes.rank,
        analytic_nullity=question.analytic_nullity,
        gap=modes.gap,
        null_vectors=question.null_vectors,
        notes=question.notes | notes | modes.notes,
    )


def _factor(question: Question) -> FloatArray | None:
    """J with J^T J the Gauss-Newton matrix, or J J^T the kernel asked for; None if there is none."""
    if question.which == "gauss-newton":
        return triangle(question.problem, question.theta)
    if question.which == "ntk":
        return jacobian(question.problem, question.theta)
    return None


def _in_coordinates(Z: FloatArray, chosen: Preconditioned) -> tuple[FloatArray, FloatArray]:
    """Vectors and dual vectors of modes Z of S^T H S: S Z and S^-T Z."""
    if chosen.relative is IDENTITY:
        return Z, Z
    return chosen.relative.back(Z), chosen.relative.cogradient(Z)
