"""Progress of a training on the standard error stream: a bar where rich is installed, lines otherwise."""

from __future__ import annotations

import time
from typing import Self

from refkan.base.long_runs.status_lines import StatusLine
from refkan.commands.training.configuration import Configuration
from refkan.training.multilevel import Level
from refkan.training.optimizers import State

PAUSE = 2.0
"""Seconds between plain lines, and between evaluations of the true error."""


class Progress:
    """Told every step, shows some of them: level, step, loss, true error, and how long the level will take.

    Parameters
    ----------
    asked : Configuration
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, asked: Configuration, quiet: bool = False) -> None:
        self._asked, self._sizes = asked, asked.sizes
        self._lines = None if quiet else StatusLine()
        self._first = 0.0
        self._evaluated = -PAUSE
        self._error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._lines is not None:
            self._lines.__exit__(*error)

    def step(self, level: Level, state: State) -> None:
        """Show a step of a level, in place of the last one or, as a plain line, every two seconds and at the end."""
        if self._lines is None:
            return
        seconds = time.monotonic()
        if state.step == 1:  # the time of the first step says little: kernels may be compiled in it
            self._first = seconds
        number = self._sizes.index(level.network.n_params)
        steps = self._asked.schedule[number]
        due = seconds - self._evaluated >= PAUSE or state.step == steps
        if not (due or self._lines.width):
            return
        if due:
            self._evaluated = seconds
            self._error = f"{self._asked.setup.error(level.network, state.theta):.2e}"
        left = (seconds - self._first) / max(state.step - 1, 1) * (steps - state.step)
        text = (
            f"{state.stage}{', ' if state.stage else ''}level {number + 1} of {len(self._sizes)}, "
            f"{self._sizes[number]} parameters: step {state.step} of {steps}, loss {2 * state.value:.3g}, "
            f"error {self._error}"
        ) + (f", about {left:.0f} s to go on this level" if 1 < state.step < steps else "")
        if not self._lines.update(text):
            self._lines.line(text)

    def line(self, text: str) -> None:
        """Show a line that stays."""
        if self._lines is not None:
            self._lines.line(text)
