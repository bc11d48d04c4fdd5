r"""What indicators see of a layer: its inputs on the data, its spline spaces, and how much its outputs matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import as_samples, as_vector, check_count
from refkan.base.array_types import FloatArray, IntArray
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.networks.layers import KnotLayer, require_knots
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines.spaces import SplineSpace


def check_layers(net: Network, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the numbers of the layers to refine, ascending; by default all with splines."""
    with_splines = [k for k, layer in enumerate(net.layers) if layer.has_knots]
    if layers is None:
        if not with_splines:
            raise ValueError("net must have a layer with knots; got dense layers only")
        return tuple(with_splines)
    chosen = sorted({check_count(f"layers[{i}]", k, 0, len(net.layers) - 1) for i, k in enumerate(layers)})
    if not chosen:
        raise ValueError("layers must name at least one layer; got none")
    for k in chosen:
        if k not in with_splines:
            raise ValueError(f"layers must name layers with knots; got layer {k}, a {type(net.layers[k]).__name__}")
    return tuple(chosen)


@dataclass(frozen=True, eq=False)
class LayerState(ShortRepr):
    r"""A layer with splines at (theta, x).

    Attributes
    ----------
    layer : KnotLayer
    theta : array
        Its own parameters.
    z : array (N, P)
        Its inputs.
    sensitivity : array (N, Q)
        ``sum_o (dF_o/dy_q)^2``: by how much the squared output of the network moves with output q of the layer.
        Constants of node maps that take statistics are held.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import layer_states
    >>> net = rk.kan([1, 1], order=2, intervals=4)
    >>> state = layer_states(net, np.zeros(5), np.array([[0.1], [0.2], [0.9]]))[0]
    >>> state.intervals_of_samples().ravel(), state.sum_over_intervals(np.ones(3))
    (array([0, 0, 3]), array([[2., 0., 0., 1.]]))
    """

    layer: KnotLayer
    theta: FloatArray
    z: FloatArray
    sensitivity: FloatArray

    @property
    def spaces(self) -> tuple[SplineSpace, ...]:
        """The spline spaces, one for each input."""
        return self.layer.spaces_at(self.theta)

    @property
    def coefficients(self) -> FloatArray:
        """B-spline coefficients (Q, P, dim)."""
        return self.layer.spline_coefficients(self.theta)

    def intervals_of_samples(self) -> IntArray:
        """Return the interval (N, P) in which each input lies.

        The last one is closed; for inputs outside the domain it is that at the near end.
        """
        at = np.empty(self.z.shape, dtype=np.int64)
        for p, space in enumerate(self.spaces):
            at[:, p] = np.searchsorted(space.breakpoints[1:-1], self.z[:, p], side="right")
        return at

    def sum_over_intervals(self, weights: FloatArray) -> FloatArray:
        """Sum weights (N,) of the samples interval by interval: (P, n)."""
        at, n = self.intervals_of_samples(), self.spaces[0].intervals
        return np.array([np.bincount(at[:, p], weights, minlength=n) for p in range(at.shape[1])])


def layer_states(net: Network, theta: FloatArray, x: FloatArray) -> dict[int, LayerState]:
    """Return the state of every layer with splines, by its number, from one sweep forward and one backward.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import layer_states
    >>> x = np.random.default_rng(0).uniform(size=(9, 2))
    >>> net, theta = rk.kan([2, 3, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> {k: (state.z.shape, state.sensitivity.shape) for k, state in layer_states(net, theta, x).items()}
    {0: ((9, 2), (9, 3)), 1: ((9, 3), (9, 1))}
    """
    check_annotated(layer_states, locals())
    theta, x = as_vector("theta", theta, net.n_params), as_samples("x", x, net.widths[0])
    constants = Statistics(net, theta).constants
    sweep = Sweep.forward(net, theta, x[:, None], constants=constants)
    inputs = [x, *(jet.value[:, 0] for jet in sweep.maps)]
    states: dict[int, LayerState] = {}
    unit = np.eye(net.widths[-1])
    G = np.broadcast_to(unit[:, None], (x.shape[0], unit.shape[0], 1, unit.shape[0]))
    for k, cotangents, _ in sweep.pull_back_apart(G):
        if net.layers[k].has_knots:
            sensitivity = np.sum(cotangents[:, :, 0] ** 2, axis=1)
            states[k] = LayerState(require_knots(net.layers[k]), theta[net.slices[k]], inputs[k], sensitivity)
    return dict(sorted(states.items()))
