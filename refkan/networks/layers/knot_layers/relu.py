r"""ReLU-power layers: y_q = sum_p sum_j W[q, p, j] psi_j(x_p), a multichannel MLP with fixed biases -t_j."""

from functools import partial
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, check_flag, lazy
from refkan.networks.layers.functions import Declared
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.networks.layers.row_sums import RowSums, row_sums
from refkan.splines.knots import check_strictly_increasing, free_breakpoints_jvp, free_breakpoints_vjp
from refkan.splines.local_basis import KnotTables
from refkan.splines.relu_powers import inverse_scale, relu_rows
from refkan.splines.sums.channels import Channels, channel_rows
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.spline_functions import SLACK, KnotFunctions
from refkan.splines.sums.sums import FunctionSums

RANGE = -1022, 1023
"""Binary exponents of numbers."""


class ReluLayer(EdgeLayer):
    r"""A layer in the ReLU-power basis: y_q = sum_p sum_j W[q, p, j] ((x_p - t_j)_+ / h)^(r-1).

    h is 1 unless the basis is scaled. With W = A^T u the layer is the same function as a SplineLayer with coefficients
    u (Lemma 3 of [S26]).

    Parameters
    ----------
    spaces, n_outputs, outside, free_knots
        As for `EdgeLayer`; knots strictly increasing.
    scaled : bool
        Whether x - t_j is divided by the mean spacing h = (b-a)/n of its input.

    Raises
    ------
    KnotError
        For repeated knots, which have no ReLU powers.
    ValueError, TypeError
        As for `EdgeLayer`; also if powers of the plain basis on the domain exceed the range of numbers.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.ReluLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1)  # knots -0.5, 0, 0.5, 1, 1.5
    >>> layer.linearize(np.array([0.0, 1.0, -3.0]), np.array([[0.25], [1.0]])).value
    array([[ 0.25],
           [-0.5 ]])
    """

    scaled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("scaled", self.scaled)
        smallest, largest = RANGE
        for space in self.spaces:
            check_strictly_increasing(space.knots)
            if self.scaled:
                continue
            lengths = np.array([space.mean_spacing, space.knots[-1] - space.knots[0]])
            low, high = np.log2(lengths) * (self.order - 1)
            if low <= smallest or high >= largest:
                a, b = space.domain
                raise ValueError(
                    f"powers (x - t)^{self.order - 1} on a domain [{a:g}, {b:g}] exceed the range of float64: "
                    "use basis='scaled-relu'"
                )

    @property
    def basis(self) -> str:  # type: ignore[override]
        """The ReLU-power basis, plain or scaled."""
        if self.scaled:
            return "scaled-relu"
        return "relu"

    @property
    def inverse_scale(self) -> FloatArray:
        """1/h for each input, shape (P,); it is 1 for the plain basis."""
        return np.array([inverse_scale(space, self.scaled) for space in self.spaces])

    @property
    def window(self) -> int:
        """Number of functions that may be non-zero at an input: all powers, to the right of their knots."""
        return self.dim

    def declare(self, theta: Array) -> Declared:
        """Return the powers psi_j; free knots move with s."""
        powers = self._fixed
        if self.free_knots:
            powers = self._powers(self.tables(theta), self.unpack(theta)["s"])
        return Declared(self.n_inputs, self.n_outputs, (powers,), theta)

    @lazy
    def _fixed(self) -> "ReluPowers":
        return self._powers(self.fixed_tables, None)

    def _powers(self, tables: KnotTables, s: Array | None) -> "ReluPowers":
        return ReluPowers(tables, self.outside, self.order, self.inverse_scale, s, self.domains)


EdgeLayer.kinds["relu"] = ReluLayer
EdgeLayer.kinds["scaled-relu"] = partial(ReluLayer, scaled=True)


