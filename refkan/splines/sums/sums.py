r"""The interface of both engines: sums over samples of spline functions times coefficients, and their derivatives.

    u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, start[s, p] + i]

W are the jets of the r B-splines that may be non-zero at input p of sample s, at a jet z (N, channels, P) of the
inputs; a value is a jet of one channel, W = b(x). Sums "apart" have separate coefficients for each interval m, at m r
+ i instead of m + i: (Q, P, n r). Free knots need them, since the effect of a knot is a polynomial on each interval.
"""

from abc import ABC, abstractmethod
from typing import Protocol

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.kernels import plain_sums
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.local_basis import KnotTables, LocalBasis, basis_and_sums, local_basis
from refkan.splines.sums.channels import Channels, channel_row_tangents, channel_rows
from refkan.splines.sums.input_jet import InputJet, packed

Cotangents = tuple[FloatArray, FloatArray | None]
"""Cotangents of coefficients and, if requested, of a jet of inputs."""


def basis_at(at: InputJet, tables: KnotTables, derivatives: int, outside: str, fast: bool) -> LocalBasis:
    """The local basis at the values of a jet, cached for fixed jets."""
    name = "basis", derivatives, outside, fast

    def compute() -> LocalBasis:
        return local_basis(tables, at.x, derivatives, outside, fast=fast, pieces=True)

    return at.once(tables, name, compute)


class FunctionSums(Protocol):
    """Sums of a block of functions times coefficients C (Q, P, dim) at a jet z (N, channels, P), and their transposes.

    W[s, c, p, i] are the jets of the functions. With `apart`, each knot interval has coefficients of its own,
    (Q, P, n r): only splines offer that, for knots that move.
    """

    value: Array
    """u[s, c, q] = sum_pi W[s, c, p, i] C[q, p, i]."""

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """Cotangents of C and of the jet z, the latter if `inputs`, from dy (N, channels, Q)."""

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """Tangent (N, channels, Q) along dC and, unless None, dz."""

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, P) of the jet z from G (N, O, channels, Q)."""

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, i] = sum_c G[s, o, c, q] W[s, c, p, i], zero on entry."""

    def project(self, G: FloatArray, derivative: int) -> FloatArray:
        """sum_q G[s, o, q] sum_i C[q, p, i] phi^(derivative)_{p,i}(x_p): (N, O, P), values only."""

    def hessian_product(self, dC: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hessian of sum dy . u in (C, x), times dC and dx (N, P): (Q, P, dim) and (N, P), values only."""

    def jets(self) -> tuple[IntArray, FloatArray]:
        """Start (N, P) of the windows and the jets W (N, channels, P, width) of the functions in them."""

    def features(self, curved: bool) -> tuple[IntArray, FloatArray, FloatArray | None]:
        """Start (N, P) of the windows, the functions (N, P, width) in them and, if `curved`, their slopes."""


class SplineSums(FunctionSums, ABC):
    """The sums u of `spline_sums` at coefficients C and a jet z, and their derivative as a linear map.

    The engine is that of the call that made it. C and z are not copied: do not write to them while it is in use.

    Attributes
    ----------
    value : array (N, channels, Q)

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.sums.channels import VALUES
    >>> from refkan.splines.sums.input_jet import InputJet
    >>> from refkan.splines.sums.sums import SplineSums
    >>> from refkan.splines.sums.spline_functions import spline_sums
    >>> from refkan.splines.local_basis import KnotTables
    >>> tables = KnotTables(np.arange(-1.0, 4.0)[None], 2)  # hats at 0, 1 and 2
    >>> at = InputJet(np.array([[[0.5]]]))
    >>> sums = spline_sums(tables, np.array([[[0.0, 1.0, 4.0]]]), at, VALUES, "linear")
    >>> isinstance(sums, SplineSums), sums.start, sums.rows(0)
    (True, array([[0]]), array([[[[0.5, 0.5]]]]))
    """

    value: Array

    fast: bool
    """Whether the basis is evaluated by kernels compiled for its order."""

    def __init__(
        self, tables: KnotTables, C: Array, at: InputJet, channels: Channels, outside: str, slack: float, back: bool
    ) -> None:
        self.tables, self.order = tables, tables.order
        self.channels, self.back = channels, back
        self.outside, self.slack = outside, slack
        self.C, self.at, self.z, self.x = packed(C), at, at.z, at.x
        self.n_outputs, self.n_inputs, self.dim = C.shape
        self._basis: LocalBasis | None = None
        self._depth = channels.order + back  # derivatives: pulling back to the inputs needs one more
        if outside == "error":
            tables.require_inside(self.x, slack)

    @abstractmethod
    def _first_value(self) -> Array:
        """Compute the sums (N, channels, Q), once: `spline_sums` keeps them as `value`."""

    def _stride(self, apart: bool) -> int:
        """Distance of the coefficients of neighbouring intervals: 1, or r if they are apart."""
        return self.order if apart else 1

    def _operations(self, n_cotangents: int = 1) -> int:
        """Operations of one sum over the jets of all functions and outputs, for each of `n_cotangents` cotangents."""
        return 2 * self.z.size * self.order * self.n_outputs * n_cotangents

    def _local_basis(self, derivatives: int) -> LocalBasis:
        """The local basis with at least `derivatives` derivatives."""
        basis = self._basis
        if basis is None or basis.rows.shape[0] <= derivatives:
            outside = self.outside
            if outside == "error":  # the points have been checked
                outside = "polynomial"
            basis = basis_at(self.at, self.tables, derivatives, outside, self.fast)
            self._basis = basis
        return basis

    @lazy
    def start(self) -> IntArray:
        """Numbers (N, P) of the first of the r functions in each window: those of the intervals."""
        return self._local_basis(self._depth).start

    def rows(self, derivatives: int) -> Array:
        """Return the values of the functions in the windows, with derivatives: (derivatives + 1, N, P, r)."""
        basis = self._local_basis(max(derivatives, self._depth))
        return basis.rows[: derivatives + 1]

    @lazy
    def W(self) -> Array:
        """Jets (N, channels, P, r) of the functions in the windows."""
        basis = self._local_basis(self._depth)
        if self.channels.count == 1:
            return basis.rows[0][:, None]
        rows = self.rows(self.channels.order)
        name = "jets", basis.rows.shape[0], self.channels, self.outside, self.fast
        return self.at.once(self.tables, name, lambda: channel_rows(rows, self.z, self.channels))

    def _row_tangents(self, dz: FloatArray) -> Array:
        """Tangent (N, channels, P, r) of W along the tangent dz (N, channels, P) of the jet."""
        rows = self.rows(self.channels.order + 1)
        return channel_row_tangents(rows, self.z, dz, self.channels)

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Return cotangents (N, O, channels, P) of (x, u, v) of every input from those of the jets of the outputs."""
        return self._pull_back_inputs(self.rows(self.channels.order + 1), self.C, G)

    @abstractmethod
    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """The same for functions with other derivatives `rows`, and any coefficients C (Q, P, dim)."""

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, start + i] = sum_c G[s, o, c, q] W[s, c, p, i]."""
        operations = self._operations(G.shape[1])
        arguments = self.start, self.W, packed(G), out
        launch(plain_sums.scatter_jacobian, G.shape[0], operations, *arguments)

    # The following methods are for values, with one channel.

    def project(self, G: FloatArray, derivative: int) -> FloatArray:
        """Return sum_q G[s, o, q] sum_i C[q, p, start + i] b_i^(derivative)(x_p), (N, O, P), from G (N, O, Q)."""
        return self._project(derivative, self.C, G)

    def features(self, curved: bool) -> tuple[IntArray, FloatArray, FloatArray | None]:
        """Return numbers (N, P) of the first functions, their values (N, P, r) and, if curved, their slopes."""
        rows = self.rows(int(curved))
        slopes = None
        if curved:
            slopes = rows[1]
        return self.start, rows[0], slopes

    def jets(self) -> tuple[IntArray, Array]:
        """Return numbers (N, P) of the first functions, and W."""
        return self.start, self.W

    def hessian_product(self, dC: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the Hessian of sum dy . u in (C, x), dy (N, Q), times the tangent dC (Q, P, dim) and dx (N, P).

        For C[q, p, start + i]: sum_s dy[s, q] b_i' dx[s, p].
        For x[s, p]: sum_q dy[s, q] sum_i (dC b_i' + C b_i'' dx).
        """
        G = dy[:, None]
        slopes = self.rows(1)[1] * dx[:, :, None]
        moved = self._sums(slopes[:, None], G, apart=False)
        turned = self._project(1, dC, G)[:, 0]
        bent = self._project(2, self.C, G)[:, 0] * dx
        return moved, turned + bent

    @abstractmethod
    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        """sum_s sum_c W[s, c, p, i] dy[s, c, q] at [q, p, start + i], for any number of outputs q."""

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        """`project` for any coefficients C (Q, P, dim)."""
        # The cotangent of x contains the second entry of rows: here that is the requested derivative.
        rows = self.rows(derivative)[derivative - 1 :]
        return self._pull_back_inputs(rows, C, G[:, :, None])[:, :, 0]


