"""Gradient descent and Adam, in each of the four geometries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refkan.base.arguments import check_positive
from refkan.base.array_types import FloatArray
from refkan.training.optimizers.method_options import check_decay, check_non_negative
from refkan.training.optimizers.run import Ending, Run, small_gradient, steps_done

Schedule = Callable[[int], float]


def gradient_descent(
    run: Run, theta: FloatArray, steps: int, *, learning_rate: float, tolerance_gradient: float = 0.0
) -> Ending:
    """Gradient descent, ``v <- v - learning_rate grad_z`` (see `Geometry`).

    Parameters
    ----------
    learning_rate : float
        The step size eta.
    tolerance_gradient : float
        Ends when no entry of grad_z is larger in size; 0 by default: the gradient vanishes.
    """
    rate = check_positive("learning_rate", learning_rate)

    def advance(step: int, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        return theta + run.geometry.displacement(-rate * gradient)

    return _descend(run, theta, steps, advance, tolerance_gradient)


def adam(
    run: Run,
    theta: FloatArray,
    steps: int,
    *,
    learning_rate: float | None = None,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    schedule: Schedule | float | None = None,
    tolerance_gradient: float = 0.0,
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
    beta1, beta2 = check_decay("beta1", beta1), check_decay("beta2", beta2)
    epsilon = check_positive("epsilon", epsilon)
    weight_decay = check_non_negative("weight_decay", weight_decay)
    first, second = np.zeros_like(theta), np.zeros_like(theta)

    def advance(step: int, theta: FloatArray, gradient: FloatArray) -> FloatArray:
        nonlocal first, second
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        # The averages start at 0; dividing by their total weight removes that bias.
        mean = first / (1 - beta1 ** (step + 1))
        square = second / (1 - beta2 ** (step + 1))
        rate = rate_of(step)
        moved = run.geometry.displacement(-rate * mean / (np.sqrt(square) + epsilon))
        return (1 - rate * weight_decay) * theta + moved

    return _descend(run, theta, steps, advance, tolerance_gradient)


def _descend(
    run: Run,
    theta: FloatArray,
    steps: int,
    advance: Callable[[int, FloatArray, FloatArray], FloatArray],
    tolerance_gradient: float,
) -> Ending:
    tolerance = check_non_negative("tolerance_gradient", tolerance_gradient)
    iterate = run.start(theta)
    for step in range(steps + 1):
        gradient = run.geometry.gradient(iterate.gradient)
        ending = small_gradient(gradient, tolerance)
        if ending is not None:
            return ending
        if step < steps:
            iterate = run.evaluate(advance(step, iterate.theta, gradient))
            run.finish_step(iterate)
    return steps_done(steps)


def _as_schedule(learning_rate: float | None, schedule: Schedule | float | None) -> Schedule:
    if schedule is None:
        rate = check_positive("learning_rate", 1e-3 if learning_rate is None else learning_rate)
        return lambda step: rate
    if learning_rate is not None:
        raise ValueError("learning_rate must be left out when schedule is given: it sets the rate")
    if callable(schedule):
        return lambda step: check_non_negative(f"schedule({step})", schedule(step))
    constant = check_positive("schedule", schedule)
    return lambda step: constant
