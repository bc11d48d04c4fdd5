"""The harness: contestants are checked to agree, then timed in interleaved rounds."""

from __future__ import annotations

import gc
import importlib.util
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SETTLE = 0.03
"""Seconds before each timing. The thread pools of some libraries spin for some 20 ms after their work, and would slow
down whoever is timed next."""

Arrays = tuple[np.ndarray[Any, Any], ...]


class TooLargeError(Exception):
    """A contestant would need more memory than a case is worth; it is skipped with this reason."""


@dataclass(frozen=True)
class Timed:
    """What a contestant built: `run` is timed and must return finished work; `collect` makes arrays of it."""

    run: Callable[[], Any]
    collect: Callable[[Any], Arrays]


@dataclass(frozen=True)
class Contestant:
    """One way of computing the results of a case.

    Attributes
    ----------
    name
        As the table shows it.
    build
        Sets up outside the clock.
    requires
        The module that must be importable; the contestant is skipped where it is not.
    tolerance
        Largest difference from the reference, relative to its largest entry, array by array.
    note
        Why the tolerance is wide, or what was done to make the results comparable.
    """

    name: str
    build: Callable[[], Timed]
    requires: str = ""
    tolerance: float = 1e-12
    note: str = ""


@dataclass(frozen=True)
class Case:
    """One comparison: the reference is computed by other means and not timed; contestant 0 is ours."""

    title: str
    reference: Callable[[], Arrays]
    contestants: Sequence[Contestant]


@dataclass
class Entry:
    """What became of a contestant: `status` is "timed", "agrees", "skipped", "failed" or "disagrees"."""

    name: str
    status: str
    reason: str = ""
    difference: float = math.nan
    tolerance: float = math.nan
    note: str = ""
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median of the seconds of one call over the rounds."""
        return statistics.median(self.seconds)


@dataclass
class CaseResult:
    """What became of a case; no entry holds times unless all results agreed."""

    title: str
    entries: list[Entry]

    @property
    def disagreements(self) -> list[Entry]:
        """The contestants whose results are off by more than their tolerance."""
        return [entry for entry in self.entries if entry.status == "disagrees"]

    def ratio(self, entry: Entry) -> float:
        """Median over rounds of our time divided by theirs: below 1 where ours is faster.

        The ratio is taken within each round, when the machine was in one state, and NaN without times.
        """
        ours = self.entries[0].seconds
        if not ours or not entry.seconds:
            return math.nan
        return statistics.median(a / b for a, b in zip(ours, entry.seconds, strict=True))


@dataclass(frozen=True)
class Settings:
    """How a row is run; `without` names contestants to leave out."""

    quick: bool = False
    rounds: int = 11
    threads: int = 2
    without: frozenset[str] = frozenset()
    seconds_per_timing: float = 0.005
    progress: Callable[[str], None] = lambda text: None


def difference(result: Arrays, reference: Arrays) -> float:
    """Return the largest difference of each array relative to the largest entry of its reference.

    Infinite where shapes differ or a result is not finite, so that nothing passes for agreement by accident.
    """
    if len(result) != len(reference):
        return math.inf
    worst = 0.0
    for array, expected in zip(result, reference, strict=True):
        if array.shape != expected.shape or not np.isfinite(array).all():
            return math.inf
        if expected.size:
            size = float(np.abs(array - expected).max())
            scale = float(np.abs(expected).max())
            if size > 0.0:
                worst = max(worst, size / scale if scale > 0.0 else math.inf)
    return worst


def installed(module: str) -> bool:
    """Return whether a module can be found, without importing it (or its parents' errors)."""
    try:
        return not module or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def interleave(timers: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every timer once a round, the first of a round taking turns, and return its seconds by name.

    A disturbance of the machine thus falls on all alike, and none profits from always following the same one.
    """
    names = list(timers)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names) if names else 0
        for name in names[first:] + names[:first]:
            time.sleep(SETTLE)
            seconds[name].append(timers[name]())
    return seconds


def run_case(case: Case, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> CaseResult:
    """Build, compare and time the contestants of a case.

    If any result is off by more than its tolerance, before or after the timing, no contestant of the case is
    given a time: a comparison of programs that compute different things says nothing.
    """
    settings.progress(f"{case.title}: reference")
    reference = case.reference()
    entries: list[Entry] = []
    built: dict[str, Timed] = {}
    for contestant in case.contestants:
        settings.progress(f"{case.title}: {contestant.name}")
        entry = Entry(contestant.name, "agrees", tolerance=contestant.tolerance, note=contestant.note)
        entries.append(entry)
        if contestant.name in settings.without:
            entry.status, entry.reason = "skipped", "left out"
        elif not installed(contestant.requires):
            entry.status, entry.reason = "skipped", f"{contestant.requires} is not installed"
        else:
            _build(contestant, entry, reference, built)
    result = CaseResult(case.title, entries)
    if result.disagreements or not built:
        return result

    settings.progress(f"{case.title}: timing")
    timers = {name: timer(timed.run, settings.seconds_per_timing, clock) for name, timed in built.items()}
    gc.collect()
    gc.disable()  # a collection would be charged to whoever happens to run
    try:
        seconds = interleave(timers, settings.rounds)
    finally:
        gc.enable()
    for entry in entries:
        if entry.status == "agrees":
            _compare(entry, built[entry.name], reference)  # state that drifts from call to call shows here
    if not result.disagreements:
        for entry in entries:
            if entry.status == "agrees":
                entry.status, entry.seconds = "timed", seconds[entry.name]
    return result


def _build(contestant: Contestant, entry: Entry, reference: Arrays, built: dict[str, Timed]) -> None:
    try:
        timed = contestant.build()
        _compare(entry, timed, reference)
    except TooLargeError as reason:
        entry.status, entry.reason = "skipped", str(reason)
    except Exception as error:  # a peer's failure is its own: the others go on
        entry.status = "failed"
        entry.reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
    else:
        built[contestant.name] = timed


def _compare(entry: Entry, timed: Timed, reference: Arrays) -> None:
    found = difference(timed.collect(timed.run()), reference)
    entry.difference = found if math.isnan(entry.difference) else max(found, entry.difference)
    if not entry.difference <= entry.tolerance:
        entry.status = "disagrees"


def timer(
    work: Callable[[], object], least: float, clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Return a timer of one call, averaged over enough calls to take `least` seconds."""

    def elapsed(calls: int) -> float:
        start = clock()
        for _ in range(calls):
            work()
        return clock() - start

    calls = max(1, min(1000, math.ceil(least / max(elapsed(1), 1e-7))))
    return lambda: elapsed(calls) / calls
