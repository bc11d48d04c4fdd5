"""Timing by rounds: timers of repeated calls, interleaved, on a machine that others may disturb."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from refkan.base import Frozen
from validation.benchmarks.running.watch import Watch

STEP, QUIET_STEPS, LONGEST_SPIN = 0.01, 3, 1.0
"""Seconds of a look at the own threads, how many quiet looks in a row are asked for before a timing, and the seconds
after which it begins all the same. Thread pools of some libraries spin after their work, OpenBLAS for 0.1 s as NumPy
builds it, and would take a processor from whoever is timed next."""

DISTURBED = 0.1
"""Processors busy with something else, on average, from which on a round is disturbed."""

LONGEST = 10.0
"""Seconds of a case's rounds from which on there are fewer of them, but no fewer than:"""
FEWEST = 5


class Spread(Frozen, eq=True):
    """Median and quartiles of numbers that scatter."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        lower, median, upper = np.quantile(numbers, (0.25, 0.5, 0.75))
        return cls(float(median), float(lower), float(upper))


class Timer(Frozen):
    """Times calls of `work`: calling the timer returns the seconds of one call, averaged over so many `calls`."""

    work: Callable[[], object]
    calls: int
    expected: float
    clock: Callable[[], float]

    @classmethod
    def of(cls, work: Callable[[], object], least: float, clock: Callable[[], float] = time.perf_counter) -> "Timer":
        """Return a timer whose calls take `least` seconds together, as far as one call tells."""
        once = cls(work, 1, 0.0, clock)()
        calls = max(1, min(1000, math.ceil(least / max(once, 1e-7))))
        return cls(work, calls, calls * once, clock)

    def __call__(self) -> float:
        start = self.clock()
        for _ in range(self.calls):
            self.work()
        return (self.clock() - start) / self.calls


def settle() -> None:
    """Wait until no thread of this process is doing anything, or LONGEST_SPIN seconds."""
    end, quiet = time.perf_counter() + LONGEST_SPIN, 0
    while quiet < QUIET_STEPS and time.perf_counter() < end:
        busy = time.process_time()
        time.sleep(STEP)
        quiet = quiet + 1 if time.process_time() - busy < 0.1 * STEP else 0


def affordable(timers: Iterable[Timer], rounds: int) -> int:
    """Return how many of the rounds fit into LONGEST seconds, if these are too many, but no fewer than FEWEST."""
    expected = sum(timer.expected for timer in timers)
    return min(rounds, max(FEWEST, int(LONGEST / max(expected, 1e-7))))


def interleave(timers: Mapping[str, Callable[[], float]], rounds: int, watch: Watch) -> dict[str, list[float]]:
    """Call every timer once a round, the first of a round taking turns, and return its seconds by name.

    A disturbance of the machine thus falls on all alike, and none profits from always following the same one. Rounds
    that are DISTURBED by other processes are made up for by as many more, at most; the least disturbed ones count,
    chosen for all contestants at once and by what others did alone, and are those that `watch` has seen in the end.
    """
    names = list(timers)
    samples: list[tuple[float, dict[str, float], Watch]] = []
    for turn in range(2 * rounds):
        if sum(elsewhere <= DISTURBED for elsewhere, _, _ in samples) == rounds:
            break
        first = turn % len(names)
        seconds, seen = {}, Watch()
        with seen:
            for name in names[first:] + names[:first]:
                settle()
                seconds[name] = timers[name]()
        samples.append((seen.elsewhere or 0.0, seconds, seen))
    quietest = sorted(range(len(samples)), key=lambda turn: samples[turn][0])[:rounds]
    kept = [samples[turn] for turn in sorted(quietest)]
    for _, _, seen in kept:
        watch.include(seen)
    return {name: [seconds[name] for _, seconds, _ in kept] for name in names}
