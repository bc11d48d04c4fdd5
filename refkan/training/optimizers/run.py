"""One minimisation as it goes: what all methods share."""

from collections.abc import Callable
from dataclasses import replace
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from refkan.base import DegenerateNodeError, FloatArray, Frozen
from refkan.training.optimizers.geometry import Geometry
from refkan.training.optimizers.progress import Report
from refkan.training.optimizers.results import History, Result, State
from refkan.training.optimizers.run_files import RunFile

Callback = Callable[[State], Any]


class Iterate(Frozen):
    """A point with its value and its gradient with respect to theta: evaluated once, passed around whole."""

    theta: FloatArray
    value: float
    gradient: FloatArray


class Ending(NamedTuple):
    """Why a method ended."""

    converged: bool
    message: str


class Step(NamedTuple):
    """A step of a method: the next iterate, and whether the decrease is below `tolerance_change`."""

    iterate: Iterate
    decrease: float = 0.0
    small: bool = False
    damping: float | None = None
    length: float | None = None


class Halt(Exception):  # noqa: N818  # a signal, as StopIteration is, not an error
    """Ends a minimisation from within an evaluation or a callback."""


STOPPED = "stopped by the callback"
"""The message of a run begins with these words if the callback ended the run."""


class Run:
    """Evaluates for a method, counts, keeps the best point and the history, and calls the callback.

    A problem offers ``value_and_gradient(theta)``; methods of Gauss-Newton type ask it for
    ``residual_and_jacobian(theta)`` too, r (m,) with value = |r|^2 / 2 and J (m, n). Two more members are used where a
    problem has them: ``n_residuals``, the number m, to choose a route before J is formed, and ``gauss_newton(theta)``,
    J^T J without J. Coordinates other than its own are asked of ``problem.net``.

    A method calls `start` once, `evaluate` for every point it needs (or `attempt`, if it can do without the point), and
    `finish_step` after every step, which `descend` does for those that make one step after another.

    With a file the run goes on where that one ended: `start` then returns the iterate after the last of `done` steps.
    For that a method keeps what it carries from step to step in `carried`, as numbers, arrays and lists of them. It
    puts new arrays in place of old ones, which it leaves as they are: a step that is not finished must not reach them.
    """

    def __init__(
        self,
        problem: Any,
        geometry: Geometry,
        steps: int,
        callback: Callback | None,
        report: Report | None,
        file: RunFile | None,
    ) -> None:
        self.problem, self.geometry, self.steps = problem, geometry, steps
        self._callback, self._report = callback, report
        self._rows: list[list[float]] = []  # the fields of `History`, NaN where a method has none
        self._n_evaluations = 0
        self._began = process_time()
        self._caller_errstate = np.geterr()
        self.file, self.carried, self.done = file, dict[str, Any](), 0
        self._finished: tuple[Iterate, dict[str, Any], int]

    def start(self, theta: FloatArray) -> Iterate:
        """Evaluate the first point; ValueError if value or gradient are not finite there."""
        self.first = theta
        saved = None if self.file is None else self.file.read()
        if saved is not None:
            return self._go_on(saved)
        iterate, finite = self._evaluate(theta)
        if not finite:
            raise ValueError(f"theta must be a point of finite value and gradient; the value is {iterate.value}")
        self._best = iterate
        self._append(iterate)
        return iterate

    def _go_on(self, saved: dict[str, Any]) -> Iterate:
        """Take over what a file holds; the value and gradient there are computed anew to see whether it fits."""
        assert self.file is not None
        if not np.array_equal(saved["start"], self.first):
            raise ValueError(f"checkpoint {self.file.path} began with another theta: remove it, or give another name")
        self.done = len(saved["rows"]) - 1
        if self.done > self.steps:
            raise ValueError(
                f"steps must be at least the {self.done} steps of checkpoint {self.file.path}; got {self.steps}: "
                "raise it, remove the checkpoint, or give another name"
            )
        iterate, best = (
            Iterate(part["theta"], float(part["value"]), part["gradient"]) for part in (saved["current"], saved["best"])
        )
        again, _ = self._evaluate(iterate.theta)
        if again.value != iterate.value or not np.array_equal(again.gradient, iterate.gradient):
            difference = float(np.abs(again.gradient - iterate.gradient).max())
            raise ValueError(
                f"checkpoint {self.file.path} belongs to another problem, engine or machine: its point has the value "
                f"{iterate.value!r} there and {again.value!r} here, and the gradients differ by up to "
                f"{difference:.3g}; remove it, give another name, or go on with the problem and engine that wrote it"
            )
        self._best, self.carried, self._rows = best, saved["carried"], saved["rows"].tolist()
        self._n_evaluations = int(self._rows[-1][3])
        self._began = process_time() - self._rows[-1][2]
        return iterate

    def evaluate(self, theta: FloatArray) -> Iterate:
        """Evaluate a point and halt if it, its value or its gradient are not finite."""
        # Networks refuse parameters that are not finite, rightly; a diverging method must end with its best point.
        if not np.isfinite(theta).all():
            raise Halt(f"the parameters became non-finite in step {len(self._rows)}")
        try:
            iterate, finite = self._evaluate(theta)
        except DegenerateNodeError as error:
            raise Halt(f"in step {len(self._rows)} {error}") from None
        if not finite:
            part = "gradient" if np.isfinite(iterate.value) else f"value ({iterate.value})"
            raise Halt(f"the {part} became non-finite in step {len(self._rows)}")
        if iterate.value < self._best.value:
            self._best = iterate
        return iterate

    def attempt(self, theta: FloatArray) -> Iterate | None:
        """Evaluate a point for a method that can reject it: None where `evaluate` halts."""
        try:
            return self.evaluate(theta)
        except Halt:
            return None

    def gradient(self, iterate: Iterate) -> FloatArray:
        """Return the gradient at an iterate in the coordinates of the gradient."""
        return self.geometry.gradient(iterate.gradient)

    def descend(
        self,
        iterate: Iterate,
        tolerance: float,
        advance: Callable[[int, Iterate, FloatArray], Step | Ending],
        gradient: Callable[[Iterate], FloatArray] | None = None,
    ) -> Ending:
        """Take steps until the gradient or a decrease is small; their numbers begin with 1."""
        gradient_at = gradient or self.gradient
        for number in range(self.done + 1, self.steps + 1):
            slopes = gradient_at(iterate)
            if (ending := small_gradient(slopes, tolerance)) is not None:
                return ending
            step = advance(number, iterate, slopes)
            if isinstance(step, Ending):
                return step
            iterate = step.iterate
            self.finish_step(iterate, step.damping, step.length)
            if step.small:
                return Ending(True, f"converged: decrease {step.decrease:.3g} <= tolerance_change times the value")
        return small_gradient(gradient_at(iterate), tolerance) or steps_done(self.steps)

    def finish_step(self, iterate: Iterate, damping: float | None = None, step_length: float | None = None) -> None:
        """Enter the iterate into the history and tell progress and the callback; halt if the latter asks for it.

        `damping` and `step_length` are those of the step, from methods that have them.
        """
        self._append(iterate, damping, step_length)
        if self.file is not None:
            # As it is now: a method may have begun another step when the run ends, which is to begin anew.
            carried = {name: entry[:] if isinstance(entry, list) else entry for name, entry in self.carried.items()}
            self._finished = iterate, carried, len(self._rows)
            if self.file.is_due():
                self._save()
        if self._callback is None and self._report is None:
            return
        value, norm, seconds, *_ = self._rows[-1]
        point = len(self._rows) - 1, iterate.theta.copy(), value, norm
        state = State(*point, self._best.value, self._n_evaluations, seconds, damping, step_length, self.steps)
        try:
            with np.errstate(**self._caller_errstate):
                if self._report is not None:
                    # Its own copy of theta: what is shown must not change what a callback makes of it.
                    self._report(replace(state, theta=state.theta.copy()))
                if self._callback is not None:
                    self._callback(state)
        except StopIteration:
            raise Halt(f"{STOPPED} after step {state.step}") from None

    def _save(self) -> None:
        iterate, carried, count = self._finished
        assert self.file is not None
        parts = {"best": vars(self._best), "current": vars(iterate), "carried": carried}
        self.file.write({"start": self.first, "rows": np.array(self._rows[:count])} | parts)

    def result(self, ending: Ending) -> Result:
        """Return the best point with the history."""
        if self.file is not None and len(self._rows) > self.done + 1:
            self._save()
        ending = self._weigh(ending)
        value, norm, seconds, evaluations, *more = np.array(self._rows).T.copy()
        own = (None if np.isnan(column).all() else column for column in more)
        history = History(value, norm, seconds, evaluations.astype(np.int64), *own)
        return Result(self._best.theta, self._best.value, history, self._n_evaluations, *ending)

    def _weigh(self, ending: Ending) -> Ending:
        """Withdraw a convergence to somewhere clearly worse than the best point: a plateau, say, after a long step."""
        first, last, best = self._rows[0][0], self._rows[-1][0], self._best.value
        # A millionth of the decrease: at the end of a good run the last values differ by rounding.
        if not ending.converged or last - best <= 1e-6 * (first - best):
            return ending
        return Ending(False, f"{ending.message}; but the value there, {last:.3g}, is above the best, {best:.3g}")

    def _evaluate(self, theta: FloatArray) -> tuple[Iterate, bool]:
        value, gradient = self.problem.value_and_gradient(theta)
        self._n_evaluations += 1
        gradient = np.array(gradient, dtype=np.float64)  # a copy: it is kept while the problem goes on
        if gradient.shape != theta.shape:
            raise ValueError(f"the gradient must have theta's shape {theta.shape}; got {gradient.shape}")
        finite = bool(np.isfinite(value)) and bool(np.isfinite(gradient).all())
        return Iterate(theta, float(value), gradient), finite

    def _append(self, iterate: Iterate, damping: float | None = None, step_length: float | None = None) -> None:
        norm = float(np.linalg.norm(iterate.gradient))
        own = [np.nan if entry is None else entry for entry in (damping, step_length)]
        self._rows.append([iterate.value, norm, process_time() - self._began, self._n_evaluations, *own])


def small_gradient(gradient: FloatArray, tolerance: float) -> Ending | None:
    """Return the ending "converged" if no entry of the gradient exceeds the tolerance in size, else None."""
    largest = float(np.abs(gradient).max(initial=0.0))
    if largest > tolerance:
        return None
    return Ending(True, f"converged: largest gradient entry {largest:.3g} <= tolerance_gradient {tolerance:.3g}")


def steps_done(steps: int) -> Ending:
    """Return the ending of a method that used up its steps."""
    return Ending(False, f"{steps} steps done")
