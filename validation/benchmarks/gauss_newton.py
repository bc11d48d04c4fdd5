"""The Gauss-Newton matrix J^T J / N of a KAN: refkan against dense Jacobians by automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import refkan as rk
from refkan.networks.hessians import gauss_newton
from refkan.networks.node_maps import AffineMap
from validation.benchmarks.gauss_newton_case import DEGREE, GaussNewtonCase
from validation.benchmarks.harness import Case, Contestant, Settings, Task, Timed, task
from validation.benchmarks.program import PEERS, Program

CASES = (
    GaussNewtonCase((2, 5, 1), 4, 20_000),
    GaussNewtonCase((2, 5, 1), 16, 20_000),
    GaussNewtonCase((2, 5, 1), 64, 20_000),
    GaussNewtonCase((2, 20, 20, 1), 5, 4096),
)
QUICK = 2

SECONDS = 0.2
"""Of each timing: peers leave threads and freed memory behind, and longer timings charge less of it to the next."""

JAX = Program(
    "jax (vmap grad, jit)", f"{PEERS}.jax_gauss_newton", "jax", note="vmap of grad over samples, then J.T @ J"
)
TORCH = Program(
    "torch (vmap grad)", f"{PEERS}.torch_gauss_newton", "torch", note="torch.func: vmap of grad, then J.T @ J"
)


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield all sizes, and the Jacobian of the largest by itself."""
    chosen = CASES[:QUICK] if settings.quick else CASES
    for data in chosen:
        yield task(matrix(data), SECONDS)
    yield task(jacobian(chosen[-1]), SECONDS)


def matrix(data: GaussNewtonCase) -> Case:
    """J^T J / N of one network: the dense path of refkan is a contestant of its own."""
    return Case(
        f"Gauss-Newton matrix of {data.title}",
        data.reference,
        [
            Contestant("refkan", lambda: _ours(data, "auto")),
            Contestant("refkan, dense path", lambda: _ours(data, "dense")),
            *(program.contestant(data, "gauss_newton") for program in (JAX, TORCH)),
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
            *(program.contestant(data, "jacobian") for program in (JAX, TORCH)),
        ],
        {**data.parameters, "of": "Jacobian"},
    )


def network(case: GaussNewtonCase) -> rk.Network:
    """Build the network of a case with refkan."""
    net = rk.kan(case.widths, order=DEGREE + 1, intervals=case.intervals)
    return replace(net, node_maps=tuple(AffineMap(scale, shift) for scale, shift in case.maps))


def _ours(case: GaussNewtonCase, path: str) -> Timed:
    net, theta, (x, _) = network(case), case.theta, case.data
    return Timed(lambda: gauss_newton(net, theta, x, path=path), lambda H: (H,))
