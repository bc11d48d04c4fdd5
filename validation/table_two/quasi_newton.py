r"""L-BFGS as a widely used deep learning library has it, with step 1 or a strong Wolfe line search, in any precision.

A call of its `step` is an epoch: up to `inner` iterations and 5/4 as many evaluations. An epoch ends early when the
slope along the direction is above -`changes`, when no entry of the gradient exceeds `gradients`, or when the step or
the loss changes by at most `changes`. Pairs (s, y) survive epochs, a hundred of them; those with y.s <= 1e-10 are left
out. Without a line search nothing forces the loss to decrease. [A25] and [S26] say "L-BFGS with a learning rate of
1.0".
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from refkan.base import Frozen

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
HISTORY, LEAST_CURVATURE = 100, 1e-10

DECREASE, CURVATURE, TRIALS = 1e-4, 0.9, 25
"""Constants of the strong Wolfe conditions, and trials of a search."""

DIVERGED = 1e30
"""A loss that ends a run: single precision holds no square of what follows."""


@dataclass
class Descent:
    """Where a run of L-BFGS has been.

    `losses` holds the loss before each epoch and after the last, `best` the least one met, `evaluations` counts.
    """

    theta: np.ndarray
    losses: list[float] = field(default_factory=list)
    best: float = np.inf
    evaluations: int = 0


class Trial(Frozen):
    """A point along a direction: the length, loss, gradient, and the slope of the loss."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def lbfgs(
    function: Function,
    theta: np.ndarray,
    epochs: int,
    wolfe: bool,
    inner: int = 20,
    gradients: float = 1e-7,
    changes: float = 1e-9,
) -> Descent:
    run = Descent(theta.copy())
    pairs = Pairs(theta)
    before = direction = np.zeros_like(theta)
    t, iterations = 1.0, 0

    def evaluate(at: np.ndarray) -> tuple[float, np.ndarray]:
        loss, g = function(at)
        run.evaluations += 1
        run.best = min(run.best, float(loss))
        return float(loss), g

    for epoch in range(epochs + 1):
        loss, g = evaluate(run.theta)
        run.losses.append(loss)
        if epoch == epochs or not loss < DIVERGED or np.abs(g).max() <= gradients:
            continue
        evaluated = run.evaluations
        for iteration in range(1, inner + 1):
            iterations += 1
            if iterations > 1:
                pairs.add(t * direction, g - before)
            direction = -pairs.apply(g)
            before, previous = g, loss
            t = min(1.0, 1.0 / float(np.abs(g).sum())) if iterations == 1 else 1.0
            slope = float(g @ direction)
            if slope > -changes:
                break
            if wolfe:
                taken = search(evaluate, run.theta, direction, Trial(0.0, loss, g, slope), t, changes)
                t, loss, g = taken.t, taken.f, taken.g
            run.theta = run.theta + np.asarray(t, theta.dtype) * direction
            if iteration == inner:
                break
            if not wolfe:
                loss, g = evaluate(run.theta)
            if (
                1 + run.evaluations - evaluated >= inner * 5 // 4
                or np.abs(g).max() <= gradients
                or np.abs(t * direction).max() <= changes
                or not abs(loss - previous) >= changes
                or not loss < DIVERGED
            ):
                break
    return run


class Pairs:
    """The last pairs (s, y), and their inverse BFGS matrix by the two-loop recursion."""

    def __init__(self, like: np.ndarray) -> None:
        self._s, self._y = (np.empty((HISTORY, like.size), like.dtype) for _ in range(2))
        self._rho = np.empty(HISTORY, like.dtype)
        self._order: list[int] = []
        self._scaling = like.dtype.type(1)

    def add(self, s: np.ndarray, y: np.ndarray) -> None:
        """Append a pair of positive curvature; the oldest of too many goes."""
        curvature = y @ s
        if not curvature > LEAST_CURVATURE:
            return
        row = len(self._order) if len(self._order) < HISTORY else self._order.pop(0)
        self._order.append(row)
        self._s[row], self._y[row] = s, y
        self._rho[row], self._scaling = 1 / curvature, curvature / (y @ y)

    def apply(self, g: np.ndarray) -> np.ndarray:
        q, alpha = g.copy(), {}
        for row in reversed(self._order):
            alpha[row] = self._rho[row] * (self._s[row] @ q)
            q -= alpha[row] * self._y[row]
        q *= self._scaling
        for row in self._order:
            q += (alpha[row] - self._rho[row] * (self._y[row] @ q)) * self._s[row]
        return q


def cubic_minimum(a: Trial, b: Trial, low: float, high: float) -> float:
    """Return the minimum of the cubic with the losses and slopes of two trials, kept within [low, high]."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = float(np.sqrt(square))
    at = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(at, low), high)


def search(evaluate: Function, theta: np.ndarray, d: np.ndarray, start: Trial, t: float, changes: float) -> Trial:
    """Return a point along d that meets the strong Wolfe conditions, the best bracketed one after `TRIALS`.

    Lengths are extrapolated by cubics, tenfold at most, until they bracket such a point; the bracket is narrowed by
    cubics, away from its ends if that has failed once, while it is longer than `changes`.
    """

    def tried(t: float) -> Trial:
        f, g = evaluate(theta + np.asarray(t, theta.dtype) * d)
        return Trial(t, f, g, float(g @ d))

    def enough(trial: Trial) -> bool:
        return trial.f <= start.f + DECREASE * trial.t * start.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -CURVATURE * start.slope

    before, new, trials = start, tried(t), 0
    while trials < TRIALS:
        if not enough(new) or (trials > 1 and new.f >= before.f):
            break
        if flat(new):
            return new
        if new.slope >= 0:
            break
        t = cubic_minimum(before, new, new.t + 0.01 * (new.t - before.t), 10 * new.t)
        before, new, trials = new, tried(t), trials + 1
    else:
        before = start
    low, high = (before, new) if before.f <= new.f else (new, before)
    stuck = False
    while trials < TRIALS and abs(high.t - low.t) * float(np.abs(d).max()) >= changes:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t = cubic_minimum(low, high, left, right)
        margin = (right - left) / 10
        near = min(right - t, t - left) < margin
        if near and (stuck or not left < t < right):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        new, trials = tried(t), trials + 1
        if not enough(new) or new.f >= low.f:
            high = new
            continue
        if flat(new):
            return new
        if new.slope * (high.t - low.t) >= 0:
            high = low
        low = new
    return low
