r"""Sums of functions that are non-zero at every sample: matrices of their jets, and BLAS.

u[s, c, q] = sum_pi W[s, c, p, i] C[q, p, i],    W = phi, phi' u_d, phi'' u_d^2 + phi' v_d    (see `Channels`)

W holds all functions at all samples for each channel. For many functions and few outputs it is cheaper to sum over the
functions of each input first, e_{q,p} = sum_i C[q, p, i] phi_{p,i} with derivatives, and to form jets of these sums.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, lazy
from refkan.kernels import jets_of_edges
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.sums.channels import Channels, channel_row_tangents, channel_rows, pull_back_rows
from refkan.splines.sums.input_jet import InputJet, packed


def row_sums(functions: Any, C: Array, at: InputJet, channels: Channels, back: bool) -> "RowSums":
    """Return the sums of `RowSums`, in the order with fewer operations."""
    few_outputs = C.shape[0] <= C.shape[2]
    if channels.count > 1 and few_outputs and not functions.constant:
        return EdgeSums(functions, C, at, channels, back)
    return RowSums(functions, C, at, channels, back)


class RowSums:
    """Sums over dense rows; the interface is `splines.sums.sums.FunctionSums`.

    Parameters
    ----------
    functions
        With `rows` and `constant` as `functions.RowFunctions`. Constant functions have P = 1 for any z.
    C : array (Q, P, dim)
    at : InputJet
        A jet z (N, channels, P).
    back : bool
        Whether derivatives in z will be needed.
    """

    def __init__(self, functions: Any, C: Array, at: InputJet, channels: Channels, back: bool) -> None:
        self.functions, self.C, self.at, self.channels = functions, C, at, channels
        self.constant = functions.constant
        self.z = at.z
        if self.constant:
            self.z = at.z[:, :, :1]
        self.value = self._first_value(channels.order + back)

    def _first_value(self, depth: int) -> Array:
        """The sums (N, channels, Q), from functions and `depth` derivatives."""
        W = self.W = self._jets(depth)
        if self.constant:  # all samples have one value
            value = self._contract(W[:1], self.C)
            return np.broadcast_to(value, (*W.shape[:2], self.C.shape[0]))
        return self._contract(W, self.C)

    def _jets(self, depth: int) -> Array:
        """Return W, and set `rows` to the functions and `depth` derivatives."""
        self.rows = self._rows_of(depth)
        if self.channels.count == 1:
            return self.rows[0][:, None]

        def compute() -> Array:
            return channel_rows(self.rows, self.z, self.channels)

        return self.at.once(self.functions, ("W", depth), compute)

    def _rows_of(self, derivatives: int) -> Array:
        """The functions at the values, with derivatives: (derivatives + 1, N, P, dim)."""
        functions, x = self.functions, self.at.x
        return self.at.once(functions, ("rows", derivatives), lambda: functions.rows(x, derivatives))

    def _contract(self, W: Array, C: Array) -> Array:
        (N, c, P, dim), Q = W.shape, C.shape[0]
        y = product(W.reshape(N * c, P * dim), C.reshape(Q, P * dim).T)
        return y.reshape(N, c, Q)

    def cotangents_of_jets(self, G: FloatArray) -> FloatArray:
        """Cotangents of W: sum_q G[..., q] C[q, p, i]."""
        return self._cotangents(G, self.C)

    def _cotangents(self, G: FloatArray, C: Array) -> FloatArray:
        Q, P, dim = C.shape
        h = product(G.reshape(-1, Q), C.reshape(Q, P * dim))
        return h.reshape(*G.shape[:-1], P, dim)

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> tuple[FloatArray, Array | None]:
        """dC[q, p, i] = sum_sc dy[s, c, q] W[s, c, p, i], and the cotangent of z."""
        N, c, P, dim = self.W.shape
        Q = dy.shape[2]
        dC: FloatArray = dy.reshape(N * c, Q).T @ self.W.reshape(N * c, P * dim)
        dz = None
        if inputs and not self.constant:
            dz = self.pull_back_inputs(dy[:, None])[:, 0]
        return dC.reshape(self.C.shape), dz

    def push_forward(self, dC: FloatArray, dz: FloatArray | None = None, apart: bool = False) -> FloatArray:
        """sum_pi (dC W + C dW)."""
        tangent = self._contract(self.W, dC)
        if dz is not None and not self.constant:
            tangent += self._contract(self._tangents(dz), self.C)
        return tangent

    def _tangents(self, dz: FloatArray) -> FloatArray:
        """Of W along dz."""
        return channel_row_tangents(self._up_to(self.channels.order + 1), self.z, dz, self.channels)

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of the jets of all inputs."""
        if self.channels.count == 1:
            return self.project(G[:, :, 0], 1)[:, :, None]
        h = np.ascontiguousarray(self.cotangents_of_jets(G))
        return pull_back_rows(self.rows, self.z, h, self.channels)

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, i] = sum_c G[s, o, c, q] W[s, c, p, i]."""
        if self.channels.count == 1:
            np.multiply(G[:, :, 0, :, None, None], self.W[:, :, None], out=out)
            return
        N, c, P, dim = self.W.shape
        columns = np.matmul(np.swapaxes(G, 2, 3), self.W.reshape(N, 1, c, P * dim))
        out[...] = columns.reshape(out.shape)

    def project(self, G: FloatArray, derivative: int) -> FloatArray:
        """sum_q G[s, o, q] sum_i C[q, p, i] phi^(derivative)."""
        return self._project(self._rows(derivative), self.C, G)

    def _project(self, rows: Array, C: FloatArray, G: FloatArray) -> FloatArray:
        """sum_q G[s, o, q] sum_i C[q, p, i] rows[s, p, i], first over q or over i, whichever result is smaller."""
        O, (Q, _, dim) = G.shape[1], C.shape
        if O > 1 and O * dim > Q:
            edges = np.einsum("spi,qpi->sqp", rows, C, optimize=True)
            return np.matmul(G, edges)
        h = self._cotangents(G, C)
        if dim == 1:
            return h[..., 0] * rows[:, None, :, 0]
        return np.einsum("sopi,spi->sop", h, rows)

    def hessian_product(self, dC: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum_s dy[s, q] phi' dx[s, p] for C[q, p, i]; sum_q dy[s, q] sum_i (dC phi' + C phi'' dx) for x[s, p]."""
        if self.constant:
            return np.zeros(self.C.shape), np.zeros((dy.shape[0], 1))
        slopes, G = self._rows(1), dy[:, None]
        N, P, dim = slopes.shape
        moved = dy.T @ (slopes * dx[:, :, None]).reshape(N, P * dim)
        bent = self._project(self._rows(2), self.C, G)[:, 0] * dx
        turned = self._project(slopes, dC, G)[:, 0]
        return moved.reshape(self.C.shape), turned + bent

    def _rows(self, derivative: int) -> Array:
        """The derivative of the functions at the samples, (N, P, dim)."""
        return self._up_to(derivative)[derivative]

    def _up_to(self, derivative: int) -> Array:
        """The functions and at least `derivative` derivatives; the first layer has none unless they are needed."""
        if derivative < self.rows.shape[0]:
            return self.rows
        return self._rows_of(derivative)

    def jets(self) -> tuple[Array, Array]:
        """All functions in every window: start and W."""
        return np.zeros(self.rows.shape[1:3], np.int64), self.W

    def features(self, curved: bool) -> tuple[Array, Array, Array | None]:
        """All functions in every window: start, values and, if curved, slopes."""
        start = np.zeros(self.rows.shape[1:3], np.int64)
        slopes = None
        if curved and not self.constant:
            slopes = self._rows(1)
        return start, np.ascontiguousarray(self.rows[0]), slopes


