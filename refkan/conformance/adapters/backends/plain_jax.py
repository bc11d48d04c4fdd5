"""A plain layer in JAX: all basis functions by the recursion of Cox and de Boor, derivatives by its transformations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.jax_base import JaxAdapter
from refkan.conformance.cases.specs import PARTS, LayerSpec


class PlainJax(JaxAdapter):
    """The plain layer in JAX; the right end is closed and 0/0 is 0."""

    name = "plain jax"
    capabilities = Capabilities(
        degrees=(0, 1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural", "polynomial"),
        dtypes=("float64", "float32", "bfloat16", "float16"),
        derivatives=("inputs", "coefficients", "knots", "second", "gauss-newton"),
        network=True,
        parts=PARTS,
    )

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients, x, knots and parts."""
        given = self.tensor(spec.knots, spec.dtype)
        order, outside = spec.order, spec.outside

        def layer(coefficients: Any, x: Any, knots: Any = given, **parts: Any) -> Any:
            if "scale" in parts:
                coefficients = parts["scale"][:, :, None] * coefficients
            y = self.jnp.einsum("spi,qpi->sq", self.basis(x, knots, order, outside), coefficients)
            if "base" in parts:
                y = y + self.jax.nn.silu(x) @ parts["base"].T
            if "node_scale" in parts:
                y = parts["node_scale"] * y
            return y + parts["bias"] if "bias" in parts else y

        return layer

    def basis(self, x: Any, t: Any, order: int, outside: str) -> Any:
        """All basis functions at x (N, P): (N, P, dim)."""
        jnp = self.jnp
        x = x[:, :, None]
        a, b = t[:, order - 1, None], t[:, t.shape[1] - order, None]
        m = (x >= t).sum(axis=2, keepdims=True) - 1
        last = (t < b).sum(axis=1)[None, :, None] - 1
        m = jnp.where(x == b, last, m)
        if outside == "polynomial":
            m = jnp.clip(m, (t <= a).sum(axis=1)[None, :, None] - 1, last)
        values = (m == jnp.arange(t.shape[1] - 1)).astype(x.dtype)
        for k in range(1, order):
            left = self._ratio(x - t[:, : -k - 1], t[:, k:-1] - t[:, : -k - 1])
            right = self._ratio(t[:, k + 1 :] - x, t[:, k + 1 :] - t[:, 1:-k])
            values = left * values[:, :, :-1] + right * values[:, :, 1:]
        return values

    def _ratio(self, numerator: Any, denominator: Any) -> Any:
        empty = denominator == 0
        return self.jnp.where(empty, 0.0, numerator / self.jnp.where(empty, 1.0, denominator))
