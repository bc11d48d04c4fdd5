"""The harness: contestants are checked to agree, then timed in interleaved rounds."""

import gc
import importlib.util
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from refkan.base import Frozen
from validation.benchmarks.running.timing import Spread, Timer, affordable, interleave
from validation.benchmarks.running.watch import Watch

Arrays = tuple[np.ndarray[Any, Any], ...]


class TooLargeError(Exception):
    """A contestant would need more memory than a case is worth; it is skipped with this reason."""


class Timed(Frozen):
    """What a contestant built: `run` is timed and must return finished work; `collect` makes arrays of it."""

    run: Callable[[], Any]
    collect: Callable[[Any], Arrays]


class Contestant(Frozen, eq=True):
    """One way of computing the results of a case: `build` sets up outside the clock.

    It is skipped where the module `requires` cannot be imported. `tolerance` is the largest difference from the
    reference, relative to its largest entry, array by array; `note` says why it is wide, or what was done to make the
    results comparable.
    """

    name: str
    build: Callable[[], Timed]
    requires: str = ""
    tolerance: float = 1e-12
    note: str = ""


class Limit(Frozen):
    """Work of the machine (operations of dgemm, bytes of a copy) that is timed beside the contestants of a case.

    `share` is what a case needs over what one call of `work` does: its seconds are scaled by it.
    """

    work: Callable[[], object]
    share: float = 1.0


Parameters = Mapping[str, int | str]


class Case(Frozen, eq=True):
    """One comparison: the reference is computed by other means and not timed; contestant 0 is ours.

    `parameters` say in data what the title says in words, for whoever looks a case up; `limits` are named.
    """

    title: str
    reference: Callable[[], Arrays]
    contestants: Sequence[Contestant]
    parameters: Parameters = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)


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
    megabytes: float = math.nan
    """Largest memory of the process, where a case asks for it."""

    @property
    def spread(self) -> Spread:
        """Median and quartiles of the seconds of one call over the rounds."""
        return Spread.of(self.seconds)


@dataclass
class CaseResult:
    """What became of a case; no entry holds times unless all results agreed."""

    title: str
    entries: list[Entry]
    parameters: Parameters = field(default_factory=dict)
    elsewhere: float | None = None
    """Processors that were busy with something else while contestants were timed, on average, if it is known."""

    @property
    def disagreements(self) -> list[Entry]:
        """The contestants whose results are off by more than their tolerance."""
        return [entry for entry in self.entries if entry.status == "disagrees"]

    def ratio(self, entry: Entry) -> Spread | None:
        """Median and quartiles over rounds of their time divided by ours: above 1 where ours is faster.

        The ratio is taken within each round, when the machine was in one state; None without times.
        """
        ours = self.entries[0].seconds
        if not ours or not entry.seconds:
            return None
        return Spread.of([theirs / own for own, theirs in zip(ours, entry.seconds, strict=True)])


class Settings(Frozen):
    """How a row is run; `without` names contestants to leave out."""

    quick: bool = False
    rounds: int = 11
    threads: int = 2
    without: frozenset[str] = frozenset()
    seconds_per_timing: float = 0.02
    progress: Callable[[str], None] = lambda text: None
    watch: Watch = field(default_factory=Watch)
    """Sees how busy the machine is with something else while contestants are timed."""


class Task(Frozen):
    """A case that can be run by itself, or passed over because its result is kept."""

    title: str
    parameters: Parameters
    entries: Callable[[Settings], list[Entry]]

    def run(self, settings: Settings) -> CaseResult:
        settings.watch.reset()
        return CaseResult(self.title, self.entries(settings), self.parameters, settings.watch.elsewhere)


def task(case: Case, seconds_per_timing: float = 0.0) -> Task:
    """Return the task of a case, with timings of at least so many seconds."""

    def entries(settings: Settings) -> list[Entry]:
        seconds = max(seconds_per_timing, settings.seconds_per_timing)
        return run_case(case, replace(settings, seconds_per_timing=seconds)).entries

    return Task(case.title, case.parameters, entries)


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


def run_case(case: Case, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> CaseResult:
    """Build, compare and time the contestants of a case.

    If any result is off by more than its tolerance, before or after the timing, no contestant of the case is
    given a time: a comparison of programs that compute different things says nothing.
    """
    settings.progress("  reference")
    reference = case.reference()
    entries: list[Entry] = []
    built: dict[str, Timed] = {}
    for contestant in case.contestants:
        settings.progress(f"  {contestant.name}")
        entry = Entry(contestant.name, "agrees", tolerance=contestant.tolerance, note=contestant.note)
        entries.append(entry)
        if contestant.name in settings.without:
            entry.status, entry.reason = "skipped", "left out"
        elif not installed(contestant.requires):
            entry.status, entry.reason = "skipped", f"{contestant.requires} is not installed"
        else:
            _build(contestant, entry, reference, built)
    result = CaseResult(case.title, entries, case.parameters)
    if result.disagreements or not built:
        return result

    settings.progress("  timing")
    works = {name: timed.run for name, timed in built.items()} | {k: limit.work for k, limit in case.limits.items()}
    timers = {name: Timer.of(work, settings.seconds_per_timing, clock) for name, work in works.items()}
    gc.collect()
    gc.disable()  # a collection would be charged to whoever happens to run
    try:
        seconds = interleave(timers, affordable(timers.values(), settings.rounds), settings.watch)
    finally:
        gc.enable()
    for entry in entries:
        if entry.status == "agrees":
            _compare(entry, built[entry.name], reference)  # state that drifts from call to call shows here
    if not result.disagreements:
        for entry in entries:
            if entry.status == "agrees":
                entry.status, entry.seconds = "timed", seconds[entry.name]
        for name, limit in case.limits.items():
            entries.append(Entry(name, "timed", seconds=[limit.share * t for t in seconds[name]]))
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
    departure = difference(timed.collect(timed.run()), reference)
    entry.difference = departure if math.isnan(entry.difference) else max(departure, entry.difference)
    if not entry.difference <= entry.tolerance:
        entry.status = "disagrees"
