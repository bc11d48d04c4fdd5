"""A plain alternative of our own: the local basis written into a dense matrix, and BLAS.

Phi is (N, P dim); y = Phi W^T, dW = dy^T Phi, and with G = dy W (N, P dim) the input gradient needs only the
four entries of G that meet a non-zero derivative.
"""

from typing import Any

import numba
import numpy as np

from validation.benchmarks.cases.layer_case import DOMAIN, LayerCase
from validation.benchmarks.running.harness import Timed


@numba.njit(cache=True, parallel=True)
def _fill(x: Any, low: float, inverse_spacing: float, intervals: int, phi: Any) -> None:
    dim = intervals + 3
    phi[:] = 0.0
    for s in numba.prange(x.shape[0]):
        for p in range(x.shape[1]):
            position = (x[s, p] - low) * inverse_spacing
            m = min(int(position), intervals - 1)
            u = position - m
            v = 1.0 - u
            column = p * dim + m
            phi[s, column] = v * v * v / 6.0
            phi[s, column + 1] = (4.0 + u * u * (3.0 * u - 6.0)) / 6.0
            phi[s, column + 2] = (4.0 + v * v * (3.0 * v - 6.0)) / 6.0
            phi[s, column + 3] = u * u * u / 6.0


@numba.njit(cache=True, parallel=True)
def _contract(x: Any, low: float, inverse_spacing: float, intervals: int, g: Any, dx: Any) -> None:
    dim = intervals + 3
    for s in numba.prange(x.shape[0]):
        for p in range(x.shape[1]):
            position = (x[s, p] - low) * inverse_spacing
            m = min(int(position), intervals - 1)
            u = position - m
            v = 1.0 - u
            column = p * dim + m
            slope = -0.5 * v * v * g[s, column] + (1.5 * u - 2.0) * u * g[s, column + 1]
            slope += (2.0 - 1.5 * v) * v * g[s, column + 2] + 0.5 * u * u * g[s, column + 3]
            dx[s, p] = slope * inverse_spacing


class _Layer:
    def __init__(self, case: LayerCase) -> None:
        self.x, self.weights = case.x, case.coefficients.reshape(case.n_out, -1)
        self.grid = (DOMAIN[0], 1.0 / case.spacing, case.intervals)
        self.phi = np.empty((case.samples, self.weights.shape[1]))
        self.g = np.empty_like(self.phi)

    def forward(self) -> np.ndarray[Any, Any]:
        _fill(self.x, *self.grid, self.phi)
        return self.phi @ self.weights.T

    def backward(self, dy: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
        y = self.forward()
        np.matmul(dy, self.weights, out=self.g)
        dx = np.empty_like(self.x)
        _contract(self.x, *self.grid, self.g, dx)
        return y, dy.T @ self.phi, dx


def forward(case: LayerCase) -> Timed:
    return Timed(_Layer(case).forward, lambda y: (y,))


def backward(case: LayerCase) -> Timed:
    layer, shape = _Layer(case), case.coefficients.shape
    return Timed(lambda: layer.backward(case.dy), lambda result: (result[0], result[1].reshape(shape), result[2]))
