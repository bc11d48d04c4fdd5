"""One cubic KAN layer with N samples: the data that all contestants share, and the results by SciPy."""

from functools import cached_property
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from refkan.base import Frozen
from validation.benchmarks.running.harness import Arrays, TooLargeError

DEGREE = 3
DOMAIN = (-1.0, 1.0)
"""With n a power of two every knot is exact in float32 as well, so that peers that build their knots in
float32 and are converted afterwards compute on the same knots."""

LARGEST_BYTES = 3e9


class LayerCase(Frozen, eq=True):
    """Inputs x (N, P), coefficients (Q, P, dim), cotangent dy (N, Q), uniform knots on [-1, 1]."""

    n_in: int
    n_out: int
    intervals: int
    samples: int = 4096
    seed: int = 21

    @property
    def title(self) -> str:
        return f"cubic layer, N = {self.samples}, P = {self.n_in}, Q = {self.n_out}, n = {self.intervals}"

    @property
    def parameters(self) -> dict[str, int | str]:
        return {"P": self.n_in, "Q": self.n_out, "n": self.intervals, "N": self.samples}

    @property
    def operations(self) -> int:
        """Floating-point operations of a forward and backward sweep: y, dC and dx are 2 r N P Q each."""
        return 6 * (DEGREE + 1) * self.samples * self.n_in * self.n_out

    @property
    def dim(self) -> int:
        return self.intervals + DEGREE

    @property
    def spacing(self) -> float:
        return (DOMAIN[1] - DOMAIN[0]) / self.intervals

    @cached_property
    def knots(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The extended knot vector, n + 2 degree + 1 knots, exact in float32."""
        return DOMAIN[0] + self.spacing * np.arange(-DEGREE, self.intervals + DEGREE + 1, dtype=np.float64)

    @cached_property
    def _data(self) -> Arrays:
        rng = np.random.default_rng(self.seed)
        x = rng.uniform(*DOMAIN, (self.samples, self.n_in))
        coefficients = rng.normal(size=(self.n_out, self.n_in, self.dim))
        return x, coefficients, rng.normal(size=(self.samples, self.n_out))

    @property
    def x(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Inputs (N, P)."""
        return self._data[0]

    @property
    def coefficients(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Spline coefficients (Q, P, dim)."""
        return self._data[1]

    @property
    def dy(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Cotangent of the output (N, Q)."""
        return self._data[2]

    def require_memory(self, arrays: float, per_edge: bool = False) -> None:
        """Refuse a contestant that keeps that many arrays of size (N, P, dim), or (N, Q, P) if `per_edge`."""
        columns = self.n_out if per_edge else self.dim
        size = 8.0 * arrays * self.samples * self.n_in * columns
        if size > LARGEST_BYTES:
            raise TooLargeError(f"would keep about {size / 1e9:.0f} GB of intermediate arrays")

    @cached_property
    def _reference(self) -> Arrays:
        # y_q = sum_p S_qp(x_p), dW[q, p, i] = sum_s dy[s, q] b_i(x[s, p]) and
        # dx[s, p] = sum_q dy[s, q] S_qp'(x[s, p]), where for degree k and uniform spacing h
        # b_i' = (b_i^{[k]} - b_{i+1}^{[k]}) / h, so that S' = sum_i (c_i - c_{i-1}) / h  b_i^{[k]}.
        y = np.zeros((self.samples, self.n_out))
        d_coefficients = np.empty_like(self.coefficients)
        dx = np.empty_like(self.x)
        inner = self.knots[1:-1]  # those of one order less whose basis functions meet the domain
        for p in range(self.n_in):
            weights = self.coefficients[:, p, :].T
            design = BSpline.design_matrix(self.x[:, p], self.knots, DEGREE)
            lower = BSpline.design_matrix(self.x[:, p], inner, DEGREE - 1)
            y += design @ weights
            d_coefficients[:, p, :] = (design.T @ self.dy).T
            slopes = np.diff(weights, axis=0) / self.spacing
            dx[:, p] = ((lower @ slopes) * self.dy).sum(axis=1)
        return y, d_coefficients, dx

    def forward_reference(self) -> Arrays:
        """Return (y,)."""
        return self._reference[:1]

    def backward_reference(self) -> Arrays:
        """Return (y, gradient of the coefficients, gradient of the inputs)."""
        return self._reference
