"""The layer of inkan: piecewise polynomials, fused by torch.compile, and its own choice of contraction."""

from __future__ import annotations

from inkan import KANLayer

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.peers import torch_layers
from validation.benchmarks.peers.torch_layers import tensor


def _layer(case: LayerCase) -> KANLayer:
    layer = KANLayer(case.n_in, case.n_out, case.intervals, DEGREE, grid_range=DOMAIN).double()
    layer.requires_grad_(False)
    layer.weight.zero_()
    layer.weight[:, : case.n_in * case.dim].copy_(tensor(case.coefficients.reshape(case.n_out, -1)))
    return layer


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    return torch_layers.forward(case, _layer(case))


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    layer = _layer(case)
    return torch_layers.backward(
        case,
        layer,
        layer.weight.requires_grad_(),
        lambda packed: packed[:, : case.n_in * case.dim].reshape(case.coefficients.shape),
    )
