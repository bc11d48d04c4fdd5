"""L-BFGS: SciPy's L-BFGS-B without bounds, and the default of a deep learning library, a fixed step without search."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.lapack import dtrtrs

from refkan.base import FloatArray, Natural, NonNegative
from refkan.training.optimizers.run import Ending, Iterate, Run, Step, small_gradient, steps_done

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult


def lbfgs(
    run: Run,
    theta: FloatArray,
    steps: int,
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
    start = run.start(theta)
    if steps == 0:
        return small_gradient(run.gradient(start), tolerance_gradient) or steps_done(0)
    # SciPy does not hand out the state of its method. A run that goes on therefore makes its steps again, but takes
    # their values and gradients from what it carries along.
    points = run.carried
    if run.done:
        start = Iterate(theta, float(points["value"][0]), points["gradient"][0])
    for name, first in (("d", np.zeros_like(theta)), ("value", start.value), ("gradient", start.gradient)):
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
        np.zeros_like(theta),
        jac=True,
        method="L-BFGS-B",
        callback=after_step,
        options={
            "maxcor": history,
            "maxls": max_line_search,
            "gtol": tolerance_gradient,
            "ftol": tolerance_change,
            "maxiter": steps,
            "maxfun": np.iinfo(np.int32).max,  # steps are the only limit
        },
    )
    # SciPy looks at the number of iterations first: the last one may have converged as well.
    ending = small_gradient(run.gradient(iterate_at(minimum.x)), tolerance_gradient)
    if ending is not None:
        return ending
    return steps_done(steps) if minimum.status == 1 else Ending(bool(minimum.success), str(minimum.message))


_LEAST_CURVATURE = 1e-10  # pairs of less would spoil the positive definite inverse Hessian


def lbfgs_fixed_step(
    run: Run,
    theta: FloatArray,
    steps: int,
    *,
    inner: Natural = 20,
    history: Natural = 100,
    tolerance_gradient: NonNegative = 1e-7,
    tolerance_change: NonNegative = 1e-9,
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
    start = run.start(theta)
    pairs = CorrectionPairs(history)
    pairs.restore(run.carried)
    run.carried.setdefault("length", 1.0 / max(1.0, float(np.abs(run.gradient(start)).sum())))

    def epoch(number: int, iterate: Iterate, gradient: FloatArray) -> Step | Ending:
        for iteration in range(inner):
            direction = -pairs.apply(gradient)
            slope = float(gradient @ direction)
            if slope > -tolerance_change:
                if iteration == 0:  # and so would every other epoch be
                    return Ending(True, f"converged: slope {slope:.3g} > -tolerance_change")
                break
            step = float(run.carried["length"]) * direction
            after = run.evaluate(iterate.theta + run.geometry.displacement(step))
            gradient_after = run.gradient(after)
            pairs.add(step, gradient_after - gradient)
            change = abs(after.value - iterate.value)
            iterate, gradient, run.carried["length"] = after, gradient_after, 1.0
            if (
                small_gradient(gradient, tolerance_gradient) is not None
                or np.abs(step).max() <= tolerance_change
                or change < tolerance_change
            ):
                break
        if run.file is not None:
            run.carried.update(pairs.state)
        return Step(iterate)

    return run.descend(start, steps, tolerance_gradient, epoch)


class CorrectionPairs:
    r"""The last pairs s = v_{k+1} - v_k, y = grad_{k+1} - grad_k, and the inverse BFGS matrix H of them.

    The two-loop recursion passes the pairs one by one, newest first and back. With the pairs as rows of S and Y, oldest
    first, D = diag(s_i . y_i) and the start q_0 = g, its first loop is

        alpha_i = s_i . q / D_i,   q <- q - alpha_i y_i,   so   D_i alpha_i + sum_{j > i} (s_i . y_j) alpha_j = s_i . g,

    that is ``R alpha = S g`` with the upper triangle R of S Y^T, and q = g - Y^T alpha. After r = gamma q, its second
    loop adds delta_i s_i with

        delta_i = alpha_i - y_i . r / D_i,   r <- r + delta_i s_i,   so   R^T delta = D alpha - gamma Y q.

    Two triangular systems and four products with S and Y do the same as 4 m products of vectors, one at a time.
    """

    def __init__(self, capacity: int) -> None:
        self._s = self._y = np.empty((capacity, 0))
        self._upper = np.zeros((capacity, capacity))  # R
        self._order = np.arange(0)  # rows of S and Y, the oldest pair first
        self._scaling = 1.0

    @property
    def state(self) -> dict[str, Any]:
        """S, Y, R, the order of their rows and gamma; copies, as `add` writes into the arrays."""
        arrays = {"S": self._s, "Y": self._y, "R": self._upper, "order": self._order}
        return {name: array.copy() for name, array in arrays.items()} | {"scaling": self._scaling}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state, if there is one."""
        if "S" in state:
            self._s, self._y, self._upper, self._order = (state[name].copy() for name in ("S", "Y", "R", "order"))
            self._scaling = float(state["scaling"])

    def add(self, s: FloatArray, y: FloatArray) -> None:
        """Append a pair, the oldest going if there are too many; leave out one without positive curvature."""
        curvature = float(y @ s)
        if not curvature > _LEAST_CURVATURE:
            return
        count, capacity = self._order.size, self._upper.shape[0]
        if not count:
            self._s, self._y = np.empty((capacity, s.size)), np.empty((capacity, s.size))
        if count < capacity:
            row, self._order = count, np.arange(count + 1)
        else:
            row, self._order = self._order[0], np.roll(self._order, -1)
            self._upper[:-1, :-1] = self._upper[1:, 1:]
        self._s[row], self._y[row] = s, y
        newest = self._order.size - 1
        self._upper[: newest + 1, newest] = (self._s[: newest + 1] @ y)[self._order]
        self._scaling = curvature / float(y @ y)

    def apply(self, gradient: FloatArray) -> FloatArray:
        """Return ``H gradient``."""
        order = self._order
        count = order.size
        if not count:
            return gradient.copy()
        S, Y, R = self._s[:count], self._y[:count], self._upper[:count, :count]
        alpha, delta = np.empty(count), np.empty(count)  # in the order of the rows
        alpha[order] = dtrtrs(R, (S @ gradient)[order])[0]
        r = self._scaling * (gradient - alpha @ Y)
        delta[order] = dtrtrs(R, R.diagonal() * alpha[order] - (Y @ r)[order], trans=1)[0]
        return r + delta @ S
