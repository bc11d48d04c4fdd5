r"""Dense layers: y = activation(W x + bias), the papers' multilayer perceptrons."""

from typing import Annotated, Any

import numpy as np

from refkan.base import Array, Checked, FloatArray, Natural, check_annotated, one_of
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.networks.layers.functions import Declared, RowFunctions, constant_one, coordinates
from refkan.networks.layers.layer import Layer


class DenseLayer(Checked, Layer):
    r"""A layer of a multilayer perceptron: y_q = activation(sum_p W[q,p] x_p + bias_q).

    Parameters
    ----------
    n_inputs, n_outputs : int
    activation : {"relu", "relu3", "tanh", "silu", "identity"}
    bias : bool
        Whether the layer has biases; the papers' output layers have none.

    Raises
    ------
    ValueError, TypeError
        For counts that are not positive integers, or an unknown activation.

    Notes
    -----
    [S26] compares with networks of these layers. The blocks are weights (Q, P) and, with bias, bias (Q,).

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.DenseLayer(2, 1, activation="relu")
    >>> layer.linearize(np.array([1.0, 2.0, -4.0]), np.array([[3.0, 1.0], [1.0, 1.0]])).value
    array([[1.],
           [0.]])
    """

    n_inputs: Natural
    n_outputs: Natural
    activation: Annotated[str, one_of(ACTIVATIONS)] = "identity"
    bias: bool = True

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Weights (Q, P), then bias (Q,) if there is one."""
        blocks: dict[str, tuple[int, ...]] = {"weights": (self.n_outputs, self.n_inputs)}
        if self.bias:
            blocks["bias"] = (self.n_outputs,)
        return blocks

    @property
    def homogeneous(self) -> tuple[str, ...]:  # type: ignore[override]
        """Weights and bias."""
        return tuple(self.blocks)

    @property
    def degree_of_homogeneity(self) -> int | None:  # type: ignore[override]
        """The degree k of an activation with f(c z) = c^k f(z) for c > 0."""
        return ACTIVATIONS[self.activation].homogeneity

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether the layer has no activation."""
        return self.activation == "identity"

    def describe(self) -> str:
        """Name the activation."""
        return self.activation

    def declare(self, theta: Array) -> Declared:
        """Return the inputs themselves, and 1 for the bias; then the activation."""
        functions: tuple[RowFunctions, ...] = (coordinates(self.n_inputs),)
        if self.bias:
            functions += (constant_one(),)
        activation = None
        if not self.linear:
            activation = ACTIVATIONS[self.activation]
        return Declared(self.n_inputs, self.n_outputs, functions, theta, activation)

    def truth_form(self) -> dict[str, Any]:
        """Return n_inputs, n_outputs, activation and bias."""
        return {"kind": "dense", **vars(self)}

    def require_derivatives(self, order: int) -> str | None:
        """Return a warning for ReLU, whose derivatives jump at kinks and whose second derivatives vanish elsewhere."""
        if self.activation != "relu" or order == 0:
            return None
        if order == 1:
            return "the first derivative of ReLU networks jumps"
        return "the second derivative of ReLU networks is zero"

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw weights by He for ReLU kinds, by Glorot otherwise, and N(0, 1/P) without activation; biases are 0."""
        check_annotated(DenseLayer.initialize, locals())
        P, Q = self.n_inputs, self.n_outputs
        variances = {"relu": 2.0 / P, "relu3": 2.0 / P, "identity": 1.0 / P}
        variance = variances.get(self.activation, 2.0 / (P + Q))
        blocks = {"weights": rng.normal(0.0, np.sqrt(variance), (Q, P)), "bias": np.zeros(Q)}
        return self.pack(**blocks)

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """Return for each output the vector of its bias, if the layer has no activation."""
        if not self.bias or not self.linear:
            return super().constant_vectors(theta, x, translations)
        vectors = np.zeros((self.n_outputs, 1, self.n_params))
        vectors[:, 0, -self.n_outputs :] = np.eye(self.n_outputs)
        return list(vectors)

    def input_scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Return for each input p the row with its weights."""
        W = self.unpack(theta)["weights"]
        vectors = np.zeros((self.n_inputs, self.n_params))
        for p, row in enumerate(vectors):
            self.unpack(row)["weights"][:, p] = W[:, p]
        return vectors
