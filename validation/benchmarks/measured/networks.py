"""Cubic KANs: their sweeps, Gauss-Newton matrices and Jacobians, and jets with the gradient of a residual.

Refkan is timed against automatic derivatives of lean networks.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import refkan as rk
from refkan.networks.hessians import gauss_newton
from refkan.networks.node_maps import AffineMap
from validation.benchmarks.cases.network_cases import DEGREE, NU, GaussNewtonCase, JetCase
from validation.benchmarks.running.harness import Arrays, Case, Contestant, Settings, Task, Timed, task
from validation.benchmarks.running.program import PEERS, Program

NETWORKS = tuple(GaussNewtonCase((2, 20, 20, 1), intervals, 4096) for intervals in (5, 16, 64))
MATRICES = (
    *(GaussNewtonCase((2, 5, 1), intervals, 20_000) for intervals in (4, 16, 64)),
    GaussNewtonCase((2, 20, 20, 1), 5, 4096),
)
JETS = (JetCase((2, 8, 8, 1), 5, 4096), JetCase((2, 20, 20, 1), 5, 4096), JetCase((2, 20, 20, 1), 20, 4096))
QUICK = {NETWORKS: 1, MATRICES: 2, JETS: 2}

SECONDS = 0.2
"""Of each timing: peers leave threads and freed memory behind, and longer timings charge less of it to the next."""

JAX, TORCH = f"{PEERS}.jax_networks", f"{PEERS}.torch_networks"
SWEEPS = (
    Program("jax (lean, jit)", JAX, "jax", note="networks: all layers compiled together"),
    Program("torch (lean)", TORCH, "torch", note="networks: one graph"),
)
ROWS_OF_JACOBIANS = (
    Program("jax (vmap grad, jit)", JAX, "jax", note="vmap of grad over samples, then J.T @ J"),
    Program("torch (vmap grad)", TORCH, "torch", note="torch.func: vmap of grad, then J.T @ J"),
)
DERIVATIVES = {
    "nested": Program("jax (jvp of jvp, jit)", JAX, "jax", note="forward over forward, then value_and_grad"),
    "taylor": Program("jax (jet, jit)", JAX, "jax", note="jax.experimental.jet, then value_and_grad"),
    "by_hand": Program(
        "jax (by hand, jit)",
        JAX,
        "jax",
        note="derivatives of the basis and the jets written out; only the gradient is automatic",
    ),
    "double_backward": Program("torch (double backward)", TORCH, "torch", note="two graphs, then backward"),
}


def network(case: GaussNewtonCase) -> rk.Network:
    net = rk.kan(case.widths, order=DEGREE + 1, intervals=case.intervals)
    return replace(net, node_maps=tuple(AffineMap(scale, shift) for scale, shift in case.maps))


def network_tasks(settings: Settings) -> Iterator[Task]:
    for data in NETWORKS[: QUICK[NETWORKS] if settings.quick else None]:
        yield task(sweeps(data))


def sweeps(data: GaussNewtonCase) -> Case:
    """Forward plus backward: value and gradients in the coefficients and inputs."""
    return Case(
        f"network {data.title}, forward + backward",
        data.sweep_reference,
        [Contestant("refkan", lambda: our_sweeps(data)), *(program.contestant(data, "network") for program in SWEEPS)],
        data.parameters,
    )


def our_sweeps(data: GaussNewtonCase) -> Timed:
    net, theta, x, dy = network(data), data.theta, data.data[0], data.cotangent

    def run() -> tuple[Any, ...]:
        y, pullback = net.vjp(theta, x)
        return (y, *pullback(dy))

    return Timed(run, lambda result: result)


def gauss_newton_tasks(settings: Settings) -> Iterator[Task]:
    """Yield all sizes of matrices, and the Jacobian of the largest by itself."""
    chosen = MATRICES[: QUICK[MATRICES] if settings.quick else None]
    for data in chosen:
        yield task(matrix(data), SECONDS)
    yield task(jacobian(chosen[-1]), SECONDS)


def matrix(data: GaussNewtonCase) -> Case:
    """J^T J / N of one network: the dense path of refkan is a contestant of its own."""

    def ours(path: str) -> Timed:
        net, theta, (x, _) = network(data), data.theta, data.data
        return Timed(lambda: gauss_newton(net, theta, x, path=path), lambda H: (H,))

    return Case(
        f"Gauss-Newton matrix of {data.title}",
        data.reference,
        [
            Contestant("refkan", lambda: ours("auto")),
            Contestant("refkan, dense path", lambda: ours("dense")),
            *(program.contestant(data, "gauss_newton") for program in ROWS_OF_JACOBIANS),
        ],
        {**data.parameters, "of": "matrix"},
    )


def jacobian(data: GaussNewtonCase) -> Case:
    """J of one network, all of whose entries are asked for."""
    net, theta, (x, _) = network(data), data.theta, data.data
    return Case(
        f"Jacobian of {data.title}",
        data.jacobian_reference,
        [
            Contestant("refkan", lambda: Timed(lambda: net.jacobian(theta, x), lambda J: (J,))),
            *(program.contestant(data, "jacobian") for program in ROWS_OF_JACOBIANS),
        ],
        {**data.parameters, "of": "Jacobian"},
    )


def jet_tasks(settings: Settings) -> Iterator[Task]:
    for data in JETS[: QUICK[JETS] if settings.quick else None]:
        yield task(jets(data), SECONDS)


def jets(data: JetCase) -> Case:
    """First and second input derivatives and the gradient of a residual."""
    return Case(
        f"u, u_x, u_xx and a gradient of {data.title}",
        data.reference,
        [
            Contestant("refkan", lambda: our_jets(data)),
            *(program.contestant(data, function) for function, program in DERIVATIVES.items()),
        ],
        data.parameters,
    )


def our_jets(case: JetCase) -> Timed:
    net, theta, (x, _) = network(case), case.theta, case.data
    direction = np.array([[1.0, 0.0]])

    def compute() -> Arrays:
        jet = net.jet(theta, x, direction)
        u, u_x, u_xx = jet.value, jet.first[:, 0], jet.second[:, 0]
        r = (u * u_x - NU * u_xx) / case.samples
        gradient, _ = jet.pullback(r * u_x, (r * u)[:, None], (-NU * r)[:, None])
        return u, u_x, u_xx, gradient

    return Timed(compute, lambda parts: (*(part[:, 0] for part in parts[:3]), parts[3]))
