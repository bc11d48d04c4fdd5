"""Progress of a training on the standard error stream: a bar where rich is installed, lines otherwise."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any, Self

from refkan.commands.training.configuration import Configuration
from refkan.training.multilevel import Level
from refkan.training.optimizers import State

PAUSE = 2.0
"""Seconds between plain lines, and between evaluations of the true error."""


class Progress:
    """Told every step, shows some of them: level, step, loss, true error, and how long the level will take.

    Parameters
    ----------
    what : Configuration
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, what: Configuration, quiet: bool = False) -> None:
        self._what = what
        self._sizes = what.sizes
        self._quiet = quiet
        self._status: Any = None
        self._first = 0.0
        self._evaluated = -PAUSE
        self._error = ""

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
        """Show a step of a level, in place of the last one or, as a plain line, every two seconds and at the end."""
        now = time.monotonic()
        if state.step == 1:  # the time of the first step says little: kernels may be compiled in it
            self._first = now
        number = self._sizes.index(level.network.n_params)
        steps = self._what.schedule[number]
        due = now - self._evaluated >= PAUSE or state.step == steps
        if self._quiet or not (due or self._status):
            return
        if due:
            self._evaluated = now
            self._error = f"{self._what.setup.error(level.network, state.theta):.2e}"
        left = (now - self._first) / max(state.step - 1, 1) * (steps - state.step)
        start = f"{state.stage}, " if state.stage else ""
        text = (
            f"{start}level {number + 1} of {len(self._sizes)}, {self._sizes[number]} parameters: "
            f"step {state.step} of {steps}, loss {2 * state.value:.3g}, error {self._error}"
        ) + (f", about {left:.0f} s to go on this level" if 1 < state.step < steps else "")
        if self._status is None:
            self.line(text)
        else:
            self._status.update(text)

    def line(self, text: str) -> None:
        """Show a line that stays."""
        if self._quiet:
            return
        if self._status is not None:
            self._status.console.print(text)
        else:
            print(text, file=sys.stderr)
