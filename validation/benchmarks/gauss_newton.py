"""Assembling the Gauss-Newton matrix J^T J / N of a KAN: refkan against dense Jacobians by automatic differentiation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import refkan as rk
from refkan.hessians import gauss_newton
from refkan.node_maps import AffineMap
from validation.benchmarks.gauss_newton_case import DEGREE, GaussNewtonCase
from validation.benchmarks.harness import Case, CaseResult, Contestant, Settings, Timed, run_case

CASES = (
    GaussNewtonCase((2, 5, 1), 4, 20_000),
    GaussNewtonCase((2, 5, 1), 16, 20_000),
    GaussNewtonCase((2, 5, 1), 64, 20_000),
    GaussNewtonCase((2, 20, 20, 1), 5, 4096),
)
QUICK = 2

PEERS = "validation.benchmarks.peers"


@dataclass(frozen=True)
class Program:
    """A contestant by name: its module, imported when it is built, and what that needs."""

    name: str
    module: str
    requires: str
    note: str

    def contestant(self, case: GaussNewtonCase) -> Contestant:
        """Return the contestant of a case."""

        def build() -> Timed:
            timed: Timed = importlib.import_module(self.module).gauss_newton(case)
            return timed

        return Contestant(self.name, build, self.requires, note=self.note)


PROGRAMS = (
    Program("jax (vmap grad, jit)", f"{PEERS}.jax_gauss_newton", "jax", "vmap of grad over samples, then J.T @ J"),
    Program("torch (vmap grad)", f"{PEERS}.torch_gauss_newton", "torch", "torch.func: vmap of grad, then J.T @ J"),
)


def run(settings: Settings) -> list[CaseResult]:
    """Run all sizes: the dense path of refkan is a contestant of its own."""
    # Peers leave threads and freed memory behind for some milliseconds: longer timings charge less of it to the next.
    settings = replace(settings, seconds_per_timing=0.2)
    return [run_case(case, settings) for case in cases(settings.quick)]


def cases(quick: bool) -> Iterator[Case]:
    """Yield a case for each size."""
    for data in CASES[:QUICK] if quick else CASES:
        widths = ", ".join(map(str, data.widths))
        title = f"Gauss-Newton of [{widths}], cubic, n = {data.intervals}, M = {data.n_params}, N = {data.samples}"
        ours = [
            Contestant("refkan", lambda data=data: _ours(data, "auto")),  # type: ignore[misc]
            Contestant("refkan, dense path", lambda data=data: _ours(data, "dense")),  # type: ignore[misc]
        ]
        yield Case(title, data.reference, [*ours, *(program.contestant(data) for program in PROGRAMS)])


def network(case: GaussNewtonCase) -> rk.Network:
    """Build the network of a case with refkan."""
    net = rk.kan(case.widths, order=DEGREE + 1, intervals=case.intervals)
    return replace(net, node_maps=tuple(AffineMap(scale, shift) for scale, shift in case.maps))


def _ours(case: GaussNewtonCase, path: str) -> Timed:
    net, theta, (x, _) = network(case), case.theta, case.data
    return Timed(lambda: gauss_newton(net, theta, x, path=path), lambda H: (H,))
