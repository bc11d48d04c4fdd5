r"""`minimize_adaptive`: train, see where the error is, refine there, train again; and when that ends."""

from collections.abc import Callable, Sequence
from os import PathLike
from time import process_time
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import BelowOne, FloatArray, Natural, NonNegative, Share, check_annotated
from refkan.base.arguments import as_vector, check_choice, check_count, check_type, real
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.adaptivity.adaptive_results import AdaptiveResult, Round
from refkan.training.adaptivity.indicators import check_layers, layer_states, points_of
from refkan.training.adaptivity.strategies import STRATEGIES, Refinement, Situation, Strategy, cost_of_interval
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.levels import on_network, require_unchanged
from refkan.training.multilevel.multilevel_results import interval_weight
from refkan.training.multilevel.trainings import Trainer, as_store, train
from refkan.training.optimizers.results import Report, report_of, staged

Measure = Callable[[Network, FloatArray], float]


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
    callback: Callable[[Round], Any] | None = None,
    checkpoint: Checkpoints | str | PathLike[str] | None = None,
    progress: bool | Report | None = False,
    **options: Any,
) -> AdaptiveResult:
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
    callback : callable, optional
        Called with each `Round`; StopIteration ends the training.
    checkpoint : Checkpoints or folder, optional
        Each training is stored under what it depends on (problem, start, steps, method and options) and not computed
        again.
    progress : bool or callable
        As for `minimize`, in every round: ``state.stage`` says which.
    **options
        Of the method.

    Returns
    -------
    AdaptiveResult
        The round of the least value, and all rounds.

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
        check_choice("strategy", strategy, STRATEGIES)
    refuse_what_is_no_loss("problem", problem)
    net = getattr(problem, "net", None)
    check_type("problem.net", net, Network)
    assert isinstance(net, Network)
    points = points_of(problem)
    chosen = check_layers(net, layers)
    start = real("theta", as_vector("theta", theta, net.n_params)).copy()
    room_for_refinement(net, chosen, max_params)
    require_data(net, start, points)
    way = strategy if isinstance(strategy, Strategy) else STRATEGIES[strategy]
    steps, store = check_count("steps", steps), as_store(checkpoint)
    rounds: list[Round] = []

    def train_round(refinement: Refinement, refining: float, change: float) -> Round:
        """Train, or take the stored result."""
        net, index = refinement.network, len(rounds)
        on, costs = on_network(problem, net), {"refining": refining}
        told = staged(report, f"round {index}, {net.n_params} parameters")
        trained = train(on, refinement.theta, method, steps, options, store, told, costs=lambda: costs)
        result, refining = trained.result, trained.costs["refining"]
        seconds, evaluations, work = (
            (rounds[-1].seconds, rounds[-1].evaluations, rounds[-1].work) if rounds else (0,) * 3
        )
        return Round(
            index=index,
            network=net,
            theta=result.theta,
            value=result.value,
            start_value=float(result.history.value[0]),
            change=change,
            seconds=seconds + trained.seconds + refining,
            refining=refining,
            evaluations=evaluations + result.n_evaluations,
            work=work + result.n_evaluations * interval_weight(net),
            error=None if measure is None else float(measure(net, result.theta)),
            training=result,
            resumed=trained.resumed,
        )

    def ending() -> str:
        """Why the training ends after these rounds, empty if it goes on."""
        values = [r.value for r in rounds]
        if values[-1] <= tolerance:
            return f"converged: value {values[-1]:.3g} <= tolerance {tolerance:.3g}"
        before, since = values[:-patience], values[-patience:]
        if before and min(since) > (1.0 - least_gain) * min(before):
            return f"no improvement by {least_gain:g} of the value in {patience} rounds"
        return f"{max_rounds} rounds done" if len(rounds) > max_rounds else ""

    refinement, refining, change, message = Refinement(net, start), 0.0, 0.0, ""
    while not message:
        last = train_round(refinement, refining, change)
        rounds.append(last)
        message = ending()
        try:
            if callback is not None:
                callback(last)
        except StopIteration:
            message = message or f"stopped by the callback after round {last.index}"
        if message:
            break
        on, began = on_network(problem, last.network), process_time()
        room = None if max_params is None else max_params - last.n_params
        refinement = way.refine(Situation(on, last.theta, chosen, fraction, least_samples, room))
        refining, message = process_time() - began, refinement.reason
        if not message:
            change = change_of_function(last, refinement, points, way.exact)
    best = min(rounds, key=lambda r: r.value)
    on, converged = on_network(problem, best.network), message.startswith("converged")
    return AdaptiveResult(best.network, best.theta, best.value, on, tuple(rounds), converged, message)


def room_for_refinement(net: Network, layers: Sequence[int], max_params: int | None) -> int | None:
    """How many parameters may be added; ValueError if that is not one more interval in any of the layers."""
    least = net.n_params + min(cost_of_interval(net.layers[k]) for k in layers)
    if max_params is not None and least > max_params:
        raise ValueError(
            f"max_params must allow a refinement: at least {least} for a network of {net.n_params} parameters; got "
            f"{max_params}"
        )
    return None if max_params is None else max_params - net.n_params


def change_of_function(last: Round, refinement: Refinement, points: FloatArray, exact: bool) -> float:
    """How much a refinement moved the function: rounding, or an error is raised, after an exact one."""
    if exact:
        return require_unchanged(last.network, last.theta, refinement.network, refinement.theta, points)
    before, after = last.network(last.theta, points), refinement.network(refinement.theta, points)
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
