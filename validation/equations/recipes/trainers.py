r"""Trainings of one level, for `minimize_multilevel`: with attention, in batches, and with points that are drawn again.

A trainer is plain data, so that levels trained by it can be stored and resumed. It makes what a training needs besides
its problem anew on each level: attention from ones, random points and batches from a seed and the number of parameters.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, IntArray, Natural, RandomSource, Share, check_annotated
from refkan.base.arguments import as_generator, check_count, check_type
from refkan.training.losses import Attention, Collocation
from refkan.training.losses.terms import Term
from refkan.training.optimizers import Result, State, minimize
from refkan.training.optimizers.results import History, counted_on
from refkan.training.optimizers.run import STOPPED


class Minibatches:
    r"""Values and gradients of a problem whose first term uses the next batch of its points at each call.

    The points are taken in a random order, all of them once before any a second time; a last batch that would be
    smaller is left out. All other terms keep all their points.

    Parameters
    ----------
    problem : Collocation
    size : int
        Points in a batch, at most those of the first term.
    rng : numpy.random.Generator or seed

    Raises
    ------
    ValueError
        For a size that is not positive or exceeds the number of points.
    TypeError
        If rng is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> from validation.equations.recipes.trainers import Minibatches
    >>> setup = burgers_setup(points=(4, 4), edge_points=4)
    >>> problem, theta = setup.start(setup.kan(widths=[2, 1]), np.random.default_rng(0))
    >>> batches = Minibatches(problem, 8, np.random.default_rng(1))
    >>> a, b = (batches.value_and_gradient(theta)[0] for _ in range(2))
    >>> bool(np.isclose((a + b) / 2, problem.value(theta)))  # two batches are all points
    True
    """

    def __init__(self, problem: Collocation, size: int, rng: RandomSource) -> None:
        check_type("problem", problem, Collocation)
        self.problem = problem
        self.size = check_count("size", size, 1, problem.terms[0].n_points)
        self._rng = as_generator("rng", rng)
        self._waiting: IntArray = np.empty(0, dtype=np.int64)
        self._rows = self._waiting
        self._present = problem

    @property
    def net(self) -> Any:
        """The network, which gives `minimize` its coordinates."""
        return self.problem.net

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Take the next batch, and return value and gradient on it."""
        if self._waiting.size < self.size:
            self._waiting = self._rng.permutation(self.problem.terms[0].n_points)
        self._rows, self._waiting = np.split(self._waiting, [self.size])
        first, *others = self.problem.terms
        self._present = replace(self.problem, terms=(part_of(first, self._rows), *others), check=False, quiet=True)
        return self._present.value_and_gradient(theta)

    def attend(self, theta: FloatArray) -> None:
        """Update the attention of the current batch, or of all points before the first batch.

        The weights of other points of the first term stay as they are.
        """
        if self._present is self.problem:
            self.problem.attend(theta)
            return
        self._present.attend(theta)
        whole, part = self.problem.terms[0].attention, self._present.terms[0].attention
        if whole is not None and part is not None:
            whole.take_back(self._rows, part)


def part_of(term: Term, rows: IntArray) -> Term:
    """Return a term at some of its points, with their data and the weights of their attention."""
    data = term.known
    if data is not None:
        data = data[rows]
    part = term.at(*(side.points[rows] for side in term.sides), data=data)
    if term.attention is None:
        return part
    return replace(part, attention=term.attention.part(rows))


CANDIDATES = 10
"""Candidates for each point that is drawn in proportion to a slope."""


