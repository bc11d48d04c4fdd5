"""The first results of twelve small networks on a machine that has compiled nothing yet: seconds of processor time.

Layers of 2 inputs and 1, 2, 5 and 12 outputs of orders 2, 3 and 4 on 300 samples: value, gradient, Jacobian, tangents,
Gauss-Newton matrix, Hessian, and the jet with its derivatives in theta. Most of the time is Numba's. Asked: at most
15 seconds; every layer compiled for itself took 70.
"""

import tempfile
from collections.abc import Iterator

import numpy as np

from validation.benchmarks.measured.startup import child
from validation.benchmarks.running.harness import Entry, Settings, Task

OUTPUTS, ORDERS, SAMPLES = (1, 2, 5, 12), (2, 3, 4), 300

ENGINES = ("auto", "fast")
"""What a user gets, and what every layer compiled before there were two engines."""

ROUNDS, QUICK = 3, 1

_RUN = """
import time
from validation.benchmarks.measured.first_run import run_networks
run_networks()
print(time.process_time())
"""


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield the one case: the whole process, interpreter and imports included, with an empty cache of compiled code."""
    yield Task(
        "first results of twelve small networks, processor time, in a new interpreter that has to compile",
        {"of": "first run"},
        lambda settings: measured(min(settings.rounds, QUICK if settings.quick else ROUNDS)),
    )


def measured(rounds: int) -> list[Entry]:
    """Return the processor seconds under each engine."""
    entries = [Entry(f"refkan, {engine}", "timed") for engine in ENGINES]
    try:
        for _ in range(rounds):
            for entry, engine in zip(entries, ENGINES, strict=True):
                with tempfile.TemporaryDirectory() as cache:
                    (seconds,) = child(_RUN, NUMBA_CACHE_DIR=cache, REFKAN_ENGINE=engine)
                    entry.seconds.append(float(seconds))
    except RuntimeError as error:
        for entry in entries:
            entry.status, entry.reason, entry.seconds = "failed", str(error), []
    return entries


def run_networks(free_knots: bool = False) -> None:
    """Compute everything of all networks; second derivatives where the order has them and knots are fixed."""
    import refkan as rk

    rng = np.random.default_rng(0)
    x = rng.uniform(size=(SAMPLES, 2))
    for outputs in OUTPUTS:
        for order in ORDERS:
            net = rk.kan([2, outputs], order, intervals=8, free_knots=free_knots)
            net, theta = net.initialize(rng, x)
            problem = rk.LeastSquares(net, x, rng.standard_normal((SAMPLES, outputs)))
            dtheta = rng.standard_normal(theta.size)
            problem.value_and_gradient(theta)
            net.jacobian(theta, x)
            _, pullback = net.vjp(theta, x)
            pullback(problem.y)
            net.jvp(theta, x, dtheta)
            problem.gauss_newton(theta)
            if not free_knots:
                problem.hessian(theta)
            orders = order - 2 - free_knots
            if orders > 0:
                jet = net.jet(theta, x, np.eye(2), orders=min(orders, 2))
                cotangents = [np.ones_like(part) for part in (jet.value, jet.first, jet.second)]
                jet.pullback(*cotangents)
                jet.pushforward(dtheta)
