"""Claim files here one after the other, in processes of their own, or on a cluster: what each returns or dies of."""

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from refkan.base.long_runs.thread_variables import one_thread_each
from refkan.claims.running.capsule import now
from refkan.claims.running.console import Progress, shorten
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.executors import Ended, Event, OwnProcess, ProcessEndedError, outcome_of, send
from refkan.claims.running.file_runs import KeptResults
from refkan.claims.running.outcomes import FileResult, describe_error, said_of

Run = Callable[[ClaimFile, Callable[[str], None]], FileResult]
"""Runs a file, and is told what it says; it is sent to each process, so it must be small."""


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
    """A file that runs elsewhere, in which process, and since when; None before it starts."""

    number: int
    file: ClaimFile
    place: OwnProcess
    start: float | None = None

    def look(self, progress: Progress, limit: float | None) -> FileResult | None:
        """Show what has been said; return the result once there is one."""
        for event in self.place.events():
            if isinstance(event, Ended):
                return _ended(self.file, event, self._seconds())
            if event is Event.STARTS:
                self.start = time.monotonic()
            elif event is Event.COMPILES:
                progress.compiles()
            else:
                progress.message(self.number, event)
        if limit is None or self._seconds() <= limit:
            return None
        self.place.stop()
        error = ProcessEndedError(f"took more than {limit} s and was ended: --limit allows more")
        return _ended(self.file, Ended(error=error), self._seconds())

    def _seconds(self) -> float:
        return 0.0 if self.start is None else time.monotonic() - self.start


def _ended(file: ClaimFile, end: Ended, seconds: float = 0.0) -> FileResult:
    """What a file returned, or the error that ended it."""
    if end.error is None:
        result: FileResult = end.value
        return result
    return FileResult(file, error=describe_error(end.error, file.folder.parent), seconds=seconds, finished=now())


def finished(
    run: Run, files: Sequence[Numbered], places: Places, progress: Progress
) -> Generator[tuple[int, FileResult], None, None]:
    """Run files, each under its number in the progress; results come as they are finished.

    A process that ends before its file has a result, or takes longer than the limit, is an error of that file, and
    another takes its place. Processes end with this generator, in the middle of what they run if it is closed before
    its end: close it.
    """
    if places.cluster is not None:
        for number, file in files:
            progress.starts(number, file.name)
        on_cluster = {places.cluster.submit(outcome_of, run, file, send): (number, file) for number, file in files}
        for future in as_completed(on_cluster):
            number, file = on_cluster[future]
            error = future.exception()
            yield number, _ended(file, Ended(error=error) if error else future.result())
        return
    if places.workers == 0:
        for number, file in files:
            progress.starts(number, file.name)
            yield number, run(file, partial(progress.message, number))
        return
    most = min(places.workers, len(files))
    waiting, tasks, idle = deque(files), list[_Task](), list[OwnProcess]()
    try:
        while waiting or tasks:
            while waiting and len(tasks) < most:
                with one_thread_each() if most > 1 else nullcontext():
                    place = idle.pop() if idle else OwnProcess()
                number, file = waiting.popleft()
                progress.starts(number, file.name)
                tasks.append(_Task(number, file, place))
                place.start(run, file, send)
            time.sleep(PAUSE)
            for task in list(tasks):
                result = task.look(progress, places.limit)
                if result is not None:
                    tasks.remove(task)
                    if task.place.is_alive():
                        idle.append(task.place)
                    yield task.number, result
    finally:
        for place in (*idle, *(task.place for task in tasks)):
            place.stop()