class ReluPowers(KnotFunctions):
    """The powers ((x - t_j)_+ / h)^(r-1) of P knot vectors; with s (P, n) on knots that follow it."""

    order: int
    inverse_scale: FloatArray
    s: Array | None
    domains: FloatArray

    @property
    def moving(self) -> tuple[int, ...]:
        """Shape of s."""
        if self.s is None:
            return ()
        return self.s.shape

    def sums(self, C: Array, at: InputJet, channels: Channels, back: bool) -> FunctionSums:
        """Dense matrices and BLAS."""
        if self.outside == "error":
            self.tables.require_inside(at.x, SLACK)
        return row_sums(self, C, at, channels, back)

    def rows(self, x: Array, derivatives: int) -> Array:
        """psi_j and derivatives at x (N, P), with the rule outside."""
        return self.powers_at(x, derivatives, self.outside)

    def powers_at(self, x: Array, derivatives: int, outside: str) -> Array:
        """psi_j and derivatives at x (N, P), with another rule outside."""
        return relu_rows(
            self.tables.knots,
            self.order,
            self.inverse_scale,
            x,
            derivatives,
            outside,
        )

    def motion(self, C: Array) -> "FreeKinks | None":
        """How sums move with s; None for fixed knots."""
        if self.s is None:
            return None
        return FreeKinks(self)


class FreeKinks:
    """Powers on breakpoints that depend on s; a `layers.functions.Motion`.

    The power psi_j depends only on its own breakpoint, with d psi_j/dt_j = -psi_j'.
    """

    def __init__(self, powers: ReluPowers) -> None:
        self.powers = powers
        assert powers.s is not None
        self.s = powers.s
        self._moving = slice(powers.order, powers.dim)

    def pull_back(self, sums: Any, dy: FloatArray, inputs: bool) -> tuple[Array, Array, Array | None]:
        """dt_j = sum_sc h[s, c, p, j] dW[s, c, p, j]/dt_j, h the cotangents of the functions' jets."""
        dC, dz = sums.pull_back(dy, inputs)
        h = sums.cotangents_of_jets(dy)[..., self._moving]
        dt = np.einsum("scpj,scpj->pj", self._rows(sums), h)
        return dC, free_breakpoints_vjp(self.s, self.powers.domains, dt), dz

    def push_forward(self, sums: Any, dC: FloatArray, ds: FloatArray, dz: FloatArray | None) -> FloatArray:
        """Tangent of the sums for fixed knots plus sum_pj C dW[p, j]/dt_j dt_j."""
        dt = free_breakpoints_jvp(self.s, self.powers.domains, ds)
        C = sums.C[..., self._moving]
        moving = np.einsum("scpj,pj,qpj->scq", self._rows(sums), dt, C, optimize=True)
        return sums.push_forward(dC, dz) + moving

    def fill_jacobian(self, sums: Any, G: FloatArray, out: FloatArray) -> None:
        """Columns of s."""
        h = sums.cotangents_of_jets(G)[..., self._moving]
        dt = np.einsum("scpj,socpj->sopj", self._rows(sums), h)
        out[...] = free_breakpoints_vjp(self.s, self.powers.domains, dt)

    def _rows(self, sums: RowSums) -> FloatArray:
        """Derivatives of the jets of the moving functions in their own breakpoint, (N, channels, P, n-1).

        d psi/dt = -psi' at a fixed point. The derivative of the tangent at an end b, psi(b) + (x - b) psi'(b), is
        -psi'(b) - (x - b) psi''(b), and that of its slope is -psi''(b).
        """
        powers, channels, x = self.powers, sums.channels, sums.z[:, 0]
        at, linear = x, powers.outside == "linear"
        if linear:
            low, high = powers.domains.T
            at = np.where(x.real < low, low, np.where(x.real > high, high, x))
        top = channels.order
        rows = -powers.powers_at(at, top + 2, "polynomial")
        rows = rows[1:, :, :, self._moving]
        moved = rows[: top + 1].copy()
        if linear:
            beyond = (x - at)[None, :, :, None]
            moved[:1] += beyond * rows[1:2]
            moved[2:] *= beyond == 0
        return channel_rows(moved, sums.z, channels)
