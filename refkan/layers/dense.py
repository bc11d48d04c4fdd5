r"""Dense layers: y = activation(W x + bias), the papers' multilayer perceptrons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.arguments import check_choice, check_count
from refkan.array_types import Array, FloatArray
from refkan.layers.activations import ACTIVATIONS
from refkan.layers.base import Layer, Linearization
from refkan.layers.dense_jets import DenseJet
from refkan.layers.jets import Channels
from refkan.layers.local_forms import Features, LocalForm


@dataclass(frozen=True)
class DenseLayer(Layer):
    r"""y_q = activation(sum_p W[q,p] x_p + bias_q).

    Parameters
    ----------
    n_inputs, n_outputs : int
    activation : {"relu", "relu3", "tanh", "silu", "identity"}
    bias : bool
        Whether the layer has biases; the papers' output layers have none.

    Raises
    ------
    ValueError, TypeError
        For counts that are not positive integers and an unknown activation.

    Notes
    -----
    The layers of the multilayer perceptrons that [S26] compares with. Blocks: weights (Q, P) and, with bias, bias (Q,).

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.DenseLayer(2, 1, activation="relu")
    >>> layer.linearize(np.array([1.0, 2.0, -4.0]), np.array([[3.0, 1.0], [1.0, 1.0]])).value
    array([[1.],
           [0.]])
    """

    n_inputs: int
    n_outputs: int
    activation: str = "identity"
    bias: bool = True

    def __post_init__(self) -> None:
        check_count("n_inputs", self.n_inputs, 1)
        check_count("n_outputs", self.n_outputs, 1)
        check_choice("activation", self.activation, ACTIVATIONS)

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Weights (Q, P), then bias (Q,) if there is one."""
        blocks: dict[str, tuple[int, ...]] = {"weights": (self.n_outputs, self.n_inputs)}
        if self.bias:
            blocks["bias"] = (self.n_outputs,)
        return blocks

    def linearize(self, theta: Array, x: Array, slopes: bool = True) -> DenseLinearization:
        """Evaluate at theta and x (N, P)."""
        return DenseLinearization(self, *self._point(theta, x))

    def linearize_jets(self, theta: Array, z: Array, channels: Channels) -> DenseJet:
        """Evaluate at theta and a jet z (N, channels, P)."""
        return DenseJet(self, theta, z, channels)

    def truth_form(self) -> dict[str, Any]:
        """n_inputs, n_outputs, activation, bias."""
        return {"kind": "dense", **vars(self)}

    def require_derivatives(self, order: int) -> str | None:
        """All are defined but at kinks; the second one of a network of ReLUs is zero wherever it is."""
        if self.activation != "relu" or order == 0:
            return None
        return f"the {('first', 'second')[order - 1]} derivative of ReLU networks {('jumps', 'is zero')[order - 1]}"

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """He for ReLU kinds, Glorot otherwise, N(0, 1/P) without activation; biases 0."""
        P, Q = self.n_inputs, self.n_outputs
        variance = {"relu": 2.0 / P, "relu3": 2.0 / P, "identity": 1.0 / P}.get(self.activation, 2.0 / (P + Q))
        blocks = {"weights": rng.normal(0.0, np.sqrt(variance), (Q, P)), "bias": np.zeros(Q)}
        theta: FloatArray = self.pack(**blocks)
        return theta

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """For each output its bias, where no activation follows."""
        if not self.bias or self.activation != "identity":
            return super().constant_vectors(theta, x, translations)
        vectors = np.zeros((self.n_outputs, 1, self.n_params))
        vectors[:, 0, -self.n_outputs :] = np.eye(self.n_outputs)
        return list(vectors)

    def scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row q: weights and bias of output q, over the degree k of an activation with f(c z) = c^k f(z), c > 0."""
        degree = ACTIVATIONS[self.activation].homogeneity
        if degree is None:
            return super().scaling_vectors(theta)
        vectors = np.zeros((self.n_outputs, self.n_params))
        for q, row in enumerate(vectors):
            for name, block in self.unpack(theta).items():
                self.unpack(row)[name][q] = block[q] / degree
        return vectors

    def input_scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row p: the weights of input p."""
        W = self.unpack(theta)["weights"]
        vectors = np.zeros((self.n_inputs, self.n_params))
        for p, row in enumerate(vectors):
            self.unpack(row)["weights"][:, p] = W[:, p]
        return vectors


