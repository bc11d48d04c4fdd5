"""The cross entropy of a network that classifies."""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray, as_samples, as_vector, real
from refkan.networks import Network
from refkan.training.losses.least_squares import OnSamples


class CrossEntropy(OnSamples, Frozen):
    r"""The mean cross entropy of classes; the outputs of the network are log-odds.

    With the logits z_s = F(x_s; theta), in front of them a 0 where the network has one output only, ::

        p_sk          = exp(z_sk) / sum_l exp(z_sl)
        value(theta)  = -1/N sum_s w_s log p_{s, k_s}
        gradient      = sum_s w_s/N (p_sk - [k = k_s]) dz_sk/dtheta

    which is one vector-Jacobian product.

    Parameters
    ----------
    net : Network
        With one output for each class, or with one output for two classes.
    x : array_like, shape (N, P)
    labels : array_like of int, shape (N,)
        The class k_s of each sample, from 0.
    weights : array_like, shape (N,), optional
        Non-negative weights w_s; 1 by default.

    Raises
    ------
    ValueError
        If the shapes disagree, N = 0, an input is not finite, or a label is not the number of a class.
    TypeError
        If `net` is no `Network`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.losses import CrossEntropy
    >>> from refkan.training.losses.penalized import Penalized
    >>> x = np.linspace(0.0, 1.0, 20)[:, None]
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> loss = CrossEntropy(net, x, x[:, 0] > 0.4)
    >>> print(f"{loss.value(np.zeros(net.n_params)):.4f}")   # log 2: nothing is known
    0.6931
    >>> theta = rk.minimize(Penalized(loss, ridge=1e-3), np.zeros(net.n_params)).theta
    >>> bool(np.all((loss.probabilities(theta, x)[:, 1] > 0.5) == (x[:, 0] > 0.4)))
    True
    """

    net: Network
    x: FloatArray
    labels: IntArray
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.net, Network):
            raise TypeError(f"net must be a refkan Network; got {type(self.net).__name__}")
        x = real("x", as_samples("x", self.x, self.net.widths[0])).copy()
        labels, classes = real("labels", as_vector("labels", self.labels, x.shape[0])), max(2, self.net.widths[-1])
        wrong = np.flatnonzero((labels != np.floor(labels)) | (labels < 0) | (labels >= classes))
        if wrong.size:
            raise ValueError(
                f"labels must be whole numbers from 0 to {classes - 1}; labels[{wrong[0]}] is {labels[wrong[0]]:g}"
            )
        self._own(x, labels=labels.astype(np.intp))

    def probabilities(self, theta: Array, x: Any) -> Array:
        """Return the probabilities p (N, K) of the classes at inputs x (N, P)."""
        theta = real("theta", as_vector("theta", theta, self.net.n_params))
        return class_probabilities(self.net(theta, real("x", as_samples("x", x, self.net.widths[0]))))

    def value(self, theta: Array) -> float:
        """Return the mean cross entropy."""
        return self._value(_logits(self.net(theta, self.samples)))

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the value."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return value and gradient from one pass forward and one back."""
        outputs, pullback = self.net.vjp(theta, self.samples, inputs=False)
        logits = _logits(outputs)
        cotangent = class_probabilities(outputs)
        cotangent[np.arange(len(self.x)), self.labels] -= 1.0
        cotangent *= self._shares[:, None]
        return self._value(logits), pullback(cotangent[:, -outputs.shape[1] :])[0]

    def _value(self, logits: Array) -> float:
        chosen = logits[np.arange(len(self.x)), self.labels]
        return float(self._shares @ (np.logaddexp.reduce(logits, axis=1) - chosen))


def class_probabilities(outputs: Array) -> Array:
    """Return the probabilities (N, K) that the outputs (N, Q) of a network stand for."""
    logits = _logits(outputs)
    return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def _logits(outputs: Array) -> Array:
    """The outputs (N, K), or the one output (N, 1) after a column of zeros."""
    return outputs if outputs.shape[1] > 1 else np.hstack([np.zeros_like(outputs), outputs])
