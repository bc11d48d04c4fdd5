"""The Gauss-Newton matrix in PyTorch: the Jacobian by torch.func, vmap of grad, alone or with one product."""

from __future__ import annotations

from collections.abc import Callable

import torch

from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Timed
from validation.benchmarks.peers.torch_layers import tensor
from validation.benchmarks.peers.torch_lean import basis


def _rows(case: GaussNewtonCase) -> Callable[[], torch.Tensor]:
    """Return the function that computes J (N, M)."""
    case.require_memory(4)
    knots, shapes = tensor(case.knots), case.shapes
    maps = [(tensor(scale), tensor(shift)) for scale, shift in case.maps]

    def output(theta: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        parts = theta.split([q * p * dim for q, p, dim in shapes])
        for k, (shape, part) in enumerate(zip(shapes, parts, strict=True)):
            z = torch.einsum("pi,qpi->q", basis(z, knots), part.reshape(shape))
            if k < len(maps):
                z = maps[k][0] * z + maps[k][1]
        return z[0]

    rows = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0))
    theta, x = tensor(case.theta), tensor(case.data[0])
    return lambda: rows(theta, x)


def jacobian(case: GaussNewtonCase) -> Timed:
    """Return the timed Jacobian."""
    return Timed(_rows(case), lambda J: (J.numpy(),))


def gauss_newton(case: GaussNewtonCase) -> Timed:
    """Return the timed assembly."""
    rows = _rows(case)

    def run() -> torch.Tensor:
        J = rows()
        return J.T @ J / case.samples

    return Timed(run, lambda H: (H.numpy(),))
