"""The layer of efficient-kan, which is not on the package index: used if importable as ``efficient_kan``."""

from __future__ import annotations

from efficient_kan import KANLinear

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.peers import torch_layers
from validation.benchmarks.peers.torch_layers import tensor


def _layer(case: LayerCase) -> KANLinear:
    case.require_memory(12)
    layer = KANLinear(
        case.n_in,
        case.n_out,
        grid_size=case.intervals,
        spline_order=DEGREE,
        enable_standalone_scale_spline=False,
        grid_range=list(DOMAIN),
    ).double()
    layer.requires_grad_(False)
    layer.grid.copy_(tensor(case.knots).expand(case.n_in, -1))
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
