r"""The linear systems of Gauss-Newton methods: damped steps and minimum-norm steps, from J by three routes.

With residuals r (m,) and Jacobian J (m, n), value = |r|^2 / 2, the steps are ::

    damped        (J^T J + lambda I) d = -J^T r
    minimum norm  d = -J^+ r, singular values of J below `truncation` times the largest taken as 0

J is singular for every network of this library (constants move between the edges into a node, to name one reason), so
that no route ever solves with J^T J alone.
"""

from typing import Annotated, Any

import numpy as np
from scipy import linalg

from refkan.base import FloatArray, one_of
from refkan.base.singular_values import svd
from refkan.networks.hessians.memory import require_memory
from refkan.training.optimizers.run import Halt, Iterate

EPS = float(np.finfo(np.float64).eps)

SOLVERS = ("auto", "qr", "cholesky", "dual")
Solver = Annotated[str, one_of(SOLVERS)]

QR_WORK = 2e7
"""m n^2 up to which "auto" takes QR: it costs 3 to 5 times the product J^T J, here no more than evaluating J."""


class OrthogonalSystem:
    """By orthogonal transformations of J: sees singular values down to eps, not its root."""

    def __init__(self, r: FloatArray, J: FloatArray) -> None:
        m, n = J.shape
        stacked = np.zeros((max(m, n), n + 1))
        stacked[:m, :n], stacked[:m, n] = J, r
        # The triangle of [J, r] holds R and Q^T r: Q itself is not needed.
        triangle = triangle_of(stacked)
        self._R, self._q = triangle[:n, :n], triangle[:n, n]
        self.gradient = self._R.T @ self._q
        self.diagonal = np.sum(self._R * self._R, axis=0)
        self.noise = (n * EPS) ** 2

    def step(self, damping: float) -> FloatArray | None:
        """Least squares of ``[R; sqrt(damping) I] d = -[q; 0]``, by QR again."""
        n = self.diagonal.size
        stacked = np.zeros((2 * n, n + 1))
        stacked[:n, :n], stacked[:n, n] = self._R, self._q
        stacked[n + np.arange(n), np.arange(n)] = np.sqrt(damping)
        triangle = triangle_of(stacked)
        if not np.diag(triangle)[:n].all():
            return None
        return _finite(-linalg.solve_triangular(triangle[:n, :n], triangle[:n, n], check_finite=False))

    def minimum_norm_step(self, truncation: float) -> FloatArray:
        """By the singular values of R, which are those of J."""
        return _truncated(self._R, self._q, truncation)


class NormalSystem:
    """By Cholesky's method on J^T J + damping I: the cheapest, J^T J being all that is needed."""

    def __init__(self, gradient: FloatArray, H: FloatArray) -> None:
        self.gradient, self._H = gradient, H
        self.diagonal = np.diag(H).copy()
        self.noise = gradient.size * EPS

    def step(self, damping: float) -> FloatArray | None:
        """Factorise and solve."""
        d = _damped_solution(self._H.copy(), damping, self.gradient)
        return None if d is None else _finite(-d)

    def minimum_norm_step(self, truncation: float) -> FloatArray:
        """By eigenvalues; their rounding hides singular values below ``sqrt(n eps)`` times the largest."""
        eigenvalues, V = np.linalg.eigh(self._H)
        least = max(truncation**2, self.noise) * eigenvalues[-1]
        kept = eigenvalues > max(least, 0.0)
        V = V[:, kept]
        return -V @ ((V.T @ self.gradient) / eigenvalues[kept])


class DualSystem:
    r"""By the m x m matrix of residuals: ``d = -J^T (J J^T + damping I)^-1 r``. For m < n."""

    def __init__(self, r: FloatArray, J: FloatArray) -> None:
        self._r, self._J = r, J
        self.gradient = J.T @ r
        self.diagonal = np.sum(J * J, axis=0)
        self.noise = r.size * EPS

    def step(self, damping: float) -> FloatArray | None:
        """Factorise and solve."""
        x = _damped_solution(self._J @ self._J.T, damping, self._r)
        return None if x is None else _finite(-self._J.T @ x)

    def minimum_norm_step(self, truncation: float) -> FloatArray:
        """By the singular values of J itself, which is short."""
        return _truncated(self._J, self._r, truncation)


