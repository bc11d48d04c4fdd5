r"""Marking, the fewest intervals that carry a given share of the indicator, and their bisection."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from refkan.base import Checked, FloatArray, IntArray
from refkan.networks import Network
from refkan.splines.knots import FLOOR
from refkan.training.adaptivity.indicators import LayerState


def doerfler(indicators: FloatArray, fraction: float) -> IntArray:
    r"""Return the fewest intervals that carry at least `fraction` of the sum of the indicators, largest first.

    Equal indicators are taken from left to right; intervals without any are never marked.

    Parameters
    ----------
    indicators : array (n,)
        Not negative.
    fraction : float
        In (0, 1].

    Notes
    -----
    Doerfler, "A convergent adaptive algorithm for Poisson's equation", SIAM J. Numer. Anal. 33 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.adaptivity.bisection import doerfler
    >>> doerfler(np.array([1.0, 5.0, 0.0, 4.0]), fraction=0.6)
    array([1, 3])
    """
    order = np.argsort(-indicators, kind="stable")
    sums = np.cumsum(indicators[order])
    if order.size == 0 or sums[-1] == 0:
        return order[:0]
    # The sum of the first k, rounded, against the whole: fraction = 1 must not mark intervals that add nothing.
    count = int(np.searchsorted(sums, fraction * sums[-1] * (1 - 8 * np.finfo(np.float64).eps))) + 1
    return order[: min(count, int(np.count_nonzero(indicators)))]


class Mark(Checked):
    """One interval of every input of a layer, to be cut.

    Attributes
    ----------
    layer : int
    intervals : tuple of int
        The interval of each input: a layer has one number of intervals, so that each input loses one and gains two.
    share : float
        Share of the layer's indicator that they carry.

    Examples
    --------
    >>> from refkan.training.adaptivity.bisection import Mark
    >>> Mark(layer=0, intervals=(3, 1), share=0.6)  # interval 3 of the first input and interval 1 of the second
    Mark(layer=0, intervals=(3, 1), share=0.6)
    """

    layer: int
    intervals: tuple[int, ...]
    share: float


def mark_layer(
    layer: int,
    indicators: FloatArray,
    worth: NDArray[np.bool_],
    possible: NDArray[np.bool_],
    fraction: float,
) -> list[Mark]:
    """Return the marks of one layer by Doerfler's rule, the largest first.

    The j-th mark joins the j-th largest intervals of all inputs, and the share that the rule looks at is that of all
    inputs together: among markings with as many intervals of each input as of any other these are the fewest. An input
    that has no further interval worth a cut (one whose node is dead, say) does not hold the others up: another of its
    intervals is cut, from the left.

    Parameters
    ----------
    layer : int
    indicators : array (P, n)
        Not negative.
    worth : array (P, n) of bool
        Which intervals deserve a cut; the indicators of others count towards the sum all the same.
    possible : array (P, n) of bool
        Which intervals can be cut at all.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.adaptivity.bisection import mark_layer
    >>> eta, yes = np.array([[4.0, 1.0, 3.0, 0.0]]), np.ones((1, 4), bool)
    >>> [mark.intervals for mark in mark_layer(0, eta, yes, yes, fraction=0.5)]
    [(0,)]
    """
    total = float(indicators.sum())
    if total == 0:
        return []
    shares = np.where(worth & possible, indicators, 0.0) / total
    # Those worth a cut by their shares, then those that can be cut, then the rest.
    order = np.where(possible, shares, -1.0)
    ranks = np.argsort(-order, axis=1, kind="stable")[:, : int(possible.sum(axis=1).min())]
    values = np.take_along_axis(shares, ranks, axis=1).sum(axis=0)
    marks = [Mark(layer, tuple(map(int, ranks[:, j])), float(values[j])) for j in range(values.size)]
    left = float(values.sum())
    if left == 0:
        return []
    return [marks[j] for j in doerfler(values, min(1.0, fraction / left))]


SHORTEST = 1e-8
"""Least half of an interval, relative to b - a: order r divides by up to r - 1 spans in a row."""


def may_be_cut(state: LayerState, least_samples: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which intervals are worth halving, and which can be halved at all, (P, n) each.

    An interval can be halved if its halves are longer than the shortest one allowed: 1e-8 of the domain, and with free
    knots the floor of their parameterisation. It is worth it if at least `least_samples` different inputs lie in it.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.bisection import may_be_cut
    >>> from refkan.training.adaptivity.indicators import layer_states
    >>> state = layer_states(rk.kan([1, 1], order=2, intervals=4), np.zeros(5), np.array([[0.1], [0.2], [0.9]]))[0]
    >>> worth, possible = may_be_cut(state, least_samples=2)
    >>> worth, bool(possible.all())
    (array([[ True, False, False, False]]), True)
    """
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
    >>> from refkan.training.adaptivity.bisection import Mark, bisect
    >>> net = rk.kan([1, 1], order=2, intervals=2)
    >>> fine, theta = bisect(net, np.array([0.0, 1.0, 4.0]), [Mark(layer=0, intervals=(1,), share=1.0)])
    >>> fine.layers[0].spaces[0].breakpoints, theta
    (array([0.  , 0.5 , 0.75, 1.  ]), array([0. , 1. , 2.5, 4. ]))
    """
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
