"""Lean KANs in PyTorch: sweeps, the Gauss-Newton matrix by vmap of grad, and jets by double backward."""

from collections.abc import Callable

import numpy as np
import torch

from validation.benchmarks.cases.network_cases import DEGREE, NU, Array, GaussNewtonCase, JetCase
from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.peers.torch_layers import basis, tensor
from validation.benchmarks.running.harness import Arrays, Timed


def network(case: GaussNewtonCase) -> Timed:
    """Return the timed sweeps: value and gradients in all coefficients and x."""
    case.require_memory(4)
    output = case.network(tensor, basis, lambda rows, c: torch.einsum("npi,qpi->nq", rows, c))
    coefficients = [tensor(c, requires_grad=True) for c in case.data[1]]
    x, dy = tensor(case.data[0], requires_grad=True), tensor(case.cotangent)

    def run() -> tuple[torch.Tensor, ...]:
        y = output(coefficients, x)
        return (y, *torch.autograd.grad(y, (*coefficients, x), dy))

    def collect(result: tuple[torch.Tensor, ...]) -> Arrays:
        y, *gradients, dx = (item.detach().numpy() for item in result)
        return y, np.concatenate([g.ravel() for g in gradients]), dx

    return Timed(run, collect)


def loss(case: TrainingCase) -> Callable[[Array], tuple[float, Array]]:
    """Return value and gradient of half the mean square error."""
    output = case.network(tensor, basis, lambda rows, c: rows.flatten(1) @ c.flatten(1).T)
    x, y = tensor(case.data[0]), tensor(case.targets)

    def value_and_gradient(theta: Array) -> tuple[float, Array]:
        at = tensor(theta, requires_grad=True)
        value = ((output(case.parts(at), x) - y) ** 2).sum() / (2 * case.samples)
        return float(value.detach()), torch.autograd.grad(value, at)[0].numpy()

    return value_and_gradient


def train_pykan(case: TrainingCase, add: Callable[[float], None], steps: int = 200) -> None:
    """Train pykan's network by its LBFGS with all its defaults but double precision, and add the error of each step."""
    from kan import KAN

    torch.set_default_dtype(torch.float64)
    try:
        model = KAN(width=list(case.widths), grid=case.intervals, k=DEGREE, seed=case.start, auto_save=False)
        x, y = tensor(case.data[0]), tensor(case.targets)

        def mean_square(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            error = torch.mean((prediction - target) ** 2)
            if target.shape[0] == case.samples:  # it is called with the points of its test, too
                add(float(error))
            return error

        data = {"train_input": x, "train_label": y, "test_input": x[:1], "test_label": y[:1]}
        model.fit(data, opt="LBFGS", steps=steps, loss_fn=mean_square)
    finally:
        torch.set_default_dtype(torch.float32)


def _rows(case: GaussNewtonCase) -> Callable[[], torch.Tensor]:
    """Return the function that computes J (N, M)."""
    case.require_memory(4)
    output = case.network(tensor, basis, lambda rows, c: torch.einsum("pi,qpi->q", rows, c))
    gradient = torch.func.grad(lambda theta, z: output(case.parts(theta), z)[0])
    rows = torch.func.vmap(gradient, in_dims=(None, 0))
    theta, x = tensor(case.theta), tensor(case.data[0])
    return lambda: rows(theta, x)


def jacobian(case: GaussNewtonCase) -> Timed:
    return Timed(_rows(case), lambda J: (J.numpy(),))


def gauss_newton(case: GaussNewtonCase) -> Timed:
    rows = _rows(case)

    def run() -> torch.Tensor:
        J = rows()
        return J.T @ J / case.samples

    return Timed(run, lambda H: (H.numpy(),))


def double_backward(case: JetCase) -> Timed:
    """Return the timed input derivatives and the gradient of a residual."""
    output = case.network(tensor, basis, lambda rows, c: rows.flatten(1) @ c.flatten(1).T)
    theta, x = tensor(case.theta, requires_grad=True), tensor(case.data[0], requires_grad=True)

    def run() -> tuple[torch.Tensor, ...]:
        u = output(case.parts(theta), x)[:, 0]
        u_x = torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, 0]
        u_xx = torch.autograd.grad(u_x.sum(), x, create_graph=True)[0][:, 0]
        loss = ((u * u_x - NU * u_xx) ** 2).sum() / (2 * x.shape[0])
        return u, u_x, u_xx, torch.autograd.grad(loss, theta)[0]

    return Timed(run, lambda parts: tuple(part.detach().numpy() for part in parts))
