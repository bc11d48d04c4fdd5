"""A correct layer evaluated locally, as a person would write it who has not seen the plain one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases.specs import LayerSpec
from tests.broken_layers.latest import latest

STEPS = ("locate", "lift", "width", "_local")
"""Methods of a layer on which its functions depend, beside points, knots and the factor of slopes."""


class LocalLayer:
    """The degree + 1 functions that are not zero at a point, by the triangular scheme; gradients by scattering."""

    def __init__(self, spec: LayerSpec) -> None:
        self.spec, self.degree, self.count = spec, spec.degree, spec.dim
        self.C: Any = spec.coefficients.copy()
        self.t: Any = self.padded(self.extended(spec))

    def extended(self, spec: LayerSpec) -> Any:
        """Knots (P, K)."""
        return spec.knots.copy()

    def padded(self, t: Any) -> Any:
        """Add knots that no function uses, so that every interval has neighbours."""
        beyond = 1.0 + np.arange(self.degree + 1)
        return np.concatenate([t[:, :1] - beyond[::-1], t, t[:, -1:] + beyond], axis=1)

    def locate(self, p: int, x: Any) -> Any:
        """Number of the interval of each point among the padded knots."""
        t, d = self.t[p], self.degree
        b = t[-2 * d - 2]
        m = np.searchsorted(t, x, side="right") - 1
        m = np.where(x == b, np.searchsorted(t, b, side="left") - 1, m)
        return np.clip(m, d, t.size - d - 2)

    def lift(self, t: Any, x: Any, m: Any, below: Any, k: int) -> Any:
        """Functions of degree k that are not zero from those of degree k - 1."""
        out = np.zeros((x.size, k + 1))
        for j in range(k):
            low, high = t[m - k + 1 + j], t[m + 1 + j]
            share = below[:, j] / self.width(t, m, j, k, low, high)
            out[:, j] += (high - x) * share
            out[:, j + 1] += (x - low) * share
        return out

    def width(self, t: Any, m: Any, j: int, k: int, low: Any, high: Any) -> Any:
        """The denominator."""
        return high - low

    def local(self, p: int, x: Any) -> tuple[Any, Any, Any]:
        """Indices (N, d + 1) of functions, their values and slopes; where there is no such function, zero."""
        t = self.t[p]
        key = (self.degree, self.count, self.factor(), x.tobytes(), t.tobytes(), x.dtype, t.dtype)
        return latest(self, STEPS, key, self._local, p, x)

    def _local(self, p: int, x: Any) -> tuple[Any, Any, Any]:
        t, d, m = self.t[p], self.degree, self.locate(p, x)
        value = np.ones((x.size, 1))
        for k in range(1, d):
            value = self.lift(t, x, m, value, k)
        slope = np.zeros((x.size, d + 1))
        for j in range(d):
            share = self.factor() * value[:, j] / (t[m + 1 + j] - t[m - d + 1 + j])
            slope[:, j] -= share
            slope[:, j + 1] += share
        value = self.lift(t, x, m, value, d)
        i = m[:, None] - d + np.arange(d + 1) - (d + 1)
        there = (i >= 0) & (i < self.count)
        return np.clip(i, 0, self.count - 1), value * there, slope * there

    def factor(self) -> float:
        """What slopes are multiplied by."""
        return float(self.degree)

    def inputs(self, x: Any) -> Any:
        """What is done to the samples first."""
        return x

    def __call__(self, x: Any) -> Any:
        """Outputs (N, Q)."""
        x = self.inputs(x)
        y = np.zeros((len(x), len(self.C)))
        for p in range(x.shape[1]):
            i, value, _ = self.local(p, x[:, p])
            y += np.einsum("qsi,si->sq", self.C[:, p][:, i], value)
        return y

    def backward(self, x: Any, dy: Any) -> tuple[Any, Any]:
        """Gradients in inputs and coefficients."""
        x = self.inputs(x)
        dx, dC = np.zeros(x.shape), np.zeros(self.C.shape)
        for p in range(x.shape[1]):
            i, value, slope = self.local(p, x[:, p])
            dx[:, p] = np.einsum("sq,qsi,si->s", dy, self.C[:, p][:, i], slope)
            self.scatter(dC[:, p], i, dy.T[:, :, None] * value)
        return dx, dC

    def scatter(self, out: Any, i: Any, shares: Any) -> None:
        """Add shares (Q, N, d + 1) at indices i."""
        place: Any = (slice(None), i)
        np.add.at(out, place, shares)


class LocalAdapter(Adapter):
    """What a person with such a layer would write."""

    layer: type[LocalLayer] = LocalLayer
    capabilities = Capabilities(
        degrees=(1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural",),
        network=True,
    )

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """A list of layers."""
        return [self.layer(one) for one in (spec if isinstance(spec, tuple) else (spec,))]

    def forward(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for layer in model:
            x = layer(x)
        return x

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Sweep back."""
        z = [x]
        for layer in model[:-1]:
            z.append(layer(z[-1]))
        gradients: list[Any] = []
        for layer, at in zip(reversed(model), reversed(z), strict=True):
            dy, dC = layer.backward(at, dy)
            gradients.insert(0, dC)
        return {"inputs": dy, "coefficients": gradients if len(gradients) > 1 else gradients[0]}
