"""The plain engine: each sum is its formula in a loop, of `kernels.plain_sums`, compiled once for all layers."""

from refkan.base import Array, FloatArray
from refkan.kernels import plain_sums
from refkan.kernels.launch import launch
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.splines.sums.input_jet import packed
from refkan.splines.sums.sums import Cotangents, SplineSums


class PlainSums(SplineSums):
    """Sums of samples in their order, through the local basis at each; complex numbers pass through as well.

    Equal to the layers of `refkan.truth.layers`.
    """

    fast = False

    def _first_value(self) -> Array:
        return self._contract(self.W, self.C, 1)

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

    def pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents of (x, u, v) of every input, see `kernels.plain_sums.pull_back_inputs`."""
        return self._pull_back_inputs(self.rows(self.channels.order + 1), self.C, G)

    def _pull_back_inputs(self, rows: Array, C: Array, G: FloatArray) -> FloatArray:
        C, G = packed(C), packed(G)
        dz: FloatArray = recycled((*G.shape[:3], self.n_inputs), dtype_of(rows, self.z, C, G))
        operations = self._operations(G.shape[1])
        arguments = self.start, rows, self.z, self.channels.n_first, C, G, dz
        launch(plain_sums.pull_back_inputs, G.shape[0], operations, *arguments)
        return dz

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """out[s, o, q, p, start + i] = sum_c G[s, o, c, q] W[s, c, p, i]."""
        operations = self._operations(G.shape[1])
        launch(plain_sums.scatter_jacobian, G.shape[0], operations, self.start, self.W, packed(G), out)

    def _project(self, derivative: int, C: FloatArray, G: FloatArray) -> FloatArray:
        # The cotangent of x is made of first derivatives: those of rows that begin one earlier are what is asked.
        return self._pull_back_inputs(self.rows(derivative)[derivative - 1 :], C, G[:, :, None])[:, :, 0]
