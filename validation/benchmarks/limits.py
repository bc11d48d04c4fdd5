"""How far the machine's limits are: as many operations in dgemm, as many bytes in a copy, in the same rounds.

A layer needs 6 r N P Q operations forward and backward; "ours/theirs" against dgemm is the inverse of the share of its
rate. A spline evaluation must read x and write y; "ours/theirs" against a copy is the distance from the bandwidth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from validation.benchmarks import refkan_layer, spline_evaluation
from validation.benchmarks.harness import CaseResult, Entry, Settings, interleave, timer
from validation.benchmarks.layer_case import DEGREE, LayerCase

SHAPES = ((20, 20, 16), (64, 64, 4), (64, 64, 16), (64, 64, 64), (256, 256, 4), (256, 256, 16))
QUICK = 3
SIZE = 1024
"""Of the square matrices whose product tells the rate of dgemm."""

Work = Callable[[], object]


def run(settings: Settings) -> list[CaseResult]:
    """Layers against dgemm, spline evaluation against a copy."""
    return [*layers(settings), *evaluation(settings)]


def measure(title: str, contestants: dict[str, tuple[Work, float]], settings: Settings) -> CaseResult:
    """Time contestants, each of whose calls does its share of the work of one call of the first; scale to equal work."""
    settings.progress(title)
    for work, _ in contestants.values():
        work()  # compiles
    timers = {name: timer(work, settings.seconds_per_timing) for name, (work, _) in contestants.items()}
    seconds = interleave(timers, settings.rounds)
    entries = [
        Entry(name, "timed", seconds=[share * t for t in seconds[name]]) for name, (_, share) in contestants.items()
    ]
    return CaseResult(title, entries)


def layers(settings: Settings) -> list[CaseResult]:
    """Forward and backward sweeps against dgemm."""
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(2, SIZE, SIZE))
    product = np.empty_like(A)
    results = []
    for n_in, n_out, intervals in SHAPES[:QUICK] if settings.quick else SHAPES:
        case = LayerCase(n_in, n_out, intervals)
        operations = 6 * (DEGREE + 1) * case.samples * n_in * n_out
        title = f"cubic layer, N = {case.samples}, P = {n_in}, Q = {n_out}, n = {intervals}: {operations:.1e} operations"
        contestants: dict[str, tuple[Work, float]] = {
            "refkan": (refkan_layer.backward(case).run, 1.0),
            "dgemm, as many": (lambda: np.matmul(A, B, out=product), operations / (2 * SIZE**3)),
        }
        results.append(measure(title, contestants, settings))
    return results


def evaluation(settings: Settings) -> list[CaseResult]:
    """Spline evaluation against copying its points."""
    points = 100_000 if settings.quick else 1_000_000
    results = []
    for case in spline_evaluation.cases(points):
        ours = case.contestants[0].build()
        x = np.random.default_rng(0).uniform(size=points)
        contestants: dict[str, tuple[Work, float]] = {"refkan": (ours.run, 1.0), "copy of x": (x.copy, 1.0)}
        results.append(measure(f"{case.title}: against a copy", contestants, settings))
    return results
