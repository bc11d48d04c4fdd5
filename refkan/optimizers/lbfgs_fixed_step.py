"""L-BFGS with a fixed step and no line search: the default of a widely used deep learning library."""

from __future__ import annotations

from collections import deque

import numpy as np

from refkan.arguments import check_count
from refkan.array_types import FloatArray
from refkan.optimizers.options import check_non_negative
from refkan.optimizers.run import Ending, Run, small_gradient, steps_done

_LEAST_CURVATURE = 1e-10  # pairs of less would spoil the positive definite inverse Hessian


def lbfgs_fixed_step(
    run: Run,
    theta: FloatArray,
    steps: int,
    *,
    inner: int = 20,
    history: int = 100,
    tolerance_gradient: float = 1e-7,
    tolerance_change: float = 1e-9,
) -> Ending:
    """L-BFGS with step 1: a step of the run is an epoch of up to `inner` iterations ``v <- v - H grad_v``.

    H is the inverse BFGS matrix of the last `history` pairs (s, y) on the initial matrix ``(y.s / y.y) I`` of the
    newest pair. The very first iteration steps by ``min(1, 1 / |grad_v|_1)``. A pair with y.s <= 1e-10 is
    left out. An epoch ends early when the predicted slope ``grad_v . H grad_v`` is less than `tolerance_change` (before
    the step), or (after it) when the gradient is small, no entry of the step exceeds `tolerance_change`, or the value
    has changed by less. The pairs survive from epoch to epoch. Nothing forces the value to decrease.

    Parameters
    ----------
    inner : int
        Iterations in an epoch at most; one evaluation each.
    history : int
        Pairs kept.
    tolerance_gradient : float
        Ends the run when no entry of the gradient with respect to v is larger in size.
    tolerance_change : float
        See above. An epoch that ends before its first step ends the run.

    Notes
    -----
    [A25] and [S26] train with "L-BFGS, step 1.0"; the constants are those of ``torch.optim.LBFGS`` with ``lr=1,
    line_search_fn=None``, whose iterates these are. The two-loop recursion is that of Nocedal, "Updating quasi-Newton
    matrices with limited storage", Math. Comp. 35 (1980).
    """
    run.geometry.refuse_mixed("lbfgs-fixed-step")
    inner = check_count("inner", inner, minimum=1)
    pairs = CorrectionPairs(check_count("history", history, minimum=1))
    tolerance = check_non_negative("tolerance_gradient", tolerance_gradient)
    tolerance_change = check_non_negative("tolerance_change", tolerance_change)
    iterate = run.start(theta)
    gradient = run.geometry.gradient(iterate.gradient)
    length = 1.0 / max(1.0, float(np.abs(gradient).sum()))

    for _ in range(steps):
        if (ending := small_gradient(gradient, tolerance)) is not None:
            return ending
        for iteration in range(inner):
            direction = -pairs.apply(gradient)
            slope = float(gradient @ direction)
            if slope > -tolerance_change:
                if iteration == 0:  # and so would every other epoch be
                    return Ending(True, f"converged: slope {slope:.3g} > -tolerance_change")
                break
            step = length * direction
            after = run.evaluate(iterate.theta + run.geometry.displacement(step))
            gradient_after = run.geometry.gradient(after.gradient)
            pairs.add(step, gradient_after - gradient)
            change = abs(after.value - iterate.value)
            iterate, gradient, length = after, gradient_after, 1.0
            if (
                small_gradient(gradient, tolerance) is not None
                or np.abs(step).max() <= tolerance_change
                or change < tolerance_change
            ):
                break
        run.finish_step(iterate)
    return small_gradient(gradient, tolerance) or steps_done(steps)


class CorrectionPairs:
    """The last pairs s = v_{k+1} - v_k, y = grad_{k+1} - grad_k, and the inverse BFGS matrix H of them."""

    def __init__(self, capacity: int) -> None:
        self._pairs: deque[tuple[FloatArray, FloatArray, float]] = deque(maxlen=capacity)
        self._scaling = 1.0

    def add(self, s: FloatArray, y: FloatArray) -> None:
        """Append a pair, the oldest going if there are too many; leave out one without positive curvature."""
        curvature = float(y @ s)
        if curvature > _LEAST_CURVATURE:
            self._pairs.append((s, y, 1.0 / curvature))
            self._scaling = curvature / float(y @ y)

    def apply(self, gradient: FloatArray) -> FloatArray:
        """Return ``H gradient`` by the two-loop recursion."""
        q = gradient.copy()
        projections = []
        for s, y, rho in reversed(self._pairs):
            alpha = rho * float(s @ q)
            q -= alpha * y
            projections.append(alpha)
        q *= self._scaling
        for (s, y, rho), alpha in zip(self._pairs, reversed(projections), strict=True):
            q += (alpha - rho * float(y @ q)) * s
        return q
