"""Input derivatives of a KAN and the gradient of a residual in PyTorch, by double backward."""

from __future__ import annotations

import torch

from validation.benchmarks.harness import Arrays, Timed
from validation.benchmarks.jet_case import NU, JetCase
from validation.benchmarks.peers.torch_layers import tensor
from validation.benchmarks.peers.torch_lean import basis


def double_backward(case: JetCase) -> Timed:
    """Return the timed computation."""
    knots, shapes = tensor(case.knots), case.shapes
    maps = [(tensor(scale), tensor(shift)) for scale, shift in case.maps]
    theta, x = tensor(case.theta, requires_grad=True), tensor(case.data[0], requires_grad=True)

    def network(z: torch.Tensor) -> torch.Tensor:
        parts = theta.split([q * p * dim for q, p, dim in shapes])
        for k, ((q, p, dim), part) in enumerate(zip(shapes, parts, strict=True)):
            z = basis(z, knots).reshape(z.shape[0], p * dim) @ part.reshape(q, p * dim).T
            if k < len(maps):
                z = maps[k][0] * z + maps[k][1]
        return z[:, 0]

    def run() -> tuple[torch.Tensor, ...]:
        u = network(x)
        u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, 0]
        u_xx = torch.autograd.grad(u_x.sum(), x, create_graph=True)[0][:, 0]
        loss = ((u * u_x - NU * u_xx) ** 2).sum() / (2 * x.shape[0])
        return u, u_x, u_xx, torch.autograd.grad(loss, theta)[0]

    def collect(found: tuple[torch.Tensor, ...]) -> Arrays:
        u, u_x, u_xx, gradient = (part.detach().numpy() for part in found)
        return u, u_x, u_xx, gradient

    return Timed(run, collect)
