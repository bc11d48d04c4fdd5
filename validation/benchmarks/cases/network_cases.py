"""Cubic KANs with N samples, shared by all contestants; sweeps, Gauss-Newton matrix and jets by SciPy and NumPy."""

from collections.abc import Callable
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from refkan.base import Frozen
from validation.benchmarks.running.harness import Arrays, TooLargeError

Array = np.ndarray[Any, np.dtype[np.float64]]
Function = Callable[[Any, Any], Any]
DEGREE = 3
LARGEST_BYTES = 6e9
NU = 0.01
"""The viscosity of the residual r = u u_x - nu u_xx, whose mean square is differentiated."""


class GaussNewtonCase(Frozen, eq=True):
    """A network [d_0, ..., 1] on uniform knots of [0, 1], hidden activations taken to [0, 1] by fixed affine maps."""

    widths: tuple[int, ...]
    intervals: int
    samples: int
    seed: int = 22

    @property
    def title(self) -> str:
        return f"{list(self.widths)}, cubic, n = {self.intervals}, M = {self.n_params}, N = {self.samples}"

    @property
    def parameters(self) -> dict[str, int | str]:
        return {"widths": str(list(self.widths)), "n": self.intervals, "M": self.n_params, "N": self.samples}

    @property
    def dim(self) -> int:
        return self.intervals + DEGREE

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Shapes (Q, P, dim) of the coefficients, layer by layer."""
        return [(q, p, self.dim) for p, q in pairwise(self.widths)]

    @property
    def n_params(self) -> int:
        return sum(q * p * dim for q, p, dim in self.shapes)

    @cached_property
    def knots(self) -> Array:
        """The extended knot vector, n + 2 degree + 1 knots."""
        return np.arange(-DEGREE, self.intervals + DEGREE + 1) / self.intervals

    @cached_property
    def data(self) -> tuple[Array, list[Array]]:
        """Inputs x (N, d_0) and coefficients (Q, P, dim) of each layer."""
        rng = np.random.default_rng(self.seed)
        x = rng.uniform(size=(self.samples, self.widths[0]))
        return x, [rng.normal(size=shape) for shape in self.shapes]

    @property
    def theta(self) -> Array:
        return np.concatenate([c.ravel() for c in self.data[1]])

    def parts(self, theta: Any) -> list[Any]:
        """Coefficients (Q, P, dim) of each layer, of a vector of any array library."""
        ends = list(accumulate((q * p * dim for q, p, dim in self.shapes), initial=0))
        return [theta[a:b].reshape(shape) for (a, b), shape in zip(pairwise(ends), self.shapes, strict=True)]

    def network(self, array: Callable[[Array], Any], basis: Function, contract: Function) -> Function:
        """Return the network as a function of its coefficients, layer by layer, and x, in an array library.

        `array` takes arrays there, `basis` returns all basis functions at z on given knots, `contract` sums a layer.
        """
        knots, maps = array(self.knots), [(array(scale), array(shift)) for scale, shift in self.maps]

        def output(coefficients: Any, z: Any) -> Any:
            for k, c in enumerate(coefficients):
                z = contract(basis(z, knots), c)
                if k < len(maps):
                    z = maps[k][0] * z + maps[k][1]
            return z

        return output

    def require_memory(self, arrays: float) -> None:
        """Refuse a contestant that keeps that many arrays of the size of the Jacobian."""
        size = 8.0 * arrays * self.samples * self.n_params
        if size > LARGEST_BYTES:
            raise TooLargeError(f"would keep about {size / 1e9:.0f} GB of Jacobians")

    def bases(self, x: Array, count: int) -> list[Array]:
        """Values of the basis and its first derivatives at x (N, P), so many arrays (N, P, dim)."""
        designs = []
        for k in range(count):
            lower = self.knots[k : self.knots.size - k]
            columns = [BSpline.design_matrix(column, lower, DEGREE - k).toarray() for column in x.T]
            rows = np.stack(columns, axis=1)
            # b' = (b_i^{[degree]} - b_{i+1}^{[degree]}) n for uniform knots, and so on, zero beyond the first and last.
            for _ in range(k):
                padded = np.pad(rows, ((0, 0), (0, 0), (1, 1)))
                rows = (padded[:, :, :-1] - padded[:, :, 1:]) * self.intervals
            designs.append(rows)
        return designs

    @cached_property
    def _layers(self) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
        """Values and slopes (N, P, dim) of the basis in each layer, and (scale, shift) of each map."""
        x, coefficients = self.data
        rows, maps = [], []
        for k, c in enumerate(coefficients):
            values, slopes = self.bases(x, 2)
            rows.append((values, slopes))
            y = np.einsum("spi,qpi->sq", values, c)
            if k + 1 < len(coefficients):
                # Just short of the whole domain, so that no activation lies at an end, where rounding would decide.
                low, high = y.min(axis=0), y.max(axis=0)
                scale = 0.98 / (high - low)
                maps.append((scale, 0.01 - scale * low))
                x = scale * y + maps[-1][1]
        return rows, maps

    @property
    def maps(self) -> list[tuple[Array, Array]]:
        """Scale and shift (Q,) of the map after each hidden layer."""
        return self._layers[1]

    @cached_property
    def cotangent(self) -> Array:
        """A cotangent of the output, (N, 1)."""
        return np.random.default_rng(self.seed + 1).normal(size=(self.samples, 1))

    def sweep_reference(self) -> Arrays:
        """Return (y, gradient of the coefficients, gradient of x) of sum dy . y, by dense matrices."""
        rows, maps = self._layers
        coefficients = self.data[1]
        G, blocks = self.cotangent, []
        for k in range(len(rows) - 1, -1, -1):
            values, slopes = rows[k]
            blocks.append(np.einsum("sq,spi->qpi", G, values).ravel())
            G = np.einsum("sq,spi,qpi->sp", G, slopes, coefficients[k], optimize=True)
            if k:
                G = G * maps[k - 1][0]
        y = np.einsum("spi,qpi->sq", rows[-1][0], coefficients[-1])
        return y, np.concatenate(blocks[::-1]), G

    @cached_property
    def _jacobian(self) -> Array:
        """The Jacobian J (N, M) of the output by dense matrices."""
        rows, maps = self._layers
        G, blocks = np.ones((self.samples, 1)), []
        for k in range(len(rows) - 1, -1, -1):
            values, slopes = rows[k]
            blocks.append(np.einsum("sq,spi->sqpi", G, values).reshape(self.samples, -1))
            if k:
                edges = np.einsum("spi,qpi->sqp", slopes, self.data[1][k])
                G = np.einsum("sq,sqp->sp", G, edges) * maps[k - 1][0]
        return np.concatenate(blocks[::-1], axis=1)

    def jacobian_reference(self) -> Arrays:
        """Return (J,) by dense matrices."""
        return (self._jacobian,)

    def reference(self) -> Arrays:
        """Return (J^T J / N,) by dense matrices."""
        J = self._jacobian
        return (J.T @ J / self.samples,)


class JetCase(GaussNewtonCase):
    """u, u_x, u_xx along the first input, and the gradient of 1/(2N) sum (u u_x - nu u_xx)^2 in all coefficients."""

    def reference(self) -> Arrays:
        """Return (u, u_x, u_xx, gradient) by dense matrices."""
        x, coefficients = self.data
        jet = [x, np.zeros_like(x), np.zeros_like(x)]
        jet[1][:, 0] = 1.0
        kept = []
        for k, c in enumerate(coefficients):
            b = self.bases(jet[0], DEGREE + 1)
            (_, u, v), spread = jet, [channel[:, :, None] for channel in jet]
            W = b[0], b[1] * spread[1], b[2] * spread[1] ** 2 + b[1] * spread[2]
            kept.append((b, W, u, v, c))
            jet = [np.einsum("spi,qpi->sq", rows, c) for rows in W]
            if k + 1 < len(coefficients):
                scale, shift = self.maps[k]
                jet = [scale * channel for channel in jet]
                jet[0] += shift
        y, y_x, y_xx = (channel[:, 0] for channel in jet)
        r = (y * y_x - NU * y_xx) / self.samples
        g = [(r * factor)[:, None] for factor in (y_x, y, -NU)]
        parts = []
        for k in range(len(kept) - 1, -1, -1):
            b, W, u, v, c = kept[k]
            parts.append(sum(np.einsum("sq,spi->qpi", g[d], W[d]) for d in range(3)).ravel())
            if k:
                h = [np.einsum("sq,qpi->spi", channel, c) for channel in g]
                slopes = [[np.sum(h[d] * b[m], axis=2) for m in range(4)] for d in range(3)]
                back = (
                    slopes[0][1] + slopes[1][2] * u + slopes[2][3] * u**2 + slopes[2][2] * v,
                    slopes[1][1] + 2 * slopes[2][2] * u,
                    slopes[2][1],
                )
                g = [channel * self.maps[k - 1][0] for channel in back]
        return y, y_x, y_xx, np.concatenate(parts[::-1])
