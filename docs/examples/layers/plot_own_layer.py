"""
Your own layer
==============

A new basis says what its functions are; every derivative follows. Here they are Gaussian functions.
"""

from dataclasses import dataclass

import numpy as np

import refkan as rk
from refkan.networks.layers import Layer
from refkan.networks.layers.functions import Declared, RowFunctions


@dataclass(frozen=True)
class GaussianLayer(Layer):
    """y_q = sum_p sum_k C[q, p, k] exp(-t^2/2), t = (x_p - c_k)/h, with centres c_k at a distance h."""

    n_inputs: int
    n_outputs: int
    centres: tuple[float, ...]

    @property
    def blocks(self):
        """Coefficients (Q, P, dim)."""
        return {"coefficients": (self.n_outputs, self.n_inputs, len(self.centres))}

    def declare(self, theta):
        """Gaussian functions."""
        functions = RowFunctions(self.rows, self.n_inputs, len(self.centres))
        return Declared(self.n_inputs, self.n_outputs, (functions,), theta)

    def rows(self, x, derivatives):
        """Values and derivatives, (derivatives + 1, N, P, dim)."""
        h = self.centres[1] - self.centres[0]
        t = (x[..., None] - np.array(self.centres)) / h
        out = [np.exp(-(t**2) / 2)]
        for m in range(derivatives):
            out.append(-(t * out[m] + m * out[m - 1]))
        return np.stack([f / h**m for m, f in enumerate(out)])

    def initialize(self, rng, x, scheme="linear"):
        """Independent coefficients."""
        return rng.normal(0.0, 1.0 / np.sqrt(self.n_inputs), self.n_params)


# %%
# A network of it is checked, trained and drawn like any other.
centres = tuple(np.linspace(-0.2, 1.2, 8))
layers = GaussianLayer(2, 3, centres), GaussianLayer(3, 1, centres)
x = np.random.default_rng(0).uniform(size=(300, 2))
net, theta = rk.Network(layers, (rk.networks.node_maps.NODE_MAPS["affine"],)).initialize(np.random.default_rng(1), x)
problem = rk.LeastSquares(net, x, rk.problems.regression_target(x))
print("gradient by hand equals the complex step:", rk.checks.gradient_check(problem.value, problem.gradient, theta).ok)
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=30)
print(f"mean squared error {problem.mse(theta):.2f} -> {problem.mse(result.theta):.4f}")

figure = rk.plots.network(net, result.theta, x)
