"""Forward plus backward of the network [2, 20, 20, 1]: value and gradients in the coefficients and inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from validation.benchmarks.gauss_newton import network
from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Case, Contestant, Settings, Task, Timed, task
from validation.benchmarks.program import PEERS, Program

CASES = tuple(GaussNewtonCase((2, 20, 20, 1), intervals, 4096) for intervals in (5, 16, 64))
QUICK = 1


PROGRAMS = (
    Program("jax (lean, jit)", f"{PEERS}.jax_network", "jax", note="networks: all layers compiled together"),
    Program("torch (lean)", f"{PEERS}.torch_network", "torch", note="networks: one graph"),
)


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield a case for each number of intervals."""
    for data in CASES[:QUICK] if settings.quick else CASES:
        yield task(case(data))


def case(data: GaussNewtonCase) -> Case:
    """Our contestant and its peers on one network."""
    return Case(
        f"network {data.title}, forward + backward",
        data.sweep_reference,
        [Contestant("refkan", lambda: ours(data)), *(program.contestant(data, "network") for program in PROGRAMS)],
        data.parameters,
    )


def ours(data: GaussNewtonCase) -> Timed:
    """Return the timed sweeps of refkan."""
    net, theta, x, dy = network(data), data.theta, data.data[0], data.cotangent

    def sweeps() -> tuple[Any, ...]:
        y, pullback = net.vjp(theta, x)
        return (y, *pullback(dy))

    return Timed(sweeps, lambda result: result)
