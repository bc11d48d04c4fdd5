"""The leanest KAN layer in PyTorch: Cox-de Boor over all intervals at once, then one einsum."""

from __future__ import annotations

import torch

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, LayerCase
from validation.benchmarks.peers import torch_layers
from validation.benchmarks.peers.torch_layers import tensor


def basis(x: torch.Tensor, knots: torch.Tensor) -> torch.Tensor:
    """Return all basis functions at x (N, P): (N, P, dim), as KAN codes compute them."""
    x = x.unsqueeze(-1)
    values = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
    for k in range(1, DEGREE + 1):
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        values = left * values[..., :-1] + right * values[..., 1:]
    return values


class _Layer:
    def __init__(self, case: LayerCase) -> None:
        case.require_memory(12)  # three levels, each with its factors, kept for the gradient
        self.knots = tensor(case.knots)
        self.coefficients = tensor(case.coefficients)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("npi,qpi->nq", basis(x, self.knots), self.coefficients)


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    return torch_layers.forward(case, _Layer(case))


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    layer = _Layer(case)
    return torch_layers.backward(case, layer, layer.coefficients.requires_grad_())
