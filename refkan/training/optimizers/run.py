"""One minimisation as it goes: what all methods share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import process_time
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.errors import DegenerateNodeError
from refkan.base.short_reprs import ShortRepr
from refkan.training.optimizers.geometry import Geometry
from refkan.training.optimizers.progress import Report
from refkan.training.optimizers.results import History, Result, State

Callback = Callable[[State], Any]


class Problem(Protocol):
    """What a minimisation asks of a problem; coordinates other than its own are asked of ``problem.net``."""

    def value_and_gradient(self, theta: FloatArray) -> tuple[Any, FloatArray]:
        """Return the value and its gradient."""


@runtime_checkable
class ResidualProblem(Problem, Protocol):
    """What methods of Gauss-Newton type ask of a problem: residuals r (m,) with value = |r|^2 / 2.

    Three more members are used where a problem has them: ``n_residuals``, the number m, to choose a route before J is
    formed; and, for a J^T J without the whole of J, ``gauss_newton(theta)``, that matrix (n, n), or else
    ``residual_blocks(theta)``, which yields pairs (r, J) of consecutive residuals.
    """

    def residual_and_jacobian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return r (m,) and its Jacobian J (m, n)."""


@dataclass(frozen=True, eq=False)
class Iterate(ShortRepr):
    """A point with its value and its gradient with respect to theta: evaluated once, passed around whole."""

    theta: FloatArray
    value: float
    gradient: FloatArray


class Ending(NamedTuple):
    """Why a method ended."""

    converged: bool
    message: str


class Halt(Exception):  # noqa: N818  # a signal, as StopIteration is, not an error
    """Ends a minimisation from within an evaluation or a callback."""


STOPPED = "stopped by the callback"
"""The message of a run begins with these words if the callback ended the run."""


class Run:
    """Evaluates for a method, counts, keeps the best point and the history, and calls the callback.

    A method calls `start` once, `evaluate` for every point it needs (or `attempt`, if it can do without the point), and
    `finish_step` after every step.
    """

    def __init__(
        self,
        problem: Problem,
        geometry: Geometry,
        callback: Callback | None,
        report: Report | None = None,
        steps: int = 0,
    ) -> None:
        self.geometry = geometry
        self.problem = problem
        self._callback, self._report, self._steps = callback, report, steps
        self._rows: list[tuple[float, float, float, int]] = []
        self._extras: list[tuple[float | None, float | None]] = []
        self._n_evaluations = 0
        self._began = process_time()
        self._caller_errstate = np.geterr()

    def start(self, theta: FloatArray) -> Iterate:
        """Evaluate the first point; ValueError if value or gradient are not finite there."""
        iterate, finite = self._evaluate(theta)
        if not finite:
            raise ValueError(f"theta must be a point of finite value and gradient; the value is {iterate.value}")
        self._best = iterate
        self._append(iterate)
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
        self._keep_best(iterate)
        return iterate

    def attempt(self, theta: FloatArray) -> Iterate | None:
        """Evaluate a point for a method that can reject it: None where `evaluate` halts."""
        if not np.isfinite(theta).all():
            return None
        try:
            iterate, finite = self._evaluate(theta)
        except DegenerateNodeError:
            return None
        if not finite:
            return None
        self._keep_best(iterate)
        return iterate

    def residual_problem(self, method: str) -> ResidualProblem:
        """Return the problem; TypeError unless it offers residuals and their Jacobian."""
        if not isinstance(self.problem, ResidualProblem):
            raise TypeError(
                f"method {method!r} needs a problem that offers residual_and_jacobian(theta); "
                f"got {type(self.problem).__name__}"
            )
        return self.problem

    def finish_step(self, iterate: Iterate, *, damping: float | None = None, step_length: float | None = None) -> None:
        """Enter the iterate into the history and tell progress and the callback; halt if the latter asks for it.

        `damping` and `step_length` are those of the step, from methods that have them.
        """
        self._append(iterate, damping, step_length)
        if self._callback is None and self._report is None:
            return
        value, norm, seconds, evaluations = self._rows[-1]
        step = len(self._rows) - 1
        state = State(
            step,
            iterate.theta.copy(),
            value,
            norm,
            self._best.value,
            evaluations,
            seconds,
            damping,
            step_length,
            self._steps,
        )
        try:
            with np.errstate(**self._caller_errstate):
                if self._report is not None:
                    # Its own copy of theta: what is shown must not change what a callback makes of it.
                    self._report(replace(state, theta=state.theta.copy()))
                if self._callback is not None:
                    self._callback(state)
        except StopIteration:
            raise Halt(f"{STOPPED} after step {state.step}") from None

    def result(self, ending: Ending) -> Result:
        """Return the best point with the history."""
        ending = self._weigh(ending)
        value, norm, seconds, evaluations = zip(*self._rows, strict=True)
        damping, step_length = (_column(column) for column in zip(*self._extras, strict=True))
        history = History(
            np.array(value), np.array(norm), np.array(seconds), np.array(evaluations), damping, step_length
        )
        return Result(
            theta=self._best.theta,
            value=self._best.value,
            history=history,
            n_evaluations=self._n_evaluations,
            converged=ending.converged,
            message=ending.message,
        )

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

    def _keep_best(self, iterate: Iterate) -> None:
        if iterate.value < self._best.value:
            self._best = iterate

    def _append(self, iterate: Iterate, damping: float | None = None, step_length: float | None = None) -> None:
        norm = float(np.linalg.norm(iterate.gradient))
        self._extras.append((damping, step_length))
        self._rows.append((iterate.value, norm, process_time() - self._began, self._n_evaluations))


def _column(entries: tuple[float | None, ...]) -> FloatArray | None:
    """An array of what the steps reported, NaN where there was nothing; None if no step reported anything."""
    if all(entry is None for entry in entries):
        return None
    return np.array([np.nan if entry is None else entry for entry in entries])


def small_gradient(gradient: FloatArray, tolerance: float) -> Ending | None:
    """Return the ending "converged" if no entry of the gradient exceeds the tolerance in size, else None."""
    largest = float(np.abs(gradient).max(initial=0.0))
    if largest > tolerance:
        return None
    return Ending(True, f"converged: largest gradient entry {largest:.3g} <= tolerance_gradient {tolerance:.3g}")


def steps_done(steps: int) -> Ending:
    """Return the ending of a method that used up its steps."""
    return Ending(False, f"{steps} steps done")
