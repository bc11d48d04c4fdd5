"""First and second input derivatives of a KAN and the gradient of a residual: refkan against automatic derivatives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from validation.benchmarks.gauss_newton import SECONDS, network
from validation.benchmarks.harness import Arrays, Case, Contestant, Settings, Task, Timed, task
from validation.benchmarks.jet_case import NU, JetCase
from validation.benchmarks.program import PEERS, Program

CASES = (
    JetCase((2, 8, 8, 1), 5, 4096),
    JetCase((2, 20, 20, 1), 5, 4096),
    JetCase((2, 20, 20, 1), 20, 4096),
)
QUICK = 2

PROGRAMS = {
    "nested": Program(
        "jax (jvp of jvp, jit)",
        f"{PEERS}.jax_jets",
        "jax",
        note="forward over forward, then value_and_grad",
    ),
    "taylor": Program("jax (jet, jit)", f"{PEERS}.jax_jets", "jax", note="jax.experimental.jet, then value_and_grad"),
    "by_hand": Program(
        "jax (by hand, jit)",
        f"{PEERS}.jax_jets",
        "jax",
        note="derivatives of the basis and the jets written out; only the gradient is automatic",
    ),
    "double_backward": Program(
        "torch (double backward)", f"{PEERS}.torch_jets", "torch", note="two graphs, then backward"
    ),
}
"""By the name of their function."""


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield all sizes."""
    for data in CASES[:QUICK] if settings.quick else CASES:
        yield task(case(data), SECONDS)


def case(data: JetCase) -> Case:
    """Our contestant and its peers on one network."""
    return Case(
        f"u, u_x, u_xx and a gradient of {data.title}",
        data.reference,
        [
            Contestant("refkan", lambda: _ours(data)),
            *(program.contestant(data, function) for function, program in PROGRAMS.items()),
        ],
        data.parameters,
    )


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
