"""Gradient descent and Adam, in each of the four geometries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refkan.base import BelowOne, FloatArray, NonNegative, Positive, check_tolerance
from refkan.training.optimizers.run import Ending, Iterate, Run, Step

Schedule = Callable[[int], float]


def gradient_descent(
    run: Run, theta: FloatArray, steps: int, *, learning_rate: Positive, tolerance_gradient: NonNegative = 0.0
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

    return run.descend(run.start(theta), steps, tolerance_gradient, advance)


def adam(
    run: Run,
    theta: FloatArray,
    steps: int,
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
    rate_of = _as_schedule(learning_rate, schedule)
    start = run.start(theta)
    moments = run.carried
    moments.setdefault("first", np.zeros_like(theta))
    moments.setdefault("second", np.zeros_like(theta))

    def advance(step: int, iterate: Iterate, gradient: FloatArray) -> Step:
        moments["first"] = beta1 * moments["first"] + (1 - beta1) * gradient
        moments["second"] = beta2 * moments["second"] + (1 - beta2) * gradient**2
        # The averages start at 0; dividing by their total weight removes that bias.
        mean = moments["first"] / (1 - beta1**step)
        square = moments["second"] / (1 - beta2**step)
        rate = rate_of(step - 1)
        moved = run.geometry.displacement(-rate * mean / (np.sqrt(square) + epsilon))
        return Step(run.evaluate((1 - rate * weight_decay) * iterate.theta + moved))

    return run.descend(start, steps, tolerance_gradient, advance)


def _as_schedule(learning_rate: float | None, schedule: Schedule | float | None) -> Schedule:
    if schedule is None:
        return lambda step: 1e-3 if learning_rate is None else learning_rate
    if learning_rate is not None:
        raise ValueError("learning_rate must be left out when schedule is given: it sets the rate")
    if callable(schedule):
        return lambda step: check_tolerance(f"schedule({step})", schedule(step))
    return lambda step: schedule
