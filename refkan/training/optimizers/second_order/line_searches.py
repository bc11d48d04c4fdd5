"""Gauss-Newton with line searches: minimum-norm steps, and the natural gradient of a residual."""

from collections.abc import Callable

import numpy as np

from refkan.base import BelowOne, FloatArray, Natural, NonNegative
from refkan.training.optimizers.run import Ending, Iterate, Run, Step
from refkan.training.optimizers.second_order.damped_systems import (
    EPS,
    DampedSystem,
    Solver,
    require_consistent,
    system_at,
)

Direction = Callable[[DampedSystem], FloatArray | None]
Search = Callable[[Run, Iterate, FloatArray, float, int], tuple[Iterate, float] | None]

ARMIJO = 1e-4
"""Share of the decrease along the tangent that a step must bring: the customary value."""


def gauss_newton(
    run: Run,
    start: Iterate,
    *,
    truncation: BelowOne = 1e-6,
    solver: Solver = "auto",
    max_line_search: Natural = 30,
    tolerance_gradient: NonNegative = 1e-12,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Gauss-Newton with backtracking.

    ::

        d = -J^+ r,    theta <- theta + alpha d,    alpha = 1 or as much less as it takes to satisfy
        value(theta + alpha d) <= value(theta) + 1e-4 alpha grad^T d

    J^+ leaves out singular values below `truncation` times the largest: those of the null space, which every network
    has, and others that the data hardly determine and whose long steps leave the range of the linear model. d is the
    step of minimum norm; it is always a direction of descent, ``grad^T d = -|U^T r|^2`` over the kept singular
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
        Ends when no entry of the gradient is larger in size.
    tolerance_change : float
        Ends when decrease and predicted decrease are both at most this times the value.

    Notes
    -----
    Björck, "Numerical methods for least squares problems", SIAM 1996, section 9.2. For problems far from linear
    "levenberg-marquardt", which bends a step towards the gradient instead of shortening it, is the better choice. The
    history holds alpha of each step.
    """
    limits = max_line_search, tolerance_gradient, tolerance_change
    return along(run, start, solver, lambda system: system.minimum_norm_step(truncation), _backtrack, *limits)


def along(
    run: Run,
    start: Iterate,
    solver: str,
    direction: Direction,
    search: Search,
    trials: int,
    tolerance_gradient: float,
    tolerance_change: float,
) -> Ending:
    """Take steps along a direction of each linearised system, as far as a line search says.

    `direction` returns a step, None where the system is singular to working precision; `search` returns a point
    of a lower value and its step length from a point, the full step, the slope along it and the
    number of trials, None if it finds none. Decreases are small if they, and the predicted ones, are at most
    `tolerance_change` times the value.
    """

    def advance(step: int, iterate: Iterate, gradient: FloatArray) -> Step | Ending:
        system = system_at(run.problem, iterate, solver)
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
        point = search(run, iterate, d, slope, trials)
        if point is None:
            return Ending(False, f"the line search found no decrease in {trials} trials in step {step}")
        after, length = point
        decrease = iterate.value - after.value
        return Step(after, decrease, max(decrease, -0.5 * slope) <= tolerance_change * iterate.value, length=length)

    return run.descend(start, tolerance_gradient, advance)


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


def natural_gradient(
    run: Run,
    start: Iterate,
    *,
    damping: NonNegative = 1e-12,
    solver: Solver = "auto",
    halvings: int = 30,
    tolerance_gradient: NonNegative = 1e-12,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Energy natural gradient descent, in primal or dual form.

    For the energy |r|^2 / 2 of a residual the metric is the Gauss-Newton matrix, which one step solves with ::

        d = -(J^T J + lambda I)^-1 J^T r = -J^T (J J^T + lambda I)^-1 r,    theta <- theta + alpha d

    and alpha is the first of 1, 1/2, 1/4, ... whose value is below that of the start and not above that of the next.
    The two forms are one step; the right one, of size m, is the cheaper one where residuals are fewer than parameters.
    Without damping a step does not depend on the coordinates as long as J has full column rank. A step is one Jacobian
    with its line search; each trial of alpha is one evaluation.

    Parameters
    ----------
    damping : float
        lambda relative to the largest diagonal entry of J^T J, not less than the rounding of the solver.
    solver : {"auto", "qr", "cholesky", "dual"}
        As for "levenberg-marquardt"; "dual" is the form in the space of residuals.
    halvings : int
        Of alpha at most.
    tolerance_gradient : float
        Ends when no entry of the gradient is larger in size.
    tolerance_change : float
        Ends when decrease and predicted decrease are both at most this times the value.

    Notes
    -----
    Müller and Zeinhofer, "Achieving high accuracy with PINNs via energy natural gradient descent", arXiv 2302.13163,
    where a pseudo-inverse takes the place of the damping and alpha is the best of all lengths; Jnini and Vella, "Dual
    natural gradient descent for scalable training of physics-informed neural networks", arXiv 2505.21404, whose
    correction along geodesics is left out. "gauss-newton" differs in how it treats small singular values and in that it
    takes the first length that decreases the value enough. The history holds alpha of each step.
    """

    def direction(system: DampedSystem) -> FloatArray | None:
        return system.step(max(damping, system.noise) * float(system.diagonal.max()))

    return along(run, start, solver, direction, _best_of_halvings, halvings + 1, tolerance_gradient, tolerance_change)


def _best_of_halvings(
    run: Run, start: Iterate, displacement: FloatArray, _: float, trials: int
) -> tuple[Iterate, float] | None:
    """Return the first lower point whose next is not better, with its length; None if no point is lower."""
    best: tuple[Iterate, float] | None = None
    for k in range(trials):
        trial = run.attempt(start.theta + 0.5**k * displacement)
        if best is not None and (trial is None or trial.value >= best[0].value):
            return best
        if trial is not None and trial.value < start.value:
            best = trial, 0.5**k
    return best
