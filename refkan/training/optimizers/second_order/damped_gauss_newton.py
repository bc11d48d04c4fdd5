"""Gauss-Newton: minimum-norm steps with a line search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refkan.base.arguments import check_choice, check_count
from refkan.base.array_types import FloatArray
from refkan.training.optimizers.method_options import check_decay, check_non_negative
from refkan.training.optimizers.run import Ending, Iterate, Run, small_gradient, steps_done
from refkan.training.optimizers.second_order.damped_systems import (
    EPS,
    SOLVERS,
    DampedSystem,
    require_consistent,
    system_at,
)

ARMIJO = 1e-4
"""Share of the decrease along the tangent that a step must bring: the customary value."""


def gauss_newton(
    run: Run,
    theta: FloatArray,
    steps: int,
    *,
    truncation: float = 1e-6,
    solver: str = "auto",
    max_line_search: int = 30,
    tolerance_gradient: float = 1e-12,
    tolerance_change: float = 0.0,
) -> Ending:
    r"""Gauss-Newton in the coordinates v of the geometry, with backtracking.

    ::

        d = -J^+ r,    v <- v + alpha d,    alpha = 1 or as much less as it takes to satisfy
        value(v + alpha d) <= value(v) + 1e-4 alpha grad^T d

    J^+ leaves out singular values below `truncation` times the largest: those of the null space, which every network
    has, and others that the data hardly determine and whose long steps leave the range of the linear model. d is the
    step of minimum norm in v; it is always a direction of descent, ``grad^T d = -|U^T r|^2`` over the kept singular
    vectors. A step is one Jacobian with its line search; each trial of alpha is one evaluation, and one that is not
    finite halves alpha.

    Parameters
    ----------
    truncation : float
        See above, in [0, 1). From J^T J ("cholesky") no less than ``sqrt(n eps)`` has an effect.
    solver : {"auto", "qr", "cholesky", "dual"}
        From J by QR and the singular values of the triangle, from the eigenvalues of J^T J, or from the singular
        values of J ("dual"). "auto" as for "levenberg-marquardt".
    max_line_search : int
        Trials in a line search at most.
    tolerance_gradient : float
        Ends when no entry of the gradient with respect to v is larger in size.
    tolerance_change : float
        Ends when decrease and predicted decrease are both at most this times the value.

    Notes
    -----
    Björck, "Numerical methods for least squares problems", SIAM 1996, section 9.2. For problems far from linear
    "levenberg-marquardt", which bends a step towards the gradient instead of shortening it, is the better choice. The
    history holds alpha of each step.
    """
    truncation = check_decay("truncation", truncation)
    max_line_search = check_count("max_line_search", max_line_search, minimum=1)
    return descend_along(
        run,
        theta,
        steps,
        "gauss-newton",
        lambda system: system.minimum_norm_step(truncation),
        lambda start, displacement, slope: _backtrack(run, start, displacement, slope, max_line_search),
        max_line_search,
        solver,
        tolerance_gradient,
        tolerance_change,
    )


def descend_along(
    run: Run,
    theta: FloatArray,
    steps: int,
    method: str,
    direction: Callable[[DampedSystem], FloatArray | None],
    search: Callable[[Iterate, FloatArray, float], tuple[Iterate, float] | None],
    trials: int,
    solver: str,
    tolerance_gradient: float,
    tolerance_change: float,
) -> Ending:
    """Descend along a direction of each linearised system, as far as a line search says.

    `direction` returns a step of v, None where the system is singular to working precision; `search` returns a point
    of a lower value and its step length from a point, the change of theta of the full step and the slope along it, None
    if it finds none in as many trials.
    """
    run.geometry.refuse_mixed(method)
    check_choice("solver", solver, SOLVERS)
    tolerance = check_non_negative("tolerance_gradient", tolerance_gradient)
    tolerance_change = check_non_negative("tolerance_change", tolerance_change)
    problem = run.residual_problem(method)
    T = run.geometry.matrix(theta.size)
    iterate = run.start(theta)
    for step in range(1, steps + 1):
        gradient = run.geometry.gradient(iterate.gradient)
        if (ending := small_gradient(gradient, tolerance)) is not None:
            return ending
        system = system_at(problem, iterate, T, solver)
        if step == 1:
            require_consistent(system, gradient, iterate.value)
        d = direction(system)
        if d is None:
            return Ending(False, f"the system of step {step} is singular to working precision")
        slope = float(gradient @ d)
        # The linear model predicts at least -slope / 2.
        if -0.5 * slope <= EPS * iterate.value:
            return Ending(
                True, f"converged: the next step would decrease the value by {-0.5 * slope:.3g}, within rounding"
            )
        point = search(iterate, run.geometry.displacement(d), slope)
        if point is None:
            return Ending(False, f"the line search found no decrease in {trials} trials in step {step}")
        after, length = point
        decrease = iterate.value - after.value
        small = max(decrease, -0.5 * slope) <= tolerance_change * iterate.value
        iterate = after
        run.finish_step(iterate, step_length=length)
        if small:
            return Ending(True, f"converged: decrease {decrease:.3g} <= tolerance_change times the value")
    return small_gradient(run.geometry.gradient(iterate.gradient), tolerance) or steps_done(steps)


def _backtrack(
    run: Run, start: Iterate, displacement: FloatArray, slope: float, trials: int
) -> tuple[Iterate, float] | None:
    """Return a point of sufficient decrease along the displacement with its step length, None if none is found."""
    length = 1.0
    for _ in range(trials):
        trial = run.attempt(start.theta + length * displacement)
        if trial is None:
            length *= 0.5
            continue
        if trial.value <= start.value + ARMIJO * length * slope:
            return trial, length
        # The minimum of the parabola through value, slope and this trial, kept within [0.1, 0.5] of the length.
        curvature = trial.value - start.value - length * slope
        length *= float(np.clip(-0.5 * slope * length / curvature, 0.1, 0.5))
    return None
