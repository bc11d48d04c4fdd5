"""Variable projection: the last layer's coefficients are always at their best; Levenberg-Marquardt on the rest."""

from typing import Annotated

import numpy as np
from scipy import linalg

from refkan.base import FloatArray, Natural, NonNegative, Positive, one_of
from refkan.training.optimizers.run import Ending, Iterate, Run, steps_done
from refkan.training.optimizers.second_order.damped_systems import (
    DampedSystem,
    NormalSystem,
    OrthogonalSystem,
    choose,
    finite,
    normal_matrix,
    require_room,
    triangle_of,
)
from refkan.training.optimizers.second_order.levenberg_marquardt import descend
from refkan.training.optimizers.second_order.linear_layer import LinearLayer

Solver = Annotated[str, one_of(("auto", "qr", "cholesky"))]
Centre = Annotated[str, one_of(("zero", "start"))]


def variable_projection(
    run: Run,
    start: Iterate,
    *,
    ridge: Positive = 1e-9,
    ridge_about: Centre = "zero",
    roughness: NonNegative = 0.0,
    damping: Positive = 1e-3,
    solver: Solver = "auto",
    max_rejections: Natural = 30,
    tolerance_gradient: NonNegative = 1e-12,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Levenberg-Marquardt on the reduced problem: the linear parameters c of the last layer eliminated.

    With b all other parameters, r~ and J~ = [B, Phi] the residuals and Jacobian in (b, c), ridge and roughness
    appended as further rows, ::

        psi(b) = min over c of value(b, c) + ridge/2 |c - c_0|^2 + roughness/2 |D c|^2
        grad psi = B^T r~    at the best c
        (B^T P B + lambda I) d = -grad psi,    P = I - Phi Phi^+,    b <- b + d

    The gradient is exact, since r~ is orthogonal to Phi there; P B is Kaufman's approximation of the Jacobian of the
    reduced residuals, which leaves out a term that vanishes with the residuals. A step is one Jacobian, as for
    "levenberg-marquardt"; each trial is an elimination and an evaluation. Entry 0 of the history is the start as it is
    given, so that the first step contains the first elimination.

    Linear are the coefficients of spline and ReLU layers; weights and biases of a dense layer without activation;
    coefficients and w_b of SiLU edges. Free knots of the last layer are among b. The factors w_s of its SiLU edges are
    held: the product w_s c is not jointly linear, but any change of w_s is undone by c.

    Parameters
    ----------
    ridge : float
        Relative to the largest diagonal entry of ``Phi^T W Phi / N`` at the start, and fixed from then on. It must
        exceed the rounding of that matrix; it changes the minimum by as much as ``ridge/2 |c - c_0|^2``.
    ridge_about : {"zero", "start"}
        c_0: zero, or the coefficients of the start. Coefficients that hardly any sample sees, at the ends of domains,
        go there. After a prolongation "start" keeps those as smooth as the coarse function is, and the ridge matters
        less to the others, which move little: at errors of 1e-9 that of 1e-9 about zero is felt.
    roughness : float
        Relative to the same entry. D c are the jumps of the highest derivative of the splines of the last layer, as
        coefficients in the scaled ReLU basis: for uniform knots the r-th differences of c, divided by (r-1)!. Where a
        ridge draws coefficients without data to fixed values, this one continues the polynomials beside them.
    damping, max_rejections, tolerance_gradient, tolerance_change
        As for "levenberg-marquardt", for b and psi.
    solver : {"auto", "qr", "cholesky"}
        P B by one QR of [Phi, B], or B^T P B as a Schur complement in J^T J. "auto" is QR for small problems.

    Raises
    ------
    TypeError
        If the problem is not `LeastSquares` of a `Network`.
    ValueError
        If the last layer is not linear in its parameters, as with an activation; for a roughness of a last layer that
        has no splines of fixed knots.

    Notes
    -----
    Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973); Kaufman, "A variable projection method for solving separable
    nonlinear least squares problems", BIT 15 (1975). Roughness by differences of coefficients: Eilers and Marx,
    "Flexible smoothing with B-splines and penalties", Statist. Sci. 11 (1996).
    """
    layer = LinearLayer(run.problem, ridge, ridge_about == "start", roughness)
    b = layer.nonlinear
    if run.steps == 0:
        return steps_done(0)

    def best_at(theta: FloatArray) -> Iterate | None:
        if not np.isfinite(theta).all():
            return None
        eliminated = layer.eliminate(theta)
        return None if eliminated is None else run.attempt(eliminated)

    def move(iterate: Iterate, d: FloatArray) -> Iterate | None:
        moved = iterate.theta.copy()
        moved[b] += d
        return best_at(moved)

    if run.done:
        layer.fix_penalties(float(run.carried["unit"]), run.carried["centre"])
    projected = start if run.done else best_at(start.theta)
    if projected is None:
        raise ValueError(
            "theta must be a point where the last layer's basis values, and its best value, are finite, and ridge must "
            f"exceed the rounding of the matrix of these values; got ridge={ridge}"
        )
    run.carried.update(unit=layer.unit, centre=layer.centre)
    if b.size == 0:
        if not run.done:
            run.finish_step(projected)
        return Ending(True, "converged: the network is linear in all its parameters, and they are at their best")

    def system_of(iterate: Iterate) -> DampedSystem:
        return _reduced_system(layer, iterate, solver)

    def objective(iterate: Iterate) -> float:
        return iterate.value + layer.penalty(iterate.theta)

    limits = damping, max_rejections, tolerance_gradient, tolerance_change
    return descend(run, projected, system_of, lambda iterate: iterate.gradient[b], move, objective, *limits)


def _reduced_system(layer: LinearLayer, iterate: Iterate, solver: str) -> DampedSystem:
    """Return the damped system of P B and r~ at a point where c is at its best."""
    theta = iterate.theta
    problem, b, c = layer.problem, layer.nonlinear, layer.linear.ravel()
    m, n = problem.n_residuals, theta.size
    if solver == "qr" or (solver == "auto" and choose("auto", m + c.size, n) == "qr"):
        require_room(2 * m * n, f"the Jacobian of {m} residuals in {n} parameters, and its projection,")
        r, J = problem.residual_and_jacobian(theta)
        penalty = linalg.block_diag(*layer.penalties)
        # One triangle of [Phi, B, r~]: what is left of B and r~ below the rows of Phi is their projection.
        stacked = np.zeros((m + penalty.shape[0], c.size + b.size + 1))
        stacked[:m] = np.column_stack([J[:, c], J[:, b], r])
        stacked[m:, : c.size] = penalty
        stacked[m:, -1] = layer.penalty_residuals(theta)
        triangle = triangle_of(stacked)[c.size :, c.size :]
        return finite(OrthogonalSystem(triangle[:, -1], triangle[:, :-1]))
    gradient, H = iterate.gradient, normal_matrix(problem, theta)
    finite(NormalSystem(gradient, H))
    H_cc = H[np.ix_(c, c)] + linalg.block_diag(*layer.penalty_grams)
    # H_cc = L L^T: the Schur complement as a difference of squares stays symmetric.
    L = linalg.cholesky(H_cc, lower=True, check_finite=False)
    X = linalg.solve_triangular(L, H[np.ix_(c, b)], lower=True, check_finite=False)
    return NormalSystem(gradient[b], H[np.ix_(b, b)] - X.T @ X)
