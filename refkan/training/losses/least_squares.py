"""Losses of a network on data: values, gradients and residuals as functions of the flat parameters."""

from cmath import isfinite
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from refkan.base import Array, FloatArray, ShortRepr, check_annotated, lazy
from refkan.base.arguments import (
    as_columns,
    as_vector,
    real,
    require_finite_rows,
    require_floats,
    require_not_negative,
)
from refkan.networks import Network, hessians
from refkan.splines.sums.input_jet import FixedJet

ENTRIES = 2**22
"""Entries of J in a block of residuals."""


class DifferentiableModel(Protocol):
    """The interface that a loss requires of a network: values and vector-Jacobian products.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> class Line:
    ...     n_params = 2
    ...     def __call__(self, theta, x):
    ...         return theta[0] + theta[1] * x
    ...     def vjp(self, theta, x, inputs=True):
    ...         return self(theta, x), lambda dy: (np.array([dy.sum(), (dy * x).sum()]), theta[1] * dy)
    ...     def jacobian(self, theta, x):
    ...         return np.concatenate([np.ones_like(x), x], axis=1)
    >>> x = np.linspace(0.0, 1.0, 5)[:, None]
    >>> problem = rk.LeastSquares(Line(), x, 1 + 2 * x)
    >>> rk.minimize(problem, [0.0, 0.0], method="gauss-newton").theta.round(12)
    array([1., 2.])
    """

    def __call__(self, theta: Array, x: Array) -> Array:
        """Return the outputs, shape (N, Q)."""

    def vjp(self, theta: Array, x: Array, inputs: bool = True) -> tuple[Array, Callable[[Array], Any]]:
        """Return the outputs, and the map from their cotangent to the cotangents of theta and x."""

    def jacobian(self, theta: Array, x: Array) -> FloatArray:
        """Return the Jacobian of the outputs in theta, shape (N Q, n_params), rows sample-major."""


class OnSamples(ShortRepr):
    """A loss on samples x (N, P), which it owns, with weights of the samples or without."""

    net: Any
    x: FloatArray
    weights: FloatArray | None

    def _own(self, x: FloatArray, **others: Any) -> None:
        """Keep the samples, read-only, so that what is known of them stays right; the weights; and other arrays."""
        if x.shape[0] == 0:
            raise ValueError("x must hold at least one sample; got N = 0")
        x.flags.writeable = False
        if self.weights is not None:
            others["weights"] = real("weights", as_vector("weights", self.weights, x.shape[0])).copy()
            require_not_negative("weights", others["weights"])
            require_floats("weights", self.weights)
        for name, array in {"x": x, **others}.items():
            object.__setattr__(self, name, array)

    @lazy
    def samples(self) -> Any:
        """The samples as the network takes them: of one of refkan's with what is known of them in the first layer."""
        return FixedJet(self.x[:, None]) if isinstance(self.net, Network) else self.x

    @property
    def _shares(self) -> FloatArray:
        """What each sample counts, w_s / N (N,): the squared factor of its residual."""
        n_samples = self.x.shape[0]
        return (np.ones(n_samples) if self.weights is None else self.weights) / n_samples


