"""What a training leaves of each of its levels, and which of them is kept.

How much each input matters to the output of a network.
"""

from typing import Any

import numpy as np

from refkan.base import FloatArray, as_samples, as_vector, check_annotated
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


def records_of(setup: Setup, trained: MultistartResult) -> list[dict[str, Any]]:
    """Return as plain data what each level left, evaluated on the points of the set-up.

    Parameters, steps, evaluations, seconds, loss, true error, mean squares of each term, message, whether it was
    resumed, and the history as columns.
    """
    records = []
    for level in trained.course:
        result, theta = level.result, level.result.theta
        problem = on_network(trained.problem, level.network)
        squares = {"values": problem.mse(theta)} if setup.samples is not None else problem.mean_squares(theta)
        record = {
            "parameters": level.network.n_params,
            "network": repr(level.network),
            "steps": result.history.value.size - 1,
            "evaluations": result.n_evaluations,
            "seconds": float(result.history.seconds[-1]),
            "loss": 2.0 * float(problem.value(theta)),
            "error": setup.error(level.network, theta),
            "mean squares": squares,
            "message": result.message,
            "resumed": level.resumed,
            "history": {name: column.tolist() for name, column in vars(result.history).items() if column is not None},
        }
        records.append(record)
    return records


def chosen_level(setup: Setup, trained: MultistartResult) -> TrainedNetwork:
    """The level that is kept: of data the one with the least error on samples kept back.

    Of problems with a known solution the last one is kept, as choosing by that solution would be of no use where none
    is known. Errors that look equal in a table are equal; the finer level is kept then.
    """
    if setup.values is None:
        return trained.course[-1]
    return min(reversed(trained.course), key=lambda level: shown(setup.error(level.network, level.result.theta)))


def shown(error: float) -> float:
    """An error as it is printed: what looks equal is; what is no number is worst."""
    return float(f"{error:.2e}") if error == error else float("inf")
