"""Bounds, errors, sizes and times of functions in C: the tables of docs/export.md.

    python -m tests.interop.measured_c_code

Ten networks in four types, at 100,000 random points of [0, 1]^P and at their ends. Times are of one call in a loop over
these points, the best of five rounds, one after the other for C and for the library, one thread.
"""

import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import refkan as rk
from tests.interop.c_functions import TYPES, compiled, held, long_values

POINTS = 100_000

NETWORKS = {
    "[1,1], r = 4": rk.kan([1, 1], 4, 5),
    "[2,1], r = 4": rk.kan([2, 1], 4, 5),
    "[2,1], r = 3, SiLU": rk.kan([2, 1], 3, 5, edge="silu"),
    "[2,3,1], r = 2": rk.kan([2, 3, 1], 2, 6),
    "[2,3,1], r = 4": rk.kan([2, 3, 1], 4, 3),
    "[2,5,1], r = 3": rk.kan([2, 5, 1], 3, 4),
    "[2,3,1], r = 4, SiLU": rk.kan([2, 3, 1], 4, 3, edge="silu"),
    "[4,5,2], r = 3": rk.kan([4, 5, 2], 3, 3),
    "[2,3,2,1], r = 3": rk.kan([2, 3, 2, 1], 3, 3),
}


def networks(x):
    """Names, networks and parameters; the last one trained and pruned."""
    for name, net in NETWORKS.items():
        yield name, *net.initialize(np.random.default_rng(1), x[:200, : net.widths[0]])
    net, theta = NETWORKS["[2,5,1], r = 3"].initialize(np.random.default_rng(1), x[:200, :2])
    problem = rk.LeastSquares(net, x[:200, :2], np.exp(x[:200, :1]) / 2 + x[:200, 1:2])
    theta = rk.minimize(problem, theta, "levenberg-marquardt", steps=30).theta
    result = rk.exact.pruned(net, theta, [[0, 1]] * 2, 0.1)
    yield f"pruned to 0.1: {len(result.edges)} of 15 edges", result.network, result.theta


def best(call, x):
    """Nanoseconds a sample."""
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        call(x)
        rounds.append((time.perf_counter() - start) / len(x) * 1e9)
    return min(rounds)


def size_of(path):
    """Bytes of code and constants of a compiled file."""
    subprocess.run(["gcc", "-std=c99", "-Os", "-c", "-o", path.with_suffix(".o"), path], check=True)
    line = subprocess.run(["size", path.with_suffix(".o")], check=True, capture_output=True, text=True).stdout
    text, data = line.splitlines()[1].split()[:2]
    return int(text) + int(data)


def main():
    """Print a row for each network."""
    x = np.random.default_rng(0).uniform(size=(POINTS, 4))
    x[:2] = [[0.0] * 4, [1.0] * 4]
    for name, net, theta in networks(x):
        P, Q = net.widths[0], net.widths[-1]
        cells, sizes, times = [], [], []
        for dtype in TYPES:
            path = Path(tempfile.mkdtemp()) / "model.c"
            code = rk.interop.export_c(net, theta, [[0, 1]] * P, path, dtype, leaves=16)
            points = held(x[:, :P], dtype)
            function = compiled(path, dtype, (P, Q), flags=("-O3", "-march=native", "-ffp-contract=fast"))
            off = np.abs(function(points)[0] - long_values(net, theta, points)).max()
            cells.append(f"{code.bound:.2g} ({float(off) / code.bound:.2f})")
            sizes.append(str(size_of(path)))
            times.append(f"{best(function, points):.0f}")
        times.append(f"{best(partial(net, theta), x[:, :P]):.0f}")
        print(f"| {name} | {' | '.join(cells)} |", f"{' '.join(sizes)} |", f"{' '.join(times)} |", flush=True)


if __name__ == "__main__":
    main()
