"""One spline at many points in PyTorch, by all its basis functions: Cox-de Boor, and truncated powers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from validation.benchmarks.harness import Timed
from validation.benchmarks.layer_case import DEGREE
from validation.benchmarks.peers.torch_layers import tensor
from validation.benchmarks.peers.torch_lean import basis

Array = np.ndarray[Any, np.dtype[np.float64]]

CHUNK = 4096
"""Points at once: all of them would need gigabytes, and stay in no cache."""


def cox_de_boor(x: Array, knots: Array, coefficients: Array) -> Timed:
    """Return the timed evaluation by the recursion over all intervals."""
    t = tensor(knots)
    return _timed(x, coefficients, lambda points: basis(points, t))


def relu_powers(x: Array, knots: Array, weights: Array) -> Timed:
    """Return the timed evaluation of sum_i w_i max(x - t_i, 0)^3."""
    t = tensor(knots[: weights.size])

    def rows(points: torch.Tensor) -> torch.Tensor:
        positive = torch.relu(points.unsqueeze(-1) - t)
        return positive**DEGREE

    return _timed(x, weights, rows)


def _timed(x: Array, coefficients: Array, rows: Callable[[torch.Tensor], torch.Tensor]) -> Timed:
    parts, c = tensor(x).split(CHUNK), tensor(coefficients)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([rows(part) @ c for part in parts])

    return Timed(run, lambda y: (y.numpy(),))
