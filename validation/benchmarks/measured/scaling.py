"""How our times go with a second thread; up to 1e7 points within 1 GB."""

from collections.abc import Callable, Iterator

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.measured.startup import ROUNDS, child
from validation.benchmarks.running.harness import Entry, Settings, Task
from validation.benchmarks.running.threads import COUNTS
from validation.benchmarks.running.timing import interleave

POINTS = (100_000, 1_000_000, 10_000_000)
SHAPES = ((2, 5, 16), (20, 20, 16), (64, 64, 16))

# Median time of a sweep of a layer, once it is compiled.
_SWEEPS = """
import statistics
from validation.benchmarks.running.timing import Timer
from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.cases.refkan_layer import backward
sweeps = backward({case!r}).run
sweeps()
measure = Timer.of(sweeps, {least})
print(statistics.median(measure() for _ in range(11)))
"""

# Value and gradients of a layer (2, 5) at many points, in chunks: seconds, and the largest memory of the process in MB.
_CHUNKS = """
import time
import numpy as np
import refkan as rk
from validation.benchmarks.running.watch import peak_memory
points, chunk = {points}, 100_000
layer = rk.SplineLayer((rk.SplineSpace.uniform(4, 16),) * 2, n_outputs=5)
rng = np.random.default_rng(0)
theta = rng.normal(size=layer.n_params)
x = rng.uniform(size=(points, 2))

def sweep(z):
    at = layer.linearize(theta, z)
    return at.pullback(at.value)[0]

sweep(x[:chunk])
start = time.perf_counter()
total = np.zeros(layer.n_params)
for first in range(0, points, chunk):
    total += sweep(x[first:first + chunk])
print(time.perf_counter() - start)
print(peak_memory())
"""


def tasks(settings: Settings) -> Iterator[Task]:
    for shape in SHAPES[1:2] if settings.quick else SHAPES:
        yield threads(LayerCase(*shape))
    for points in POINTS[:2] if settings.quick else POINTS:
        yield chunks(points)


def threads(case: LayerCase) -> Task:
    """The same sweeps on all threads and on one, each in a process of its own: BLAS reads its number only once."""

    def entries(settings: Settings) -> list[Entry]:
        def on(count: int) -> Callable[[], float]:
            counts = dict.fromkeys(COUNTS, str(count))
            code = _SWEEPS.format(case=case, least=settings.seconds_per_timing)
            return lambda: float(child(code, **counts)[0])

        timers = {f"{count} thread(s)": on(count) for count in (settings.threads, 1)}  # one entry if both are 1
        seconds = interleave(timers, min(settings.rounds, ROUNDS), settings.watch)
        return [Entry(name, "timed", seconds=seconds[name]) for name in timers]

    title = f"{case.title}, forward + backward, against threads"
    return Task(title, {**case.parameters, "against": "threads"}, entries)


def chunks(points: int) -> Task:
    """A layer (2, 5) at so many points, in chunks of 1e5, in a process of its own whose memory is watched."""

    def entries(settings: Settings) -> list[Entry]:
        entry = Entry("refkan", "timed")
        peaks = []
        for _ in range(min(3, settings.rounds)):
            seconds, megabytes = map(float, child(_CHUNKS.format(points=points)))
            entry.seconds.append(seconds)
            peaks.append(megabytes)
        entry.megabytes = max(peaks)
        return [entry]

    title = f"layer (2, 5), n = 16, forward + backward of {points:.0e} points in chunks of 1e5"
    return Task(title, {"against": "points", "points": points}, entries)
