"""A run of the judge on one backend, in a process of its own: what ends that process, or hangs, is a finding."""

import faulthandler
import sys
import tempfile
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
from refkan.conformance.identification import STAGES, Stage, identified
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.judging.judge import Judge
from refkan.kernels.compilation import COMPILING
from refkan.kernels.engine_option import compilations_sent

LIVES = 2
"""Processes that may end over cases, and over stages of identification: the rest is left out then."""

PAUSE = 0.05
"""Seconds after which it is looked for a process that has ended."""

TRACE = 30
"""Lines of what was running when a process ended."""


class Order(Frozen):
    """What is to be judged: a backend by its name, the cases, and how long it may take.

    Attributes
    ----------
    call_timeout : float
        Seconds for each call of the adapter; 0: all is judged in this process, which ends if the adapter ends it.
    import_timeout : float
        Seconds for importing the adapter; 0 for any time.
    hints : bool
        Whether the layer is identified after the cases.
    identify : bool
        Whether it is identified alone, and no case is judged.
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
    """What comes first: the backend's name, what is wrong with its declaration, and the cases.

    Attributes
    ----------
    cases : sequence of (str, str, bool, str)
        Key and quantity of each, whether it is declared, and its family.
    """

    title: str
    problems: Sequence[Finding]
    cases: Sequence[tuple[str, str, bool, str]]
    basis: str = BSPLINES


Told = Opening | Finding | Stage
"""An opening, then a finding for each case, then the stages of identification."""


def judged(order: Order) -> Generator[Told, None, None]:
    """Judge a backend, and go on in another process where the first one ends.

    Raises
    ------
    BackendError
        If it cannot be loaded, or no case is left to judge.
    """
    if order.call_timeout == 0:
        yield from _told(order, 0, {}, None)
        return
    opening: Opening | None = None
    done, lives, ended = 0, {"cases": LIVES, "stages": LIVES}, dict[str, str]()
    with tempfile.TemporaryDirectory() as folder:
        while all(lives.values()) or (lives["stages"] and opening is not None and done >= len(opening.cases)):
            log = Path(folder) / f"{sum(lives.values())}.txt"
            process = OwnProcess(compilations_sent)
            try:
                process.start(_send_all, order, done, ended, str(log))
                error = None
                for item in _messages(process):
                    if isinstance(item, Ended):
                        error = item.error
                        break
                    if isinstance(item, Opening):
                        if opening is None:
                            opening = item
                            yield opening
                        continue
                    done += 1
                    yield item
                end = process.stop()
            finally:
                process.stop()
            if error is None:
                return
            if not isinstance(error, ProcessEndedError | KeyboardInterrupt):
                raise error
            trace = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            text = f"the adapter raised {type(error).__name__}"
            if isinstance(error, ProcessEndedError):
                text = _cause(order, opening is None, trace, end)
            if opening is None:
                raise BackendError(f"importing {order.backend}: {text}")
            if done >= len(opening.cases):
                ended[list(STAGES)[done - len(opening.cases)]] = text
                lives["stages"] -= 1
                continue
            key, quantity, _, kind = opening.cases[done]
            lines = "\n".join(trace.splitlines()[:TRACE])
            yield Finding(key, quantity, f.ERROR, text, traceback=lines, family=kind)
            done += 1
            lives["cases"] -= 1
            if not lives["cases"] and (left := len(opening.cases) - done):
                told = f"{left} cases after this one were not judged: {LIVES} processes ended; --select judges them"
                yield Finding("process", "process", f.ERROR, told)
                done += left
        left_out = list(STAGES)[done - len(opening.cases) :] if opening is not None else []
        yield from (Stage(name, unknown=ended.get(name, "not asked")) for name in left_out)


def _cause(order: Order, importing: bool, trace: str, end: str) -> str:
    if not trace.startswith("Timeout"):
        return f"the process ended, {end}"
    seconds, option = (
        (order.import_timeout, "--import-timeout") if importing else (order.call_timeout, "--call-timeout")
    )
    return f"took more than {seconds:g} s and was ended: {option} allows more"


def _messages(process: OwnProcess) -> Iterator[Told | Ended]:
    """What comes from a process until its function has ended."""
    compiled = False
    while True:
        for event in process.events(PAUSE):
            if event is Event.COMPILES and not compiled:
                compiled = True
                print(f"refkan: {COMPILING}", file=sys.stderr, flush=True)
            if not isinstance(event, Event):
                yield event


def _send_all(order: Order, start: int, ended: Mapping[str, str], log: str) -> None:
    with Path(log).open("w", encoding="utf-8") as stream:
        faulthandler.enable(stream)
        for item in _told(order, start, ended, stream):
            send(item)


def _told(order: Order, start: int, ended: Mapping[str, str], log: TextIO | None) -> Generator[Told, None, None]:
    """Judge the cases from number `start` on, and identify; calls that take too long end a process that has a log.

    Numbers of stages follow those of cases. Stages before `start` are asked again: later ones need their answers.
    """
    with _limit(order.import_timeout, log):
        adapter = _placed(load(order.backend, order.arguments), order)
    declared = adapter.capabilities
    dtypes = order.dtypes or [name for name in DTYPES if name in declared.dtypes]
    if not dtypes:
        raise BackendError(f"the adapter declares no known format; {'; '.join(declared.problems())}")
    cases = [] if order.identify else catalogue(dtypes, order.select, order.version, declared.frame)
    if not cases and not order.identify:
        raise BackendError(f"--select: no case has all of {list(order.select)} in its key; --list shows the keys")
    limited: Any = Limited(adapter, order.call_timeout, log)
    judge = Judge(limited, hints=False)
    told = tuple((case.key, case.quantity, not declared.missing(case.needs()), family(case)) for case in cases)
    yield Opening(adapter.title, tuple(judge.declaration()), told, declared.basis)
    yield from map(judge, cases[start:])
    if order.hints:
        yield from islice(identified(limited, ended), max(0, start - len(cases)), None)


def _placed(adapter: Adapter, order: Order) -> Adapter:
    """The adapter on the device and in the variant that were asked for."""
    if order.device is None and order.variant is None:
        return adapter
    if not isinstance(adapter, TorchAdapter):
        raise BackendError(f"--device and --variant require a TorchAdapter; {order.backend} is none")
    try:
        adapter = adapter if order.device is None else adapter.on(order.device)
    except ImportError as error:
        raise BackendError(str(error)) from error
    return adapter if order.variant is None else adapter.as_variant(order.variant)


@Adapter.register
class Limited:
    """An adapter whose calls end the process where they take too long, and copies of it where they return.

    Parameters
    ----------
    adapter : Adapter
    seconds : float
        For each call.
    log : file, optional
        Where it is written what was running; without it there is no limit.
    """

    def __init__(self, adapter: Adapter, seconds: float, log: TextIO | None) -> None:
        self._adapter, self._seconds, self._log = adapter, seconds, log

    def __getattr__(self, name: str) -> Any:
        """Return what the adapter has under a name; of a method one that is limited."""
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
    """End the process if the block takes longer, also where no Python code is run in it."""
    if log is None or seconds == 0:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=log)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
