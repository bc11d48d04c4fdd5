"""A network at parameters and samples: values and derivatives of every kind, exact over exact numbers.

Values go forward and gradients backward, by hand, in `networks`. All else is Taylor numbers sent the same two ways:

    along theta + e dtheta        forward: J dtheta
    at theta_m + e_m, all m       forward: the Jacobian; backward: the Hessian, as derivative of the gradient
    at x_p + e_p, all p           forward: first and second derivatives in x
    at x + h u + h^2/2 v          forward: a jet; backward: gradients of the jet in theta
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from refkan.truth import derivatives
from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers, at_most, samples, typed, vector
from refkan.truth.arithmetic.taylor import curve
from refkan.truth.derivatives import SparseRow
from refkan.truth.jets import Jet
from refkan.truth.least_squares import LeastSquares
from refkan.truth.networks import Network, Sweep


@dataclass(frozen=True)
class Evaluation:
    """A network at theta (M) and samples x (N, P), over one type of numbers; make it with `truth.of`.

    All results are nested lists of such numbers.

    Attributes
    ----------
    network : Network
    theta : list (M)
    x : list (N, P)
    number : type

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> t = rk.truth.of(net, [0, 1, 4], [[0.25]])
    >>> t.value, t.jacobian()
    ([[Fraction(1, 2)]], [[Fraction(1, 2), Fraction(1, 2), Fraction(0, 1)]])
    """

    network: Network
    theta: Numbers
    x: Sequence[Numbers]
    number: Any

    @cached_property
    def _sweep(self) -> Sweep:
        return self.network.sweep(self.theta, self.x)

    @property
    def value(self) -> Matrix:
        """The outputs F(x_s), (N, Q)."""
        return typed(self.number, self._sweep.value)

    @property
    def n_params(self) -> int:
        """Number of parameters M."""
        return len(self.theta)

    def _like_x(self, name: str, rows: Any) -> Matrix:
        return samples(self.number, name, rows, self.network.layers[0].n_inputs, len(self.x))

    def _like_value(self, name: str, rows: Any) -> Matrix:
        return samples(self.number, name, rows, self.network.layers[-1].n_outputs, len(self.x))

    # --- first derivatives

    def pullback(self, dy: Any) -> tuple[list[Number], Matrix]:
        """Return dtheta = J_theta^T dy (M) and dx = J_x^T dy (N, P) for dy (N, Q); statistics are fixed in J_x."""
        dy = self._like_value("dy", dy)
        return typed(self.number, self._sweep.gradient(dy)), typed(self.number, self._sweep.input_gradient(dy))

    def knot_gradients(self, dy: Any) -> list[Matrix]:
        """Return for each layer the derivatives (P, n - 1) of sum dy F by its interior breakpoints, C held fixed."""
        return typed(self.number, self._sweep.knot_gradients(self._like_value("dy", dy)))

    def pushforward(self, dtheta: Any, dx: Any = None) -> Matrix:
        """Return dy = J_theta dtheta + J_x dx (N, Q) for dtheta (M) and dx (N, P), 0 if not given."""
        tangent = vector(self.number, "dtheta", dtheta, self.n_params)
        moved = self._like_x("dx", [[0 * v for v in row] for row in self.x] if dx is None else dx)
        return typed(self.number, derivatives.tangent(self.network, self.theta, self.x, tangent, moved))

    @cached_property
    def jacobian_rows(self) -> list[SparseRow]:
        """The rows of J, sample-major, as dicts of their entries that are not zero for want of support."""
        return derivatives.jacobian_rows(self.network, self.theta, self.x)

    def jacobian(self) -> Matrix:
        """Return J (N Q, M), rows sample-major: row s Q + q is dF_q(x_s)/dtheta."""
        columns = range(self.n_params)
        return typed(self.number, [[row.get(m, 0) for m in columns] for row in self.jacobian_rows])

    def gauss_newton(self) -> Matrix:
        """Return J^T J (M, M); with weights and 1/N it is `least_squares(y).gauss_newton()`."""
        return typed(self.number, derivatives.square(self.jacobian_rows, self.n_params))

    def ntk(self) -> Matrix:
        """Return the tangent kernel J J^T (N Q, N Q)."""
        return typed(self.number, derivatives.kernel(self.jacobian_rows))

    # --- second derivatives

    def hessian(self, dy: Any) -> Matrix:
        """Return the Hessian (M, M) of sum dy F in theta, as the derivative of its gradient."""
        sweep = self.network.sweep(derivatives.varied(self.theta), self.x)
        return typed(self.number, derivatives.matrix_of(sweep.gradient(self._like_value("dy", dy))))

    def input_derivatives(self) -> tuple[list[Matrix], list[list[Matrix]]]:
        """Return dF_q/dx_p (N, Q, P) and d^2F_q/dx_p dx_l (N, Q, P, P); statistics are fixed."""
        first, second = derivatives.input_derivatives(self.network, self.theta, self.x)
        return typed(self.number, first), typed(self.number, second)

    def jet(self, first: Any, second: Any = None) -> Jet:
        """Return derivatives along K directions: at x + h u + h^2/2 v for u = first (K, P), v = second (K, P) or 0.

        Statistics of node maps are fixed.
        """
        P, sweeps = self.network.layers[0].n_inputs, []
        if not len(first):
            raise ValueError("first must hold at least one direction; got none")
        u = samples(self.number, "first", first, P)
        v = samples(self.number, "second", [[0] * P] * len(u) if second is None else second, P, len(u))
        for directions in zip(u, v, strict=True):
            moved = [[curve(x_p, ds, 0, 2) for x_p, *ds in zip(row, *directions, strict=True)] for row in self.x]
            sweeps.append(self.network.sweep(self.theta, moved))
        return Jet(sweeps, self.number)

    # --- losses

    def least_squares(self, y: Any, weights: Any = None) -> LeastSquares:
        """Return the loss 1/(2N) sum_s w_s |F(x_s) - y_s|^2 for targets y (N, Q) and weights (N), 1 if not given.

        Raises
        ------
        ValueError
            If there is no sample, or a weight is negative.
        """
        if not self.x:
            raise ValueError("x must hold at least one sample; got N = 0")
        w = vector(self.number, "weights", [1] * len(self.x) if weights is None else weights, len(self.x))
        for s, weight in enumerate(w):
            if not at_most(0, weight):
                raise ValueError(f"weights must not be negative; got weights[{s}] = {weight}")
        return LeastSquares(self.network, self.theta, self.x, self.number, self._like_value("y", y), w)
