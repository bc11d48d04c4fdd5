"""Claim files one after the other, or in several processes at once: what each says, returns, or dies of."""

from __future__ import annotations

import re
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from refkan.claims.capsule import now
from refkan.claims.console import Progress, shorten
from refkan.claims.discovery import ClaimFile
from refkan.claims.outcomes import FileResult, status_of
from refkan.kernels.compilation import when_compiling
from refkan.thread_variables import one_thread_each


class Runs(Protocol):
    """What runs claim files; it is sent to each process."""

    def stored(self, file: ClaimFile) -> FileResult | None:
        """Return the finished result of a file, if there is one."""

    def run(self, file: ClaimFile, message: Callable[[str], None]) -> FileResult:
        """Run a file and keep its result."""


Numbered = tuple[int, ClaimFile]


AT_ONCE = 4
"""Processes of a run whose user does not say how many: each loads the library, in some 0.3 GB, and compiles."""


def run_all(runs: Runs, files: Sequence[ClaimFile], fresh: bool, workers: int = 1) -> tuple[list[FileResult], bool]:
    """Run or resume `files` in so many processes; return their results and whether the user interrupted.

    Files that measure time run after the others, one by one.
    """
    results: dict[int, FileResult] = {}
    with Progress(len(files)) as progress:

        def note(number: int, result: FileResult) -> None:
            results[number] = result
            progress.ends(number, result.file.name, in_words(result))

        interrupted = False
        try:
            waiting = []
            for number, file in enumerate(files, start=1):
                old = None if fresh else runs.stored(file)
                if old is None:
                    waiting.append((number, file))
                else:
                    note(number, old)
            together = [each for each in waiting if not each[1].alone] if workers > 1 else []
            if len(together) > 1:
                with closing(at_once(runs, together, min(workers, len(together)), progress)) as finished:
                    for each in finished:
                        note(*each)
                waiting = [each for each in waiting if each[1].alone]
            for each in in_turn(runs, waiting, progress):
                note(*each)
        except KeyboardInterrupt:
            interrupted = True
    return [results[number] for number in sorted(results)], interrupted


def in_words(result: FileResult) -> str:
    """Write how long a file took and what came of it."""
    if result.error:
        *frames, last = result.error.splitlines()
        path = re.escape(result.file.path.name)
        own = re.findall(rf"^(?:.*/)?({path}, line \d+), in ", "\n".join(frames), re.MULTILINE)
        where = f" ({own[-1]})" if own else ""
        text = f"error: {shorten(last, 100)}{where}"
    else:
        text = ", ".join(f"{verdict.id} {status_of(verdict)}" for verdict in result.verdicts)
        if not any(verdict.mutations for verdict in result.verdicts):
            text += " (no mutated claim was run)"
    return f"{'kept' if result.resumed else f'{result.seconds:.1f} s'}: {text}"


def in_turn(runs: Runs, files: Sequence[Numbered], progress: Progress) -> Generator[tuple[int, FileResult], None, None]:
    """Run files here, one after the other, each under its number in the progress."""
    for number, file in files:
        progress.starts(number, file.name)
        yield number, runs.run(file, partial(progress.message, number))


def at_once(
    runs: Runs, files: Sequence[Numbered], workers: int, progress: Progress
) -> Generator[tuple[int, FileResult], None, None]:
    """Run files in so many processes; results come as they are finished.

    A process that ends before its file has a result is an error of that file, and another takes its place. Processes
    end with this generator, in the middle of what they run if it is closed before its end: close it.

    Raises
    ------
    OSError
        If a result cannot be written.
    """
    waiting, team = deque(files), list[_Worker]()
    try:
        while waiting or team:
            while waiting and len(team) < workers:
                team.append(_Worker.started(runs))
                team[-1].take(*waiting.popleft(), progress)
            ready = wait([worker.connection for worker in team])
            for worker in [worker for worker in team if worker.connection in ready]:
                answer = worker.answer()
                if answer is None:
                    progress.compiles()
                    continue
                if isinstance(answer, str):
                    progress.message(worker.number, answer)
                    continue
                if isinstance(answer, Exception):
                    raise answer
                yield worker.number, answer
                if waiting and worker.process.is_alive():
                    worker.take(*waiting.popleft(), progress)
                else:
                    team.remove(worker)
                    worker.stop()
    finally:
        for worker in team:
            worker.stop()


@dataclass(eq=False)
class _Worker:
    """A process, the connection to it, and the file that it runs."""

    process: Any
    connection: Connection
    number: int = 0
    file: ClaimFile | None = None

    @classmethod
    def started(cls, runs: Runs) -> _Worker:
        # Fresh processes: forked ones would inherit the locks of threads that they do not have.
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, runs), daemon=True)
        with one_thread_each(), _without_interruptions():
            process.start()
        theirs.close()  # else the end of the process is not the end of the connection
        return cls(process, ours)

    def take(self, number: int, file: ClaimFile, progress: Progress) -> None:
        self.number, self.file = number, file
        progress.starts(number, file.name)
        self.connection.send(file)

    def answer(self) -> Any:
        """A message, a result, what stopped all runs, or None: kernels are compiled."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            assert self.file is not None
            error = f"RuntimeError: its process ended, {_end_of(self.process.exitcode)}"
            return FileResult(self.file, error=error, finished=now())

    def stop(self) -> None:
        """End the process, in the middle of its file if it has one."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


@contextmanager
def _without_interruptions() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C from their first moment on.

    Who asked for the run is interrupted as well, and ends them.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_of(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    lack = "; memory may have run out" if -code == getattr(signal, "SIGKILL", None) else ""
    return f"killed by signal {-code}{lack}"


def _serve(connection: Connection, runs: Runs) -> None:
    """Run the files that come in, until no more can come."""
    with when_compiling(partial(connection.send, None)):
        while True:
            try:
                file = connection.recv()
            except (EOFError, ConnectionError):
                return
            try:
                answer: Any = runs.run(file, connection.send)
            except OSError as error:
                answer = error
            connection.send(answer)
