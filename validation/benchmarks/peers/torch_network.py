"""A lean KAN in PyTorch: value and gradients in all coefficients and x."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Timed
from validation.benchmarks.peers.torch_layers import tensor
from validation.benchmarks.peers.torch_lean import basis


def network(case: GaussNewtonCase) -> Timed:
    """Return the timed sweeps."""
    case.require_memory(4)
    knots = tensor(case.knots)
    maps = [(tensor(scale), tensor(shift)) for scale, shift in case.maps]
    coefficients = [tensor(c, requires_grad=True) for c in case.data[1]]
    x, dy = tensor(case.data[0], requires_grad=True), tensor(case.cotangent)

    def run() -> tuple[torch.Tensor, ...]:
        z = x
        for k, c in enumerate(coefficients):
            z = torch.einsum("npi,qpi->nq", basis(z, knots), c)
            if k < len(maps):
                z = maps[k][0] * z + maps[k][1]
        return (z, *torch.autograd.grad(z, (*coefficients, x), dy))

    def collect(result: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
        y, *gradients, dx = (item.detach().numpy() for item in result)
        return y, np.concatenate([g.ravel() for g in gradients]), dx

    return Timed(run, collect)
