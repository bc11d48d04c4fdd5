"""What the peers written in PyTorch have in common: double precision, fixed threads, one backward call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from validation.benchmarks.harness import Arrays, Timed
from validation.benchmarks.layer_case import LayerCase

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


def tensor(array: np.ndarray[Any, Any], requires_grad: bool = False) -> torch.Tensor:
    """Return a float64 tensor that owns its memory."""
    return torch.tensor(array, dtype=torch.float64, requires_grad=requires_grad)


def forward(case: LayerCase, layer: Callable[[torch.Tensor], torch.Tensor]) -> Timed:
    """Time ``layer(x)`` without recording a graph."""
    x = tensor(case.x)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return layer(x)

    return Timed(run, lambda y: (y.numpy(),))


def backward(
    case: LayerCase,
    layer: Callable[[torch.Tensor], torch.Tensor],
    coefficients: torch.Tensor,
    to_papers_shape: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] = lambda gradient: gradient,
) -> Timed:
    """Time ``layer(x)`` and its gradients with respect to `coefficients` and x.

    `to_papers_shape` turns the peer's gradient into (Q, P, dim).
    """
    x, dy = tensor(case.x, requires_grad=True), tensor(case.dy)

    def run() -> tuple[torch.Tensor, ...]:
        y = layer(x)
        return (y, *torch.autograd.grad(y, (coefficients, x), dy))

    def collect(result: tuple[torch.Tensor, ...]) -> Arrays:
        y, d_coefficients, dx = (item.detach().numpy() for item in result)
        return y, to_papers_shape(d_coefficients), dx

    return Timed(run, collect)
