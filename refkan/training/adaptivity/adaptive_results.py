r"""What adaptive training returns."""

from dataclasses import fields
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, lazy
from refkan.networks import Network
from refkan.training.optimizers import Result


class Round(Frozen):
    """A refinement and the training after it; round 0 is the training of the initial network.

    Attributes
    ----------
    index : int
    network, theta : Network, ndarray
        As trained.
    value : float
        The least value of the training.
    start_value : float
        The value before it: after an exact refinement that of the round before, up to rounding.
    change : float
        How much the refinement changed the function: after an exact one relative to the contributions to its values, on
        the samples and off them (rounding); after a refit the largest difference on the samples relative to the largest
        value there. 0 in round 0.
    seconds : float
        For refinements and trainings so far, without comparisons and measurements.
    refining : float
        Of these, for the refinement of this round.
    evaluations : int
        Of value and gradient so far.
    work : float
        Nominal: evaluations so far, each times the intervals of all edges of its network.
    error : float or None
        What `measure` said of the trained network.
    training : Result
        What `minimize` returned.
    resumed : bool
        Whether it comes from a checkpoint.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import sampled
    >>> x = np.linspace(0.0, 1.0, 400)[:, None]
    >>> problem = sampled(rk.kan([1, 1], order=2, intervals=2), lambda x: x > 0.3, x)
    >>> result = rk.minimize_adaptive(problem, [0.0] * 3, "residual", "variable-projection", steps=1, max_params=6)
    >>> first, second, *_ = result.rounds
    >>> first.breakpoints[0], second.change < 1e-14, bool(np.isclose(second.start_value, first.value))
    (array([[0. , 0.5, 1. ]]), True, True)
    """

    index: int
    network: Network
    theta: FloatArray
    value: float
    start_value: float
    change: float
    seconds: float
    refining: float
    evaluations: int
    work: float
    error: float | None
    training: Result
    resumed: bool = False

    shown = ("index", "n_params", "value", "seconds")

    @property
    def n_params(self) -> int:
        """Number of parameters of the network."""
        return self.network.n_params

    @lazy
    def breakpoints(self) -> tuple[FloatArray | None, ...]:
        """The breakpoints (P, n + 1) of each layer; None for a dense layer."""
        layers = zip(self.network.layers, self.network.slices, strict=True)
        return tuple(
            np.array([space.breakpoints for space in layer.spaces_at(self.theta[where])]) if layer.has_knots else None
            for layer, where in layers
        )


class AdaptiveHistory(Frozen):
    """The course of an adaptive training: arrays, one entry a round.

    Attributes
    ----------
    n_params : ndarray of int
        Numbers of parameters.
    value : ndarray
        The least value of each training.
    change : ndarray
        How much each refinement changed the function, see `Round`.
    seconds : ndarray
        For refinements and trainings so far.
    evaluations : ndarray of int
        Of value and gradient so far.
    work : ndarray
        Evaluations so far, each times the intervals of all edges of its network.
    error : ndarray or None
        What `measure` said of each trained network, without NaN; None without a `measure`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import sampled
    >>> x = np.linspace(0.0, 1.0, 400)[:, None]
    >>> problem = sampled(rk.kan([1, 1], order=2, intervals=2), lambda x: x > 0.3, x)
    >>> result = rk.minimize_adaptive(problem, [0.0] * 3, "residual", "variable-projection", steps=1, max_params=6)
    >>> result.history.n_params, bool(np.all(np.diff(result.history.value) <= 0))
    (array([3, 4, 5, 6]), True)
    """

    n_params: IntArray
    value: FloatArray
    change: FloatArray
    seconds: FloatArray
    evaluations: IntArray
    work: FloatArray
    error: FloatArray | None


class AdaptiveResult(Frozen):
    """The outcome of `minimize_adaptive`.

    Attributes
    ----------
    network, theta : Network, ndarray
        Of the round with the least value.
    value : float
        The value there.
    problem
        The problem on this network.
    rounds : tuple of Round
        All of them, the training of the given network first.
    converged : bool
        Whether the value fell to the tolerance.
    message : str
        Why it ended.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import sampled
    >>> x = np.linspace(0.0, 1.0, 400)[:, None]
    >>> problem = sampled(rk.kan([1, 1], order=2, intervals=2), lambda x: x > 0.3, x)
    >>> result = rk.minimize_adaptive(problem, [0.0] * 3, "residual", "variable-projection", steps=1, max_params=6)
    >>> result.network.n_params, len(result.rounds), result.converged
    (6, 4, False)
    """

    network: Network
    theta: FloatArray
    value: float
    problem: object
    rounds: tuple[Round, ...]
    converged: bool
    message: str

    shown = ("value", "network", "converged", "message")

    @lazy
    def history(self) -> AdaptiveHistory:
        """Parameters, values, seconds and work, round by round."""
        names = [field.name for field in fields(AdaptiveHistory)]
        columns: dict[str, Any] = {name: np.array([getattr(r, name) for r in self.rounds]) for name in names}
        return AdaptiveHistory(**columns | {"error": None if self.rounds[0].error is None else columns["error"]})

    @property
    def n_evaluations(self) -> int:
        """Evaluations of value and gradient."""
        return self.rounds[-1].evaluations
