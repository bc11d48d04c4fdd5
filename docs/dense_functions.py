"""The table of docs/kernels.md#functions-that-matter-everywhere: python docs/dense_functions.py CHECKOUT.

Processor times on one thread of values and of values with gradients, in milliseconds, of another checkout and of this
one: medians of alternating runs, each in a process of its own, and of the calls in each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]

ROUNDS, CALLS = 3, 11


def cases(rk: Any, np: Any) -> Iterator[tuple[str, Callable[[], object]]]:
    """Names and calls; what versions of both checkouts have."""
    rng = np.random.default_rng(0)

    def regression(net: Any, samples: int) -> tuple[Any, Any]:
        net, theta = net.initialize(rng, rng.uniform(size=(500, 3)))
        x = rng.uniform(size=(samples, 3))
        return rk.LeastSquares(net, x, np.sin(x[:, :1])), theta

    for n in (4, 32):
        problem, theta = regression(rk.kan([3, 5, 1], 4, n, basis="relu"), 2000)
        x = rng.uniform(size=(40000, 3))
        yield f"values at 40,000 points, [3, 5, 1], ReLU basis, n = {n}", partial(problem.net, theta, x)
        yield f"value and gradient at 2,000 samples, n = {n}", partial(problem.value_and_gradient, theta)
    for activation in ("tanh", "relu"):
        problem, theta = regression(rk.mlp([3, 30, 30, 1], activation), 2000)
        yield f"the same, [3, 30, 30, 1], {activation}", partial(problem.value_and_gradient, theta)
    from validation.equations.recipes.poisson_setup import poisson_setup
    from validation.equations.recipes.space_time_setups import burgers_setup

    burgers, jump, plane = burgers_setup(), poisson_setup(), poisson_setup(level_set=False)
    for name, setup, net in (
        ("Burgers at 64 x 64 points, [2, 20, 20, 1], tanh", burgers, rk.mlp([2, 20, 20, 1], "tanh")),
        ("the same, [2, 56, 56, 1]", burgers, rk.mlp([2, 56, 56, 1], "tanh")),
        ("the same, [2, 20, 20, 1], splines, n = 5", burgers, burgers.kan()),
        ("Poisson with a jump at 49 x 49 points, [2, 16, 16, 1], tanh", plane, rk.mlp([2, 16, 16, 1], "tanh")),
        *((f"the same, [3, 5, 1], splines, n = {n}", jump, jump.kan(intervals=n)) for n in (4, 32)),
        *((f"the same, ReLU basis, n = {n}", jump, jump.kan(intervals=n, basis="relu")) for n in (4, 32)),
    ):
        problem, theta = setup.start(net, np.random.default_rng(0))
        yield name, partial(problem.value_and_gradient, theta)


def measure(calls: int) -> dict[str, float]:
    """Medians of so many calls of each case, in milliseconds, in this process."""
    from validation.benchmarks.running.threads import pin

    pin(1)  # before any library that has threads is imported
    import numpy as np

    import refkan as rk

    medians = {}
    for name, call in cases(rk, np):
        call()  # compiles
        seconds = []
        for _ in range(calls):
            begun = time.process_time()
            call()
            seconds.append(time.process_time() - begun)
        medians[name] = 1e3 * float(np.median(seconds))
    return medians


def table(there: list[dict[str, float]], here: list[dict[str, float]]) -> str:
    """Medians over rounds of both checkouts, and the median of the ratios within rounds."""
    sys.path.insert(0, str(ROOT))  # the clone; not in the processes that import another one
    from validation.records.markdown import markdown_table

    lines = []
    for name in here[0]:
        before, now = ([run[name] for run in runs] for runs in (there, here))
        ratio = median(b / a for b, a in zip(before, now, strict=True))
        lines.append([name, f"{median(before):.3g}", f"{median(now):.3g}", f"{ratio:.2g}"])
    return markdown_table(["", "before", "now", "ratio"], lines).rstrip()


def main(checkout: str, rounds: int = ROUNDS, calls: int = CALLS) -> str:
    """Run this file in turns on the modules of both checkouts; return the table."""
    roots = Path(checkout).resolve(), ROOT
    runs: tuple[list[dict[str, float]], ...] = ([], [])
    for k in range(rounds):
        for number in (0, 1) if k % 2 == 0 else (1, 0):
            code = (
                f"import json, sys; sys.path[:0] = {[str(roots[number]), str(ROOT / 'docs')]}; "
                f"import dense_functions; print(json.dumps(dense_functions.measure({calls})))"
            )
            run = subprocess.run([sys.executable, "-c", code], cwd=roots[number], stdout=subprocess.PIPE, check=True)
            runs[number].append(json.loads(run.stdout))
    return table(runs[0], runs[1])


if __name__ == "__main__":
    print(main(sys.argv[1]))
