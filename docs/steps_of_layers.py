"""The tables of docs/kernels.md#what-limits: python docs/steps_of_layers.py measures each step of a layer.

Processor time on one thread, in nanoseconds for one sample of one input, the least of many rounds, for cubic splines
and 4096 samples. A step that cannot be called by itself is the difference of two calls: the sums of y are a forward
sweep without its search for intervals, dx is what a backward sweep takes longer when inputs are asked for. The steps of
a case take turns, round by round.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the clone

from validation.benchmarks.running.threads import pin

pin(1)  # before any library that has threads is imported

import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

import refkan as rk  # noqa: E402
from refkan.kernels import polynomial_layer  # noqa: E402
from refkan.networks.layers import SplineLayer  # noqa: E402
from refkan.splines.spaces import SplineSpace  # noqa: E402
from refkan.splines.sums.input_jet import InputJet  # noqa: E402
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep  # noqa: E402
from validation.benchmarks.cases import refkan_layer  # noqa: E402
from validation.benchmarks.cases.layer_case import DEGREE, DOMAIN, LayerCase  # noqa: E402
from validation.benchmarks.measured.limits import dgemm  # noqa: E402

MANY = *((20, 20, n) for n in (4, 16, 64)), *((64, 64, n) for n in (4, 16, 64)), (256, 256, 4), (256, 256, 16)
FEW = (2, 5, 4), (2, 5, 16), (2, 5, 64), (5, 1, 4), (5, 1, 64)

ROUNDS = 60
LEAST = 2e-3
"""Seconds of processor time of a timing."""


@njit
def find_pieces(x, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v):
    """The search of `polynomial_layer.forward` by itself, block by block."""
    for first in range(0, x.shape[0], cells.shape[1]):
        z = x[first : first + cells.shape[1]]
        polynomial_layer.find_cells(z, cells, m)
        if halvings >= 0:
            polynomial_layer.search_cells(z, guide, halvings, places, n_pieces, m)
        polynomial_layer.locate(z, origins, n_pieces, places, outside, m, u, v)


def steps_of_many(case: LayerCase, tables, at: InputJet) -> dict[str, Callable[[], object]]:
    """Calls whose times, and differences of times, are the steps of a layer of many outputs."""
    sweep = SortedSweep(tables, case.coefficients, at, "linear", True)
    sweep.forward()
    order = sweep.order
    return {
        "search": lambda: sweep._sort(0, sweep.n_blocks, order),
        "forward": sweep.forward,
        "dC": lambda: sweep.sums_of_rows(case.dy, 1, False),
        "backward": lambda: sweep.sums_of_rows(case.dy, 1, True),
    }


def steps_of_few(case: LayerCase, tables, at: InputJet) -> dict[str, Callable[[], object]]:
    """Calls whose times, and differences of times, are the steps of a layer of few outputs."""
    sweep = PolynomialSweep(tables, case.coefficients, at, "linear", True)
    sweep.forward()
    pieces, points = sweep.pieces, at.x.reshape(-1)
    m, u, v = np.empty(pieces.cells.shape[1], np.uint64), *np.empty((2, pieces.cells.shape[1]))
    arguments = points, *pieces.search, pieces.places, pieces.windows.shape[1], sweep.outside, m, u, v
    return {
        "search": lambda: find_pieces(*arguments),
        "forward": sweep.forward,
        "dC": lambda: sweep.sums_of_rows(case.dy, 1, False),
        "backward": lambda: sweep.sums_of_rows(case.dy, 1, True),
    }


def least_times(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of processor time of each call, the least of so many rounds in which all take turns."""
    counts = {}
    for name, call in calls.items():
        call()  # compiles
        begin = time.process_time()
        call()
        counts[name] = max(1, int(LEAST / max(time.process_time() - begin, 1e-7)))
    times = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.process_time()
            for _ in range(counts[name]):
                call()
            times[name] = min(times[name], (time.process_time() - begin) / counts[name])
    return times


def measure(shape: tuple[int, int, int], rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds of each step for a sample of an input; "call", microseconds of all; "GF/s", and of "dgemm"."""
    case = LayerCase(*shape)
    layer = SplineLayer((SplineSpace.uniform(DEGREE + 1, case.intervals, DOMAIN),) * case.n_in, n_outputs=case.n_out)
    at = InputJet(case.x[:, None].copy())
    few = case.n_out < 8
    with rk.use_engine("fast"):
        calls = (steps_of_few if few else steps_of_many)(case, layer.fixed_tables, at)
        whole = refkan_layer.backward(case)
        product = dgemm(case.operations)
        times = least_times({**calls, "call": whole.run, "dgemm": product.work}, rounds)
    pair = 1e9 / (case.samples * case.n_in)
    steps = {
        "search": times["search"],
        "y": times["forward"] - times["search"],
        "dC": times["dC"],
        "dx": times["backward"] - times["dC"],
        "rest": times["call"] - times["forward"] - times["backward"],
        "sum": times["call"],
    }
    rates = {"GF/s": 1e-9 * case.operations / times["call"]}
    rates["dgemm"] = 1e-9 * case.operations / (product.share * times["dgemm"])
    return {name: pair * seconds for name, seconds in steps.items()} | rates | {"call": 1e6 * times["call"]}


def tables(rounds: int = ROUNDS) -> str:
    """Both tables in Markdown."""
    steps = ("search", "y", "dC", "dx", "rest", "sum")
    lines = ["| P, Q, n | order | rows, y | rows, dC | dx | all else | sum | GF/s | of dgemm |", "|---" * 9 + "|"]
    for shape in MANY:
        row = measure(shape, rounds)
        numbers = [f"{row[name]:.1f}" for name in steps]
        numbers += [f"{row['GF/s']:.1f}", f"{100 * row['GF/s'] / row['dgemm']:.0f} %"]
        lines.append(f"| {', '.join(map(str, shape))} | {' | '.join(numbers)} |")
    lines += ["", "| P, Q, n | intervals | y | dC | dx | all else | sum | one call |", "|---" * 8 + "|"]
    for shape in FEW:
        row = measure(shape, rounds)
        lines.append(
            f"| {', '.join(map(str, shape))} | {' | '.join(f'{row[s]:.1f}' for s in steps)} | {row['call']:.0f} us |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(tables())
