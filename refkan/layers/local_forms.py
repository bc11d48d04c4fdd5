r"""What second derivatives need of a layer: y = activation(u), u linear in coefficients of functions of single inputs.

    u_q = sum over blocks, slots p and functions i of  W[q, p, i] phi_{p,i}(x_p),

W (Q, P, dim) the raw coefficients of a block. At a sample only a window of each slot's functions is multiplied by
something other than zero, and the functions do not depend on q. A matrix J^T J is then a sum over samples of products
of a small matrix in (q, q') with two windows, and no row of J needs to be written down. The parameters of the layer
are the raw coefficients, or map to them: a `Chart`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import scipy.sparse as sp

from refkan.array_types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Features:
    """One block of functions: what they are at each sample.

    Attributes
    ----------
    start : array (N, P)
        Number of the first function of the window.
    values : array (N, P, width)
        values[s, p, i] = phi_{p, start + i}(x_p).
    slopes : array (N, P, width) or None
        Their derivatives in x_p; None for functions that are constant.
    dim : int
        Number of functions of a slot.
    """

    start: IntArray
    values: FloatArray
    slopes: FloatArray | None
    dim: int

    @property
    def slots(self) -> int:
        """Number of slots P."""
        return self.values.shape[1]

    @property
    def width(self) -> int:
        """Number of functions in a window."""
        return self.values.shape[2]


@dataclass(frozen=True, eq=False)
class Chart:
    """How raw coefficients depend on the parameters: W = W(theta).

    Attributes
    ----------
    jacobian : csr_array (n_raw, n_params)
        dW/dtheta.
    hessian : callable
        Cotangent of W (n_raw,) -> the Hessian of <dW, W(theta)>, csr_array (n_params, n_params).
    """

    jacobian: sp.csr_array
    hessian: Callable[[FloatArray], sp.csr_array]


@dataclass(frozen=True, eq=False)
class LocalForm:
    """A layer at (theta, x) by its functions and coefficients.

    Attributes
    ----------
    blocks : tuple of Features
        In the order of the raw coefficients, each (Q, P, dim) in C order.
    n_outputs : int
    activation : pair of arrays (N, Q), or None
        First and second derivative of the activation at u; None where y = u.
    slopes : array (N, Q, P), or None
        du_q/dx_p; None unless curved.
    curvatures : callable, or None
        Cotangent of u (N, Q) -> sum_q du_q d^2 u_q/dx_p^2, shape (N, P); mixed derivatives vanish, every function
        being one of a single input. None unless curved.
    chart : Chart, or None
        None where the parameters are the raw coefficients.
    """

    blocks: tuple[Features, ...]
    n_outputs: int
    activation: tuple[FloatArray, FloatArray] | None = None
    slopes: FloatArray | None = None
    curvatures: Callable[[FloatArray], FloatArray] | None = None
    chart: Chart | None = None
