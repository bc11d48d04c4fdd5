r"""`minimize_adaptive`: train, see where the error is, refine there, train again; and when that ends."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import BelowOne, FloatArray, Frozen, Natural, NonNegative, Share, check_annotated
from refkan.base.arguments import as_vector, check_choice, check_count, real
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import short
from refkan.networks import Network
from refkan.training.adaptivity.indicators import check_layers, layer_states, points_of
from refkan.training.adaptivity.strategies import STRATEGIES, Situation, Strategy, cost_of_interval
from refkan.training.losses.mistaken import network_of
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.staged_results import StagedResult, StageTable
from refkan.training.multilevel.stages import Ended, Stage, StageLoop, Start
from refkan.training.multilevel.trainings import Trainer, as_store
from refkan.training.multilevel.unchanged_functions import require_unchanged
from refkan.training.optimizers.progress import Report, report_of

Measure = Callable[[Network, FloatArray], float]

CONVERGED = "converged"
"""The message of a training that reached the tolerance begins with this word."""


def minimize_adaptive(
    problem: Any,
    theta: npt.ArrayLike,
    strategy: str | Strategy = "residual",
    method: str | Trainer = "lbfgs",
    steps: int = 100,
    *,
    layers: Sequence[int] | None = None,
    fraction: Share = 0.5,
    least_samples: Natural = 4,
    tolerance: NonNegative = 0.0,
    max_params: Natural | None = None,
    max_rounds: Natural = 10,
    patience: Natural = 3,
    least_gain: BelowOne = 0.01,
    measure: Measure | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report | None = False,
    **options: Any,
) -> StagedResult:
    r"""Alternate training and refinement of the knots where the error is.

    ::

        theta_0 <- minimize(problem_0, theta_0);  then for k = 1, 2, ...
            eta       = indicator of every knot interval of every layer at (net_{k-1}, theta_{k-1})
            marked    = the fewest intervals with  sum of eta over them >= fraction * sum of eta     (Doerfler)
            net_k     = net_{k-1} with a knot in the middle of each of them,   theta_k = P theta_{k-1}
            theta_k   <- minimize(problem_k, theta_k)

    A layer has one number of intervals for all inputs, so that each input is given as many new knots as any other. Each
    layer is marked by itself. Every training is a new minimisation that starts from the function of the one before.

    Parameters
    ----------
    problem : LeastSquares or Collocation
        On a network bound to its data.
    theta : array_like, shape (n_params,)
        The start.
    strategy : str or Strategy
        Exact: "residual" (share of the squared residual, weighted by the layer's sensitivity: `residual_shares`),
        "jumps" (of the (r-1)-th derivative: `derivative_jumps`), "uniform" (every interval). Refits by least squares at
        the data, with twice as many intervals: "extension" (uniform: the grid extension of KAN codes), "quantile"
        (their grid update), "curvature" (breakpoints shared out by the r-th derivative). Or your own `Strategy`.
    method : str or callable
        As for `minimize_multilevel`.
    steps : int
        Of each training.
    layers : sequence of int, optional
        Numbers of the layers to refine; by default all that have splines.
    fraction : float
        Of Doerfler's rule, in (0, 1]; for "residual" and "jumps".
    least_samples : int
        An interval with fewer different inputs is not cut; for "residual" and "jumps".
    tolerance : float
        Ends when the value is not above it.
    max_params : int, optional
        Ends before the network has more parameters; the last refinement is cut down to what fits.
    max_rounds : int
        Ends after so many refinements.
    patience, least_gain : int, float
        Ends when the value has not fallen by this share in so many rounds.
    measure : callable, optional
        (network, theta) -> an error to be noted in each round: not part of the time.
    checkpoint : Checkpoints or folder, optional
        Each training is stored under what it depends on (problem, start, steps, method and options) and not computed
        again.
    progress : bool or callable
        As for `minimize`, in every round: ``state.stage`` says which.
    **options
        Of the method.

    Returns
    -------
    StagedResult
        The round of the least value; all rounds are its stages, and `errors` what `measure` returned.

    Raises
    ------
    ValueError
        If the fraction lies outside (0, 1]; limits allow no refinement; a layer to be refined has none but dense
        weights; or an input of the first layer has fewer different values than the layer has coefficients for it.
    RuntimeError
        If an exact refinement changes the function by more than rounding.

    Notes
    -----
    The loop is that of adaptive finite elements; Doerfler, SIAM J. Numer. Anal. 33 (1996).

    Examples
    --------
    A step at 1/pi: the knots gather there.

    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import minimize_adaptive, sampled
    >>> x = (np.arange(2000)[:, None] + 0.5) / 2000
    >>> net, theta = rk.kan([1, 1], order=2, intervals=4).initialize(np.random.default_rng(0), x)
    >>> problem = sampled(net, lambda x: x > 1 / np.pi, x)
    >>> result = minimize_adaptive(problem, theta, method="levenberg-marquardt", max_params=16)
    >>> knots = result.network.layers[0].spaces[0].breakpoints
    >>> result.network.n_params, knots.size, bool(np.sum(np.abs(knots - 1 / np.pi) < 0.02) >= 7)
    (16, 16, True)
    """
    report = report_of(progress)
    check_annotated(minimize_adaptive, locals())
    if not isinstance(strategy, Strategy):
        strategy = STRATEGIES[check_choice("strategy", strategy, STRATEGIES)]
    net = network_of(problem)
    points = points_of(problem)
    chosen = check_layers(net, layers)
    start = real("theta", as_vector("theta", theta, net.n_params)).copy()
    room_for_refinement(net, chosen, max_params)
    require_data(net, start, points)
    steps, errors = check_count("steps", steps), list[float]()
    limits = Limits(tolerance, max_rounds, patience, least_gain)

    def refine(problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Refine a trained network; the training ends where that cannot be done."""
        room = None
        if max_params is not None:
            room = max_params - problem.net.n_params
        refinement = strategy.refine(Situation(problem, theta, chosen, fraction, least_samples, room))
        if refinement.reason:
            raise Ended(refinement.reason)
        return refinement.network, refinement.theta

    def following(tables: Sequence[StageTable]) -> tuple[Stage, Any]:
        """Return the next round, the first of which trains the network that was given."""
        if not tables:
            return Stage(1, steps), problem
        if measure is not None:
            error = measure(tables[-1].network, tables[-1].theta)
            try:
                errors.append(float(error))
            except (TypeError, ValueError):
                raise TypeError(f"measure must return a number; got {short(error)}") from None
        limits.require_more([table.value for table in tables])
        return Stage(1, steps, change=refine), problem

    compare = require_unchanged if strategy.exact else largest_change
    loop = StageLoop(method, options, as_store(checkpoint), report, compare=compare)
    tables, message = loop.run([Start(0, net, start)], following)
    best = min(range(len(tables)), key=lambda k: tables[k].value)
    there = on_network(problem, tables[best].network)
    return StagedResult(there, tables, best, message.startswith(CONVERGED), message, tuple(errors))


class Limits(Frozen):
    """When an adaptive training ends, by the values of its rounds."""

    tolerance: float
    max_rounds: int
    patience: int
    least_gain: float

    def require_more(self, values: Sequence[float]) -> None:
        """Raise `Ended` if no round follows these."""
        if values[-1] <= self.tolerance:
            raise Ended(f"{CONVERGED}: value {values[-1]:.3g} <= tolerance {self.tolerance:.3g}")
        before, since = values[: -self.patience], values[-self.patience :]
        if before and min(since) > (1.0 - self.least_gain) * min(before):
            raise Ended(f"no improvement by {self.least_gain:g} of the value in {self.patience} rounds")
        if len(values) > self.max_rounds:
            raise Ended(f"{self.max_rounds} rounds done")


def room_for_refinement(net: Network, layers: Sequence[int], max_params: int | None) -> int | None:
    """How many parameters may be added; ValueError if that is not one more interval in any of the layers."""
    least = net.n_params + min(cost_of_interval(net.layers[k]) for k in layers)
    if max_params is not None and least > max_params:
        raise ValueError(
            f"max_params must allow a refinement: at least {least} for a network of {net.n_params} parameters; got "
            f"{max_params}"
        )
    return None if max_params is None else max_params - net.n_params


def largest_change(
    net: Network, theta: FloatArray, changed: Network, theta_changed: FloatArray, points: FloatArray | None
) -> float:
    """How much a refit moved the function: the largest difference on the points, relative to the largest value."""
    before, after = net(theta, points), changed(theta_changed, points)
    largest = np.abs(before).max(initial=0.0)
    return float(np.abs(after - before).max(initial=0.0) / (largest or 1.0))


def require_data(net: Network, theta: FloatArray, points: FloatArray) -> None:
    """Raise ValueError if an input of a layer that reads the data has fewer values than coefficients on its edges."""
    state = layer_states(net, theta, points[:1]).get(0)
    if state is None:
        return
    for p, space in enumerate(state.spaces):
        values = np.unique(points[:, p]).size
        if values < space.dim:
            raise ValueError(
                f"the data must hold at least as many different values as a layer has coefficients on an edge; "
                f"got {values} of input {p} for {space.dim} coefficients ({space.intervals} intervals, order "
                f"{space.order})"
            )
