"""The tables of docs/kernels.md#what-limits: python docs/steps_of_layers.py measures each step of a layer.

Processor time on one thread, in nanoseconds for one sample of one input, the least of many rounds, for cubic splines
and 4096 samples. A step that cannot be called by itself is the difference of two calls: the sums of y are a forward
sweep without its search for intervals, dx is what a backward sweep takes longer when inputs are asked for. The steps of
a case take turns, round by round.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
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
from refkan.splines.sums.spline_functions import FEW_OUTPUTS  # noqa: E402
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep  # noqa: E402
from validation.benchmarks.cases import refkan_layer  # noqa: E402
from validation.benchmarks.cases.layer_case import DEGREE, DOMAIN, LayerCase  # noqa: E402
from validation.benchmarks.measured.limits import dgemm  # noqa: E402
from validation.benchmarks.running.timing import Timer, interleave  # noqa: E402
from validation.benchmarks.running.watch import Watch  # noqa: E402
from validation.records.markdown import markdown_table  # noqa: E402

MANY = *((20, 20, n) for n in (4, 16, 64)), *((64, 64, n) for n in (4, 16, 64)), (256, 256, 4), (256, 256, 16)
FEW = (2, 5, 4), (2, 5, 16), (2, 5, 64), (5, 1, 4), (5, 1, 64)

STEPS = "search", "y", "dC", "dx", "rest"

ROUNDS = 25
LEAST = 2e-3
"""Seconds of processor time of a timing."""


@njit
def find_pieces(x, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v):
    """The search of `polynomial_layer.forward` by itself, block by block."""
    for first in range(0, x.shape[0], cells.shape[1]):
        z = x[first : first + cells.shape[1]]
        polynomial_layer.locate(z, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v)


def search(sweep: PolynomialSweep | SortedSweep) -> Callable[[], object]:
    """The search for intervals of a forward sweep that has been made, with the sort where there is one."""
    if isinstance(sweep, SortedSweep):
        return lambda: sweep._sort(0, sweep.n_blocks, sweep.order)
    pieces = sweep.pieces
    m, u, v = np.empty(pieces.cells.shape[1], np.uint64), *np.empty((2, pieces.cells.shape[1]))
    n_pieces = pieces.windows.shape[1]
    arguments = sweep.x.reshape(-1), *pieces.search, pieces.places, n_pieces, sweep.outside, m, u, v
    return lambda: find_pieces(*arguments)


def measure(shape: tuple[int, int, int], rounds: int = ROUNDS) -> dict[str, float]:
    """Nanoseconds of each step for a sample of an input; "call", microseconds of all; "GF/s", and of "dgemm"."""
    case = LayerCase(*shape)
    layer = SplineLayer((SplineSpace.uniform(DEGREE + 1, case.intervals, DOMAIN),) * case.n_in, n_outputs=case.n_out)
    at = InputJet(case.x[:, None].copy())
    kind = PolynomialSweep if case.n_out < FEW_OUTPUTS else SortedSweep
    with rk.use_engine("fast"):
        sweep = kind(layer.fixed_tables, case.coefficients, at, "linear", True)
        sweep.forward()
        whole, product = refkan_layer.backward(case), dgemm(case.operations)
        calls: dict[str, Callable[[], object]] = {
            "search": search(sweep),
            "forward": sweep.forward,
            "dC": lambda: sweep.sums_of_rows(case.dy, 1, False),
            "backward": lambda: sweep.sums_of_rows(case.dy, 1, True),
            "call": whole.run,
            "dgemm": product.work,
        }
        for call in calls.values():
            call()  # compiles
        timers = {name: Timer.of(call, LEAST, time.process_time) for name, call in calls.items()}
        times = {name: min(seconds) for name, seconds in interleave(timers, rounds, Watch()).items()}
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
    many, few = [], []
    for shape in (*MANY, *FEW):
        row = measure(shape, rounds)
        cells = [", ".join(map(str, shape)), *(f"{row[name]:.1f}" for name in STEPS), f"{row['sum']:.1f}"]
        if shape in FEW:
            few.append([*cells, f"{row['call']:.0f} us"])
        else:
            many.append([*cells, f"{row['GF/s']:.1f}", f"{100 * row['GF/s'] / row['dgemm']:.0f} %"])
    of_many = ["P, Q, n", "order", "rows, y", "rows, dC", "dx", "all else", "sum", "GF/s", "of dgemm"]
    of_few = ["P, Q, n", "intervals", "y", "dC", "dx", "all else", "sum", "one call"]
    return f"{markdown_table(of_many, many)}\n{markdown_table(of_few, few)}"


if __name__ == "__main__":
    print(tables(), end="")
