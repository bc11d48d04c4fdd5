r"""A problem restricted to the coarse directions at a fine point: Galerkin's products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from refkan.base.arguments import as_vector, real
from refkan.base.array_types import FloatArray
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.optimizers.second_order.damped_systems import normal_matrix


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
        return self.theta + self.prolongation @ as_vector("d", d, self.size)

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
