"""Natural gradient of a residual: damped Gauss-Newton steps, each as long as is best on a grid of lengths."""

from __future__ import annotations

import numpy as np

from refkan.base.annotations import NonNegative
from refkan.base.array_types import FloatArray
from refkan.training.optimizers.run import Ending, Iterate, Run
from refkan.training.optimizers.second_order.damped_gauss_newton import along
from refkan.training.optimizers.second_order.damped_systems import DampedSystem, Solver


def natural_gradient(
    run: Run,
    theta: FloatArray,
    steps: int,
    *,
    damping: NonNegative = 1e-12,
    solver: Solver = "auto",
    halvings: int = 30,
    tolerance_gradient: NonNegative = 1e-12,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Energy natural gradient descent in the coordinates v of the geometry, in primal or dual form.

    For the energy |r|^2 / 2 of a residual the metric is the Gauss-Newton matrix, which one step solves with ::

        d = -(J^T J + lambda I)^-1 J^T r = -J^T (J J^T + lambda I)^-1 r,    v <- v + alpha d

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
        Ends when no entry of the gradient with respect to v is larger in size.
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
        largest = float(system.diagonal.max())
        return system.step(max(damping, system.noise) * largest, np.ones_like(system.diagonal))

    def search(start: Iterate, displacement: FloatArray, slope: float) -> tuple[Iterate, float] | None:
        return _best_of_halvings(run, start, displacement, halvings)

    advance = along(run, solver, direction, search, halvings + 1, tolerance_change)
    return run.descend(run.start(theta), steps, tolerance_gradient, advance)


def _best_of_halvings(
    run: Run, start: Iterate, displacement: FloatArray, halvings: int
) -> tuple[Iterate, float] | None:
    """Return the first lower point whose next is not better, with its length; None if no point is lower."""
    best: tuple[Iterate, float] | None = None
    for k in range(halvings + 1):
        trial = run.attempt(start.theta + 0.5**k * displacement)
        if best is not None and (trial is None or trial.value >= best[0].value):
            return best
        if trial is not None and trial.value < start.value:
            best = trial, 0.5**k
    return best
