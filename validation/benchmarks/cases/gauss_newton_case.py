"""A cubic KAN with N samples, shared by all contestants; its sweeps and Gauss-Newton matrix by SciPy and NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from validation.benchmarks.running.harness import Arrays, TooLargeError

Array = np.ndarray[Any, np.dtype[np.float64]]

DEGREE = 3
LARGEST_BYTES = 6e9


@dataclass(frozen=True)
class GaussNewtonCase:
    """A network [d_0, ..., 1] on uniform knots of [0, 1], hidden activations taken to [0, 1] by fixed affine maps."""

    widths: tuple[int, ...]
    intervals: int
    samples: int
    seed: int = 22

    @property
    def title(self) -> str:
        """The network in words."""
        return f"{list(self.widths)}, cubic, n = {self.intervals}, M = {self.n_params}, N = {self.samples}"

    @property
    def parameters(self) -> dict[str, int | str]:
        """The network as data."""
        return {"widths": str(list(self.widths)), "n": self.intervals, "M": self.n_params, "N": self.samples}

    @property
    def dim(self) -> int:
        """Number of basis functions of an edge."""
        return self.intervals + DEGREE

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Shapes (Q, P, dim) of the coefficients, layer by layer."""
        return [(q, p, self.dim) for p, q in pairwise(self.widths)]

    @property
    def n_params(self) -> int:
        """Number of coefficients M."""
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
        """All coefficients as one vector."""
        return np.concatenate([c.ravel() for c in self.data[1]])

    def require_memory(self, arrays: float) -> None:
        """Refuse a contestant that keeps that many arrays of the size of the Jacobian."""
        size = 8.0 * arrays * self.samples * self.n_params
        if size > LARGEST_BYTES:
            raise TooLargeError(f"would keep about {size / 1e9:.0f} GB of Jacobians")

    @cached_property
    def _layers(self) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
        """Values and slopes (N, P, dim) of the basis in each layer, and (scale, shift) of each map."""
        x, coefficients = self.data
        rows, maps = [], []
        for k, c in enumerate(coefficients):
            values = np.stack([_design(column, self.knots, DEGREE) for column in x.T], axis=1)
            lower = np.stack([_design(column, self.knots[1:-1], DEGREE - 1) for column in x.T], axis=1)
            # b_i' = (b_i^{[degree]} - b_{i+1}^{[degree]}) n for uniform knots, zero beyond the first and last.
            padded = np.pad(lower, ((0, 0), (0, 0), (1, 1)))
            rows.append((values, (padded[:, :, :-1] - padded[:, :, 1:]) * self.intervals))
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


def _design(x: Array, knots: Array, degree: int) -> Array:
    matrix: Array = BSpline.design_matrix(x, knots, degree).toarray()
    return matrix
