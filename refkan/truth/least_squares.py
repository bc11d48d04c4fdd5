"""The least-squares loss of a network: 1/(2N) sum_s w_s |F(x_s) - y_s|^2 = |r|^2/2.

With the misfit e = F - y, the residual r[s,q] = sqrt(w_s/N) e[s,q] and its Jacobian J::

    gradient J^T r,   Gauss-Newton matrix J^T J,   tangent kernel J J^T,   Hessian J^T J + sum_k r_k Hess r_k

Roots are taken in `residual`, `jacobian` and `ntk` alone: the others need none, and are exact over Fractions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from refkan.truth.arithmetic.functions import sqrt
from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers, typed
from refkan.truth.derivatives import SparseRow, jacobian_rows, kernel, matrix_of, square, varied
from refkan.truth.networks import Network, Sweep


@dataclass(frozen=True)
class LeastSquares:
    """The loss at theta; make it with `Evaluation.least_squares`.

    Attributes
    ----------
    network, theta, x, number
        As in `Evaluation`.
    y : list (N, Q)
    weights : list (N)

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> loss = rk.truth.of(net, [0, 1, 4], [[0.25]]).least_squares([[1]])
    >>> loss.value, loss.gradient()
    (Fraction(1, 8), [Fraction(-1, 4), Fraction(-1, 4), Fraction(0, 1)])
    """

    network: Network
    theta: Numbers
    x: Sequence[Numbers]
    number: Any
    y: Matrix
    weights: Numbers

    @cached_property
    def shares(self) -> list[Number]:
        """w_s/N (N)."""
        return [w / len(self.x) for w in self.weights]

    def _sweep(self, theta: Numbers) -> tuple[Sweep, Matrix]:
        """The network at theta, and its misfit."""
        sweep = self.network.sweep(theta, self.x)
        rows = zip(sweep.value, self.y, strict=True)
        return sweep, [[f - t for f, t in zip(*pair, strict=True)] for pair in rows]

    def _scaled(self, misfit: Matrix) -> Matrix:
        return [[share * e for e in row] for share, row in zip(self.shares, misfit, strict=True)]

    @cached_property
    def misfit(self) -> Matrix:
        """F - y (N, Q)."""
        return typed(self.number, self._sweep(self.theta)[1])

    @property
    def value(self) -> Number:
        """1/(2N) sum_s w_s |F(x_s) - y_s|^2."""
        shares = zip(self.shares, self.misfit, strict=True)
        return typed(self.number, sum(share * e * e for share, row in shares for e in row)) / 2

    def gradient(self) -> list[Number]:
        """Return J^T r (M), the pullback of (w_s/N) e[s,q]."""
        sweep, misfit = self._sweep(self.theta)
        return typed(self.number, sweep.gradient(self._scaled(misfit)))

    def hessian(self) -> Matrix:
        """Return the Hessian (M, M): the derivative of the gradient, by Taylor numbers."""
        sweep, misfit = self._sweep(varied(self.theta))
        return typed(self.number, matrix_of(sweep.gradient(self._scaled(misfit))))

    @cached_property
    def _rows(self) -> list[SparseRow]:
        return jacobian_rows(self.network, self.theta, self.x)

    def _of_each_row(self, of_samples: Numbers) -> list[Number]:
        return [value for value, row in zip(of_samples, self.y, strict=True) for _ in row]

    def gauss_newton(self) -> Matrix:
        """Return J^T J (M, M), as the sum of (w_s/N) times squares of rows of the network's Jacobian."""
        return typed(self.number, square(self._rows, len(self.theta), self._of_each_row(self.shares)))

    def residual(self) -> list[Number]:
        """Return r (N Q), sample-major; value = |r|^2/2.

        Raises
        ------
        ValueError
            Over Fractions, where w_s/N is not the square of one. So `jacobian` and `ntk`.
        """
        roots = self._of_each_row([sqrt(share) for share in self.shares])
        return [root * e for root, e in zip(roots, (e for row in self.misfit for e in row), strict=True)]

    def jacobian(self) -> Matrix:
        """Return the Jacobian J of the residual, (N Q, M)."""
        columns = range(len(self.theta))
        return typed(self.number, [[row.get(m, 0) for m in columns] for row in self._rows_of_residual()])

    def ntk(self) -> Matrix:
        """Return the tangent kernel J J^T (N Q, N Q)."""
        return typed(self.number, kernel(self._rows_of_residual()))

    def _rows_of_residual(self) -> list[SparseRow]:
        roots = self._of_each_row([sqrt(share) for share in self.shares])
        return [{m: root * slope for m, slope in row.items()} for root, row in zip(roots, self._rows, strict=True)]
