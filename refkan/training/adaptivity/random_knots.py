r"""Random knots: where free knots may start, and fixed knots whose place should not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_positive, check_type
from refkan.networks import Network
from refkan.networks.layers import KnotLayer, require_knots
from refkan.splines.knots import FLOOR
from refkan.splines.spaces import SplineSpace
from refkan.training.adaptivity.error_indicators.layer_states import check_layers

LEAST_SPACING = 2 * FLOOR
"""Least random spacing relative to the mean one: twice the floor of free knots, so that these can start there."""


def with_random_knots(
    net: Network, rng: np.random.Generator, layers: Sequence[int] | None = None, concentration: float = 1.0
) -> Network:
    r"""Return the network with random interior breakpoints, drawn anew for each input; the ends of domains stay.

    The shares of the intervals are ``0.98 q + 0.02/n``, q from the symmetric Dirichlet distribution. With concentration
    1 the breakpoints are, but for the floor, n - 1 independent uniform points in order; larger values give more even
    ones.

    Parameters
    ----------
    net : Network
        Bound to data or not; its knots may be free, these then start at the random places.
    rng : numpy.random.Generator
    layers : sequence of int, optional
        By default all with splines.
    concentration : float
        Positive.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import with_random_knots
    >>> net = with_random_knots(rk.kan([1, 1], order=2, intervals=4), np.random.default_rng(0))
    >>> net.layers[0].spaces[0].breakpoints.round(3)
    array([0.   , 0.392, 0.977, 0.994, 1.   ])
    """
    check_annotated(with_random_knots, locals())
    check_type("net", net, Network)
    check_type("rng", rng, np.random.Generator)
    alpha = check_positive("concentration", concentration)
    scattered = list(net.layers)
    for k in check_layers(net, layers):
        scattered[k] = _scattered(require_knots(net.layers[k]), rng, alpha)
    return replace(net, layers=tuple(scattered))


def _scattered(layer: KnotLayer, rng: np.random.Generator, alpha: float) -> KnotLayer:
    n = layer.intervals
    spaces = []
    for space in layer.spaces:
        a, b = space.domain
        q = (1 - LEAST_SPACING) * rng.dirichlet(np.full(n, alpha)) + LEAST_SPACING / n
        breakpoints = np.concatenate([[a], a + (b - a) * np.cumsum(q[:-1]), [b]])
        spaces.append(SplineSpace.from_breakpoints(space.order, breakpoints))
    return layer.with_spaces(spaces)
