"""Methods of value and gradient: gradient descent and Adam in four geometries, L-BFGS, and a self-scaled method.

L-BFGS is SciPy's L-BFGS-B without bounds. The self-scaled method is a quasi-Newton method of Broyden's class with an
inverse Hessian that is scaled each step.
"""

import warnings
from collections.abc import Callable
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from refkan.base import BelowOne, FloatArray, Natural, NonNegative, Positive, check_function, check_tolerance
from refkan.training.optimizers.run import Ending, Iterate, Run, Step, small_gradient, steps_done
from refkan.training.optimizers.second_order.damped_systems import require_room

Schedule = Callable[[int], float]


def gradient_descent(
    run: Run, start: Iterate, *, learning_rate: Positive, tolerance_gradient: NonNegative = 0.0
) -> Ending:
    """Gradient descent, ``v <- v - learning_rate grad_z`` (see `Geometry`).

    Parameters
    ----------
    learning_rate : float
        The step size eta.
    tolerance_gradient : float
        Ends when no entry of grad_z is larger in size; 0 by default: the gradient vanishes.
    """

    def advance(step: int, iterate: Iterate, gradient: FloatArray) -> Step:
        return Step(run.evaluate(iterate.theta + run.geometry.displacement(-learning_rate * gradient)))

    return run.descend(start, tolerance_gradient, advance)


def adam(
    run: Run,
    start: Iterate,
    *,
    learning_rate: Positive | None = None,
    beta1: BelowOne = 0.9,
    beta2: BelowOne = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NonNegative = 0.0,
    schedule: Positive | Schedule | None = None,
    tolerance_gradient: NonNegative = 0.0,
) -> Ending:
    """Adam with decoupled weight decay, its moments kept in the coordinates of the gradient.

    ::

        m <- beta1 m + (1 - beta1) grad_z,      s <- beta2 s + (1 - beta2) grad_z^2
        v <- (1 - eta weight_decay) v - eta mhat / (sqrt(shat) + epsilon)

    with ``mhat = m / (1 - beta1^k)``, ``shat = s / (1 - beta2^k)`` in step k = 1, 2, ... The diagonal P of Table 1 is
    thus carried over from z to v as it is. The decay is linear and hence the same in all coordinates.

    Parameters
    ----------
    learning_rate : float, optional
        eta; 1e-3 if there is no schedule either.
    beta1, beta2 : float
        Decays of the moments, in [0, 1).
    epsilon : float
        Added to the root, not under it.
    weight_decay : float
        0 by default.
    schedule : callable or float, optional
        In place of learning_rate: maps the number of steps done (0 for the first step) to eta, which may be 0.
    tolerance_gradient : float
        As in `gradient_descent`.

    Notes
    -----
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; Loshchilov and Hutter,
    "Decoupled weight decay regularization", ICLR 2019, for the decay.
    """
    rate_of, moments = _as_schedule(learning_rate, schedule), run.carried
    for name in ("first", "second"):
        moments.setdefault(name, np.zeros_like(start.theta))

    def advance(step: int, iterate: Iterate, gradient: FloatArray) -> Step:
        moments["first"] = beta1 * moments["first"] + (1 - beta1) * gradient
        moments["second"] = beta2 * moments["second"] + (1 - beta2) * gradient**2
        # The averages start at 0; dividing by their total weight removes that bias.
        mean = moments["first"] / (1 - beta1**step)
        square = moments["second"] / (1 - beta2**step)
        rate = rate_of(step - 1)
        moved = run.geometry.displacement(-rate * mean / (np.sqrt(square) + epsilon))
        return Step(run.evaluate((1 - rate * weight_decay) * iterate.theta + moved))

    return run.descend(start, tolerance_gradient, advance)


def _as_schedule(learning_rate: float | None, schedule: Schedule | float | None) -> Schedule:
    if schedule is None:
        return lambda step: 1e-3 if learning_rate is None else learning_rate
    if learning_rate is not None:
        raise ValueError("learning_rate must be left out when schedule is given: it sets the rate")
    if callable(schedule):
        check_function("schedule", schedule, 1)
        return lambda step: check_tolerance(f"schedule({step})", schedule(step))
    return lambda step: schedule


SUFFICIENT, CURVATURE = 1e-4, 0.9
"""Of Wolfe's conditions: the customary values."""