class Attended(Checked):
    """Adam with residual-based attention on the first term, updated after every step.

    Attributes
    ----------
    rate : float
        mu of `Attention`, whose weights are 1 at the start of each level.
    batch : int, optional
        Points of the first term that each step sees (see `Minibatches`), all by default. What is returned is then the
        last point, since values on different batches do not compare; its value is on all points.
    seed : int
        Of the order of the points in batches.

    Notes
    -----
    [S26] section 5.2 does not say whether attention outlives a refinement; here it does not. With mu = 1e-4 a level of
    1250 steps takes the weight of a point without residual to 0.88. In batches the largest residual e_j is that of the
    batch, and the weights of its points alone are updated.

    Examples
    --------
    >>> import numpy as np
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> from validation.equations.recipes.trainers import Attended
    >>> setup = burgers_setup(points=(8, 8))
    >>> problem, theta = setup.start(setup.kan(widths=[2, 2, 1]), np.random.default_rng(0))
    >>> result = Attended(rate=1e-2)(problem, theta, steps=3)
    >>> result.history.value.size, result.message
    (4, '3 steps done')
    """

    rate: Share = 1e-4
    batch: Natural | None = None
    seed: int = 0

    def __call__(
        self,
        problem: Collocation,
        theta: FloatArray,
        *,
        steps: int,
        callback: Callable[[State], Any] | None = None,
        **options: Any,
    ) -> Result:
        """Minimise; the value that is returned is with the weights as they were at its point."""
        check_annotated(Attended.__call__, locals())
        first, *others = problem.terms
        attended = replace(first, attention=Attention(first.n_points, self.rate))
        problem = replace(problem, terms=(attended, *others), check=False, quiet=True)
        seen: Any = problem
        if self.batch is not None:
            check_count("batch", self.batch, 1, first.n_points)
            seen = Minibatches(problem, self.batch, np.random.default_rng([self.seed, problem.net.n_params]))
        last = theta

        def attend(state: State) -> None:
            nonlocal last
            last = state.theta
            seen.attend(last)
            if callback is not None:
                callback(state)

        result = minimize(seen, theta, "adam", steps, callback=attend, **options)
        if self.batch is None:
            return result
        value = problem.value(last)
        if not np.isfinite(value):
            return result
        return replace(result, theta=last, value=value, n_evaluations=result.n_evaluations + 1)


class Redrawn(Frozen, eq=True):
    """Levenberg-Marquardt with points of the first term that are redrawn every few steps.

    A fixed set of points leaves gaps in which a rich network does as it likes. The damping is carried over from one set
    to the next. What is returned is the last point, which is the best one on the last set alone.

    Attributes
    ----------
    ranges : tuple of pairs
        The box to draw from uniformly.
    seed : int
    every : int
        Steps on each set.

    Examples
    --------
    >>> import numpy as np
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> from validation.equations.recipes.trainers import Redrawn
    >>> setup = burgers_setup(points=(8, 8))
    >>> problem, theta = setup.start(setup.kan(widths=[2, 2, 1]), np.random.default_rng(0))
    >>> result = Redrawn(setup.ranges, seed=0, every=2)(problem, theta, steps=4)
    >>> result.history.value.size, bool(problem.value(result.theta) < problem.value(theta))
    (5, True)
    """

    ranges: tuple[tuple[float, float], ...]
    seed: int
    every: Natural = 10

    def __post_init__(self) -> None:
        check_annotated(Redrawn, vars(self))
        for k, (low, high) in enumerate(self.ranges):
            if not low < high:
                raise ValueError(f"ranges must be pairs (a, b) with a < b; got ranges[{k}] = ({low}, {high})")

    def __call__(
        self,
        problem: Collocation,
        theta: FloatArray,
        *,
        steps: int,
        callback: Callable[[State], Any] | None = None,
        damping: float = 1e-3,
        steep: Share | None = None,
        **options: Any,
    ) -> Result:
        """Minimise; the share `steep` of the points is drawn in proportion to the slope along the first direction."""
        check_annotated(Redrawn.__call__, locals())
        rng = np.random.default_rng([self.seed, problem.net.n_params])
        parts: list[Result] = []
        done, stopped = 0, False
        while not parts or (done < steps and not stopped):
            points = self.points(rng, problem, theta, steep or 0.0)
            part = minimize(
                problem.redrawn({problem.terms[0].name: points}),
                theta,
                method="levenberg-marquardt",
                steps=min(self.every, steps - done),
                callback=_shifted(callback, done, parts),
                damping=damping,
                **options,
            )
            parts.append(part)
            theta = part.theta
            count = part.history.value.size - 1
            done += max(count, 1)  # a run that finds no step at all is over, but a new set of points may have one
            damping = next_damping(damping, part.history)
            stopped = part.message.startswith(STOPPED)
        return joined(parts, f"{parts[-1].message}; {len(parts)} sets of points")

    def points(self, rng: np.random.Generator, problem: Collocation, theta: FloatArray, share: float) -> FloatArray:
        """Draw as many points as the first term has."""
        check_annotated(Redrawn.points, locals())
        n = problem.terms[0].n_points
        steep = round(share * n)
        uniform = self._uniform(rng, n - steep)
        if steep == 0:
            return uniform
        candidates = self._uniform(rng, CANDIDATES * steep)
        side = problem.terms[0].sides[0].at(candidates)
        size = np.abs(problem.net.jet(theta, candidates, side.seeds.first, orders=side.seeds.orders).first[:, 0, 0])
        if np.count_nonzero(size) < steep:  # a function that is constant in most places has no steep ones to offer
            return np.concatenate([uniform, candidates[:steep]])
        chosen = rng.choice(len(candidates), steep, replace=False, p=size / size.sum())
        return np.concatenate([uniform, candidates[chosen]])

    def _uniform(self, rng: np.random.Generator, n: int) -> FloatArray:
        low, high = np.array(self.ranges).T
        return rng.uniform(low, high, (n, low.size))


