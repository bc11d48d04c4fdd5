r"""What both engines offer: sums over samples of spline functions times coefficients, and their derivatives.

    u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, start[s, p] + i]

W are the jets of the r B-splines that matter at input p of sample s, at a jet z (N, channels, P) of the inputs; a
value is a jet of one channel, W = b(x). Sums "apart" keep the coefficients of each interval m by themselves, at
m r + i in place of m + i: (Q, P, n r), as what free knots do to a spline is known interval by interval.
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
"""Cotangents of coefficients and, where they were asked for, of a jet of inputs."""


def basis_at(at: InputJet, tables: KnotTables, derivatives: int, outside: str, fast: bool) -> LocalBasis:
    """The local basis at the values of a jet, kept where these stay."""
    name = "basis", derivatives, outside, fast
    return at.once(tables, name, lambda: local_basis(tables, at.x, derivatives, outside, fast=fast))


class FunctionSums(Protocol):
    """Sums of a block of functions times coefficients C (Q, P, dim) at a jet z (N, channels, P), and their transposes.

    W[s, c, p, i] are the jets of the functions. Where a method takes `apart`, the coefficients of each knot interval
    are counted by themselves, (Q, P, n r): only splines offer that, for knots that move.
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

    It keeps the engine that it was made with; C and z are not copied, and not to be written to while it lives.

    Attributes
    ----------
    value : array (N, channels, Q)

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.sums import VALUES, InputJet, SplineSums, spline_sums
    >>> from refkan.splines.local_basis import KnotTables
    >>> tables = KnotTables(np.arange(-1.0, 4.0)[None], 2)  # hats at 0, 1 and 2
    >>> at = InputJet(np.array([[[0.5]]]))
    >>> sums = spline_sums(tables, np.array([[[0.0, 1.0, 4.0]]]), at, VALUES, "linear")
    >>> isinstance(sums, SplineSums), sums.start, sums.rows(0)
    (True, array([[0]]), array([[[[0.5, 0.5]]]]))
    """

    value: Array

    fast: bool
    """Whether the basis, too, is evaluated by kernels compiled for its order."""

    def __init__(
        self, tables: KnotTables, C: Array, at: InputJet, channels: Channels, outside: str, slack: float, back: bool
    ) -> None:
        self.tables, self.channels, self.slack, self.back, self.order = tables, channels, slack, back, tables.order
        self.outside, self.C, self.at, self.z, self.x = outside, packed(C), at, at.z, at.x
        self.n_outputs, self.n_inputs, self.dim = C.shape
        self._basis: LocalBasis | None = None
        self._depth = channels.order + back  # derivatives that sums need, and what pulls back to the inputs needs
        if outside == "error":
            tables.require_inside(self.x, slack)

    @abstractmethod
    def _first_value(self) -> Array:
        """Compute the sums (N, channels, Q), once: `spline_sums` keeps them as `value`."""

    def _operations(self, n_cotangents: int = 1) -> int:
        """Operations of one sum over the jets of all functions and outputs, for each of so many cotangents."""
        return 2 * self.z.size * self.order * self.n_outputs * n_cotangents

    def _local_basis(self, derivatives: int) -> LocalBasis:
        """The local basis with at least so many derivatives."""
        if self._basis is None or self._basis.rows.shape[0] <= derivatives:
            outside = "polynomial" if self.outside == "error" else self.outside  # the points have been checked
            self._basis = basis_at(self.at, self.tables, derivatives, outside, self.fast)
        return self._basis

    @lazy
    def start(self) -> IntArray:
        """Numbers (N, P) of the first of the r functions that matter: those of the intervals."""
        return self._local_basis(self._depth).start

    def _starts(self, apart: bool) -> IntArray:
        """The same in coefficients that are kept apart."""
        return self.start * self.order if apart else self.start

    def rows(self, derivatives: int) -> Array:
        """Return the values of these functions and so many derivatives, (derivatives + 1, N, P, r)."""
        return self._local_basis(max(derivatives, self._depth)).rows[: derivatives + 1]

    @lazy
    def W(self) -> Array:
        """Jets (N, channels, P, r) of the functions that matter."""
        if self.channels.count == 1:
            return self._local_basis(self._depth).rows[0][:, None]
        rows = self.rows(self.channels.order)
        depth = self._local_basis(self._depth).rows.shape[0]
        name = "jets", depth, self.channels, self.outside, self.fast
        return self.at.once(self.tables, name, lambda: channel_rows(rows, self.z, self.channels))

    def _row_tangents(self, dz: FloatArray) -> Array:
        """Tangent (N, channels, P, r) of W along the tangent dz (N, channels, P) of the jet."""
        return channel_row_tangents(self.rows(self.channels.order + 1), self.z, dz, self.channels)

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Return cotangents (N, O, channels, P) of (x, u, v) of every input from those of the jets of the outputs."""
        return self._pull_back_inputs(self.rows(self.channels.order + 1), self.C, G)

    @abstractmethod
    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """The same for functions with other derivatives `rows`, and any coefficients C (Q, P, dim)."""

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, start + i] = sum_c G[s, o, c, q] W[s, c, p, i]."""
        operations = self._operations(G.shape[1])
        launch(plain_sums.scatter_jacobian, G.shape[0], operations, self.start, self.W, packed(G), out)

    # Of values, with one channel, alone.

    def project(self, G: FloatArray, derivative: int) -> FloatArray:
        """Return sum_q G[s, o, q] sum_i C[q, p, start + i] b_i^(derivative)(x_p), (N, O, P), from G (N, O, Q)."""
        return self._project(derivative, self.C, G)

    def features(self, curved: bool) -> tuple[IntArray, FloatArray, FloatArray | None]:
        """Return numbers (N, P) of the first functions, their values (N, P, r) and, if curved, their slopes."""
        rows = self.rows(1 if curved else 0)
        return self.start, rows[0], rows[1] if curved else None

    def jets(self) -> tuple[IntArray, Array]:
        """Return numbers (N, P) of the first functions, and W."""
        return self.start, self.W

    def hessian_product(self, dC: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the Hessian of sum dy . u in (C, x) times the tangent dC (Q, P, dim) and dx (N, P).

        dy is (N, Q).

        It is sum_s dy[s, q] b_i' dx[s, p] at [q, p, start + i], and sum_q dy[s, q] sum_i (dC b_i' + C b_i'' dx) at [s,
        p].
        """
        G = dy[:, None]
        moved = self._sums((self.rows(1)[1] * dx[:, :, None])[:, None], G, apart=False)
        return moved, self._project(1, dC, G)[:, 0] + self._project(2, self.C, G)[:, 0] * dx

    @abstractmethod
    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        """sum_s sum_c W[s, c, p, i] dy[s, c, q] at [q, p, start + i], for any number of outputs q."""

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        """`project` for any coefficients C (Q, P, dim)."""
        # The cotangent of x is made of first derivatives: those of rows that begin one earlier are what is asked.
        return self._pull_back_inputs(self.rows(derivative)[derivative - 1 :], C, G[:, :, None])[:, :, 0]


