"""Judge a backend in a process of its own; crashes, hangs and stops are reported as findings."""

import faulthandler
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from refkan.base import Frozen
from refkan.base.long_runs.own_process import Ended, Event, OwnProcess, ProcessEndedError, send, without_copies
from refkan.conformance.adapters.adapter import BSPLINES, Adapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.adapters.loading import BackendError, load
from refkan.conformance.cases import DTYPES, catalogue, family
from refkan.conformance.identification import STAGES, Stage, identified, process_ended
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.judging.judge import Judge
from refkan.kernels.compilation import COMPILING
from refkan.kernels.engine_option import compilations_sent

LIVES = 2
"""Processes that may end over cases, and over stages; the remaining cases or stages are then left out."""

PAUSE = 0.05
"""Seconds between two checks whether a process has ended."""

TRACE = 30
"""Lines of the traceback of a process that ended."""


class Order(Frozen):
    """What is to be judged: a backend by its name, the cases, and how long it may take.

    Attributes
    ----------
    call_timeout : float
        Seconds for each call of the adapter; 0: judge in this process, which ends if the adapter ends it.
    import_timeout : float
        Seconds for importing the adapter; 0 for any time.
    hints : bool
        Whether the layer is identified after the cases.
    identify : bool
        Whether it is only identified, and no case is judged.
    """

    backend: str
    arguments: Sequence[str] = ()
    dtypes: Sequence[str] = ()
    select: Sequence[str] = ()
    version: int = 1
    device: str | None = None
    variant: str | None = None
    hints: bool = True
    import_timeout: float = 0.0
    call_timeout: float = 0.0
    identify: bool = False


class Opening(Frozen):
    """The first result: the backend's name, what is wrong with its declaration, and the cases.

    Attributes
    ----------
    cases : sequence of (str, str, bool, str)
        Key and quantity of each, whether it is declared, and its family.
    """

    title: str
    problems: Sequence[Finding]
    cases: Sequence[tuple[str, str, bool, str]]
    basis: str = BSPLINES


Result = Opening | Finding | Stage
"""An opening comes first, then a finding for each case, then the stages of identification."""


class Started(Frozen):
    """The number of the process that judges: its first message."""

    pid: int


