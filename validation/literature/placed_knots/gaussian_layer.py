"""A layer of Gaussians, exp(-(x - c_g)^2 / eps^2) with G equidistant centres on [0, 1], as in [N26]."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.networks.layers import Layer
from refkan.networks.layers.functions import Declared, RowFunctions


@dataclass(frozen=True)
class GaussianLayer(Layer):
    """y_q = sum_p sum_g C[q, p, g] exp(-(x_p - c_g)^2 / eps^2), c_g = g/(G - 1), g = 0, ..., G - 1."""

    n_inputs: int
    n_outputs: int
    centres: int
    width: float

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Coefficients alone."""
        return {"coefficients": (self.n_outputs, self.n_inputs, self.centres)}

    def declare(self, theta: Any) -> Declared:
        """One family of rows for every input."""
        return Declared(self.n_inputs, self.n_outputs, (RowFunctions(self.rows, self.n_inputs, self.centres),), theta)

    def rows(self, x: Any, derivatives: int) -> Any:
        """Values and derivatives, (derivatives + 1, N, P, G): f^(m+1) = -2 (t f^(m) + m f^(m-1)) in t = (x - c)/eps."""
        t = (x[..., None] - np.linspace(0, 1, self.centres)) / self.width
        out = [np.exp(-(t**2))]
        for m in range(derivatives):
            out.append(-2 * (t * out[m] + m * out[m - 1]))
        return np.stack([f / self.width**m for m, f in enumerate(out)])

    def initialize(self, rng: np.random.Generator, x: Any, scheme: str = "linear") -> Any:
        """Start as the paper's code does: independent N(0, 1/(P G)^2)."""
        return rng.normal(0.0, 1.0 / (self.n_inputs * self.centres), self.n_params)
