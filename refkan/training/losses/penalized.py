"""A loss with quadratic penalties on the roughness and the size of a network's coefficients."""

from typing import Any

import numpy as np
from scipy import sparse

from refkan.base import Array, FloatArray, Frozen, NonNegative, check_annotated, lazy
from refkan.networks import Network


class Penalized(Frozen):
    r"""A loss plus penalties: smoother edges and smaller coefficients, for every method of `minimize`.

    With R the rows of ``sqrt(roughness) D`` for each output of each spline layer, and of ``sqrt(ridge) I``, ::

        value(theta)        loss.value(theta) + |R theta|^2 / 2
        gradient(theta)     loss.gradient(theta) + R^T R theta
        residual(theta)     loss.residual(theta), then R theta
        jacobian(theta)     the rows of loss.jacobian(theta), then those of R
        gauss_newton(theta) loss.gauss_newton(theta) + R^T R

    D c are the jumps of the highest derivative of an edge at its interior knots, as coefficients in the scaled ReLU
    basis: on uniform knots the r-th differences of the coefficients c, divided by (r-1)!. Polynomials of degree r - 1
    are not penalised, so that a large roughness makes every edge a polynomial.

    Parameters
    ----------
    loss : LeastSquares, Collocation or CrossEntropy
        Of a `Network`.
    roughness, ridge : float
        Factors of ``|D c|^2 / 2``, summed over all edges of splines, and of ``|theta|^2 / 2``.

    Raises
    ------
    TypeError
        If the loss has no `Network`; if residuals are requested of a loss that has none.
    ValueError
        For negative factors, and for a roughness of splines with free knots.

    Notes
    -----
    Eilers and Marx, "Flexible smoothing with B-splines and penalties", Statist. Sci. 11 (1996).

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.losses.penalized import Penalized
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> net = rk.kan([1, 1], order=2, intervals=20)
    >>> loss = rk.LeastSquares(net, x, np.sin(6 * x))
    >>> smooth = rk.minimize(Penalized(loss, roughness=1e6), np.zeros(net.n_params), "gauss-newton").theta
    >>> bool(np.abs(np.diff(smooth, 2)).max() < 1e-4)   # a straight line
    True
    """

    loss: Any
    roughness: NonNegative = 0.0
    ridge: NonNegative = 0.0

    def __post_init__(self) -> None:
        check_annotated(Penalized, vars(self))
        if not isinstance(getattr(self.loss, "net", None), Network):
            raise TypeError(f"loss must be that of a refkan Network; got {type(self.loss).__name__}")
        _ = self._rows  # a roughness of free knots is refused when the loss is made, not in the first step

    @lazy
    def _rows(self) -> sparse.csr_array:
        """R, one column for each parameter."""
        n = self.net.n_params
        rows = [sparse.csr_array((0, n))]
        if self.ridge > 0.0:
            rows.append(np.sqrt(self.ridge) * sparse.eye_array(n, format="csr"))
        for layer, where in zip(self.net.layers, self.net.slices, strict=True):
            if self.roughness > 0.0 and layer.basis is not None:
                # Coefficients (Q, P, dim) are the first block of a layer of splines, whatever comes after them.
                D = sparse.kron(sparse.eye_array(layer.n_outputs), layer.jumps(), format="coo")
                shifted = sparse.csr_array((D.data, (D.row, D.col + where.start)), shape=(D.shape[0], n))
                rows.append(np.sqrt(self.roughness) * shifted)
        return sparse.csr_array(sparse.vstack(rows))

    @property
    def net(self) -> Network:
        """The network of the loss."""
        network: Network = self.loss.net
        return network

    @property
    def n_residuals(self) -> int:
        """Number of residuals, with the rows of R."""
        return int(self._of_loss("n_residuals")) + self._rows.shape[0]

    def value(self, theta: Array) -> Any:
        """Return ``loss.value(theta) + |R theta|^2 / 2``."""
        return self.loss.value(theta) + 0.5 * np.sum((self._rows @ theta) ** 2)

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the value."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Array) -> tuple[Any, Array]:
        """Return value and gradient."""
        value, gradient = self.loss.value_and_gradient(theta)
        penalties = self._rows @ theta
        return value + 0.5 * np.sum(penalties**2), gradient + self._rows.T @ penalties

    def residual(self, theta: Array) -> Array:
        """Return the residuals of the loss, then R theta."""
        return np.concatenate([self._of_loss("residual")(theta), self._rows @ theta])

    def residual_and_jacobian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return residuals and Jacobian: those of the loss, then R theta and R."""
        r, J = self._of_loss("residual_and_jacobian")(theta)
        return np.concatenate([r, self._rows @ theta]), np.concatenate([J, self._rows.toarray()])

    def gauss_newton(self, theta: FloatArray) -> FloatArray:
        """Return ``J^T J`` of the loss, plus R^T R."""
        return self._of_loss("gauss_newton")(theta) + (self._rows.T @ self._rows).toarray()

    def _of_loss(self, member: str) -> Any:
        if not hasattr(self.loss, member):
            raise TypeError(
                f"{type(self.loss).__name__} has no residuals: use a method of value and gradient, such as 'lbfgs'"
            )
        return getattr(self.loss, member)