LEAST_DAMPING, MOST_DAMPING = 1e-14, 1.0
"""Limits, relative to the largest entry of diag(J^T J), of the damping with which another run begins."""


def next_damping(damping: float, history: History) -> float:
    """Return the relative damping to begin another run with: as much lower or higher as it became in the last run.

    `history.damping` is absolute. Its first entry is the given relative one times the scale of the matrix, which
    changes little, and times what rejections in the first step added, 2, 4, 8, ... each.
    """
    if history.damping is None or history.damping.size < 2:
        return min(10.0 * damping, MOST_DAMPING)
    rejections = int(history.evaluations[1] - history.evaluations[0]) - 1
    first = damping * 2.0 ** (rejections * (rejections + 1) / 2)
    change = float(history.damping[-1] / history.damping[1])
    return float(np.clip(first * change, LEAST_DAMPING, MOST_DAMPING))


def joined(parts: Sequence[Result], message: str) -> Result:
    """One result out of consecutive runs: the last point, and the history of all steps."""
    columns: list[list[Any]] = []
    for k, (part, counts) in enumerate(zip(parts, counted_on(parts), strict=True)):
        h = part.history
        damping = h.damping
        if damping is None:
            damping = np.full(h.value.size, np.nan)
        # The start of a later run is the last point of the one before, on other points: no step.
        columns.append([column[min(k, 1) :] for column in (h.value, h.gradient_norm, *counts, damping)])
    value, norm, seconds, evaluations, dampings = map(np.concatenate, zip(*columns, strict=True))
    history, last = History(value, norm, seconds, evaluations, dampings), parts[-1]
    return Result(last.theta, last.value, history, sum(part.n_evaluations for part in parts), False, message)


def _shifted(callback: Any, done: int, parts: Sequence[Result]) -> Callable[[State], None] | None:
    """Return a callback that receives steps, evaluations and seconds since the start of the level."""
    if callback is None:
        return None
    evaluations = sum(part.n_evaluations for part in parts)
    seconds = sum(float(part.history.seconds[-1]) for part in parts)

    def shifted(state: State) -> None:
        spent, count = seconds + state.seconds, evaluations + state.n_evaluations
        callback(replace(state, step=done + state.step, n_evaluations=count, seconds=spent))

    return shifted
