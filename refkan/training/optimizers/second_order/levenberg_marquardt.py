"""Levenberg-Marquardt: Gauss-Newton steps, damped as much as the last ones deserved."""

from collections.abc import Callable

from refkan.base import FloatArray, Natural, NonNegative, Positive
from refkan.training.optimizers.run import Ending, Iterate, Run, Step
from refkan.training.optimizers.second_order.damped_systems import (
    EPS,
    DampedSystem,
    Solver,
    require_consistent,
    system_at,
)

LEAST_GAIN = 1e-4
"""Least share of the predicted decrease that a step must bring; as in the Armijo rule, no more than a safeguard."""


def levenberg_marquardt(
    run: Run,
    start: Iterate,
    *,
    damping: Positive = 1e-3,
    solver: Solver = "auto",
    max_rejections: Natural = 30,
    tolerance_gradient: NonNegative = 1e-12,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Levenberg-Marquardt.

    ::

        (J^T J + lambda I) d = -J^T r,    theta <- theta + d    if that decreases the value |r|^2 / 2

    A step is one Jacobian with as many trials of lambda as it takes; each trial is one evaluation. With the gain
    ``rho = (decrease) / (decrease of the linear model)`` Nielsen's rule sets, growth being 2 when a step begins, ::

        rho > 1e-4:  accept, lambda <- lambda max(1/3, 1 - (2 rho - 1)^3)
        else:        lambda <- lambda growth, growth <- 2 growth

    A trial that is not finite, or whose matrix is singular to working precision, counts as rejected. Steps have
    no component in the null space of J.

    Parameters
    ----------
    damping : float
        The first lambda, relative to the largest entry of ``diag(J^T J)``.
    solver : {"auto", "qr", "cholesky", "dual"}
        From J by QR, from J^T J by Cholesky, or from J J^T. "auto" is dual for fewer residuals than parameters,
        QR for small problems (``m n^2 <= 2e7``), Cholesky for others.
    max_rejections : int
        Rejected trials in one step after which the run ends.
    tolerance_gradient : float
        Ends when no entry of the gradient is larger in size.
    tolerance_change : float
        Ends when decrease and predicted decrease are both at most this times the value.

    Notes
    -----
    Levenberg, Quart. Appl. Math. 2 (1944); Marquardt, SIAM J. Appl. Math. 11 (1963). The update is that of Nielsen,
    "Damping parameter in Marquardt's method", IMM-REP-1999-05, TU Denmark. The history holds lambda of each step.
    """

    def system_of(iterate: Iterate) -> DampedSystem:
        return system_at(run.problem, iterate, solver)

    def move(iterate: Iterate, d: FloatArray) -> Iterate | None:
        return run.attempt(iterate.theta + d)

    limits = damping, max_rejections, tolerance_gradient, tolerance_change
    return descend(run, start, system_of, run.gradient, move, lambda iterate: iterate.value, *limits)


def descend(
    run: Run,
    start: Iterate,
    system_of: Callable[[Iterate], DampedSystem],
    gradient_of: Callable[[Iterate], FloatArray],
    move: Callable[[Iterate, FloatArray], Iterate | None],
    objective: Callable[[Iterate], float],
    first_damping: float,
    max_rejections: int,
    tolerance_gradient: float,
    tolerance_change: float,
) -> Ending:
    """Damped steps: see `levenberg_marquardt`.

    Of an iterate, `system_of` returns the linearised least squares problem there, `gradient_of` the gradient of the
    objective in the coordinates of the steps, `move` the iterate after a step, None if it is not finite, and
    `objective` what decreases.
    """

    def advance(step: int, iterate: Iterate, gradient: FloatArray) -> Step | Ending:
        system, value = system_of(iterate), objective(iterate)
        if step == 1:
            require_consistent(system, gradient, value)
        largest = float(system.diagonal.max())
        damping = first_damping * largest
        if step > 1:
            damping = max(float(run.carried["damping"]), system.noise * largest)
        growth = 2.0
        for rejections in range(max_rejections + 1):
            d = system.step(damping)
            if d is not None:
                predicted = 0.5 * float(d @ (damping * d - gradient))
                if abs(predicted) <= EPS * value:
                    return _exhausted(predicted, rejections)
                # The model never increases: what predicts an increase solved a matrix of nothing but rounding.
                after = move(iterate, d) if predicted > 0.0 else None
                if after is not None:
                    decrease = value - objective(after)
                    if decrease > LEAST_GAIN * predicted:
                        break
            damping *= growth
            growth *= 2.0
        else:
            return Ending(False, f"no trial decreased the value: {rejections + 1} rejected in step {step}")
        small = max(decrease, predicted) <= tolerance_change * value
        taken = Step(after, decrease, small, damping=damping)
        run.carried["damping"] = damping * max(1.0 / 3.0, 1.0 - (2.0 * decrease / predicted - 1.0) ** 3)
        return taken

    return run.descend(start, tolerance_gradient, advance, gradient_of)


def _exhausted(predicted: float, rejections: int) -> Ending:
    """Return the ending of a run whose next step would change the value by less than its rounding."""
    if rejections == 0:
        return Ending(True, f"converged: the next step would decrease the value by {predicted:.3g}, below its rounding")
    return Ending(False, f"no trial decreased the value: {rejections} rejected, the last of a step lost in rounding")
