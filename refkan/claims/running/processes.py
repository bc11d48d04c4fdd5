"""Run claim files sequentially, in subprocesses, or on a cluster; report results and crashes."""

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from refkan.base.long_runs.own_process import Ended, Event, OwnProcess, ProcessEndedError, send
from refkan.base.long_runs.thread_variables import one_thread_each
from refkan.base.plain_text import counted
from refkan.claims.running.capsule import now
from refkan.claims.running.console import Progress, shorten
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.executors import OnCluster
from refkan.claims.running.file_runs import KeptResults
from refkan.claims.running.outcomes import FileResult, describe_error, said_of
from refkan.kernels.engine_option import compilations_sent

Run = Callable[..., FileResult]
"""Runs a file, or a part of it, and is told what it says; sent to each process, so it must be small: `FileRun`."""


class Places(NamedTuple):
    """Where files run.

    Attributes
    ----------
    workers
        Processes that run files at once; 0 for this process, in which a file that ends it ends the run.
    limit
        Seconds from which on a file or part that runs in a process of its own is ended; None without.
    cluster
        What runs all files but those that measure time, if given.
    """

    workers: int = 1
    limit: float | None = None
    cluster: Executor | None = None

    def another(self) -> OwnProcess | OnCluster:
        """Return a place for a file or a part; processes that run at once have one thread each."""
        if self.cluster is not None:
            return OnCluster(self.cluster)
        with one_thread_each() if self.workers > 1 else nullcontext():
            return OwnProcess(compilations_sent)


Numbered = tuple[int, ClaimFile]

AT_ONCE = 4
"""Processes of a run whose user does not say how many: each loads the library, in some 0.3 GB, and compiles."""

MOST_LOST = 2
"""Processes that may be killed over one file or part: it is run again in another one."""

PAUSE = 0.02
"""Seconds after which messages and limits are looked at again."""


def run_all(
    run: Run, kept: KeptResults, files: Sequence[ClaimFile], fresh: bool, places: Places, recorded: Mapping[str, str]
) -> tuple[list[FileResult], bool]:
    """Run or resume files; return their results and whether the user interrupted.

    Files that measure time run after the others, one by one. `recorded` holds the statuses of rows at full size.

    Raises
    ------
    OSError
        If a result cannot be kept.
    """
    results: dict[int, FileResult] = {}
    with Progress(len(files)) as progress:

        def note(number: int, result: FileResult) -> None:
            results[number] = result
            progress.ends(number, result.file.name, in_words(result, recorded))

        interrupted = False
        try:
            waiting: list[Numbered] = []
            for number, file in enumerate(files, start=1):
                old = None if fresh else kept.get(file)
                if old is None:
                    waiting.append((number, file))
                else:
                    note(number, old)
            by_itself = places._replace(workers=min(places.workers, 1), cluster=None)
            for alone, where in ((False, places), (True, by_itself)):
                part = [each for each in waiting if each[1].alone == alone]
                with closing(finished(run, part, where, progress)) as ended:
                    for number, result in ended:
                        kept.put(result)
                        note(number, result)
        except KeyboardInterrupt:
            interrupted = True
    return [results[number] for number in sorted(results)], interrupted


def in_words(result: FileResult, recorded: Mapping[str, str]) -> str:
    """Write how long a file took and what came of it."""
    told = [f"{each.id} {said_of(each, recorded.get(each.id, ''))}" for each in result.verdicts]
    if result.error:
        *frames, last = result.error.splitlines()
        path = re.escape(result.file.path.name)
        own = re.findall(rf"^(?:.*/)?({path}, line \d+), in ", "\n".join(frames), re.MULTILINE)
        places = [f"({place})" for place in own[-1:]]
        told.append(" ".join([f"error: {shorten(last, 100)}", *places]))
    elif not any(verdict.mutations for verdict in result.verdicts):
        told[-1:] = [f"{text} (no mutated claim was run)" for text in told[-1:]]
    time_taken = "kept" if result.resumed else f"{result.seconds:.1f} s"
    return f"{time_taken}: {', '.join(told)}"