@dataclass(frozen=True, eq=False)
class LeastSquares(OnSamples):
    r"""Least squares of a network F on samples.

    ::

        misfit(theta)       e = F(x; theta) - y                  (N, Q)
        residual(theta)     r = sqrt(w_s / N) e_s, flat          (N Q,), row s Q + q is output q of sample s
        value(theta)        |r|^2 / 2 = 1/(2N) sum_s w_s |e_s|^2
        jacobian(theta)     J = dr/dtheta                        (N Q, n_params)
        gradient(theta)     J^T r
        gauss_newton(theta) J^T J
        ntk(theta)          J J^T                                (N Q, N Q)
        hessian(theta)      of the value: J^T J + sum_k r_k Hess r_k

    with w_s = 1 without `weights`. The weights are not normalised: N is the number of samples, whatever their sum. The
    words mean the same on `Collocation`. Without weights and 1/N, J is ``net.jacobian(theta, x)``.

    Parameters
    ----------
    net : network
        Called as ``net(theta, x)``; offers ``vjp``.
    x : array_like, shape (N, P)
        Inputs, N >= 1; copied, and read-only from then on, so that what is known of them can be kept (`FixedJet`).
    y : array_like, shape (N, Q)
        Targets.
    weights : array_like, shape (N,), optional
        Non-negative weights of the samples.

    Raises
    ------
    ValueError
        If the shapes disagree, N = 0, an entry is NaN or infinite, or a weight is negative; the index is named. If
        float64 would round an entry, such as 2**53 + 1.
    TypeError
        If `net` is no network, or the data are not real numbers.

    Notes
    -----
    The regression losses of [A25] and [S26] are this one; their tables quote `mse`. A complex theta passes through the
    value (squares, not absolute values, are summed), so that complex steps are exact.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> class Line:
    ...     def __call__(self, theta, x):
    ...         return x @ theta[:, None]
    ...     def vjp(self, theta, x, inputs=True):
    ...         return self(theta, x), lambda dy: ((x.T @ dy)[:, 0], None)
    >>> problem = rk.LeastSquares(Line(), x=[[1.0], [2.0]], y=[[1.0], [4.0]])
    >>> problem.value(np.array([1.0])), problem.mse(np.array([1.0]))
    (1.0, 2.0)
    >>> problem.gradient(np.array([1.0]))
    array([-2.])
    >>> problem.misfit(np.array([1.0]))
    array([[ 0.],
           [-2.]])
    >>> r = problem.residual(np.array([1.0]))
    >>> bool(np.isclose(r @ r / 2, problem.value(np.array([1.0]))))
    True
    """

    net: DifferentiableModel
    x: FloatArray
    y: FloatArray
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if not (hasattr(self.net, "vjp") or hasattr(self.net, "jacobian")):
            came = type(self.net).__name__
            raise TypeError(f"net must be a network, called as net(theta, x), that offers vjp or jacobian; got {came}")
        x, y = _real("x", self.x), _real("y", self.y)
        if x.shape[0] and (y.shape[0] != x.shape[0] or y.shape[1] == 0):
            raise ValueError(f"y must have shape (N, Q), N = {x.shape[0]} as x has, Q >= 1; got {y.shape}")
        if isinstance(self.net, Network):
            for name, array, columns in (("x", x, self.net.widths[0]), ("y", y, self.net.widths[-1])):
                if array.shape[1] != columns:
                    raise ValueError(f"{name} must have shape (N, {columns}) for {self.net}; got {array.shape}")
        self._own(x, y=y)

    # ------------------------------------------------- residual, value, gradient

    def misfit(self, theta: Array) -> Array:
        """Return ``e = F(x; theta) - y``, shape (N, Q), without weights and 1/N."""
        return self._misfit(self.net(theta, self.samples))

    def residual(self, theta: Array) -> Array:
        """Return the residual r (N Q,), ``r = sqrt(w_s / N) e_s`` sample by sample: ``value = |r|^2 / 2``."""
        return self._weigh(self.misfit(theta), slice(None)).ravel()

    def value(self, theta: Array) -> Any:
        """Return ``|r|^2 / 2 = 1/(2N) sum_s w_s |F(x_s) - y_s|^2``: a float, complex for complex theta.

        It is infinite if the values of the network overflow, so that a diverging optimiser notices.
        """
        try:
            return self._value(self.misfit(theta))
        except OverflowError:
            return np.inf

    def gradient(self, theta: Array) -> Array:
        """Return the gradient ``J^T r`` of the value, of theta's shape."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Array) -> tuple[Any, Array]:
        """Return value and gradient from one pass forward and one back; NaN gradients where the value overflows.

        J^T r is one vector-Jacobian product of the network, with the cotangent ``w_s e_s / N`` of its outputs.
        """
        value: Any = np.inf
        with suppress(OverflowError):
            outputs, pullback = self.net.vjp(theta, self.samples, inputs=False)
            e = self._misfit(outputs)
            value = self._value(e)
            if isfinite(value):
                return value, pullback(self._weighted(e) / e.shape[0])[0]
        return value, np.full(np.shape(theta), np.nan)

    def mse(self, theta: Array) -> Any:
        """Return the mean squared error ``1/(N Q) sum |F(x_s) - y_s|^2``, without the weights.

        This is what the papers' tables quote; for one output, twice the value of the unweighted loss.
        """
        e = self.misfit(theta)
        return _scalar(np.sum(e * e) / e.size)

    # ------------------------------------------------------------- Jacobians

    @property
    def n_residuals(self) -> int:
        """Number of residuals, N Q."""
        return self.y.size

    def residual_and_jacobian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return r (N Q,) and J (N Q, n_params): ``value = |r|^2 / 2``, ``gradient = J^T r``."""
        e, J = self.misfit(theta), self.net.jacobian(theta, self.samples)
        return self._weigh_rows(e, J, slice(None))

    def residual_blocks(self, theta: FloatArray, entries: int | None = None) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield r and J as above by blocks of consecutive samples, J of some `entries` (ENTRIES) in each.

        Node maps that take statistics are differentiated anew for every block, so that a block is at least as large as
        the statistics batch; the whole then takes at most twice the time of one block of everything.
        """
        check_annotated(LeastSquares.residual_blocks, locals())
        e = self.misfit(theta)
        batch = getattr(self.net, "statistics", None)
        least = 1 if batch is None else batch.shape[0]
        size = max(1, (ENTRIES if entries is None else entries) // (e.shape[1] * theta.size), least)
        for first in range(0, e.shape[0], size):
            rows = slice(first, first + size)
            yield self._weigh_rows(e[rows], self.net.jacobian(theta, self.samples[rows]), rows)

    def jacobian(self, theta: FloatArray) -> FloatArray:
        """Return the Jacobian J (N Q, n_params) of the residual r."""
        return hessians.jacobian(self._network, theta, self.samples, self._shares)

    def ntk(self, theta: FloatArray) -> FloatArray:
        """Return the tangent kernel ``J J^T`` (N Q, N Q) of the residual; see `hessians.ntk`, which has no 1/N."""
        return hessians.ntk(self._network, theta, self.samples, self._shares)

    # -------------------------------------------------------------- matrices

    def gauss_newton(self, theta: FloatArray, path: str = "auto") -> FloatArray:
        """Return the Gauss-Newton matrix ``J^T J`` (n_params, n_params); see `hessians.gauss_newton`.

        That of a network of another kind is summed over blocks of the Jacobian that it offers.
        """
        if not isinstance(self.net, Network) and hasattr(self.net, "jacobian"):
            return sum((J.T @ J for _, J in self.residual_blocks(theta)), np.zeros((theta.size, theta.size)))
        return hessians.gauss_newton(self._network, theta, self.samples, self.weights, path=path)

    def gauss_newton_vector(self, theta: FloatArray, v: FloatArray) -> FloatArray:
        """Return ``J^T J v`` without the matrix."""
        return hessians.products.gauss_newton_vector(self._network, theta, self.samples, v, self.weights)

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the exact Hessian of `value`, knots fixed; see `hessians.hessian`."""
        return hessians.hessian(self._network, theta, self.samples, self.y, self.weights)

    def hessian_vector(self, theta: FloatArray, v: FloatArray) -> FloatArray:
        """Return the product of the exact Hessian with v without the matrix."""
        return hessians.products.hessian_vector(self._network, theta, self.samples, self.y, v, self.weights)

    @property
    def _network(self) -> Network:
        if not isinstance(self.net, Network):
            raise TypeError(f"matrices of a loss need a refkan Network; got net of type {type(self.net).__name__}")
        return self.net

    def _misfit(self, outputs: Array) -> Array:
        # One target for three outputs would broadcast silently.
        if outputs.shape != self.y.shape:
            raise ValueError(f"y must have the shape of the outputs, {outputs.shape}; got {self.y.shape}")
        return outputs - self.y

    def _weigh(self, e: Array, rows: slice) -> Array:
        """Residuals (n, Q) of the misfit of some samples."""
        return np.sqrt(self._shares[rows])[:, None] * e

    def _weigh_rows(self, e: FloatArray, J: FloatArray, rows: slice) -> tuple[FloatArray, FloatArray]:
        """Residual (n Q,) of the misfit (n, Q) of some samples, and the Jacobian of the outputs weighted in place."""
        J *= np.repeat(np.sqrt(self._shares[rows]), e.shape[1])[:, None]
        return self._weigh(e, rows).ravel(), J

    def _weighted(self, e: Array) -> Array:
        return e if self.weights is None else self.weights[:, None] * e

    def _value(self, e: Array) -> Any:
        # e * e, not |e|^2: holomorphic, so that the complex step goes through.
        return _scalar(np.add.reduce(self._weighted(e) * e, axis=None) / (2 * e.shape[0]))


def _real(name: str, value: Any) -> FloatArray:
    array = as_columns(name, value)
    require_finite_rows(name, array)
    require_floats(name, value)  # what is proven of the problem is proven of these numbers
    return np.array(real(name, array), order="C")  # our own: the loss must not change when the caller's data do


def _scalar(number: Any) -> Any:
    return complex(number) if number.dtype.kind == "c" else float(number)
