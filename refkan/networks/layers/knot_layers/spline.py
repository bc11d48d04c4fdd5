r"""Spline layers: y_q = sum_p sum_i C[q, p, i] b_i(x_p), on fixed knots, or on free knots with parameters s.

On interval m a moving breakpoint has the effect of moving local coefficients (see `kernels.moving_knots`). A layer with
free knots therefore has the sums of a layer with n r local coefficients, r for each interval. Tangents of coefficients
and knots give tangents of the local coefficients, whose cotangents, summed over samples once, give those of the knots.
"""

import numpy as np

from refkan.base import Array, FloatArray, IntArray, lazy
from refkan.kernels import moving_knots
from refkan.kernels.launch import launch
from refkan.networks.layers.functions import Declared
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.splines.knots import free_breakpoints_jvp, free_breakpoints_vjp
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums.input_jet import packed
from refkan.splines.sums.spline_functions import SplineFunctions
from refkan.splines.sums.sums import FunctionSums


class MovingSplines(SplineFunctions):
    """B-splines whose knots depend on s (P, n), on the domains (P, 2)."""

    s: Array
    domains: FloatArray

    @lazy
    def moving(self) -> tuple[int, ...]:
        """Shape of s."""
        return self.s.shape

    def motion(self, C: Array) -> "FreeKnots":
        """How sums move with s."""
        by_input = np.ascontiguousarray(C.transpose(1, 2, 0))
        return FreeKnots(self.s, self.domains, self.tables, by_input)