DampedSystem = OrthogonalSystem | NormalSystem | DualSystem
"""J and r at one point, in a form that serves many dampings.

`gradient` is J^T r, `diagonal` that of J^T J, and `noise` the relative size of the rounding in J^T J as a route sees
it: damping below it changes nothing. `step` solves ``(J^T J + damping I) d = -J^T r``, None where it is singular to
working precision; `minimum_norm_step` is ``-J^+ r`` without the singular values below `truncation` times the largest.
"""


def system_at(problem: Any, iterate: Iterate, solver: str) -> DampedSystem:
    """Return the system at a point.

    "auto" takes the dual form when there are fewer residuals than parameters, QR for small problems, and Cholesky else.

    Raises
    ------
    ValueError
        Before anything is allocated, if the matrices of the route exceed the memory there is.
    Halt
        If J is not finite, or its squares overflow.
    """
    theta = iterate.theta
    m, n = getattr(problem, "n_residuals", None), theta.size
    if solver != "cholesky" and (m is None or choose(solver, m, n) != "cholesky"):
        if m is not None:
            require_room(m * n, f"the Jacobian of {m} residuals in {n} parameters")
        r, J = problem.residual_and_jacobian(theta)
        route = choose(solver, *J.shape)
        if route == "cholesky":
            return finite(NormalSystem(J.T @ r, J.T @ J))
        return finite(DualSystem(r, J) if route == "dual" else OrthogonalSystem(r, J))
    return finite(NormalSystem(iterate.gradient, normal_matrix(problem, theta)))


def finite(system: DampedSystem) -> DampedSystem:
    """Return the system; halt the run if J is not finite or its squares overflow, which values need not show."""
    if not np.isfinite(system.diagonal).all():
        raise Halt("the Jacobian, or its squares, became non-finite")
    return system


def require_consistent(system: DampedSystem, gradient: FloatArray, value: float) -> None:
    """Raise ValueError unless ``J^T r`` is the gradient: the mistake of a factor or sign in a problem of one's own."""
    difference = float(np.abs(system.gradient - gradient).max(initial=0.0))
    # |J^T r| <= |J||r|; the two are sums in different order, in coordinates of any condition: far above rounding.
    if difference > 1e-6 * np.sqrt(2.0 * value * system.diagonal.max(initial=0.0)):
        raise ValueError(
            "residual_and_jacobian must return r and J with value = |r|^2 / 2 and gradient = J^T r; "
            f"J^T r and the gradient differ by {difference:.3g}"
        )


def choose(solver: str, m: int, n: int) -> str:
    """Return the route for m residuals and n parameters: "qr", "cholesky" or "dual"."""
    if solver != "auto":
        return solver
    if m < n:
        return "dual"
    return "qr" if m * n * n <= QR_WORK else "cholesky"


def normal_matrix(problem: Any, theta: FloatArray) -> FloatArray:
    """Return J^T J: from the problem's own ``gauss_newton`` where it has one, else from J."""
    n = theta.size
    # The matrix, its factor, and what is made of the problem's data on the way.
    require_room(3 * n * n, f"the Gauss-Newton matrix of {n} parameters")
    if hasattr(problem, "gauss_newton"):
        return problem.gauss_newton(theta)
    J = problem.residual_and_jacobian(theta)[1]
    return J.T @ J


def require_room(entries: int, matrix: str) -> None:
    """Raise ValueError, saying how much is needed, if there is no memory for so many float64."""
    require_memory(8 * entries, matrix, "use a smaller network or fewer samples, or a first-order method")


def triangle_of(A: FloatArray) -> FloatArray:
    """Return the R of a QR factorisation of A: ``R^T R = A^T A``."""
    R: FloatArray = np.linalg.qr(A, mode="r")  # type: ignore[assignment]  # a pair in other modes alone
    return R


def _damped_solution(K: FloatArray, damping: float, b: FloatArray) -> FloatArray | None:
    """The solution of ``(K + damping I) x = b``, in place of K; None where the matrix is singular."""
    K[np.diag_indices_from(K)] += damping
    try:
        factor = linalg.cho_factor(K, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError:
        return None
    return linalg.cho_solve(factor, b, check_finite=False)


def _truncated(A: FloatArray, b: FloatArray, truncation: float) -> FloatArray:
    """``-A^+ b`` without the singular values below `truncation` times the largest."""
    U, sigma, V = svd(A)
    kept = sigma > truncation * sigma[0]
    return -V[kept].T @ ((U[:, kept].T @ b) / sigma[kept])


def _finite(d: FloatArray) -> FloatArray | None:
    return d if bool(np.isfinite(d).all()) else None
