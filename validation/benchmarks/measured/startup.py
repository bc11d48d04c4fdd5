"""Starting up, each time in a new interpreter: imports, and a layer's first call, compiling and cached."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from validation.benchmarks.running.harness import Entry, Settings, Task, installed
from validation.benchmarks.running.timing import interleave

OURS = "refkan.checks, refkan.analysis.conditioning, refkan.training.multilevel, refkan.training.adaptivity"
"""Whence the names of refkan come that are imported on first use: by itself `import refkan` loads nothing."""

IMPORTS = (
    ("refkan", OURS),
    ("numba + scipy", "numba, scipy, scipy.sparse, scipy.linalg, scipy.optimize"),
    ("torch", "torch"),
    ("jax", "jax"),
    ("kan (pykan)", "kan"),
    ("jaxkan", "jaxkan.layers.Spline"),
    ("flashkan", "flashkan"),
    ("inkan", "inkan"),
)

_IMPORT = """
import time
start = time.perf_counter()
import {modules}
print(time.perf_counter() - start)
"""

# Prints the time of the first forward and backward pass after imports, and a digest of what it computed.
_FIRST_CALL = """
import hashlib, time
import numpy as np
from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.cases.refkan_layer import backward
timed = backward(LayerCase(5, 5, 8, samples=256))
start = time.perf_counter()
result = timed.run()
print(time.perf_counter() - start)
print(hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in result)).hexdigest())
"""

ROUNDS, QUICK = 5, 2
"""Seconds a round, and little noise."""


def tasks(settings: Settings) -> Iterator[Task]:
    """Yield the imports, then the first call with an empty and with a filled cache of compiled code."""
    rounds = min(settings.rounds, QUICK if settings.quick else ROUNDS)
    yield Task("import, in a new interpreter", {"of": "import"}, lambda settings: _imports(rounds, settings))
    yield Task(
        "first forward + backward of a layer, in a new interpreter",
        {"of": "first call"},
        lambda settings: _first_call(min(rounds, 3)),
    )


def child(code: str, interpreter: str = sys.executable, **variables: str) -> list[str]:
    """Run code in a new interpreter from the project's folder and return the words that it printed."""
    done = subprocess.run(
        [interpreter, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        cwd=Path(__file__).parents[3],
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return done.stdout.split()


def _imports(rounds: int, settings: Settings) -> list[Entry]:
    entries, timers = {}, {}
    for name, modules in IMPORTS:
        entry = entries[name] = Entry(name, "timed")
        tops = (module.strip().split(".")[0] for module in modules.split(","))
        missing = next((top for top in tops if not installed(top)), None)
        if name in settings.without or missing is not None:
            entry.status = "skipped"
            entry.reason = "left out" if missing is None else f"{missing} is not installed"
            continue
        try:
            timer = partial(_seconds, _IMPORT.format(modules=modules))
            timer()  # byte code is compiled, files are in memory: what is timed is a usual start
        except RuntimeError as error:
            entry.status, entry.reason = "failed", str(error)
        else:
            timers[name] = timer
    for name, seconds in interleave(timers, rounds, settings.watch).items():
        entries[name].seconds = seconds
    return list(entries.values())


def _first_call(rounds: int) -> list[Entry]:
    entries = [Entry("refkan, cached", "timed"), Entry("refkan, compiling", "timed")]
    digests: set[str] = set()

    def call(cache: str) -> float:
        seconds, digest = child(_FIRST_CALL, NUMBA_CACHE_DIR=cache)
        digests.add(digest)
        return float(seconds)

    try:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                entries[1].seconds.append(call(cache))
                entries[0].seconds.append(call(cache))
    except RuntimeError as error:
        for entry in entries:
            entry.status, entry.reason, entry.seconds = "failed", str(error), []
    if len(digests) > 1:  # cached code must compute the same bits
        for entry in entries:
            entry.status, entry.seconds = "disagrees", []
            entry.difference, entry.tolerance = float("inf"), 0.0
    return entries


def _seconds(code: str) -> float:
    return float(child(code)[0])
