r"""V-cycles: damped Gauss-Newton steps at the fine point, in the spaces of all levels in turn.

A problem restricted to the coarse directions at a fine point: Galerkin's products.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base import FloatArray, IntArray, Positive, ShortRepr, check_annotated
from refkan.base.arguments import as_vector, check_count, real
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.levels import Hierarchy
from refkan.training.optimizers import Result, minimize
from refkan.training.optimizers.second_order.damped_systems import normal_matrix
from refkan.training.optimizers.second_order.levenberg_marquardt import next_damping


class Subspace:
    r"""The problem ``phi(d) = f(theta + P d)`` in the coarse coefficients d.

    ::

        grad phi = P^T grad f,    J_phi = J P,    J_phi^T J_phi = P^T (J^T J) P

    At ``theta = P u`` it is the coarse problem around u (Proposition 1 of [S26]); at other theta it is a problem that
    no coarse network has. `minimize` takes it, with every method that f can be minimised with but variable projection.

    Parameters
    ----------
    problem : LeastSquares, Collocation or similar
        f.
    theta : array_like (n,)
        The fine point.
    prolongation : csr_array (n, m)
        P.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Hierarchy, Subspace
    >>> x = np.linspace(0.0, 1.0, 30)[:, None]
    >>> net, u = rk.kan([1, 1], order=2, intervals=2).initialize(np.random.default_rng(0), x)
    >>> coarse, fine = Hierarchy.refined(rk.LeastSquares(net, x, x**2), [2])
    >>> phi = Subspace(fine.problem, coarse.prolongation @ u, coarse.prolongation)
    >>> bool(np.abs(phi.gradient(np.zeros(3)) - coarse.problem.gradient(u)).max() < 1e-14)
    True
    """

    def __init__(self, problem: Any, theta: Any, prolongation: sp.csr_array) -> None:
        refuse_what_is_no_loss("problem", problem, "value_and_gradient")
        if not sp.issparse(prolongation):
            raise TypeError(f"prolongation must be a sparse matrix; got {type(prolongation).__name__}")
        self.problem, self.prolongation = problem, prolongation
        self.theta: FloatArray = real("theta", as_vector("theta", theta, prolongation.shape[0])).copy()

    @property
    def size(self) -> int:
        """Number of coarse coefficients m."""
        return int(self.prolongation.shape[1])

    @property
    def n_residuals(self) -> int:
        """Number of residuals, those of f."""
        return int(self.problem.n_residuals)

    def at(self, d: Any) -> FloatArray:
        """Return the fine point ``theta + P d``."""
        return self.theta + self.prolongation @ real("d", as_vector("d", d, self.size))

    def value(self, d: Any) -> float:
        """Return ``f(theta + P d)``."""
        return float(self.problem.value(self.at(d)))

    def gradient(self, d: Any) -> FloatArray:
        """Return ``P^T grad f``."""
        return self.value_and_gradient(d)[1]

    def value_and_gradient(self, d: Any) -> tuple[float, FloatArray]:
        """Return value and gradient."""
        value, gradient = self.problem.value_and_gradient(self.at(d))
        return value, self.prolongation.T @ gradient

    def residual_and_jacobian(self, d: Any) -> tuple[FloatArray, FloatArray]:
        """Return the residuals of f and ``J P``."""
        r, J = self.problem.residual_and_jacobian(self.at(d))
        return r, self._coarsened(J)

    def residual_blocks(self, d: Any) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield residuals and Jacobian by blocks of residuals, for problems that have them."""
        for r, J in self.problem.residual_blocks(self.at(d)):
            yield r, self._coarsened(J)

    def gauss_newton(self, d: Any) -> FloatArray:
        """Return ``P^T (J^T J) P`` (m, m)."""
        theta, P = self.at(d), self.prolongation
        return self._coarsened(np.ascontiguousarray(P.T @ normal_matrix(self.problem, theta)))

    def _coarsened(self, J: FloatArray) -> FloatArray:
        return np.ascontiguousarray((self.prolongation.T @ J.T).T)


