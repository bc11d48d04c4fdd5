"""How far the machine's limits are: as many operations in dgemm, as many bytes in a copy, in the same rounds.

A layer needs 6 r N P Q operations forward and backward; dgemm's time for as many, over ours, is our share of its rate.
It must read inputs, cotangents and coefficients and write outputs and gradients, each once. A spline evaluation must
read x and write y; the time of a copy of x over ours is our share of the bandwidth.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from validation.benchmarks.cases import refkan_layer
from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.measured import spline_evaluation
from validation.benchmarks.running.harness import Entry, Limit, Settings, Task
from validation.benchmarks.running.timing import Timer, affordable, interleave

SHAPES = (2, 5, 16), (5, 1, 64), (20, 20, 16), *((64, 64, n) for n in (4, 16, 64)), (256, 256, 4), (256, 256, 16)
QUICK = 5
SIZE = 1024
"""Of the square matrices whose product tells the rate of dgemm."""
COPIED = 1 << 22
"""Numbers in the array whose copy tells the bandwidth: 32 MB, more than the caches near a core hold."""

DGEMM, COPY = "dgemm, as many operations", "copy, as many bytes"


@cache
def _matrices() -> Any:
    return np.random.default_rng(0).normal(size=(3, SIZE, SIZE))


def dgemm(operations: float) -> Limit:
    """As many operations in products of square matrices."""
    A, B, product = _matrices()
    return Limit(lambda: np.matmul(A, B, out=product), operations / (2 * SIZE**3))


@cache
def _arrays() -> Any:
    return np.zeros((2, COPIED))


def copy(numbers: float) -> Limit:
    """As many numbers read and as many written."""
    target, source = _arrays()
    return Limit(lambda: np.copyto(target, source), numbers / COPIED)


def of_layer(case: LayerCase) -> dict[str, Limit]:
    """The limits of a layer's forward and backward sweep."""
    numbers = case.x.size + case.dy.size + case.coefficients.size  # as many are read and as many written
    return {DGEMM: dgemm(case.operations), COPY: copy(numbers)}


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield layers against dgemm, spline evaluation against a copy."""
    yield rates()
    for shape in SHAPES[:QUICK] if settings.quick else SHAPES:
        yield layer(LayerCase(*shape))
    for data in spline_evaluation.cases(100_000 if settings.quick else 1_000_000):
        yield evaluation(data)


def measure(contestants: Mapping[str, Limit], settings: Settings) -> list[Entry]:
    """Time contestants, of which a call does a share of the work of one call of the first; scale to equal work."""
    for contestant in contestants.values():
        contestant.work()  # compiles
    timers = {name: Timer.of(contestant.work, settings.seconds_per_timing) for name, contestant in contestants.items()}
    seconds = interleave(timers, affordable(timers.values(), settings.rounds), settings.watch)
    return [
        Entry(name, "timed", seconds=[contestant.share * t for t in seconds[name]])
        for name, contestant in contestants.items()
    ]


def rates() -> Task:
    """The rate of dgemm and of a copy by themselves: seconds of 1e9 operations, and of 1e9 bytes read and written."""
    return Task(
        "the machine: 1e9 operations of dgemm, 1e9 bytes of a copy (half of them read, half written)",
        {"of": "machine"},
        lambda settings: measure({"dgemm": dgemm(1e9), "copy": copy(1e9 / 16)}, settings),
    )


def layer(case: LayerCase) -> Task:
    """Forward and backward sweeps of a layer against dgemm."""

    def entries(settings: Settings) -> list[Entry]:
        ours: Callable[[], object] = refkan_layer.backward(case).run
        return measure({"refkan": Limit(ours), **of_layer(case)}, settings)

    title = f"{case.title}, forward + backward: {case.operations:.1e} operations"
    return Task(title, {**case.parameters, "of": "layer"}, entries)


def evaluation(data: spline_evaluation.SplineCase) -> Task:
    """Spline evaluation against copying its points: one number is read and one written a point."""

    def entries(settings: Settings) -> list[Entry]:
        ours = data.contestants()[0].build().run
        return measure({"refkan": Limit(ours), COPY: copy(data.points)}, settings)

    return Task(f"{data.title}: against a copy", {**data.parameters, "of": "evaluation"}, entries)
