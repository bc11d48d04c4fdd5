"""How much each input matters to the output of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_samples, as_vector
from refkan.base.array_types import FloatArray
from refkan.networks import Network

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
