r"""O13: edges as tables of 8-bit numbers, ten times as fast as splines ([K26], abstract).

"LUT-KAN converts each edge function into a per-segment LUT with affine int8/uint8 quantization and linear
interpolation", L = 64 entries a segment. What is measured is a layer of P x P cubic edges on 5 intervals, compiled by
Numba, one thread. Its tables have L + 1 entries a segment, so that no segment needs its neighbour, and symmetric int8
numbers with one scale a segment and edge. The baseline is open, and a reading: B-splines of all knots by the Cox-de
Boor recursion, for each edge by itself or once an input; or refkan's layer, which forms those that are not zero.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np

import refkan as rk
from refkan.claims import Beside, Experiment, Factor, Verdict
from refkan.claims.experiments import Choice, written
from validation.bases.cost_of_bases import dense_recursion
from validation.measures import seconds_of_rounds
from validation.statements import ByCells, asked_of_cells, times

CLAIMS = ("O13",)
MEASURES_TIME = True
ORDER, SEGMENTS, ENTRIES = 4, 5, 64
PUBLISHED = 10.0
WAYS = ("recursion for each edge", "recursion for each input", "refkan")
OPEN = (Factor("baseline", WAYS, "what tables are compared with"),)
SIZES = (8, 64)


@numba.njit
def from_tables(x, table, scale, out):  # type: ignore[no-untyped-def]
    """Sum edges by linear interpolation; table (P, segments, L + 1, Q) int8, scale (P, segments, Q), out (N, Q)."""
    segments, last = table.shape[1], table.shape[2] - 1
    for s in range(x.shape[0]):
        out[s] = 0.0
        for p in range(x.shape[1]):
            place = x[s, p] * segments
            k = min(max(int(place), 0), segments - 1)
            entry = (place - k) * last
            j = min(int(entry), last - 1)
            share = entry - j
            left, right, size = table[p, k, j], table[p, k, j + 1], scale[p, k]
            for q in range(out.shape[1]):
                out[s, q] += size[q] * ((1.0 - share) * left[q] + share * right[q])


@numba.njit
def contracted(B, C, out):  # type: ignore[no-untyped-def]
    """Sum functions B (N, K) times coefficients C (dim, Q) into out (N, Q)."""
    for s in range(B.shape[0]):
        for i in range(C.shape[0]):
            for q in range(C.shape[1]):
                out[s, q] += B[s, i] * C[i, q]


class Ways:
    """A layer of P x P edges with random coefficients, its tables, and the ways to evaluate it at N samples."""

    def __init__(self, size: int, samples: int, seed: int) -> None:
        rng = np.random.default_rng([seed, size])
        self.x = rng.uniform(size=(samples, size))
        self.net = rk.kan([size, size], ORDER, SEGMENTS)
        self.theta = rng.normal(size=self.net.n_params)
        self.C = np.ascontiguousarray(self.theta.reshape(size, size, -1).transpose(1, 2, 0))  # (P, dim, Q)
        self.space = rk.SplineSpace.uniform(ORDER, SEGMENTS)
        self.B = np.empty((samples, self.space.knots.size - 1))
        self.out = np.empty((samples, size))
        points = np.arange(SEGMENTS)[:, None] + np.arange(ENTRIES + 1) / ENTRIES
        design = rk.bsplines.design_matrix(self.space, points.ravel() / SEGMENTS)
        values = np.stack([(design @ C).reshape(SEGMENTS, ENTRIES + 1, size) for C in self.C])
        self.scale = np.abs(values).max(axis=2) / 127
        self.table = np.rint(values / self.scale[:, :, None]).astype(np.int8)
        self.calls: dict[str, Callable[[], np.ndarray]] = {
            "tables": self.tables,
            "recursion for each edge": lambda: self.by_recursion(size),
            "recursion for each input": lambda: self.by_recursion(1),
            "refkan": lambda: self.net(self.theta, self.x),
        }

    def tables(self) -> np.ndarray:
        from_tables(self.x, self.table, self.scale, self.out)
        return self.out

    def by_recursion(self, repetitions: int) -> np.ndarray:
        """Outputs by the dense recursion, done as many times for each input."""
        self.out[:] = 0.0
        for p, C in enumerate(self.C):
            x = np.ascontiguousarray(self.x[:, p])
            for _ in range(repetitions):
                dense_recursion(x, self.space.knots, ORDER, self.B)
            contracted(self.B, C, self.out)
        return self.out

    def error(self) -> float:
        """The largest error of the tables over the largest output; the other ways are checked for agreement."""
        true = self.calls["refkan"]().copy()
        off = {name: np.abs(call() - true).max() / np.abs(true).max() for name, call in self.calls.items()}
        if max(off[name] for name in WAYS) > 1e-12:
            raise AssertionError("the ways that are timed do not agree")
        return float(off["tables"])


def run_again(choice: Choice, seed: int) -> Mapping[str, Any]:
    """Ratios of a few rounds, and the error, with other coefficients."""
    ways = Ways(SIZES[0], 2000, seed)
    error = ways.error()
    taken = seconds_of_rounds(ways.calls, 7)
    return {"error": error, "ratio": float(np.median(np.divide(taken[choice["baseline"]], taken["tables"])))}


EXPERIMENT = Experiment(OPEN, run_again)
COST = "rounds, which differ by the machine alone"
JUDGED = {"O13": ByCells(asked_of_cells(PUBLISHED, COST), times(time_of=1e3), times(time_of=1e-3))}


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    samples, rounds = (500, 7) if quick else (2000, 25)
    ways = {size: Ways(size, samples, 0) for size in SIZES}
    errors = {size: each.error() for size, each in ways.items()}  # compiles, too
    taken = {size: seconds_of_rounds(each.calls, rounds) for size, each in ways.items()}
    by, readings = JUDGED["O13"], []
    for choice in ({"baseline": name} for name in WAYS):
        name, again = choice["baseline"], written(choice)
        ratios = {size: np.divide(each[name], each["tables"]).tolist() for size, each in taken.items()}
        cells = [
            Beside(f"time of {name} over tables, {size} x {size} edges", "ratio", dict(enumerate(values)), PUBLISHED,
                   again=again)
            for size, values in ratios.items()
        ]  # fmt: skip
        readings.append(by.reading(choice, cells, size=f"{samples} samples, {rounds} rounds", reduced=quick))
    kept = ", ".join(f"{error:.1e} ({size} x {size})" for size, error in errors.items())
    medians = ", ".join(
        f"{name} " + " and ".join(f"{np.median(np.divide(taken[n][name], taken[n]['tables'])):.3g}" for n in SIZES)
        for name in WAYS
    )
    told = f"time over that of tables, {' and '.join(f'{n} x {n}' for n in SIZES)} edges: {medians}; error {kept}"
    return [by.verdict("O13", readings, measured=told, data={"seconds": taken, "errors": errors})]