class FreeKnots:
    """The knots of splines at s (P, n), with their coefficients C (P, dim, Q); a `layers.functions.Motion`."""

    def __init__(self, s: Array, domains: FloatArray, tables: KnotTables, C: Array) -> None:
        self.s, self.domains, self.tables, self.C = s, domains, tables, C
        self.order, self.n = tables.order, s.shape[1]

    def pull_back(self, sums: FunctionSums, dy: FloatArray, inputs: bool) -> tuple[Array, Array, Array | None]:
        """Cotangents of C and s from separate sums for each interval, and that of the jet z."""
        apart, dz = sums.pull_back(dy, inputs, apart=True)
        moments = np.ascontiguousarray(apart.transpose(1, 2, 0))
        dC = self.fold(moments).transpose(2, 0, 1)
        return dC, self.pull_back_knots(moments), dz

    def push_forward(self, sums: FunctionSums, dC: FloatArray, ds: FloatArray, dz: FloatArray | None) -> FloatArray:
        """The local coefficients move with coefficients and knots."""
        moved = self.move(dC.transpose(1, 2, 0), ds)
        apart = np.ascontiguousarray(moved.transpose(2, 0, 1))
        return sums.push_forward(apart, dz, apart=True)

    def fill_jacobian(self, sums: FunctionSums, G: FloatArray, out: FloatArray) -> None:
        """Columns of s: the columns of the breakpoints, pulled back like cotangents."""
        start, W = sums.jets()
        columns = self.columns_of_breakpoints(start, W, G)
        out[...] = free_breakpoints_vjp(self.s, self.domains, columns)

    @lazy
    def weights(self) -> Array:
        """Derivatives of the local coefficients in the breakpoints over slopes, (P, n, r, r-1, r-1)."""
        P, r = self.C.shape[0], self.order
        out = np.empty((P, self.n, r, r - 1, r - 1), self.tables.knots.dtype)
        launch(moving_knots.motion_weights, P, 4 * out.size * r, self.tables.knots, out)
        return out

    @lazy
    def slopes(self) -> Array:
        """d_v = (c_v - c_{v-1})/(t_{v+r-1} - t_v) for v = 1, ..., dim - 1: (P, dim - 1, Q)."""
        spans = self.tables.inverse_spans[:, self.order - 1, 1 : self.C.shape[1]]
        return (self.C[:, 1:] - self.C[:, :-1]) * spans[:, :, None]

    def fold(self, moments: FloatArray) -> FloatArray:
        """Cotangent of C (P, dim, Q) from that of the local coefficients: neighbours share r - 1 coefficients."""
        dC = np.zeros((*self.C.shape[:2], moments.shape[2]))
        for i in reversed(range(self.order)):
            dC[:, i : i + self.n] += moments[:, i :: self.order]
        return dC

    def pull_back_knots(self, moments: FloatArray) -> FloatArray:
        """Cotangent of s (P, n) from that of the local coefficients (P, n r, Q)."""
        P = self.C.shape[0]
        dt = np.empty((P, self.n - 1))
        operations = 2 * moments.size * self.order
        arguments = self.weights, self.slopes, moments, dt
        launch(moving_knots.pull_back_knots, P, operations, *arguments)
        return free_breakpoints_vjp(self.s, self.domains, dt)

    def move(self, dC: FloatArray, ds: FloatArray) -> FloatArray:
        """Tangent of the local coefficients (P, n r, Q) along dC (P, dim, Q) and ds (P, n)."""
        dt = free_breakpoints_jvp(self.s, self.domains, ds)
        P, _, Q = self.C.shape
        out = np.empty((P, self.n * self.order, Q))
        launch(
            moving_knots.move_coefficients, P, 2 * out.size * self.order,
            self.weights, self.slopes, packed(dC), dt, out,
        )  # fmt: skip
        return out

    def columns_of_breakpoints(self, start: IntArray, W: FloatArray, G: FloatArray) -> FloatArray:
        r"""Derivatives (N, O, P, n-1) of sum_cq G[s, o, c, q] y[s, c, q] in the interior breakpoints.

        With y_c = sum_i W[s, c, p, i] c_{m+i}, m the interval of the sample, each t_j with j = m + i + a + 2 - r moves
        the local coefficient i by - sum_e weights[p, m, i, a, e] d_{m+e}.
        """
        p, steps = np.arange(self.C.shape[0]), np.arange(self.order - 1)
        slopes = self.slopes[p[:, None], start[:, :, None] + steps]
        of_slopes = np.einsum("socq,speq->socpe", G, slopes, optimize=True)
        pairs = np.einsum("scpi,socpe->sopie", W, of_slopes, optimize=True)
        moved = np.einsum("spiae,sopie->sopia", self.weights[p, start], pairs, optimize=True)
        columns = self.n + 2 * self.order - 3  # of all j, those of fixed breakpoints among them
        dt = np.zeros(moved[..., 0, 0].size * columns, moved.dtype)
        first = np.arange(0, dt.size, columns).reshape(moved.shape[:3]) + start[:, None]
        for i, a in np.ndindex(self.order, self.order - 1):
            dt[first + (i + a)] -= moved[..., i, a]
        return dt.reshape(*moved.shape[:3], columns)[..., self.order - 1 : self.n + self.order - 2]


class SplineLayer(EdgeLayer):
    r"""A Kolmogorov-Arnold layer in the B-spline basis: y_q = sum_p sum_i C[q, p, i] b_i(x_p).

    Parameters are those of `EdgeLayer`. The blocks are coefficients (Q, P, dim) and, with free knots, s (P, n). ([S26]
    eq. (2).)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1)
    >>> layer.linearize(np.array([0.0, 1.0, 4.0]), np.array([[0.25], [0.75]])).value
    array([[0.5],
           [2.5]])
    """

    @property
    def basis(self) -> str:  # type: ignore[override]
        """The B-spline basis."""
        return "spline"

    @property
    def sums_to_one(self) -> bool:  # type: ignore[override]
        """Whether the functions sum to one everywhere: B-splines do unless outside="natural", where they decay."""
        return self.outside != "natural"

    @lazy
    def _fixed(self) -> SplineFunctions:
        """The B-splines on the knots of `spaces`."""
        return SplineFunctions(self.fixed_tables, self.outside)

    def declare(self, theta: Array) -> Declared:
        """Return the B-splines; free knots move with s."""
        functions = self._fixed
        if self.free_knots:
            s = self.unpack(theta)["s"]
            functions = MovingSplines(self.tables(theta), self.outside, s, self.domains)
        return Declared(self.n_inputs, self.n_outputs, (functions,), theta)


EdgeLayer.kinds["spline"] = SplineLayer
