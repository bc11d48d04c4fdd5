r"""ReLU-power layers: y_q = sum_p sum_j W[q, p, j] psi_j(x_p), a multichannel MLP with fixed biases -t_j."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan import change_of_basis
from refkan.array_types import Array, FloatArray
from refkan.knots import check_strictly_increasing, free_breakpoints_jvp, free_breakpoints_vjp
from refkan.layers.base import Linearization, flat
from refkan.layers.edges import SLACK, EdgeLayer, require_fixed_knots
from refkan.layers.jets import Channels
from refkan.layers.local_forms import Features, LocalForm
from refkan.layers.relu_jets import ReluJet
from refkan.lazy import lazy
from refkan.relu_powers import inverse_scale, relu_knot_rows, relu_rows


@dataclass(frozen=True)
class ReluLayer(EdgeLayer):
    r"""A layer in the ReLU-power basis: y_q = sum_p sum_j W[q, p, j] ((x_p - t_j)_+ / h)^(r-1), h = 1 unless scaled.

    The same function as a SplineLayer with coefficients u for W = A^T u (Lemma 3 of [S26]).

    Parameters
    ----------
    spaces, n_outputs, outside, free_knots
        As for `EdgeLayer`; knots strictly increasing.
    scaled : bool
        Whether x - t_j is divided by the mean spacing h = (b-a)/n of its input.

    Raises
    ------
    KnotError
        For knots that repeat: they have no ReLU powers.
    ValueError, TypeError
        As for `EdgeLayer`.

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
        for space in self.spaces:
            check_strictly_increasing(space.knots)

    @property
    def basis(self) -> str:
        """The ReLU-power basis, plain or scaled."""
        return "scaled-relu" if self.scaled else "relu"

    @property
    def inverse_scale(self) -> FloatArray:
        """1/h for each input, shape (P,); 1 for the plain basis."""
        return np.array([inverse_scale(space, self.scaled) for space in self.spaces])

    def linearize(self, theta: Array, x: Array, slopes: bool = True) -> ReluLinearization:
        """Evaluate at theta and x (N, P)."""
        theta, x = self._point(theta, x)
        tables = self.tables(theta)
        if self.outside == "error":
            tables.require_inside(x, SLACK)
        rows = relu_rows(tables.knots, self.order, self.inverse_scale, x, 1 if slopes else 0, self.outside)
        return ReluLinearization(self, theta, x, tables.knots, rows)

    def linearize_jets(self, theta: Array, z: Array, channels: Channels) -> ReluJet:
        """Evaluate at theta and a jet z (N, channels, P)."""
        return ReluJet(self, theta, z, channels)

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw the function that a spline layer would draw, or Gaussian weights of the same output variance on x."""
        u = self.draw_spline_coefficients(rng)
        blocks = {"s": self.starting_s()} if self.free_knots else {}
        start = self.pack(coefficients=u, **blocks)
        knots = self.tables(start).knots / self.spacing[:, None]
        W = change_of_basis.apply_transposed(change_of_basis.spans(knots, self.order), u)
        theta: FloatArray = self.pack(coefficients=W, **blocks)
        if scheme == "gaussian":
            at = self.linearize(theta, x, slopes=False)
            per_unit = np.mean(np.sum(at.rows[0] ** 2, axis=(1, 2))) if x.size else 1.0
            variance = np.mean(at.value**2) if x.size else 1.0
            W = rng.normal(0.0, np.sqrt(variance / per_unit), W.shape)
            theta = self.pack(coefficients=W, **blocks)
        return theta

    def constant_coefficients(self, theta: FloatArray) -> FloatArray:
        """Coefficients (P, dim) of the function 1: w = A^T 1."""
        knots = self.tables(theta).knots / self.spacing[:, None]
        ones = np.ones((self.n_inputs, self.dim))
        w: FloatArray = change_of_basis.apply_transposed(change_of_basis.spans(knots, self.order), ones)
        return w

    @property
    def constants_move(self) -> bool:
        """A depends on the knots."""
        return self.free_knots

    @property
    def spacing(self) -> FloatArray:
        """The length that x - t is divided by, for each input (P,): h or 1."""
        return np.array([space.mean_spacing if self.scaled else 1.0 for space in self.spaces])


class ReluLinearization(Linearization):
    """A ReLU-power layer at (theta, x): dense matrices and BLAS."""

    layer: ReluLayer

    def __init__(self, layer: ReluLayer, theta: Array, x: Array, knots: Array, rows: Array) -> None:
        self.layer, self.theta, self.x, self.knots, self.rows = layer, theta, x, knots, rows
        self.W = layer.unpack(theta)["coefficients"]
        self.value = flat(rows[0]) @ flat(self.W).T

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """dW[q,p,j] = sum_s dy[s,q] psi_j(x[s,p]); dx[s,p] = sum_q dy[s,q] sum_j W[q,p,j] psi_j'(x[s,p])."""
        dy = self._cotangent(dy)
        blocks = {"coefficients": (dy.T @ flat(self.rows[0])).reshape(self.W.shape)}
        if self.layer.free_knots:
            near = np.einsum("spj,spj->pj", self._knot_rows(), self._project(dy[:, None, :])[:, 0, :, self._moving])
            blocks["s"] = free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, near)
        dx = self.pullback_inputs(dy[:, None, :])[:, 0] if inputs else None
        return self.layer.pack(**blocks), dx

    @property
    def _moving(self) -> slice:
        """The functions that start at an interior breakpoint."""
        return slice(self.layer.order, self.layer.dim)

    def _knot_rows(self) -> FloatArray:
        layer = self.layer
        return relu_knot_rows(self.knots, layer.order, layer.inverse_scale, self.x, layer.outside)

    def _project(self, G: FloatArray) -> FloatArray:
        """Cotangents of the basis values: sum_q W[q, p, j] G[s, o, q], shape (N, O, P, dim)."""
        return np.tensordot(G, self.W, axes=(2, 0))

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent dy = sum_p sum_j (dW psi_j + W psi_j' dx_p + W dpsi_j/dt_j dt_j)."""
        dtheta, dx = self._tangents(dtheta, dx)
        layer = self.layer
        blocks = layer.unpack(dtheta)
        rows = self.rows[1] * dx[:, :, None]
        if layer.free_knots:
            dt = free_breakpoints_jvp(layer.unpack(self.theta)["s"], layer.domains, blocks["s"])
            rows[:, :, self._moving] += self._knot_rows() * dt
        return flat(self.rows[0]) @ flat(blocks["coefficients"]).T + flat(rows) @ flat(self.W).T

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o, p] = sum_q G[s, o, q] sum_j W[q, p, j] psi_j'(x[s, p])."""
        G = self._cotangents(G)
        # Edge slopes (N, P, Q) first: one product instead of one for each of the O cotangents.
        slopes = np.einsum("spj,qpj->spq", self.rows[1], self.W, optimize=True)
        return np.einsum("soq,spq->sop", G, slopes, optimize=True)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Coefficient columns G[s,o,q] psi_j(x[s,p]), then the columns of s."""
        G = self._cotangents(G)
        size = self.W.size
        columns = out[:, :, :size].reshape(*out.shape[:2], *self.W.shape)
        np.multiply(G[:, :, :, None, None], self.rows[0][:, None, None], out=columns)
        if self.layer.free_knots:
            dt = self._knot_rows()[:, None] * self._project(G)[..., self._moving]
            ds = free_breakpoints_vjp(self.layer.unpack(self.theta)["s"], self.layer.domains, dt)
            out[:, :, size:] = ds.reshape(*out.shape[:2], out.shape[2] - size)

    @lazy
    def _curvature_rows(self) -> FloatArray:
        """psi_j''(x[s, p]), shape (N, P, dim)."""
        layer = self.layer
        return relu_rows(self.knots, layer.order, layer.inverse_scale, self.x, 2, layer.outside)[2]

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum_s dy[s,q] psi_j' dx[s,p] for W[q,p,j]; sum_q dy[s,q] sum_j (dW psi_j' + W psi_j'' dx) for x[s,p]."""
        (dtheta, dx), dy = self._tangents(dtheta, dx), self._cotangent(dy)
        require_fixed_knots(self.layer)
        dW = self.layer.unpack(dtheta)["coefficients"]
        moved = self.rows[1] * dx[:, :, None]
        coefficients = (dy.T @ flat(moved)).reshape(self.W.shape)
        moving = np.einsum("sq,qpj,spj->sp", dy, dW, self.rows[1], optimize=True)
        bending = np.einsum("sq,qpj,spj->sp", dy, self.W, self._curvature_rows, optimize=True)
        return self.layer.pack(coefficients=coefficients), moving + bending * dx

    def local_form(self, curved: bool = False) -> LocalForm:
        """The functions psi_j, all of them in every window; free knots are held where they are."""
        start = np.zeros(self.x.shape, np.int64)
        features = Features(start, self.rows[0], self.rows[1] if curved else None, self.layer.dim)
        if not curved:
            return LocalForm((features,), self.layer.n_outputs)
        slopes = np.einsum("spj,qpj->sqp", self.rows[1], self.W, optimize=True)

        def curvatures(du: FloatArray) -> FloatArray:
            return np.einsum("sq,qpj,spj->sp", du, self.W, self._curvature_rows, optimize=True)

        return LocalForm((features,), self.layer.n_outputs, None, slopes, curvatures)
