"""Claim files here one after the other, in processes of their own, or on a cluster: what each returns or dies of."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from refkan.base.long_runs.thread_variables import one_thread_each
from refkan.claims.running.capsule import now
from refkan.claims.running.console import Progress, shorten
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.executors import Event, OnCluster, OwnProcess, send
from refkan.claims.running.outcomes import FileResult, describe_error, said_of


class Runs(Protocol):
    """What runs claim files; it is sent to each process. `recorded` holds the statuses of rows at full size."""

    recorded: Mapping[str, str]

    def stored(self, file: ClaimFile) -> FileResult | None:
        """Return the finished result of a file, if there is one."""

    def run(self, file: ClaimFile, message: Callable[[str], None]) -> FileResult:
        """Run a file."""

    def keep(self, result: FileResult) -> None:
        """Keep the result of a file."""


class Places(NamedTuple):
    """Where files run.

    Attributes
    ----------
    workers
        Processes that run files at once; 0 for this process, in which a file that ends it ends the run.
    limit
        Seconds from which on a file that runs in a process of its own is ended; None without.
    cluster
        What runs all files but those that measure time, if given.
    """

    workers: int = 1
    limit: float | None = None
    cluster: Executor | None = None


Numbered = tuple[int, ClaimFile]

AT_ONCE = 4
"""Processes of a run whose user does not say how many: each loads the library, in some 0.3 GB, and compiles."""

PAUSE = 0.05
"""Seconds after which messages and limits are looked at again."""


def run_all(runs: Runs, files: Sequence[ClaimFile], fresh: bool, places: Places) -> tuple[list[FileResult], bool]:
    """Run or resume files; return their results and whether the user interrupted.

    Files that measure time run after the others, one by one.

    Raises
    ------
    OSError
        If a result cannot be kept.
    """
    results: dict[int, FileResult] = {}
    with Progress(len(files)) as progress:

        def note(number: int, result: FileResult) -> None:
            results[number] = result
            progress.ends(number, result.file.name, in_words(result, runs.recorded))

        interrupted = False
        try:
            waiting: list[Numbered] = []
            for number, file in enumerate(files, start=1):
                old = None if fresh else runs.stored(file)
                if old is None:
                    waiting.append((number, file))
                else:
                    note(number, old)
            by_itself = places._replace(workers=min(places.workers, 1), cluster=None)
            for alone, where in ((False, places), (True, by_itself)):
                part = [each for each in waiting if each[1].alone == alone]
                with closing(finished(runs, part, where, progress)) as ended:
                    for number, result in ended:
                        runs.keep(result)
                        note(number, result)
        except KeyboardInterrupt:
            interrupted = True
    return [results[number] for number in sorted(results)], interrupted


def in_words(result: FileResult, recorded: Mapping[str, str]) -> str:
    """Write how long a file took and what came of it."""
    if result.error:
        *frames, last = result.error.splitlines()
        path = re.escape(result.file.path.name)
        own = re.findall(rf"^(?:.*/)?({path}, line \d+), in ", "\n".join(frames), re.MULTILINE)
        where = f" ({own[-1]})" if own else ""
        text = f"error: {shorten(last, 100)}{where}"
    else:
        text = ", ".join(f"{each.id} {said_of(each, recorded.get(each.id, ''))}" for each in result.verdicts)
        if not any(verdict.mutations for verdict in result.verdicts):
            text += " (no mutated claim was run)"
    return f"{'kept' if result.resumed else f'{result.seconds:.1f} s'}: {text}"


@dataclass
class _Task:
    """A file that runs somewhere, since when; None before it starts."""

    number: int
    file: ClaimFile
    place: OwnProcess | OnCluster
    start: float | None = None

    def look(self, progress: Progress) -> float:
        """Show what has been said; return for how many seconds it has run."""
        for message in self.place.messages():
            if message is Event.STARTS:
                self.start = time.monotonic()
            elif message is Event.COMPILES:
                progress.compiles()
            else:
                progress.message(self.number, message)
        return 0.0 if self.start is None else time.monotonic() - self.start


def finished(
    runs: Runs, files: Sequence[Numbered], places: Places, progress: Progress
) -> Generator[tuple[int, FileResult], None, None]:
    """Run files, each under its number in the progress; results come as they are finished.

    A process that ends before its file has a result, or takes longer than the limit, is an error of that file, and
    another takes its place. Processes end with this generator, in the middle of what they run if it is closed before
    its end: close it.
    """
    if places.workers == 0 and places.cluster is None:
        for number, file in files:
            progress.starts(number, file.name)
            yield number, runs.run(file, partial(progress.message, number))
        return
    most = len(files) if places.cluster is not None else min(places.workers, len(files))
    waiting, tasks, idle = deque(files), dict[Future[Any], _Task](), list[OwnProcess | OnCluster]()
    try:
        while waiting or tasks:
            while waiting and len(tasks) < most:
                place = idle.pop() if idle else _place(places.cluster, most)
                number, file = waiting.popleft()
                progress.starts(number, file.name)
                tasks[place.submit(_run, runs, file)] = _Task(number, file, place)
            wait(tasks, PAUSE, FIRST_COMPLETED)
            for future, task in list(tasks.items()):
                seconds = task.look(progress)
                late = places.limit is not None and seconds > places.limit
                if not future.done():
                    if task.place.is_alive() and not late:
                        continue
                    task.place.stop()
                del tasks[future]
                result, usable = _outcome(future, task, seconds, f"took more than {places.limit} s" if late else "")
                if usable:
                    idle.append(task.place)
                yield task.number, result
    finally:
        for place in {*idle, *(task.place for task in tasks.values())}:
            place.stop()


def _place(cluster: Executor | None, at_once: int) -> OwnProcess | OnCluster:
    if cluster is not None:
        return OnCluster(cluster)
    with one_thread_each() if at_once > 1 else nullcontext():
        return OwnProcess()


def _run(runs: Runs, file: ClaimFile) -> FileResult:
    try:
        return runs.run(file, send)
    except KeyboardInterrupt as error:  # of the file itself: nobody else interrupts there
        return FileResult(file, error=describe_error(error, file.folder.parent), finished=now())


def _outcome(future: Future[Any], task: _Task, seconds: float, late: str) -> tuple[FileResult, bool]:
    """The result of a file, or what stopped it; and whether the place where it ran can be used again."""
    error = RuntimeError("cancelled") if future.cancelled() else future.exception()
    if error is None:
        return future.result(), True
    broken = isinstance(error, BrokenProcessPool)
    if broken:
        end = task.place.stop()
        error = RuntimeError(f"{late} and was ended: --limit allows more" if late else f"its process ended, {end}")
    text = describe_error(error, task.file.folder.parent)
    return FileResult(task.file, error=text, seconds=seconds, finished=now()), not broken
