r"""`minimize_adaptive`: train, see where the error is, refine there, train again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import FloatArray, Natural, Share, check_annotated
from refkan.base.arguments import as_vector, check_choice, check_count, check_type, real
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.adaptivity.adaptive_results import AdaptiveResult, Round
from refkan.training.adaptivity.adaptive_training import Limits, Measure, Training
from refkan.training.adaptivity.error_indicators.indicators import check_layers, layer_states
from refkan.training.adaptivity.error_indicators.residual_points import points_of
from refkan.training.adaptivity.strategies import STRATEGIES, Situation, Strategy
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.trainings import Trainer, as_store
from refkan.training.optimizers.results import Report, report_of


def minimize_adaptive(
    problem: Any,
    theta: npt.ArrayLike,
    strategy: str | Strategy = "residual",
    method: str | Trainer = "lbfgs",
    steps: int = 100,
    *,
    layers: Sequence[int] | None = None,
    fraction: Share = 0.5,
    per_input: bool = True,
    least_samples: Natural = 4,
    tolerance: float = 0.0,
    max_params: int | None = None,
    max_rounds: int = 10,
    patience: int = 3,
    least_gain: float = 0.01,
    measure: Measure | None = None,
    callback: Callable[[Round], Any] | None = None,
    checkpoints: Checkpoints | str | PathLike[str] | None = None,
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
        (their grid update), "curvature" (breakpoints shared out by the r-th derivative). Or a `Strategy` of one's own.
    method : str or callable
        As for `minimize_multilevel`.
    steps : int
        Of each training.
    layers : sequence of int, optional
        Numbers of the layers to refine; by default all that have splines.
    fraction : float
        Of Doerfler's rule, in (0, 1]; for "residual" and "jumps".
    per_input : bool
        Whether each input of a layer is marked by itself (as many intervals as for the others); otherwise the same
        intervals in all, by the sum of the indicators.
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
    checkpoints : Checkpoints or path, optional
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
    limits = Limits(tolerance, max_params, max_rounds, patience, least_gain)
    refuse_what_is_no_loss("problem", problem)
    net = getattr(problem, "net", None)
    check_type("problem.net", net, Network)
    assert isinstance(net, Network)
    points = points_of(problem)
    chosen = check_layers(net, layers)
    start = real("theta", as_vector("theta", theta, net.n_params)).copy()
    limits.require_room(net, chosen, doubling=strategy == "uniform")
    require_data(net, start, points)
    request = Situation(problem, start, chosen, fraction, bool(per_input), least_samples, None)
    way = strategy if isinstance(strategy, Strategy) else STRATEGIES[strategy]
    steps, store = check_count("steps", steps), as_store(checkpoints)
    return Training(request, way, limits, method, steps, options, measure, report, store).run(callback)


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