@dataclass(frozen=True, eq=False, repr=False)
class CycleResult(ShortRepr):
    """The outcome of `vcycle`.

    Attributes
    ----------
    theta : ndarray
        On the finest network.
    value : float
    visits : ndarray of int
        The levels in the order of their corrections.
    values : ndarray
        Values: before the first, and after each correction.
    n_evaluations : int
        Values with gradients, all on the finest level.
    n_matrices : int
        Gauss-Newton matrices or Jacobians, all on the finest level.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Hierarchy, vcycle
    >>> x = np.random.default_rng(0).uniform(size=(200, 1))
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=3, intervals=2), x, np.sin(7 * x))
    >>> hierarchy = Hierarchy.refined(problem, [2])
    >>> result = vcycle(hierarchy, np.zeros(hierarchy.finest.network.n_params))
    >>> result.values.size == result.visits.size + 1, bool(result.value == result.values.min())
    (True, True)
    """

    theta: FloatArray
    value: float
    visits: IntArray
    values: FloatArray
    n_evaluations: int
    n_matrices: int

    def __repr__(self) -> str:
        return f"CycleResult(value={self.value:.6g}, visits={self.visits.size}, n_evaluations={self.n_evaluations})"


def vcycle(
    hierarchy: Hierarchy,
    theta: Any,
    cycles: int = 1,
    steps: int = 1,
    damping: Positive = 1e-3,
    callback: Callable[[int, Result], Any] | None = None,
    **options: Any,
) -> CycleResult:
    r"""Go down through all levels and up again, with damped Gauss-Newton steps in the space of each.

    The correction of level l, P the product of the prolongations from there to the finest level, is ::

        (P^T H P + lambda I) d = -P^T g,    theta <- theta + P d    if that decreases the value

    with g and H the gradient and Gauss-Newton matrix of the fine problem at the present theta: steps of
    "levenberg-marquardt" on a `Subspace`. The value never increases. A cycle visits levels L, L-1, ..., 0, ..., L-1, L.

    Parameters
    ----------
    hierarchy : Hierarchy
        With fixed knots.
    theta : array_like (n_params,)
        On the finest network.
    cycles : int
    steps : int
        Damped steps of each visit.
    damping : float
        The first damping of each level, relative as for "levenberg-marquardt". Later visits go on from the last one.
    callback : callable, optional
        ``callback(level, result)`` after every correction, with the `Result` in coarse coefficients.
    **options
        Of "levenberg-marquardt": solver, max_rejections, tolerances.

    Raises
    ------
    ValueError
        For free knots, where a prolongation is no matrix, and sizes that do not fit.

    Notes
    -----
    All work is on the finest level, whose Jacobian every correction needs: a coarse correction is cheap only where
    solving with the fine matrix is what costs.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Hierarchy, vcycle
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 2, 1], order=3, intervals=2).initialize(np.random.default_rng(1), x)
    >>> hierarchy = Hierarchy.refined(rk.LeastSquares(net, x, x[:, :1] * x[:, 1:]), [2])
    >>> result = vcycle(hierarchy, hierarchy.prolong(theta, 0), cycles=2)
    >>> result.visits
    array([1, 0, 1, 1, 0, 1])
    >>> bool((np.diff(result.values) <= 0).all())
    True
    """
    check_annotated(vcycle, locals())
    cycles, steps = check_count("cycles", cycles), check_count("steps", steps, 1)
    finest = len(hierarchy) - 1
    theta = real("theta", as_vector("theta", theta, hierarchy.finest.network.n_params)).copy()
    matrices = [hierarchy.matrix(level) for level in range(len(hierarchy))]
    dampings = [float(damping)] * len(hierarchy)
    problem = hierarchy.finest.problem
    visits, values, evaluations, jacobians = [], [float(problem.value_and_gradient(theta)[0])], 1, 0
    for _ in range(cycles):
        for level in (*range(finest, 0, -1), *range(finest + 1)):
            phi = Subspace(problem, theta, matrices[level])
            start = np.zeros(phi.size)
            result = minimize(phi, start, "levenberg-marquardt", steps, damping=dampings[level], **options)
            done = result.history.value.size - 1
            dampings[level] = next_damping(dampings[level], result.history)
            if result.value < values[-1]:
                theta = phi.at(result.theta)
            visits.append(level)
            values.append(min(result.value, values[-1]))
            evaluations += result.n_evaluations
            jacobians += min(done + 1, steps)
            if callback is not None:
                callback(level, result)
    order = np.array(visits, dtype=int)
    return CycleResult(theta, values[-1], order, np.array(values), evaluations, jacobians)
