"""Networks some of whose edges are replaced by simpler ones: what is returned, and how many can be replaced."""

from collections.abc import Callable
from functools import partial
from typing import Any

from refkan.analysis.exact.enclosures.float_intervals import Intervals, quiet
from refkan.analysis.exact.enclosures.network_intervals import EdgeStep, IntervalNetwork
from refkan.analysis.exact.enclosures.subdivision import absolute, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import TaylorIntervals
from refkan.analysis.exact.nodes.extremes_over_boxes import largest_difference, layerwise_difference
from refkan.base import FloatArray, Frozen
from refkan.networks import Network

CLOSE = 0.1
"""The share of the tolerance by which the enclosure of a distance may exceed it."""


class PrunedEdge(Frozen):
    """An edge that was replaced: "constant" or "line", and a bound of the distance if no other edge were replaced.

    Examples
    --------
    >>> from refkan.analysis.exact.nodes.replaced_edges import PrunedEdge
    >>> PrunedEdge(layer=0, output=0, input=1, kind="line", bound=0.01).kind
    'line'
    """

    layer: int
    output: int
    input: int
    kind: str
    bound: float


class Pruned(Frozen):
    """A network some of whose edges are constant or straight.

    Attributes
    ----------
    network, theta : Network, array (n_params,)
        The given network, statistics and free knots fixed, at other parameters.
    bound : float
        Proven: the largest |difference| of an output from the given network in the box is not above it.
    edges : tuple of PrunedEdge
        Replaced edges, those of the smallest bounds first.
    nodes : tuple of (int, int)
        Hidden nodes, by layer and number, on which nothing depends any more.

    Examples
    --------
    >>> import refkan as rk
    >>> result = rk.exact.pruned(rk.kan([1, 1], 2, 1), [0.5, 0.5], [[0.0, 1.0]], tolerance=0.1)
    >>> result.bound, result.edges[0].kind, result.theta
    (0.0, 'constant', array([0.5, 0.5]))
    """

    network: Network
    theta: FloatArray
    bound: float
    edges: tuple[PrunedEdge, ...]
    nodes: tuple[tuple[int, int], ...]

    def __call__(self, x: Any) -> FloatArray:
        """Return the outputs (N, Q) at x (N, P), in floats."""
        values: FloatArray = self.network(self.theta, x)
        return values


def most_replacements(fits: Callable[[int], bool], most: int) -> int:
    """Find by bisection a number of replacements that fit of which one more does not; none always fit."""
    few, many = 0, most + 1
    while many - few > 1:
        middle = (few + many) // 2
        if fits(middle):
            few = middle
        else:
            many = middle
    return few


@quiet()
def ranges_of_edges(steps: IntervalNetwork, ends: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Least and greatest inputs (P,) of each layer of edges."""
    x, ranges = TaylorIntervals({(0,): Intervals(ends[None, :, 0], ends[None, :, 1])}, 0), []
    for step in steps.steps:
        if isinstance(step, EdgeStep):
            ranges.append((x.value.lo[0], x.value.hi[0]))
        x, _ = step.apply(x)
    return ranges


def proven_distance(
    steps: IntervalNetwork, other: IntervalNetwork, ends: FloatArray, tolerance: float, budget: int
) -> float:
    """A bound of |difference| of two networks over a box: layer by layer, or where that is less by boxes."""
    slack = 0.5 * CLOSE * tolerance
    by_layers = layerwise_difference(steps, other, ends)
    if by_layers <= slack:
        return by_layers
    quantities = partial(largest_difference, steps, other)
    sizes = range_over(quantities, ends, absolute(slack), budget, greatest=True)
    return min(by_layers, float(sizes.outer.hi[0]))