@dataclass
class _Task:
    """A file, or a part of it, that runs elsewhere: where, since when, and how often its process was lost."""

    number: int
    file: ClaimFile
    part: tuple[bytes, ...] = ()
    start: float | None = None
    lost: int = 0

    def begin(self, run: Run, place: OwnProcess | OnCluster) -> None:
        """Start it, for the first time or once more."""
        self.place, self.start = place, None
        place.start(run, self.file, send, *self.part)

    def look(self, progress: Progress, limit: float | None) -> Ended | None:
        """Show what has been said; return the end once there is one."""
        for event in self.place.events():
            if isinstance(event, Ended):
                return event
            if event is Event.STARTS:
                self.start = time.monotonic()
            elif event is Event.COMPILES:
                progress.compiles()
            else:
                progress.message(self.number, event)
        if limit is None or self._seconds() <= limit:
            return None
        self.place.stop()
        return Ended(error=ProcessEndedError(f"took more than {limit} s and was ended: --limit allows more"))

    def result(self, end: Ended) -> FileResult:
        """What it returned, or the error that ended it."""
        if end.error is None:
            result: FileResult = end.value
            return result
        text = describe_error(end.error, self.file.folder.parent)
        return FileResult(self.file, error=text, seconds=self._seconds(), finished=now())

    def _seconds(self) -> float:
        if self.start is None:
            return 0.0
        return time.monotonic() - self.start


def finished(
    run: Run, files: Sequence[Numbered], places: Places, progress: Progress
) -> Generator[tuple[int, FileResult], None, None]:
    """Run files, each under its number in the progress; results come as they are finished.

    A file whose parts may run beside one another is run until it says which are missing, and again once they are kept.
    Parts are started after all files: they are small, and places stay busy to the end.

    A process that ends before it has a result, or takes longer than the limit, is an error of that file, and another
    takes its place; what ran in a process that was killed runs again. Processes end with this generator, in the middle
    of what they run if it is closed before its end: close it.
    """
    if places.workers == 0 and places.cluster is None:
        for number, file in files:
            progress.starts(number, file.name)
            yield number, run(file, partial(progress.message, number))
        return
    waiting = deque(_Task(number, file) for number, file in files)
    running, idle, left = list[_Task](), list[OwnProcess](), dict[int, int]()
    try:
        while waiting or running:
            while waiting and (places.cluster is not None or len(running) < places.workers):
                task = waiting.popleft()
                if task.number not in left and not task.lost:
                    progress.starts(task.number, task.file.name)
                task.begin(run, idle.pop() if idle else places.another())
                running.append(task)
            time.sleep(PAUSE)
            for task in list(running):
                end = task.look(progress, places.limit)
                if end is None:
                    continue
                running.remove(task)
                if isinstance(task.place, OwnProcess) and task.place.is_alive():
                    idle.append(task.place)
                if end.lost and task.lost < MOST_LOST:
                    task.lost += 1
                    waiting.appendleft(task)
                    continue
                number, result = task.number, task.result(end)
                if result.missing:
                    left[number] = len(result.missing)
                    waiting.extend(_Task(number, task.file, (part,)) for part in result.missing)
                elif not task.part:
                    yield number, result
                elif result.error and left[number] > 0:  # the first part that fails: the others need not begin
                    left[number] = 0
                    waiting = deque(other for other in waiting if other.number != number)
                    yield number, result
                else:
                    left[number] -= 1
                    if left[number] == 0:
                        waiting.appendleft(_Task(number, task.file))
                    elif left[number] > 0:
                        progress.message(number, f"{counted(left[number], 'part')} left")
    finally:
        for place in (*idle, *(task.place for task in running)):
            place.stop()
