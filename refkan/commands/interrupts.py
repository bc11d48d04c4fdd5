"""Interruptions from the keyboard that must not get lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def kept_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt if there was one since; to be called every now and then.

    Python drops exceptions within callbacks from C, with no more than a line on the standard error stream; llvmlite has
    such callbacks, in which an interruption is likely to fall while kernels are compiled or loaded.
    """
    pressed = threading.Event()

    def interrupted(number: int, frame: FrameType | None) -> None:
        pressed.set()
        raise KeyboardInterrupt

    def again() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    in_charge = threading.current_thread() is threading.main_thread()
    # Whoever ignores interruptions, as shells do in the background, or has a handler of their own keeps that.
    if not in_charge or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield again
        return
    signal.signal(signal.SIGINT, interrupted)
    try:
        yield again
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
