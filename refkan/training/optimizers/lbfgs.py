"""L-BFGS: SciPy's L-BFGS-B without bounds."""

from typing import TYPE_CHECKING

import numpy as np

from refkan.base import FloatArray, Natural, NonNegative
from refkan.training.optimizers.run import Ending, Iterate, Run, small_gradient, steps_done

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


def lbfgs(
    run: Run,
    start: Iterate,
    *,
    history: Natural = 10,
    max_line_search: Natural = 20,
    tolerance_gradient: NonNegative = 1e-9,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    """SciPy's L-BFGS-B on ``d -> value(theta_0 + back(d))``, d the displacement in the coordinates v.

    The method only sees differences of points, so that this is the method on ``v = to(theta)`` itself; but the start is
    met exactly, not up to the rounding of ``back(to(theta))``. A step is an iteration, with its line search.

    Parameters
    ----------
    history : int
        Correction pairs kept.
    max_line_search : int
        Evaluations in a line search at most.
    tolerance_gradient : float
        Ends when no entry of the gradient with respect to v is larger in size.
    tolerance_change : float
        Ends when ``value_k - value_{k+1} <= tolerance_change max(|value_k|, |value_{k+1}|, 1)``. The 1 makes it
        absolute for small values, where SciPy's own default of 2e-9 ends too early; hence 0 here.

    Notes
    -----
    Byrd, Lu, Nocedal, Zhu, "A limited memory algorithm for bound constrained optimization", SIAM J. Sci. Comput. 16
    (1995). A non-finite value within a line search ends the run.
    """
    if run.steps == 0:
        return small_gradient(run.gradient(start), tolerance_gradient) or steps_done(0)
    # SciPy does not hand out the state of its method. A run that goes on therefore makes its steps again, but takes
    # their values and gradients from what it carries along.
    points = run.carried
    if run.done:
        start = Iterate(run.first, float(points["value"][0]), points["gradient"][0])
    for name, first in (("d", np.zeros_like(start.theta)), ("value", start.value), ("gradient", start.gradient)):
        points[name] = list(points.get(name, [first]))
    latest, kept, made = (points["d"][0], start), 1, 0

    def iterate_at(d: FloatArray) -> Iterate:
        # The start, and the end point of each line search, are asked for again and must not be evaluated again.
        nonlocal latest, kept
        if np.array_equal(d, latest[0]):
            return latest[1]
        moved = start.theta + run.geometry.displacement(d)
        if kept < len(points["d"]):
            if not np.array_equal(d, points["d"][kept]):
                raise ValueError("checkpoint must come from the same versions of NumPy and SciPy: its steps differ")
            iterate = Iterate(moved, float(points["value"][kept]), points["gradient"][kept])
        else:
            iterate = run.evaluate(moved)
            if run.file is not None:
                for name, entry in (("d", d.copy()), ("value", iterate.value), ("gradient", iterate.gradient)):
                    points[name].append(entry)
        latest, kept = (d.copy(), iterate), kept + 1
        return iterate

    def value_and_gradient(d: FloatArray) -> tuple[float, FloatArray]:
        iterate = iterate_at(d)
        return iterate.value, run.gradient(iterate)

    def after_step(intermediate_result: "OptimizeResult") -> None:
        nonlocal made
        made += 1
        iterate = iterate_at(intermediate_result.x)
        if made > run.done:
            run.finish_step(iterate)

    from scipy import optimize  # takes a tenth of a second, which others need not wait for

    minimum = optimize.minimize(
        value_and_gradient,
        np.zeros_like(start.theta),
        jac=True,
        method="L-BFGS-B",
        callback=after_step,
        options={
            "maxcor": history,
            "maxls": max_line_search,
            "gtol": tolerance_gradient,
            "ftol": tolerance_change,
            "maxiter": run.steps,
            "maxfun": np.iinfo(np.int32).max,  # steps are the only limit
        },
    )
    # SciPy looks at the number of iterations first: the last one may have converged as well.
    ending = small_gradient(run.gradient(iterate_at(minimum.x)), tolerance_gradient)
    if ending is not None:
        return ending
    return steps_done(run.steps) if minimum.status == 1 else Ending(bool(minimum.success), str(minimum.message))
