"""A plain layer in PyTorch: all basis functions by the recursion of Cox and de Boor, derivatives by autograd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.adapters.torch_base import TorchAdapter
from refkan.conformance.cases.specs import PARTS, LayerSpec, as_specs


class PlainTorch(TorchAdapter):
    """The plain layer in PyTorch; the right end is closed and 0/0 is 0."""

    name = "plain torch"
    capabilities = Capabilities(
        degrees=(0, 1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=("natural", "polynomial"),
        dtypes=("float64", "float32", "bfloat16", "float16"),
        derivatives=("inputs", "coefficients", "knots", "second", "gauss-newton"),
        network=True,
        parts=PARTS,
    )

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Keep knots, coefficients and parts of each layer as tensors."""
        return [
            (self.tensor(s.knots), self.tensor(s.coefficients), s.order, s.outside,
             {name: self.tensor(s.part(name)) for name in s.parts})
            for s in as_specs(spec)
        ]  # fmt: skip

    def call(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        for knots, coefficients, order, outside, parts in model:
            basis = self.basis(x, knots, order, outside)
            if "scale" in parts:
                coefficients = parts["scale"][:, :, None] * coefficients
            y = self.torch.einsum("spi,qpi->sq", basis, coefficients)
            if "base" in parts:
                y = y + self.torch.nn.functional.silu(x) @ parts["base"].T
            if "node-scale" in parts:
                y = parts["node-scale"] * y
            x = y + parts["bias"] if "bias" in parts else y
        return x

    def basis(self, x: Any, t: Any, order: int, outside: str) -> Any:
        """All basis functions at x (N, P): (N, P, dim)."""
        torch = self.torch
        with torch.no_grad():
            b = t[:, t.shape[1] - order, None]
            m = torch.searchsorted(t.contiguous(), x.T.contiguous(), right=True) - 1  # (P, N)
            last = torch.searchsorted(t.contiguous(), b.contiguous()) - 1
            m = torch.where(b == x.T, last, m)
            if outside == "polynomial":
                first = torch.searchsorted(t.contiguous(), t[:, order - 1, None].contiguous(), right=True) - 1
                m = torch.minimum(torch.maximum(m, first), last)
            values = (m.T[:, :, None] == torch.arange(t.shape[1] - 1, device=x.device)).to(x.dtype)
        x = x[:, :, None]
        for k in range(1, order):
            left = self._ratio(x - t[:, : -k - 1], t[:, k:-1] - t[:, : -k - 1])
            right = self._ratio(t[:, k + 1 :] - x, t[:, k + 1 :] - t[:, 1:-k])
            values = left * values[:, :, :-1] + right * values[:, :, 1:]
        return values

    def _ratio(self, numerator: Any, denominator: Any) -> Any:
        empty = denominator == 0
        return self.torch.where(empty, 0.0 * numerator, numerator / self.torch.where(empty, 1.0, denominator))

    def coefficients(self, model: Any) -> Any:
        """Coefficients of all layers."""
        return [layer[1] for layer in model]

    def parts(self, model: Any) -> Mapping[str, Any]:
        """Parts of all layers, which have the same."""
        return {name: [layer[4][name] for layer in model] for name in self.used_parts}

    def knots(self, model: Any) -> Any:
        """Knots of the layer."""
        return model[0][0]
