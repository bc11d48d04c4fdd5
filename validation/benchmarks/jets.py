"""First and second input derivatives of a KAN and the gradient of a residual: refkan against automatic derivatives."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from validation.benchmarks.gauss_newton import network
from validation.benchmarks.harness import Arrays, Case, CaseResult, Contestant, Settings, Timed, run_case
from validation.benchmarks.jet_case import NU, JetCase

CASES = (
    JetCase((2, 8, 8, 1), 5, 4096),
    JetCase((2, 20, 20, 1), 5, 4096),
    JetCase((2, 20, 20, 1), 20, 4096),
)
QUICK = 2

PEERS = "validation.benchmarks.peers"


@dataclass(frozen=True)
class Program:
    """A contestant by name: its module and function, imported when it is built, and what that needs."""

    name: str
    module: str
    function: str
    requires: str
    note: str

    def contestant(self, case: JetCase) -> Contestant:
        """Return the contestant of a case."""

        def build() -> Timed:
            timed: Timed = getattr(importlib.import_module(self.module), self.function)(case)
            return timed

        return Contestant(self.name, build, self.requires, note=self.note)


PROGRAMS = (
    Program("jax (jvp of jvp, jit)", f"{PEERS}.jax_jets", "nested", "jax", "forward over forward, then value_and_grad"),
    Program("jax (jet, jit)", f"{PEERS}.jax_jets", "taylor", "jax", "jax.experimental.jet, then value_and_grad"),
    Program(
        "jax (by hand, jit)",
        f"{PEERS}.jax_jets",
        "by_hand",
        "jax",
        "derivatives of the basis and the jets written out; only the gradient is automatic",
    ),
    Program("torch (double backward)", f"{PEERS}.torch_jets", "double_backward", "torch", "two graphs, then backward"),
)


def run(settings: Settings) -> list[CaseResult]:
    """Run all sizes."""
    # Peers leave threads and freed memory behind for some milliseconds: longer timings charge less of it to the next.
    settings = replace(settings, seconds_per_timing=0.2)
    return [run_case(case, settings) for case in cases(settings.quick)]


def cases(quick: bool) -> Iterator[Case]:
    """Yield a case for each size."""
    for data in CASES[:QUICK] if quick else CASES:
        widths = ", ".join(map(str, data.widths))
        title = f"u, u_x, u_xx and a gradient of [{widths}], cubic, n = {data.intervals}, N = {data.samples}"
        ours = Contestant("refkan", lambda data=data: _ours(data))  # type: ignore[misc]
        yield Case(title, data.reference, [ours, *(program.contestant(data) for program in PROGRAMS)])


def _ours(case: JetCase) -> Timed:
    net, theta, (x, _) = network(case), case.theta, case.data
    direction = np.array([[1.0, 0.0]])

    def compute() -> Arrays:
        jet = net.jet(theta, x, direction)
        u, u_x, u_xx = jet.value, jet.first[:, 0], jet.second[:, 0]
        r = (u * u_x - NU * u_xx) / case.samples
        gradient, _ = jet.pullback(r * u_x, (r * u)[:, None], (-NU * r)[:, None])
        return u, u_x, u_xx, gradient

    return Timed(compute, lambda found: (*(part[:, 0] for part in found[:3]), found[3]))
