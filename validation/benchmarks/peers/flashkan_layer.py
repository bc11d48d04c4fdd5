"""The layer of flashkan: truncated powers, fused by torch.compile."""

from __future__ import annotations

from flashkan import KANLayer

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.peers import torch_layers
from validation.benchmarks.peers.torch_layers import tensor


def _layer(case: LayerCase) -> KANLayer:
    layer = KANLayer(case.n_in, case.n_out, case.intervals, DEGREE, grid_range=DOMAIN).double()
    layer.requires_grad_(False)
    layer.base_weight.zero_()
    layer.spline_weight.copy_(tensor(case.coefficients))
    return layer


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    return torch_layers.forward(case, _layer(case))


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    layer = _layer(case)
    return torch_layers.backward(case, layer, layer.spline_weight.requires_grad_())
