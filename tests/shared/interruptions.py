"""Ctrl-C as it is lost in a callback from C, where Python drops it."""

import signal
import time
from contextlib import suppress


def drop():
    """Press Ctrl-C, and lose it."""
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def dropping(function):
    """The function, with such a loss before it."""

    def dropped_first(*arguments, **options):
        drop()
        return function(*arguments, **options)

    return dropped_first


def busy(seconds):
    """Compute for a while, by nothing but lines of Python."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
