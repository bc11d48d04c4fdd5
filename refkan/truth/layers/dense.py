"""Dense layers, of which multilayer perceptrons are made."""

from dataclasses import dataclass
from operator import mul

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.layers.activations import ACTIVATIONS
from refkan.truth.layers.base import Gradient


@dataclass(frozen=True)
class DenseLayer:
    """y_q = activation(z_q), z_q = sum_p W[q,p] x_p + bias_q; parameters W (Q, P) and, if there is one, bias (Q)."""

    n_inputs: int
    n_outputs: int
    activation: str
    bias: bool

    @property
    def n_params(self) -> int:
        """Number of parameters Q P, and Q more with bias."""
        return self.n_outputs * (self.n_inputs + self.bias)

    @property
    def breakpoints(self) -> int:
        """There are no breakpoints."""
        return 0

    def weights(self, theta: Numbers) -> Matrix:
        """Return W."""
        return [list(theta[q * self.n_inputs : (q + 1) * self.n_inputs]) for q in range(self.n_outputs)]

    def arguments(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return z (Q)."""
        bias = theta[self.n_outputs * self.n_inputs :] if self.bias else [0] * self.n_outputs
        return [sum(map(mul, W, x)) + b for W, b in zip(self.weights(theta), bias, strict=True)]

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return activation(z_q)."""
        function, _ = ACTIVATIONS[self.activation]
        return [function(z) for z in self.arguments(theta, x)]

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """dy_q/dx_p = activation'(z_q) W[q,p]."""
        _, slope = ACTIVATIONS[self.activation]
        pairs = zip(self.arguments(theta, x), self.weights(theta), strict=True)
        return [[slope(z) * w for w in W] for z, W in pairs]

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """dy_q/dW[q,p] = activation'(z_q) x_p, dy_q/dbias_q = activation'(z_q)."""
        _, slope = ACTIVATIONS[self.activation]
        P, size, gradients = self.n_inputs, self.n_outputs * self.n_inputs, []
        for q, z in enumerate(self.arguments(theta, x)):
            gradient = {q * P + p: slope(z) * x_p for p, x_p in enumerate(x)}
            gradients.append(gradient | {size + q: slope(z)} if self.bias else gradient)
        return gradients

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """There are no knots."""
        return [[[] for _ in x] for _ in range(self.n_outputs)]