def self_scaled_broyden(
    run: Run,
    start: Iterate,
    *,
    max_line_search: Natural = 30,
    tolerance_gradient: NonNegative = 1e-9,
    tolerance_change: NonNegative = 0.0,
) -> Ending:
    r"""Quasi-Newton steps with a dense inverse Hessian H, scaled before each update, and Wolfe's line search.

    ::

        v <- v + alpha d,  d = -H g;       s = alpha d,  y = g_new - g,  w = s/(y^T s) - H y/(y^T H y)
        H <- (H - H y y^T H/(y^T H y) + phi (y^T H y) w w^T)/tau + s s^T/(y^T s)

    so that ``H y = s`` whatever tau and phi; see `updated` for these, by Al-Baali's rule. A step is an iteration with
    its line search. The first H is the identity, scaled by ``y^T s/|y|^2`` once y is known. Where no step satisfies
    Wolfe's conditions H starts anew; if there is none along the gradient either the run ends.

    Parameters
    ----------
    max_line_search : int
        Trials of a line search at most.
    tolerance_gradient : float
        Ends when no entry of the gradient with respect to v is larger in size.
    tolerance_change : float
        Ends when ``value_k - value_{k+1} <= tolerance_change max(|value_k|, |value_{k+1}|)``.

    Notes
    -----
    Al-Baali, "Numerical experience with a class of self-scaling quasi-Newton algorithms", J. Optim. Theory Appl. 96
    (1998); Urbán, Stefanou, Pons, "Unveiling the optimization process of physics informed neural networks", J. Comput.
    Phys. 523 (2025), equations (13) to (23); Kiyani et al., arXiv 2501.16371. The line search is SciPy's. A
    value that is not finite within it ends the run. H takes n^2 numbers.
    """
    n = start.theta.size
    require_room(3 * n**2, f"the inverse Hessian of {n} parameters")

    def advance(step: int, iterate: Iterate, g: FloatArray) -> Step | Ending:
        H: FloatArray | None = run.carried.get("H")
        d = -g / np.linalg.norm(g) if H is None else -H @ g
        point = _search(run, iterate, d, g, max_line_search)
        if point is None and H is not None:
            H, d = None, -g / np.linalg.norm(g)
            point = _search(run, iterate, d, g, max_line_search)
        if point is None:
            return Ending(False, f"the line search found no point that satisfies Wolfe's conditions in step {step}")
        after, length = point
        s, y = length * d, run.gradient(after) - g
        curvature = float(y @ s)
        if curvature > 0.0:
            if H is None:
                H, b = curvature / float(y @ y) * np.eye(n), None
            else:
                b = -length * float(s @ g) / curvature
            run.carried["H"] = updated(H, s, y, b)
        elif H is None:
            run.carried.pop("H", None)
        decrease, scale = iterate.value - after.value, max(abs(iterate.value), abs(after.value))
        return Step(after, decrease, decrease <= tolerance_change * scale, length=length)

    return run.descend(start, tolerance_gradient, advance)


def updated(H: FloatArray, s: FloatArray, y: FloatArray, b: float | None) -> FloatArray:
    r"""Return the inverse Hessian (n, n) after the step s (n,) with the change of gradients y (n,), ``y^T s > 0``.

    b is ``s^T H^-1 s/(y^T s)``, which a quasi-Newton step knows without solving; None solves. With ``h = y^T H y/(y^T
    s)``, ``a = b h - 1 >= 0`` and ``c = sqrt(a/(1 + a))`` Al-Baali's rule is ::

        rho = min(1, h (1 - c)),    theta = max((rho - 1)/a, min(1/rho, (1 - b)/b)),    sigma = 1 + a theta
        phi = (1 - theta)/sigma
        tau = min(1, 1/b) min(sigma^(-1/(n-1)), 1/theta)               if theta > 0
        tau = min(min(1, 1/b) sigma^(-1/(n-1)), sigma)                 else

    which commutes with linear changes of the variables.
    """
    z, ys = H @ y, float(y @ s)
    yz = float(y @ z)
    h = yz / ys
    b = float(s @ np.linalg.solve(H, s)) / ys if b is None else b
    phi, tau = 1.0, min(1.0, 1.0 / b)
    a = b * h - 1.0
    # a = 0 where H y and s are parallel: then w = 0, and phi does not matter.
    if a > 1e-14 and s.size > 1:
        rho = min(1.0, h * (1.0 - sqrt(a / (1.0 + a))))
        theta = max((rho - 1.0) / a, min(1.0 / rho, (1.0 - b) / b))
        sigma = 1.0 + a * theta
        phi = (1.0 - theta) / sigma
        root = sigma ** (-1.0 / (s.size - 1))
        tau = tau * min(root, 1.0 / theta) if theta > 0.0 else min(tau * root, sigma)
    w = s / ys - z / yz
    return (H - np.outer(z, z) / yz + phi * yz * np.outer(w, w)) / tau + np.outer(s, s) / ys


def _search(run: Run, start: Iterate, d: FloatArray, g: FloatArray, trials: int) -> tuple[Iterate, float] | None:
    """Return a point along the step d of v that satisfies the strong conditions of Wolfe, and alpha; None if none."""
    zero = np.zeros_like(d)
    seen = {zero.tobytes(): start}

    def at(step: FloatArray) -> Iterate:
        # Value and gradient are asked for one after the other and must be evaluated once.
        key = step.tobytes()
        if key not in seen:
            seen[key] = run.evaluate(start.theta + run.geometry.displacement(step))
        return seen[key]

    from scipy import optimize  # takes a tenth of a second, which others need not wait for

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a search that fails: its alpha is None
        value, gradient = lambda step: at(step).value, lambda step: run.gradient(at(step))
        limits = {"c1": SUFFICIENT, "c2": CURVATURE, "maxiter": trials}
        alpha = optimize.line_search(value, gradient, zero, d, g, start.value, **limits)[0]
    return None if alpha is None else (at(zero + alpha * d), float(alpha))


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
                raise ValueError(
                    "checkpoint must come from the same versions of NumPy and SciPy, whose steps differ from these: "
                    "go on with those versions, remove it, or give another name"
                )
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