class PlainSums(SplineSums):
    """The plain engine: each sum is its formula in a loop, of `kernels.plain_sums`, compiled once for all layers.

    Sums of samples in their order, through the local basis at each; complex numbers pass through as well.

    Equal to the layers of `refkan.truth.layers`.
    """

    fast = False

    def _first_value(self) -> Array:
        if self.at.fixed or self.channels.count > 1:  # of a fixed jet the basis is known, as a rule
            return self._contract(self.W, self.C, 1)
        self._basis, value = basis_and_sums(self.tables, self.x, self._depth, self.outside, self.C)
        return value

    def _contract(self, W: Array, C: Array, stride: int) -> Array:
        out: Array = recycled((*W.shape[:2], self.n_outputs), dtype_of(W, C))
        launch(plain_sums.contract, out.shape[0], self._operations(), self.start, W, C, stride, out)
        return out

    def _sums(self, W: Array, dy: Array, apart: bool) -> FloatArray:
        W, dy, stride = packed(W), packed(dy), self.order if apart else 1
        dim = (self.dim - self.order) * stride + self.order
        dC: FloatArray = recycled((dy.shape[2], self.n_inputs, dim), dtype_of(W, dy))
        operations = 2 * W.size * dy.shape[2]
        launch(plain_sums.pull_back, dy.shape[2] * self.n_inputs, operations, self.start, W, dy, stride, dC)
        return dC

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> Cotangents:
        """dC[q, p, start + i] = sum_s sum_c W[s, c, p, i] dy[s, c, q], and the cotangent of z."""
        return self._sums(self.W, dy, apart), self.pull_back_inputs(dy[:, None])[:, 0] if inputs else None

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_p sum_i (W dC + dW C), dW along dz."""
        dy = self._contract(self.W, packed(dC), self.order if apart else 1)
        return dy if dz is None else dy + self._contract(packed(self._row_tangents(dz)), self.C, 1)

    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, see `kernels.plain_sums.pull_back_inputs`."""
        C, G = packed(C), packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.n_inputs), dtype_of(rows, self.z, C, G))
        operations = self._operations(G.shape[1])
        arguments = self.start, rows, self.z, self.channels.n_first, C, G, dz
        launch(plain_sums.pull_back_inputs, G.shape[0], operations, *arguments)
        return dz