class DenseLinearization(Linearization):
    """A dense layer at (theta, x)."""

    layer: DenseLayer

    def __init__(self, layer: DenseLayer, theta: Array, x: Array) -> None:
        blocks = layer.unpack(theta)
        self.layer, self.x, self.W = layer, x, blocks["weights"]
        activation = ACTIVATIONS[layer.activation]
        z = x @ self.W.T + blocks.get("bias", 0.0)
        self.z = z
        self.value = activation.value(z)
        self.slope = activation.slope(z)

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """With dz = dy activation'(z): dW = dz^T x, dbias = sum_s dz, dx = dz W."""
        dy = self._cotangent(dy)
        dz = dy * self.slope
        dx = dz @ self.W if inputs else None
        return self.layer.pack(weights=dz.T @ self.x, bias=dz.sum(axis=0)), dx

    def pushforward(self, dtheta: FloatArray, dx: FloatArray) -> FloatArray:
        """Tangent activation'(z) (dW x + W dx + dbias)."""
        dtheta, dx = self._tangents(dtheta, dx)
        blocks = self.layer.unpack(dtheta)
        return self.slope * (self.x @ blocks["weights"].T + dx @ self.W.T + blocks.get("bias", 0.0))

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """dx[s, o] = (G[s, o] activation'(z_s)) W."""
        G = self._cotangents(G)
        return (G * self.slope[:, None, :]) @ self.W

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Columns dz[s,o,q] x[s,p] of the weights, dz[s,o,q] of the biases."""
        G = self._cotangents(G)
        dz = G * self.slope[:, None, :]
        size = self.W.size
        out[:, :, :size] = (dz[:, :, :, None] * self.x[:, None, None, :]).reshape(*out.shape[:2], size)
        if self.layer.bias:
            out[:, :, size:] = dz

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Z'^T x + Z^T dx for the weights, sum_s Z' for the biases, Z' W + Z dW for the inputs.

        Here z = W x + bias, Z = dy activation'(z) and Z' = dy activation''(z) (dW x + W dx + dbias).
        """
        (dtheta, dx), dy = self._tangents(dtheta, dx), self._cotangent(dy)
        blocks = self.layer.unpack(dtheta)
        dW = blocks["weights"]
        dz = self.x @ dW.T + dx @ self.W.T + blocks.get("bias", 0.0)
        Z = dy * self.slope
        dZ = dy * ACTIVATIONS[self.layer.activation].curvature(self.z) * dz
        weights = dZ.T @ self.x + Z.T @ dx
        return self.layer.pack(weights=weights, bias=dZ.sum(axis=0)), dZ @ self.W + Z @ dW

    def local_form(self, curved: bool = False) -> LocalForm:
        """u = W x + bias: the functions x_p, and 1 for the bias; y = activation(u)."""
        n_samples, P = self.x.shape
        activation = self.layer.activation
        start = np.zeros((n_samples, P), np.int64)
        values = np.ascontiguousarray(self.x[:, :, None])
        weights = Features(start, values, np.ones_like(values) if curved else None, 1)
        bias = Features(start[:, :1], np.ones((n_samples, 1, 1)), None, 1)
        return LocalForm(
            (weights, bias) if self.layer.bias else (weights,),
            self.layer.n_outputs,
            None if activation == "identity" else (self.slope, ACTIVATIONS[activation].curvature(self.z)),
            np.broadcast_to(self.W, (n_samples, *self.W.shape)) if curved else None,
            (lambda du: np.zeros((n_samples, P))) if curved else None,
        )
