"""Layers in PyTorch, the leanest one and those of libraries: in double precision."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from refkan.base import Frozen
from validation.benchmarks.cases.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.running.harness import Arrays, Timed

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

Array = np.ndarray[Any, np.dtype[np.float64]]


def tensor(array: np.ndarray[Any, Any], requires_grad: bool = False) -> torch.Tensor:
    """Return a float64 tensor that owns its memory."""
    return torch.tensor(array, dtype=torch.float64, requires_grad=requires_grad)


def basis(x: torch.Tensor, knots: torch.Tensor) -> torch.Tensor:
    """Return all basis functions at x (N, P): (N, P, dim), as KAN codes compute them."""
    x = x.unsqueeze(-1)
    values = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
    for k in range(1, DEGREE + 1):
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        values = left * values[..., :-1] + right * values[..., 1:]
    return values


class TorchLayer(Frozen):
    """A layer as a function of x; `to_papers_shape` turns the gradient of its coefficients into (Q, P, dim)."""

    call: Callable[[torch.Tensor], torch.Tensor]
    coefficients: torch.Tensor
    to_papers_shape: Callable[[Array], Array] = lambda gradient: gradient


def lean(case: LayerCase) -> TorchLayer:
    """Cox-de Boor over all intervals at once, then one einsum."""
    case.require_memory(12)  # three levels, each with its factors, kept for the gradient
    knots, coefficients = tensor(case.knots), tensor(case.coefficients)
    return TorchLayer(lambda x: torch.einsum("npi,qpi->nq", basis(x, knots), coefficients), coefficients)


def pykan(case: LayerCase) -> TorchLayer:
    """Cox-de Boor over all intervals, every edge's output kept."""
    from kan.KANLayer import KANLayer

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
    return TorchLayer(lambda x: layer(x)[0], layer.coef, lambda gradient: gradient.transpose(1, 0, 2))


def flashkan(case: LayerCase) -> TorchLayer:
    """Truncated powers, fused by torch.compile."""
    from flashkan import KANLayer

    layer = KANLayer(case.n_in, case.n_out, case.intervals, DEGREE, grid_range=DOMAIN).double()
    layer.requires_grad_(False)
    layer.base_weight.zero_()
    layer.spline_weight.copy_(tensor(case.coefficients))
    return TorchLayer(layer, layer.spline_weight)


def inkan(case: LayerCase) -> TorchLayer:
    """Piecewise polynomials, fused by torch.compile, and its own choice of contraction."""
    from inkan import KANLayer

    layer = KANLayer(case.n_in, case.n_out, case.intervals, DEGREE, grid_range=DOMAIN).double()
    layer.requires_grad_(False)
    layer.weight.zero_()
    splines = case.n_in * case.dim
    layer.weight[:, :splines].copy_(tensor(case.coefficients.reshape(case.n_out, -1)))
    return TorchLayer(layer, layer.weight, lambda packed: packed[:, :splines].reshape(case.coefficients.shape))


def efficient_kan(case: LayerCase) -> TorchLayer:
    """Not on the package index: used if importable as ``efficient_kan``."""
    from efficient_kan import KANLinear

    case.require_memory(12)
    sizes = {"grid_size": case.intervals, "spline_order": DEGREE, "grid_range": list(DOMAIN)}
    layer = KANLinear(case.n_in, case.n_out, enable_standalone_scale_spline=False, **sizes).double()
    layer.requires_grad_(False)
    layer.grid.copy_(tensor(case.knots).expand(case.n_in, -1))
    layer.base_weight.zero_()
    layer.spline_weight.copy_(tensor(case.coefficients))
    return TorchLayer(layer, layer.spline_weight)


def forward(case: LayerCase, make: Callable[[LayerCase], TorchLayer]) -> Timed:
    layer, x = make(case), tensor(case.x)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return layer.call(x)

    return Timed(run, lambda y: (y.numpy(),))


def backward(case: LayerCase, make: Callable[[LayerCase], TorchLayer]) -> Timed:
    """Time a layer and its gradients with respect to its coefficients and x, in one backward call."""
    layer, x, dy = make(case), tensor(case.x, requires_grad=True), tensor(case.dy)
    coefficients = layer.coefficients.requires_grad_()

    def run() -> tuple[torch.Tensor, ...]:
        y = layer.call(x)
        return (y, *torch.autograd.grad(y, (coefficients, x), dy))

    def collect(result: tuple[torch.Tensor, ...]) -> Arrays:
        y, d_coefficients, dx = (item.detach().numpy() for item in result)
        return y, layer.to_papers_shape(d_coefficients), dx

    return Timed(run, collect)
