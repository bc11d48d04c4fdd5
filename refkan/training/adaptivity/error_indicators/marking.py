r"""Marking: the fewest intervals that carry a given share of the indicator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refkan.base.annotations import Checked, check_annotated
from refkan.base.arguments import as_array, as_shape, check_share, real
from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr


def doerfler(indicators: FloatArray, fraction: float) -> IntArray:
    r"""Return the fewest intervals that carry at least `fraction` of the sum of the indicators, largest first.

    Equal indicators are taken from left to right; intervals without any are never marked.

    Parameters
    ----------
    indicators : array (n,)
        Not negative.
    fraction : float
        In (0, 1].

    Raises
    ------
    ValueError
        If an indicator is negative or not finite, or the fraction outside (0, 1].

    Notes
    -----
    Doerfler, "A convergent adaptive algorithm for Poisson's equation", SIAM J. Numer. Anal. 33 (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.adaptivity import doerfler
    >>> doerfler(np.array([1.0, 5.0, 0.0, 4.0]), fraction=0.6)
    array([1, 3])
    """
    fraction = check_share("fraction", fraction)
    indicators = real("indicators", as_array("indicators", indicators, ndim=1))
    negative = np.flatnonzero(indicators < 0)
    if negative.size:
        k = int(negative[0])
        raise ValueError(f"indicators must not be negative; got indicators[{k}] = {indicators[k]}")
    order = np.argsort(-indicators, kind="stable")
    sums = np.cumsum(indicators[order])
    if order.size == 0 or sums[-1] == 0:
        return order[:0]
    # The sum of the first k, rounded, against the whole: fraction = 1 must not mark intervals that add nothing.
    count = int(np.searchsorted(sums, fraction * sums[-1] * (1 - 8 * np.finfo(np.float64).eps))) + 1
    return order[: min(count, int(np.count_nonzero(indicators)))]


@dataclass(frozen=True)
class Mark(ShortRepr, Checked):
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
    >>> from refkan.training.adaptivity import Mark
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
    per_input: bool,
) -> list[Mark]:
    """Return the marks of one layer by Doerfler's rule, the largest first.

    With `per_input` the j-th mark joins the j-th largest intervals of all inputs, and the share that the rule looks at
    is that of all inputs together: among markings with as many intervals of each input as of any other these are the
    fewest. An input that has no further interval worth a cut (one whose node is dead, say) does not hold the others
    up: another of its intervals is cut, from the left. Without `per_input` a mark is the interval of one number in all
    inputs, its indicator the sum over them.

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
    >>> from refkan.training.adaptivity import mark_layer
    >>> eta, yes = np.array([[4.0, 1.0, 3.0, 0.0]]), np.ones((1, 4), bool)
    >>> [mark.intervals for mark in mark_layer(0, eta, yes, yes, fraction=0.5, per_input=True)]
    [(0,)]
    """
    check_annotated(mark_layer, locals())
    indicators = as_array("indicators", indicators, 2)
    worth = as_shape("worth", worth, indicators.shape).astype(bool)
    possible = as_shape("possible", possible, indicators.shape).astype(bool)
    n_inputs = indicators.shape[0]
    total = float(indicators.sum())
    if total == 0:
        return []
    shares = np.where(worth & possible, indicators, 0.0) / total
    if per_input:
        # Those worth a cut by their shares, then those that can be cut, then the rest.
        order = np.where(possible, shares, -1.0)
        ranks = np.argsort(-order, axis=1, kind="stable")[:, : int(possible.sum(axis=1).min())]
        values = np.take_along_axis(shares, ranks, axis=1).sum(axis=0)
        marks = [Mark(layer, tuple(map(int, ranks[:, j])), float(values[j])) for j in range(values.size)]
    else:
        values = np.where(possible.all(axis=0), shares.sum(axis=0), 0.0)
        marks = [Mark(layer, (m,) * n_inputs, float(values[m])) for m in range(values.size)]
    left = float(values.sum())
    if left == 0:
        return []
    return [marks[j] for j in doerfler(values, min(1.0, fraction / left))]
