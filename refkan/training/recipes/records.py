"""What a training leaves: a table of its levels, and its whole history as JSON.

How much each input matters to the output of a network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base import FloatArray, ShortRepr, as_samples, as_vector, check_annotated
from refkan.base.json_data import to_bytes
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.multistart import MultistartResult
from refkan.training.multilevel.trainings import TrainedNetwork
from refkan.training.recipes.setups.setups import Setup

ROUNDS = 10
"""Times that a column is mixed: the mean over them varies by some hundredths on a few hundred samples."""


def input_effects(net: Network, theta: Any, x: Any) -> FloatArray:
    r"""Return the total effect of each input on each output: the share of its variance that is due to the input.

    ::

        S_{q,p} = E (F_q(x) - F_q(x'))^2 / (2 Var F_q),    x' = x but for x_p, which is that of another sample

    An input that an output does not depend on has effect 0, one that alone determines it 1. What inputs do together
    counts for each of them, so that the effects of an output may sum to more than 1. Mixed samples are made by random
    permutations of the columns, the same in each call, and the mean is taken over ten of them. Where inputs depend on
    each other, mixed samples lie where there are no data: effects then say what the network does there too.

    Parameters
    ----------
    net : Network
    theta : array (n_params,)
    x : array (N, P)
        At least 2 samples.

    Returns
    -------
    array (Q, P)
        Zeros for an output that is constant on x.

    Notes
    -----
    Jansen, Analysis of variance designs for model output, Computer Physics Communications 117 (1999). The shares of the
    edges that :func:`refkan.plots.network` draws are no such measure: edges of an input that has no effect may cancel
    each other in a later layer.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.recipes import input_effects
    >>> x = np.random.default_rng(0).uniform(size=(1000, 2))
    >>> net, theta = rk.kan([2, 1], order=2, intervals=2).initialize(np.random.default_rng(1), x)
    >>> theta = [0.0, 1.0, 2.0, 0.0, 0.5, 1.0]  # F = 2 x_1 + x_2, by its values at the knots
    >>> input_effects(net, theta, x).round(1)
    array([[0.8, 0.2]])
    """
    check_annotated(input_effects, locals())
    theta = as_vector("theta", theta, net.n_params)
    x = as_samples("x", x, net.widths[0])
    if len(x) < 2:
        raise ValueError(f"x must hold at least two samples, whose inputs are mixed; got {len(x)}")
    values, rng = net(theta, x), np.random.default_rng(0)
    changes = np.zeros((net.widths[-1], x.shape[1]))
    for p in range(x.shape[1]):
        for _ in range(ROUNDS):
            mixed = x.copy()
            mixed[:, p] = rng.permutation(x[:, p])
            changes[:, p] += ((net(theta, mixed) - values) ** 2).mean(axis=0) / (2 * ROUNDS)
    variance = values.var(axis=0)[:, None]
    rounding = (np.finfo(float).eps * np.abs(values).max(axis=0)[:, None]) ** 2
    return np.divide(changes, variance, out=np.zeros_like(changes), where=variance > rounding)


@dataclass(frozen=True)
class Record(ShortRepr):
    """Numbers of a training, as plain data.

    Attributes
    ----------
    problem, equation : str
    levels : list of dict
        For each level: parameters, steps, evaluations, seconds, loss, error, mean squares of each term, message,
        resumed, and the history as columns.
    """

    problem: str
    equation: str
    levels: list[dict[str, Any]]

    @property
    def table(self) -> str:
        """One line a level."""
        head = f"{'parameters':>10}  {'steps':>6}  {'seconds':>8}  {'loss':>9}  {'rel. error':>10}"
        lines = [
            f"{level['parameters']:>10}  {level['steps']:>6}  {level['seconds']:>8.1f}  {level['loss']:>9.2e}  "
            f"{level['error']:>10.2e}" + ("  (kept)" if level["resumed"] else "")
            for level in self.levels
        ]
        return "\n".join([f"{self.problem}: {self.equation}", head, *lines])


def record(setup: Setup, trained: MultistartResult) -> Record:
    """Evaluate each level on the points of the set-up: loss, mean squares of terms, and true error."""
    levels = []
    for level in trained.course:
        result, history = level.result, level.result.history
        problem = on_network(trained.problem, level.network)
        theta = result.theta
        squares = {"values": problem.mse(theta)} if setup.samples is not None else problem.mean_squares(theta)
        columns = {
            name: column.tolist()
            for name in ("value", "gradient_norm", "seconds", "evaluations", "damping", "step_length")
            if (column := getattr(history, name)) is not None
        }
        levels.append(
            {
                "parameters": level.network.n_params,
                "network": repr(level.network),
                "steps": history.value.size - 1,
                "evaluations": result.n_evaluations,
                "seconds": float(history.seconds[-1]),
                "loss": 2.0 * float(problem.value(theta)),
                "error": setup.error(level.network, theta),
                "mean squares": squares,
                "message": result.message,
                "resumed": level.resumed,
                "history": columns,
            }
        )
    return Record(setup.name, setup.equation, levels)


def kept_level(setup: Setup, errors: Sequence[float]) -> int:
    """Which of the levels with these errors is kept: of data the one with the least error on samples kept back.

    Of problems with a known solution the last one is kept, as choosing by that solution would be of no use where none
    is known. Errors that look equal in a table are equal; the finer level is kept then.
    """
    if setup.values is None:
        return len(errors) - 1
    return min(range(len(errors)), key=lambda k: (shown(errors[k]), -k))


def chosen_level(setup: Setup, trained: MultistartResult) -> TrainedNetwork:
    """The level that is kept, see `kept_level`."""
    errors = [setup.error(level.network, level.result.theta) for level in trained.course]
    return trained.course[kept_level(setup, errors)]


def shown(error: float) -> float:
    """An error as it is printed: what looks equal is; what is no number is worst."""
    return float(f"{error:.2e}") if error == error else float("inf")


def to_json(results: Record, asked: Mapping[str, Any], **more: Any) -> bytes:
    """The record with what was asked for, the engine in use and `more`, as JSON; NaN and infinity become null."""
    return to_bytes({"asked": asked, "engine": current_engine(), **vars(results), **more})