class PlainSums(SplineSums):
    """The plain engine: each sum is a loop of `kernels.plain_sums` over its formula, compiled once for all layers.

    Samples are summed in their order through the local basis at each. Complex numbers are supported. The results equal
    those of `refkan.truth.layers`.
    """

    fast = False

    def _first_value(self) -> Array:
        if self.at.fixed or self.channels.count > 1:  # the basis of a fixed jet is usually cached
            return self._contract(self.W, self.C, 1)
        self._basis, value = basis_and_sums(self.tables, self.x, self._depth, self.outside, self.C)
        return value

    def _contract(self, W: Array, C: Array, stride: int) -> Array:
        out: Array = recycled((*W.shape[:2], self.n_outputs), dtype_of(W, C))
        arguments = self.start, W, C, stride, out
        launch(plain_sums.contract, out.shape[0], self._operations(), *arguments)
        return out

    def _sums(self, W: Array, dy: Array, apart: bool) -> FloatArray:
        W, dy, stride = packed(W), packed(dy), self._stride(apart)
        Q, dim = dy.shape[2], (self.dim - self.order) * stride + self.order
        dC: FloatArray = recycled((Q, self.n_inputs, dim), dtype_of(W, dy))
        arguments = self.start, W, dy, stride, dC
        launch(plain_sums.pull_back, Q * self.n_inputs, 2 * W.size * Q, *arguments)
        return dC

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """dC[q, p, start + i] = sum_s sum_c W[s, c, p, i] dy[s, c, q], and the cotangent of z."""
        dC = self._sums(self.W, dy, apart)
        if not inputs:
            return dC, None
        return dC, self.pull_back_inputs(dy[:, None])[:, 0]

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_p sum_i (W dC + dW C), dW along dz."""
        dy = self._contract(self.W, packed(dC), self._stride(apart))
        if dz is None:
            return dy
        dW = packed(self._row_tangents(dz))
        return dy + self._contract(dW, self.C, 1)

    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, see `kernels.plain_sums.pull_back_inputs`."""
        C, G = packed(C), packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.n_inputs), dtype_of(rows, self.z, C, G))
        operations = self._operations(G.shape[1])
        arguments = self.start, rows, self.z, self.channels.n_first, C, G, dz
        launch(plain_sums.pull_back_inputs, G.shape[0], operations, *arguments)
        return dz