def product(A: Array, B: Array) -> Array:
    """A B, in reused memory."""
    out: Array = recycled((A.shape[0], B.shape[1]), dtype_of(A, B))
    return np.matmul(A, B, out=out)


class LinearSums(RowSums):
    """Sums over the inputs themselves, whose jets are the rows; second derivatives vanish."""

    def _jets(self, depth: int) -> Array:
        return self.z[..., None]

    @lazy
    def rows(self) -> Array:
        """The inputs and their derivative 1, for the inherited methods."""
        return self._rows_of(self.channels.order + 1)

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of the jets of all inputs."""
        dz: FloatArray = self.cotangents_of_jets(G)[..., 0]
        return dz

    def _tangents(self, dz: FloatArray) -> FloatArray:
        return dz[..., None]


class EdgeSums(RowSums):
    """The same by functions on edges, e[p, k, s, q] = sum_i C[q, p, i] phi_{p,i}^(k)(x[s, p])."""

    def _first_value(self, depth: int) -> Array:
        self.rows = self._rows_of(depth)
        self._e = self._edges(self.rows)
        y: Array = recycled((*self.z.shape[:2], self.C.shape[0]), dtype_of(self._e, self.z))
        arguments = self._e, self.z, self.channels.n_first, y
        launch(jets_of_edges.sum_edges, *self._work(1), *arguments)
        return y

    @lazy
    def W(self) -> Array:
        """Jets of single functions, for Jacobians and tangents."""
        return self._jets(self.rows.shape[0] - 1)

    def _work(self, n_cotangents: int) -> tuple[int, int]:
        """Number of samples, and of operations for `n_cotangents` cotangents."""
        operations = 3 * self.z.size * self.C.shape[0] * n_cotangents
        return self.z.shape[0], operations

    def _edges(self, rows: Array) -> Array:
        (K, N, P, dim), Q = rows.shape, self.C.shape[0]
        e: Array = recycled((P, K * N, Q), dtype_of(rows, self.C))
        by_input = rows.reshape(K * N, P, dim).transpose(1, 0, 2)
        np.matmul(by_input, self.C.transpose(1, 2, 0), out=e)
        return e.reshape(P, K, N, -1)

    def pull_back(self, dy: FloatArray, inputs: bool = True, apart: bool = False) -> tuple[FloatArray, Array | None]:
        """dC[q, p, i] = sum_sk de[p, k, s, q] phi_{p,i}^(k)(x[s, p]), and the cotangent of z."""
        K, (N, _, P), (Q, _, dim) = self.channels.order + 1, self.z.shape, self.C.shape
        de: FloatArray = recycled((P, K, N, Q), dtype_of(dy, self.z))
        arguments = self.z, packed(dy), self.channels.n_first, de
        launch(jets_of_edges.pull_back_to_edges, *self._work(1), *arguments)
        rows = self.rows[:K].reshape(K * N, P, dim).transpose(1, 0, 2)
        sums = np.matmul(de.reshape(P, K * N, Q).transpose(0, 2, 1), rows)
        dC: FloatArray = sums.transpose(1, 0, 2)
        if not inputs:
            return dC, None
        return dC, self.pull_back_inputs(dy[:, None])[:, 0]

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of the jets of all inputs."""
        if self._e.shape[1] < self.channels.order + 2:
            self._e = self._edges(self._up_to(self.channels.order + 1))
        G = packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.z.shape[2]), dtype_of(self._e, self.z, G))
        arguments = self._e, self.z, G, self.channels.n_first, dz
        launch(jets_of_edges.pull_back_to_inputs, *self._work(G.shape[1]), *arguments)
        return dz
