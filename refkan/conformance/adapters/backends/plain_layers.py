"""A plain layer in PyTorch and in JAX: all basis functions by the recursion of Cox and de Boor, written once."""

from collections.abc import Callable, Mapping
from typing import Any

from refkan.conformance.adapters.adapter import DEGREES, Capabilities
from refkan.conformance.adapters.bases.jax_base import JaxAdapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import KNOTS, PARTS, LayerSpec, as_specs, attribute

CAPABILITIES = Capabilities(
    degrees=DEGREES,
    knots=KNOTS,
    outside=("natural", "polynomial"),
    dtypes=("float64", "float32", "bfloat16", "float16"),
    derivatives=("inputs", "coefficients", "knots", "second", "gauss-newton"),
    network=True,
    promotes=True,
    parts=PARTS,
)


def basis(xp: Any, x: Any, t: Any, order: int, outside: str) -> Any:
    """All basis functions at x (N, P) on knots (P, K), (N, P, dim), in the arrays of the module `xp`.

    The interval in force is [t_j, t_{j+1}), and the last one that is not empty where x = b.
    """
    x = x[:, :, None]
    a, b = t[:, order - 1, None], t[:, t.shape[1] - order, None]
    at = xp.clip(x, a, b) if outside == "polynomial" else x
    left, right = t[:, :-1], t[:, 1:]
    inside = xp.where(at == b, (left < b) & (right == b), (left <= at) & (at < right))
    values = inside * xp.ones_like(x)
    for k in range(1, order):
        rising = _ratio(xp, x - t[:, : -k - 1], t[:, k:-1] - t[:, : -k - 1])
        falling = _ratio(xp, t[:, k + 1 :] - x, t[:, k + 1 :] - t[:, 1:-k])
        values = rising * values[:, :, :-1] + falling * values[:, :, 1:]
    return values


def _ratio(xp: Any, numerator: Any, denominator: Any) -> Any:
    """The quotient, with 0/0 = 0; no division by zero is left for derivatives to meet."""
    empty = denominator == 0
    return xp.where(empty, 0.0 * numerator, numerator / xp.where(empty, 1.0 + 0.0 * denominator, denominator))


def evaluated(
    xp: Any, silu: Callable[[Any], Any], spec: LayerSpec, coefficients: Any, x: Any, knots: Any,
    parts: Mapping[str, Any],
) -> Any:  # fmt: skip
    """Outputs (N, Q) of a layer at x (N, P); `parts` are arrays by the names of attributes of the spec."""
    if "scale" in parts:
        coefficients = parts["scale"][:, :, None] * coefficients
    y = xp.einsum("spi,qpi->sq", basis(xp, x, knots, spec.order, spec.outside), coefficients)
    if "base" in parts:
        y = y + silu(x) @ parts["base"].T
    if "node_scale" in parts:
        y = parts["node_scale"] * y
    return y + parts["bias"] if "bias" in parts else y


class PlainJax(JaxAdapter):
    """The plain layer in JAX; the right end is closed and 0/0 is 0."""

    name = "plain jax"
    capabilities = CAPABILITIES

    def function(self, spec: LayerSpec) -> Callable[..., Any]:
        """Return the layer as a function of coefficients, x, knots and parts."""
        given = self.tensor(spec.knots, spec.dtype)

        def layer(coefficients: Any, x: Any, knots: Any = given, **parts: Any) -> Any:
            return evaluated(self.jnp, self.jax.nn.silu, spec, coefficients, x, knots, parts)

        return layer


class PlainTorch(TorchAdapter):
    """The plain layer in PyTorch; the right end is closed and 0/0 is 0."""

    name = "plain torch"
    capabilities = CAPABILITIES

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Keep knots, coefficients and parts of each layer as tensors."""
        return [
            (s, self.tensor(s.knots), self.tensor(s.coefficients),
             {attribute(name): self.tensor(s.part(name)) for name in s.parts})
            for s in as_specs(spec)
        ]  # fmt: skip

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for spec, knots, coefficients, parts in model:
            x = evaluated(self.torch, self.torch.nn.functional.silu, spec, coefficients, x, knots, parts)
        return x

    def coefficients(self, model: Any) -> Any:
        """Coefficients of all layers."""
        return [coefficients for _, _, coefficients, _ in model]

    def parts(self, model: Any) -> Mapping[str, Any]:
        """Parts of all layers, which have the same."""
        return {name: [parts[attribute(name)] for *_, parts in model] for name in self.used_parts}

    def knots(self, model: Any) -> Any:
        """Knots of the layer."""
        return model[0][1]
