"""Forward plus backward of the network [2, 20, 20, 1]: value and gradients in the coefficients and inputs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from validation.benchmarks.gauss_newton import PEERS, network
from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Case, CaseResult, Contestant, Settings, Timed, run_case

CASES = tuple(GaussNewtonCase((2, 20, 20, 1), intervals, 4096) for intervals in (5, 16, 64))
QUICK = 1


def run(settings: Settings) -> list[CaseResult]:
    """Run all sizes."""
    return [run_case(case, settings) for case in cases(settings.quick)]


def cases(quick: bool) -> Iterator[Case]:
    """Yield a case for each number of intervals."""
    for data in CASES[:QUICK] if quick else CASES:
        yield case(data)


def case(data: GaussNewtonCase) -> Case:
    """Our contestant and its peers on one network."""

    def peer(name: str) -> Timed:
        timed: Timed = importlib.import_module(f"{PEERS}.{name}").network(data)
        return timed

    widths = ", ".join(map(str, data.widths))
    return Case(
        f"network [{widths}], cubic, n = {data.intervals}, N = {data.samples}, forward + backward",
        data.sweep_reference,
        [
            Contestant("refkan", lambda: ours(data)),
            Contestant("jax (lean, jit)", lambda: peer("jax_network"), "jax"),
            Contestant("torch (lean)", lambda: peer("torch_network"), "torch"),
        ],
    )


def ours(data: GaussNewtonCase) -> Timed:
    """Return the timed sweeps of refkan."""
    net, theta, x, dy = network(data), data.theta, data.data[0], data.cotangent

    def sweeps() -> tuple[Any, ...]:
        y, pullback = net.vjp(theta, x)
        return (y, *pullback(dy))

    return Timed(sweeps, lambda result: result)
