"""Progress of a training on the standard error stream: a bar where rich is installed, lines otherwise."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any, Self

from refkan.hierarchy import Level
from refkan.optimizers import State

PAUSE = 2.0
"""Seconds between plain lines."""


class Progress:
    """Told every step, shows some of them.

    Parameters
    ----------
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._status: Any = None
        self._last = -PAUSE

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            try:
                console = import_module("rich.console").Console(stderr=True)
            except ImportError:
                return self
            self._status = console.status("starting")
            self._status.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def step(self, level: Level, state: State) -> None:
        """Show a step of a level, in place of the last one or, as a plain line, every two seconds."""
        text = f"{level.network.n_params} parameters: step {state.step}, loss {2 * state.value:.3g}"
        if self._status is not None:
            self._status.update(text)
        elif (now := time.monotonic()) - self._last >= PAUSE:
            self._last = now
            self.line(text)

    def line(self, text: str) -> None:
        """Show a line that stays."""
        if self._quiet:
            return
        if self._status is not None:
            self._status.console.print(text)
        else:
            print(text, file=sys.stderr)
