"""The layer of pykan: Cox-de Boor over all intervals, every edge's output kept."""

from __future__ import annotations

import torch
from kan.KANLayer import KANLayer

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.peers import torch_layers
from validation.benchmarks.peers.torch_layers import tensor


def _layer(case: LayerCase) -> KANLayer:
    case.require_memory(12)
    case.require_memory(8, per_edge=True)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        layer = KANLayer(case.n_in, case.n_out, case.intervals, DEGREE, grid_range=list(DOMAIN))
    finally:
        torch.set_default_dtype(before)
    layer.requires_grad_(False)
    layer.grid.copy_(tensor(case.knots).expand(case.n_in, -1))
    layer.scale_base.zero_()
    layer.scale_sp.fill_(1.0)
    layer.coef.copy_(tensor(case.coefficients).permute(1, 0, 2))  # (P, Q, dim)
    return layer


def forward(case: LayerCase) -> Timed:
    """Return the timed forward pass."""
    layer = _layer(case)
    return torch_layers.forward(case, lambda x: layer(x)[0])


def backward(case: LayerCase) -> Timed:
    """Return the timed forward and backward pass."""
    layer = _layer(case)
    coefficients = layer.coef.requires_grad_()
    return torch_layers.backward(
        case, lambda x: layer(x)[0], coefficients, lambda gradient: gradient.transpose(1, 0, 2)
    )