def judged(order: Order) -> Generator[Result, None, None]:
    """Judge a backend, and continue in a second process if the first one ends.

    Raises
    ------
    BackendError
        If it cannot be loaded.
    ValueError
        If no case is selected.
    """
    if order.call_timeout == 0:
        yield from _results(order, 0, {}, None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield from _Guarded(order, Path(folder)).results()


class _Guarded:
    """A run in other processes: what is done, and what ended them."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.order = order
        self.folder = folder
        self.opening: Opening | None = None
        self.done = 0
        self.ended: dict[str, str] = {}
        self.error: BaseException | None = None
        self.case_lives = self.stage_lives = LIVES

    @property
    def left(self) -> int:
        """Number of cases that are not judged yet."""
        return len(self.opening.cases) - self.done if self.opening else 0

    def results(self) -> Iterator[Result]:
        """Judge in one process after another."""
        while self.stage_lives and (self.case_lives or self.left <= 0):
            log = self.folder / f"{self.case_lives + self.stage_lives}.txt"
            process = OwnProcess(compilations_sent)
            try:
                process.start(_send_all, self.order, self.done, self.ended, str(log))
                yield from self._until_the_end(process)
                how = process.stop()
            finally:
                process.stop()
            if self.error is None:
                return
            yield from self._outlived(log, how)
        yield from self._left_out()

    def _until_the_end(self, process: OwnProcess) -> Iterator[Result]:
        """Pass on what a process sends; its end is kept in `error`."""
        for message in _messages(process, self.order.call_timeout):
            if isinstance(message, Ended):
                self.error = message.error
                return
            if isinstance(message, Opening):
                if self.opening is None:
                    self.opening = message
                    yield message
                continue
            self.done += 1
            yield message

    def _outlived(self, log: Path, how: str) -> Iterator[Result]:
        """Report what ended a process: the case or the stage in which it happened."""
        error = self.error
        if not isinstance(error, ProcessEndedError | KeyboardInterrupt):
            assert error is not None
            raise error
        trace = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        text = self._reason(error, trace, how)
        if self.opening is None:
            raise BackendError(f"importing {self.order.backend}: {text}")
        if self.left <= 0:
            self.ended[list(STAGES)[-self.left]] = text
            self.stage_lives -= 1
            return
        key, quantity, _, kind = self.opening.cases[self.done]
        lines = "\n".join(trace.splitlines()[:TRACE])
        yield Finding(key, quantity, f.ERROR, text, traceback=lines, family=kind)
        self.done += 1
        self.case_lives -= 1
        if self.left and not self.case_lives:
            text = f"{self.left} cases after this one were not judged: {LIVES} processes ended; --select judges them"
            yield Finding("process", "process", f.ERROR, text)
        if not self.case_lives:
            self.done += self.left

    def _reason(self, error: BaseException, trace: str, how: str) -> str:
        """What ended a process, in words."""
        order = self.order
        if isinstance(error, StoppedError):
            return str(error)
        if isinstance(error, KeyboardInterrupt):
            return f"the adapter raised {type(error).__name__}"
        if not trace.startswith("Timeout"):
            return f"the process ended, {how}"
        seconds, option = order.call_timeout, "--call-timeout"
        if self.opening is None:
            seconds, option = order.import_timeout, "--import-timeout"
        return f"took more than {seconds:g} s and was ended: {option} allows more"

    def _left_out(self) -> Iterator[Stage]:
        """The stages for which no process is left."""
        for name in list(STAGES)[-self.left :] if self.opening is not None else ():
            if name in self.ended:
                yield process_ended(name, self.ended[name])
            else:
                yield Stage(name, unknown=f"not asked: {LIVES} processes ended before")


class StoppedError(ProcessEndedError):
    """A process was stopped by a signal, did not continue, and was ended."""


class _Watch:
    """How long a process has been stopped, by SIGSTOP for example: its own deadline stops with it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.pid = 0
        self.since = 0.0

    def is_overdue(self) -> bool:
        """Whether the process has been stopped for too long."""
        if not self._is_stopped():
            self.since = 0.0
            return False
        self.since = self.since or time.monotonic()
        return time.monotonic() - self.since > self.seconds

    def _is_stopped(self) -> bool:
        if not (self.pid and hasattr(os, "waitid")):
            return False
        with suppress(ChildProcessError):  # it has ended
            return os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
        return False


def _messages(process: OwnProcess, seconds: float) -> Iterator[Result | Ended]:
    """Yield what a process sends, until its function has ended."""
    watch = _Watch(seconds)
    compiled = False
    while True:
        for event in process.events(PAUSE):
            if isinstance(event, Started):
                watch.pid = event.pid
            elif event is Event.COMPILES and not compiled:
                compiled = True
                print(f"refkan: {COMPILING}", file=sys.stderr, flush=True)
            elif not isinstance(event, Event):
                yield event
        if watch.is_overdue():
            process.stop()
            text = f"the process was stopped by a signal for more than {seconds:g} s and was ended"
            yield Ended(error=StoppedError(text))


def _send_all(order: Order, start: int, ended: Mapping[str, str], log: str) -> None:
    send(Started(os.getpid()))
    with Path(log).open("w", encoding="utf-8") as stream:
        faulthandler.enable(stream)
        for item in _results(order, start, ended, stream):
            send(item)


def _results(
    order: Order, start: int, ended: Mapping[str, str], log: TextIO | None
) -> Generator[Result, None, None]:  # fmt: skip
    """Judge the cases from number `start` on, and identify; calls that take too long end a process that has a log.

    Numbers of stages follow those of cases. Stages before `start` run again: later ones need their answers.
    """
    with _limit(order.import_timeout, log):
        adapter = _placed(load(order.backend, order.arguments), order)
    declared = adapter.capabilities
    dtypes = order.dtypes or [name for name in DTYPES if name in declared.dtypes]
    if not dtypes:
        raise BackendError(f"the adapter declares no known format; {'; '.join(declared.problems())}")
    cases = [] if order.identify else catalogue(dtypes, order.select, order.version, declared.frame)
    limited: Any = Limited(adapter, order.call_timeout, log)
    judge = Judge(limited, hints=False)
    rows = tuple((case.key, case.quantity, not declared.missing(case.needs()), family(case)) for case in cases)
    yield Opening(adapter.title, tuple(judge.declaration()), rows, declared.basis)
    yield from map(judge, cases[start:])
    if order.hints:
        yield from islice(identified(limited, ended), max(0, start - len(cases)), None)


def _placed(adapter: Adapter, order: Order) -> Adapter:
    """Return the adapter on the requested device and in the requested variant."""
    if order.device is None and order.variant is None:
        return adapter
    if not isinstance(adapter, TorchAdapter):
        raise BackendError(f"--device and --variant require a TorchAdapter; {order.backend} is none")
    if order.device is not None:
        try:
            adapter = adapter.on(order.device)
        except ImportError as error:
            raise BackendError(str(error)) from error
    return adapter if order.variant is None else adapter.as_variant(order.variant)


@Adapter.register
class Limited:
    """An adapter whose calls end the process if they take too long, and end copies of the process when they return.

    Parameters
    ----------
    adapter : Adapter
    seconds : float
        For each call.
    log : file, optional
        Where the traceback of a call that takes too long is written; without it there is no limit.
    """

    def __init__(self, adapter: Adapter, seconds: float, log: TextIO | None) -> None:
        self._adapter, self._seconds, self._log = adapter, seconds, log

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the adapter; methods are limited."""
        method = getattr(self._adapter, name)
        if not callable(method):
            return method

        def limited(*arguments: Any) -> Any:
            with without_copies(), _limit(self._seconds, self._log):
                return method(*arguments)

        with suppress(AttributeError):
            return wraps(method)(limited)
        return limited


@contextmanager
def _limit(seconds: float, log: TextIO | None) -> Iterator[None]:
    """End the process if the block takes longer, even if no Python code runs in it."""
    if log is None or seconds == 0:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=log)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
