r"""Cutting marked intervals into halves by knot insertion: the function stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_vector
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.splines.knots import FLOOR
from refkan.training.adaptivity.error_indicators.layer_states import LayerState
from refkan.training.adaptivity.error_indicators.marking import Mark

SHORTEST = 1e-8
"""Least half of an interval, relative to b - a: order r divides by up to r - 1 spans in a row."""


def may_be_cut(state: LayerState, least_samples: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which intervals are worth halving, and which can be halved at all, (P, n) each.

    An interval can be halved if its halves are longer than the shortest one allowed: 1e-8 of the domain, and with free
    knots the floor of their parameterisation. It is worth it if at least `least_samples` different inputs lie in it.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import layer_states, may_be_cut
    >>> state = layer_states(rk.kan([1, 1], order=2, intervals=4), np.zeros(5), np.array([[0.1], [0.2], [0.9]]))[0]
    >>> worth, possible = may_be_cut(state, least_samples=2)
    >>> worth, bool(possible.all())
    (array([[ True, False, False, False]]), True)
    """
    check_annotated(may_be_cut, locals())
    layer = state.layer
    shortest = max(SHORTEST, FLOOR / layer.intervals if layer.free_knots else 0.0)
    worth, possible = [], []
    for p, space in enumerate(state.spaces):
        a, b = space.domain
        values = np.unique(np.clip(state.z[:, p], a, b))
        at = np.searchsorted(space.breakpoints[1:-1], values, side="right")
        counts = np.bincount(at, minlength=space.intervals)
        possible.append(0.5 * np.diff(space.breakpoints) > shortest * (b - a))
        worth.append(possible[-1] & (counts >= least_samples))
    return np.array(worth), np.array(possible)


def bisect(net: Network, theta: FloatArray, marks: Sequence[Mark]) -> tuple[Network, FloatArray]:
    """Return the network with a knot in the middle of every marked interval, and the same function's parameters.

    Free knots stay free: they start where they are at theta, with the new ones between.

    Raises
    ------
    ValueError
        If a mark names a layer without knots or an interval twice.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Mark, bisect
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> fine, theta = bisect(net, np.array([0.0, 1.0, 4.0]), [Mark(layer=0, intervals=(1,), share=1.0)])
    >>> fine.layers[0].spaces[0].breakpoints, theta
    (array([0.  , 0.5 , 0.75, 1.  ]), array([0. , 1. , 2.5, 4. ]))
    """
    check_annotated(bisect, locals())
    theta = as_vector("theta", theta, net.n_params)
    marked = sorted({mark.layer for mark in marks})
    layers = [
        layer.with_fixed_knots(theta[where]) if k in marked else layer
        for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True))
    ]
    fixed = replace(net, layers=tuple(layers))
    fine = fixed
    for k in marked:
        chosen = [mark.intervals for mark in marks if mark.layer == k]
        spaces = net.layers[k].spaces_at(theta[net.slices[k]])
        rows = []
        for p, space in enumerate(spaces):
            numbers = np.array([intervals[p] for intervals in chosen])
            if np.unique(numbers).size < numbers.size:
                raise ValueError(f"marks must name each interval once; got {sorted(numbers.tolist())} for input {p}")
            t = space.breakpoints
            rows.append(t[numbers] + 0.5 * (t[numbers + 1] - t[numbers]))
        fine = fine.insert(k, np.array(rows))
    freed = [
        layer.with_free_knots() if k in marked and net.layers[k].free_knots else layer
        for k, layer in enumerate(fine.layers)
    ]
    fine = replace(fine, layers=tuple(freed))
    return fine, fixed.convert(net.convert(theta, fixed), fine)
