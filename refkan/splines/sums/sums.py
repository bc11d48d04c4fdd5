r"""What both engines offer: sums over samples of spline functions times coefficients, and their derivatives.

    u[s, c, q] = sum_p sum_i W[s, c, p, i] C[q, p, start[s, p] + i]

W are the jets of the r B-splines that matter at input p of sample s, at a jet z (N, channels, P) of the inputs; a
value is a jet of one channel, W = b(x). Sums "apart" keep the coefficients of each interval m by themselves, at
m r + i in place of m + i: (Q, P, n r), as what free knots do to a spline is known interval by interval.
"""

from abc import ABC, abstractmethod
from typing import Protocol

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.splines.local_basis import KnotTables, LocalBasis, local_basis
from refkan.splines.sums.channels import Channels, channel_row_tangents, channel_rows
from refkan.splines.sums.input_jet import InputJet, packed

Cotangents = tuple[FloatArray, FloatArray | None]
"""Cotangents of coefficients and, where they were asked for, of a jet of inputs."""


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

    def pull_back_several(self, G: FloatArray, apart: bool = False) -> FloatArray:
        """Cotangents (O, Q, P, dim) of C from several cotangents G (N, O, Q) of values."""

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
        self.tables, self.channels, self.outside, self.slack, self.back = tables, channels, outside, slack, back
        self.C, self.at, self.z, self.x = packed(C), at, at.z, at.x
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

    @property
    def order(self) -> int:
        """Order r of the splines."""
        return self.tables.order

    def _local_basis(self, derivatives: int) -> LocalBasis:
        """The local basis with at least so many derivatives."""
        if self._basis is None or self._basis.rows.shape[0] <= derivatives:
            outside = "polynomial" if self.outside == "error" else self.outside  # the points have been checked
            self._basis = self.at.once(
                self.tables, ("basis", derivatives, outside, self.fast),
                lambda: local_basis(self.tables, self.x, derivatives, outside, fast=self.fast),
            )  # fmt: skip
        return self._basis

    @property
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
        rows = self.rows(self.channels.order)
        if self.channels.count == 1:
            return rows[0][:, None]
        depth = self._local_basis(self._depth).rows.shape[0]
        name = "jets", depth, self.channels, self.outside, self.fast
        return self.at.once(self.tables, name, lambda: channel_rows(rows, self.z, self.channels))

    def _row_tangents(self, dz: FloatArray) -> Array:
        """Tangent (N, channels, P, r) of W along the tangent dz (N, channels, P) of the jet."""
        return channel_row_tangents(self.rows(self.channels.order + 1), self.z, dz, self.channels)

    # Of values, with one channel, alone.

    def pull_back_several(self, G: FloatArray, apart: bool = False) -> FloatArray:
        """Return dC of several cotangents G (N, O, Q) in one pass, as if they were so many more outputs.

        (O, Q, P, dim), or (O, Q, P, n r) if apart.
        """
        N, O, Q = G.shape
        sums = self._sums(self.W, packed(G).reshape(N, 1, O * Q), apart)
        return sums.reshape(O, Q, *sums.shape[1:])

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

    def _sums(self, W: Array, dy: FloatArray, apart: bool) -> FloatArray:
        """sum_s sum_c W[s, c, p, i] dy[s, c, q] at [q, p, start + i], for any number of outputs q."""
        raise TypeError("sums of jets have more than one channel: this is offered for values")

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        """`project` for any coefficients C (Q, P, dim)."""
        raise TypeError("sums of jets have more than one channel: this is offered for values")
