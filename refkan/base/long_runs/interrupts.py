"""Interruptions from the keyboard that must not get lost.

Python drops exceptions within callbacks from C, with no more than a line on the standard error stream. llvmlite has
such callbacks: while kernels are compiled or loaded, Ctrl-C is likely to fall into one. The program then goes on, or
fails with an error that has nothing to do with it, such as "no compiled object yet".
"""

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

PAUSE = 0.5
"""Seconds after which an interruption that was dropped comes again."""


@contextmanager
def kept_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt again if it is dropped, until it leaves the block; also in place of an error after it.

    Code that cleans up while the interruption leaves the block is not interrupted again. Code that catches the
    interruption in order to go on must stand around the block, not in it. The block changes nothing in other threads,
    nor where interruptions are ignored, as shells do for commands in the background, or have a handler already. A block
    within another one is left by what was dropped in either.

    Examples
    --------
    >>> with kept_interrupts():
    ...     print("a long calculation")
    a long calculation
    """
    in_charge = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if not in_charge or handler is not signal.default_int_handler:
        yield
        outer = getattr(handler, "__self__", None)
        if in_charge and isinstance(outer, _Reminder) and outer.pressed:
            raise KeyboardInterrupt
        return
    reminder = _Reminder()
    signal.signal(signal.SIGINT, reminder.interrupted)
    try:
        yield
    except Exception as error:
        if reminder.pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        try:
            reminder.end()
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if reminder.pressed:
        raise KeyboardInterrupt


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def terminations_as_interrupts() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM comes during the block, so that the program can clean up.

    It takes the way of Ctrl-C, through the handler of SIGINT: `kept_interrupts` then raises it again if it is dropped.
    Other threads cannot set handlers, and a handler that exists already stays.
    """
    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    came = False

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # shells let commands in the background ignore Ctrl-C
            raise Terminated
        interrupt(number, frame)

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        if came:
            raise Terminated from error
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Reminder:
    """The handler, and a thread that calls it again after each interruption.

    Attributes
    ----------
    pressed : bool
        Whether there was an interruption.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._calling, self._over, self._lock = False, False, threading.Lock()
        # A handler may interrupt itself: of all that wakes a thread, this queue alone allows for it.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        threading.Thread(target=self._call_again, name="interruptions", daemon=True).start()

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, unless this is a call of the thread and the last one is on its way."""
        again, self._calling = self._calling, False
        if self._over:
            if again:
                return
            raise KeyboardInterrupt
        self.pressed = True
        self._calls.put(True)
        if not (again and _on_its_way()):
            raise KeyboardInterrupt

    def _call_again(self) -> None:
        while self._calls.get():
            time.sleep(PAUSE)
            with self._lock:  # no call may come after the end, when the handler is another
                if self._over:
                    return
                self._calling = True
                _thread.interrupt_main()

    def end(self) -> None:
        """Let the thread end, and no call come any more."""
        self._over = True
        with self._lock:  # a call that is being made has come when this is passed
            self._calls.put(False)


def _on_its_way() -> bool:
    """Whether who was just interrupted is handling a KeyboardInterrupt, or something that went wrong meanwhile."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
