"""How our times grow: with n (not at all), with Q and N (linearly), with a second thread; up to 1e7 points within 1 GB."""

from __future__ import annotations

from collections.abc import Callable

from numba.core import config

from validation.benchmarks import refkan_layer
from validation.benchmarks.harness import CaseResult, Entry, Settings, interleave, timer
from validation.benchmarks.layer_case import LayerCase
from validation.benchmarks.startup import child

INTERVALS = (4, 16, 64, 256, 1024)
OUTPUTS = (8, 16, 32, 64, 128)
SAMPLES = (1024, 4096, 16384, 65536)
POINTS = (100_000, 1_000_000, 10_000_000)
SHAPES = ((2, 5, 16), (20, 20, 16), (64, 64, 16))

# Value and gradients of a layer (2, 5) at many points, in chunks: seconds, and the largest memory of the process in MB.
_CHUNKS = """
import pathlib, resource, time
import numpy as np
import refkan as rk
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
# Linux hands ru_maxrss on from the process that started this one; VmHWM it does not.
status = pathlib.Path("/proc/self/status")
peak = [line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line] if status.exists() else []
print(float(peak[0] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1e3)
"""


def run(settings: Settings) -> list[CaseResult]:
    """Time all series; "ours/theirs" is the first of a series over the others."""
    intervals, outputs, samples = INTERVALS, OUTPUTS, SAMPLES
    if settings.quick:
        intervals, outputs, samples = intervals[::2], outputs[::2], samples[:2]
    series = [
        ("number of intervals n", {f"n = {n}": LayerCase(20, 20, n) for n in intervals}),
        ("number of outputs Q", {f"Q = {q}": LayerCase(20, q, 16) for q in outputs}),
        ("number of samples N", {f"N = {s}": LayerCase(20, 20, 16, samples=s) for s in samples}),
    ]
    results = [times(f"layer of 20 inputs against the {name}", cases, settings) for name, cases in series]
    shapes = SHAPES[1:2] if settings.quick else SHAPES
    return [*results, *(threads(LayerCase(*shape), settings) for shape in shapes), chunks(settings)]


def times(title: str, cases: dict[str, LayerCase], settings: Settings) -> CaseResult:
    """Forward and backward sweeps of several layers, interleaved."""
    settings.progress(title)
    for case in cases.values():
        refkan_layer.backward(case).run()  # compiles
    timers = {name: timer(refkan_layer.backward(case).run, settings.seconds_per_timing) for name, case in cases.items()}
    seconds = interleave(timers, settings.rounds)
    return CaseResult(title, [Entry(name, "timed", seconds=seconds[name]) for name in cases])


def threads(case: LayerCase, settings: Settings) -> CaseResult:
    """The same sweeps on one thread and on all; with a single processor both are the same."""
    title = f"layer P = {case.n_in}, Q = {case.n_out}, n = {case.intervals}, N = {case.samples} against threads"
    settings.progress(title)
    sweeps = refkan_layer.backward(case).run
    sweeps()  # compiles

    def on(count: int) -> Callable[[], object]:
        def work() -> object:
            before, config.NUMBA_NUM_THREADS = config.NUMBA_NUM_THREADS, count
            try:
                return sweeps()
            finally:
                config.NUMBA_NUM_THREADS = before

        return work

    timers = {f"{k} thread(s)": timer(on(k), settings.seconds_per_timing) for k in (1, settings.threads)}
    seconds = interleave(timers, settings.rounds)
    return CaseResult(title, [Entry(name, "timed", seconds=seconds[name]) for name in timers])


def chunks(settings: Settings) -> CaseResult:
    """A layer (2, 5) at up to 1e7 points, in chunks of 1e5, each size in a process of its own."""
    entries = []
    for points in POINTS[:2] if settings.quick else POINTS:
        settings.progress(f"scaling: {points:.0e} points")
        entry = Entry(f"{points:.0e} points", "timed")
        for _ in range(min(3, settings.rounds)):
            seconds, megabytes = map(float, child(_CHUNKS.format(points=points)))
            entry.seconds.append(seconds)
        entry.note = f"{megabytes:.0f} MB at most"
        if megabytes > 1000:
            entry.status, entry.reason, entry.seconds = "failed", f"took {megabytes:.0f} MB, more than 1 GB", []
        entries.append(entry)
    return CaseResult("layer (2, 5), n = 16, forward + backward in chunks of 1e5 points, within 1 GB", entries)
