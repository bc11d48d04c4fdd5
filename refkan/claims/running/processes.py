"""Run claim files sequentially, in subprocesses, or on a cluster; report results and crashes."""

import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from refkan.base.long_runs.own_process import Event, ProcessEndedError, send
from refkan.base.plain_text import counted
from refkan.claims.running.capsule import now
from refkan.claims.running.console import Progress, shorten
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.executors import PAUSE, OwnProcesses
from refkan.claims.running.file_runs import KeptResults
from refkan.claims.running.outcomes import FileResult, describe_error, said_of
from refkan.kernels.engine_option import compilations_sent

Run = Callable[..., FileResult]
"""Runs a file, or a part of it, and passes on what it says; sent to each process, so it must be small: `FileRun`."""


class Places(NamedTuple):
    """Where files run.

    Attributes
    ----------
    workers
        Processes that run files at once; 0 for this process, in which a file that ends it ends the run.
    limit
        Seconds from which on a file or part that runs in a process of its own is ended; None without.
    cluster
        The executor of all files but those that measure time, if given.
    """

    workers: int = 1
    limit: float | None = None
    cluster: Executor | None = None

    def executor(self) -> AbstractContextManager[Executor]:
        """Return the executor of files and parts, in a context that ends what it started."""
        if self.cluster is not None:
            return nullcontext(self.cluster)
        return OwnProcesses(self.workers, self.limit, compilations_sent)


Numbered = tuple[int, ClaimFile]

AT_ONCE = 4
"""Processes of a run whose user does not say how many: each loads the library, in some 0.3 GB, and compiles."""

MOST_LOST = 2
"""Processes that may be killed over one file or part: it is run again in another one."""


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
    """A file, or a part of it, that runs elsewhere: since when, and how often its process was lost."""

    number: int
    file: ClaimFile
    part: tuple[bytes, ...] = ()
    lost: int = 0
    start: float = 0.0

    def begin(self, run: Run, executor: Executor) -> Future[FileResult]:
        """Start it, for the first time or once more."""
        self.start = time.monotonic()
        return executor.submit(_run_elsewhere, run, self.file, *self.part)

    def is_to_run_again(self, future: Future[FileResult]) -> bool:
        """Return whether its process was lost, and not too often."""
        error = _error_of(future)
        if not isinstance(error, ProcessEndedError) or not error.lost:
            return False
        self.lost += 1
        return self.lost <= MOST_LOST

    def result(self, future: Future[FileResult]) -> FileResult:
        """Return what it returned, or the error of the process or the cluster that ended it."""
        error = _error_of(future)
        if error is None:
            return future.result()
        return _failed(self.file, error, time.monotonic() - self.start)


def _error_of(future: Future[Any]) -> BaseException | None:
    """Return what ended a call before it returned; a cluster that gives a call up cancels it."""
    return CancelledError() if future.cancelled() else future.exception()


def _run_elsewhere(run: Run, file: ClaimFile, *part: bytes) -> FileResult:
    """Run a file or a part; an interruption counts as its own, since nobody interrupts it here."""
    start = time.monotonic()
    try:
        return run(file, send, *part)
    except KeyboardInterrupt as error:
        return _failed(file, error, time.monotonic() - start)


def _failed(file: ClaimFile, error: BaseException, seconds: float) -> FileResult:
    return FileResult(file, error=describe_error(error, file.folder.parent), seconds=seconds, finished=now())


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
    numbers = {file: number for number, file in files}
    waiting = deque(_Task(number, file) for number, file in files)
    running: dict[Future[FileResult], _Task] = {}
    left: dict[int, int] = {}
    with places.executor() as executor:
        try:
            while waiting or running:
                while waiting and (places.cluster is not None or len(running) < places.workers):
                    task = waiting.popleft()
                    if task.number not in left and not task.lost:
                        progress.starts(task.number, task.file.name)
                    running[task.begin(run, executor)] = task
                ended, _ = wait(running, PAUSE, FIRST_COMPLETED)
                _show(getattr(executor, "messages", SimpleQueue()), numbers, progress)
                for future in ended:
                    task = running.pop(future)
                    if task.is_to_run_again(future):
                        waiting.appendleft(task)
                        continue
                    number, result = task.number, task.result(future)
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
            for future in running:
                future.cancel()


def _show(messages: SimpleQueue[Any], numbers: Mapping[ClaimFile, int], progress: Progress) -> None:
    """Show what files have said since the last time."""
    while not messages.empty():
        (_, file, *_), message = messages.get()
        if message is Event.COMPILES:
            progress.compiles()
        else:
            progress.message(numbers[file], message)
