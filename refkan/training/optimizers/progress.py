"""Progress of a minimisation, reported after every step: in lines of text or to a user's function."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import Frozen, check_annotated, check_function
from refkan.base.long_runs.exit_codes import say
from refkan.training.optimizers.results import State

Report = Callable[[State], Any]
"""Called with a `State` after every step; its method ``note(text)``, if it has one, is called at the end of a run."""


class ProgressLines:
    """A progress report: a line of text from time to time during the steps, and one at the end.

    Parameters
    ----------
    write : callable, optional
        Called with each line; by default lines go to the standard error stream.
    pause : float
        Seconds that pass at least between two lines about steps.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.optimizers.progress import ProgressLines
    >>> lines = []
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=1), [[0.0], [1.0]], [[1.0], [2.0]])
    >>> options = {"learning_rate": 1.0, "progress": ProgressLines(lines.append, pause=0.0)}
    >>> _ = rk.minimize(problem, [0.0, 0.0], "gd", steps=1, **options)
    >>> [line.partition(", gradient")[0] for line in lines]
    ['step 1 of 1, value 0.3125', 'gd: 1 steps done, value 0.3125']
    """

    def __init__(self, write: Callable[[str], Any] | None = None, pause: float = 2.0) -> None:
        check_annotated(ProgressLines.__init__, locals())
        self._write = say if write is None else write
        self._pause = pause
        self._latest = time.monotonic()

    def __call__(self, state: State) -> None:
        """Write a line about a step, if the last one is old enough."""
        seconds = time.monotonic()
        if seconds - self._latest >= self._pause:
            self._latest = seconds
            self._write(str(state))

    def note(self, text: str) -> None:
        """Write a line about the end of a run."""
        self._write(text)


class Staged(Frozen, eq=True):
    """Reports the steps of a part of a training, with the name of the part in ``state.stage``.

    Attributes
    ----------
    report : callable
    stage : str
    endings : bool
        Whether the endings of parts are reported too.
    """

    report: Report
    stage: str
    endings: bool = True

    def __call__(self, state: State) -> None:
        """Report a step."""
        self.report(replace(state, stage=self.stage))

    def note(self, text: str) -> None:
        """Report an ending."""
        if self.endings:
            note(self.report, f"{self.stage}: {text}")


def report_of(progress: Any) -> Report | None:
    """Return the function that receives each step, None for none; TypeError for anything but a bool or a function."""
    if progress is None or isinstance(progress, bool | np.bool_):
        return ProgressLines() if progress else None
    if not callable(progress):
        raise TypeError(f"progress must be True, False or a function of a State; got {progress!r}")
    check_function("progress", progress, 1)
    return progress


def staged(report: Report | None, stage: str, endings: bool = True) -> Report | None:
    """Return the report of a part of a training."""
    return None if report is None else Staged(report, stage, endings)


def note(report: Report | None, text: str) -> None:
    """Report an ending if the report takes it."""
    write = getattr(report, "note", None)
    if write is not None:
        write(text)
