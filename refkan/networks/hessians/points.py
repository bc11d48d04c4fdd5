r"""A network at theta on weighted samples, chunk by chunk, with the constants of its node maps as separate variables.

Under mean-std and min-max maps the outputs depend on theta also through scale and shift. With these constants as
variables c, F = F(theta, c(theta)) and

    J = J_f + E S,    J_f = dF/dtheta at fixed c,    E = dF/dc (N d_L, C),    S = dc/dtheta (C, M).

J_f and E come from sweeps with fixed constants. S needs one sweep over the statistics batch.
"""

from collections.abc import Iterator
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray, all_finite, lazy
from refkan.base.arguments import as_array, as_samples, as_vector, real, require_not_negative
from refkan.kernels.gauss_newton_sums import sort_by_cell
from refkan.networks import Network
from refkan.networks.layers import Layer
from refkan.networks.layers.functions import LocalForm
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines.sums.input_jet import InputJet, as_jet

LEAST_ORDERED = 2048
"""Number of samples from which on their rows exceed a cache, so that their order matters."""


class Points(Frozen):
    """A network at theta (M,) on samples `at`, x (N, P), with weights (N,).

    `order` (N,) holds the numbers of the samples for error messages; None stands for 0, ..., N - 1.

    Raises
    ------
    ValueError
        For wrong shapes, N = 0, NaN or infinity, a negative weight, or an unbound node map.
    TypeError
        If the net is not a `Network`, or numbers are not real.
    """

    net: Network
    theta: FloatArray
    at: InputJet
    weights: FloatArray
    order: IntArray | None = None

    @classmethod
    def check(cls, net: Network, theta: Any, x: Any, weights: Any) -> "Points":
        """Check the arguments of a public function."""
        if not isinstance(net, Network):
            raise TypeError(f"second derivatives need a refkan Network; got {type(net).__name__}")
        theta = real("theta", as_vector("theta", theta, net.n_params))
        if not isinstance(x, InputJet):
            x = real("x", as_samples("x", x, net.widths[0]))
        at = as_jet(x)
        n_samples = at.x.shape[0]
        if n_samples == 0:
            raise ValueError("x must hold at least one sample; got N = 0")
        if weights is None:
            weights = np.ones(n_samples)
        weights = real("weights", as_vector("weights", weights, n_samples))
        require_not_negative("weights", weights)
        return cls(net, theta, at, weights)

    def part(self, rows: slice) -> "Points":
        """Return some of the samples."""
        return Points(self.net, self.theta, self.at[rows], self.weights[rows])

    def in_order_of_cells(self, rows: slice) -> "Points":
        """Return some of the samples, ordered by the cells of the first two inputs.

        Sums over windows of the first layer then read neighbouring samples one after another. The order is unchanged
        for few samples or many cells, for functions without windows, and if layers name samples outside their domain.
        """
        at, order = self.at[rows], np.arange(*rows.indices(self.n_samples))
        layers = self.net.layers
        many = order.size >= max(LEAST_ORDERED, layers[0].intervals ** 2)
        named = any(layer.outside == "error" for layer in layers)
        if many and not named and layers[0].basis == "spline":
            at, inside = at.once(self.net, ("cells",), lambda: _in_order_of_cells(at, layers[0]))
            order = order[inside]
        part = copy(self)  # with its lazy results on the network
        vars(part).update(at=at, weights=self.weights[order], order=order)
        return part

    @property
    def x(self) -> FloatArray:
        """The samples (N, P)."""
        return self.at.x

    @property
    def n_samples(self) -> int:
        """Number of samples N."""
        return self.at.z.shape[0]

    @property
    def n_statistics(self) -> int:
        """Number of samples of the statistics batch."""
        if self.net.statistics is None:
            return 0
        return self.net.statistics.shape[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs d_L."""
        return self.net.widths[-1]

    @lazy
    def batch(self) -> Statistics:
        """The statistics batch at theta."""
        self.net.require_bound()
        return Statistics(self.net, self.theta)

    @property
    def n_constants(self) -> int:
        """Number C of constants: scale and shift of each node under a map that takes statistics."""
        return sum(2 * self.net.widths[k + 1] for k in self.net.statistics_maps)

    @property
    def constant_gradients(self) -> FloatArray:
        """S (C, M): for each such map the gradients of its scales, then of its shifts."""
        return self.batch.gradients

    @lazy
    def forms(self) -> list[LocalForm] | None:
        """Local forms of the layers at no samples: their shapes and charts. None for free knots."""
        if any(layer.free_knots for layer in self.net.layers):
            return None
        return [layer.local_form() for layer in self._sweep(InputJet(self.at.z[:0])).layers]

    @property
    def fixed_forms(self) -> list[LocalForm]:
        """The same for fixed knots; ValueError for free knots, which have no second derivatives here."""
        self.net.require_fixed_knots()
        assert self.forms is not None
        return self.forms

    @property
    def sweep_bytes(self) -> int:
        """Approximate memory of a sweep for each sample: rows of two derivatives, and activations."""
        numbers = 0
        for layer in self.net.layers:
            numbers += layer.n_inputs * (3 * layer.window + 3)
            numbers += layer.n_outputs * (2 * self.n_outputs + 4)
        return 8 * numbers

    def chunks(self, size: int, within: slice = slice(None)) -> list[slice]:
        """Equal chunks, of at most `size`, of the samples `within`."""
        low, high, _ = within.indices(self.n_samples)
        count = max(-(-(high - low) // size), 1)
        bounds = [low + (high - low) * k // count for k in range(count + 1)]
        return [slice(*ends) for ends in pairwise(bounds)]

    def _sweep(self, at: InputJet) -> Sweep:
        return Sweep.forward(self.net, self.theta, at, constants=self.batch.constants, inputs=False)

    def sweep(self, rows: slice = slice(None)) -> Sweep:
        """Sweep over some of the samples, with fixed constants of node maps."""
        sweep = self._sweep(self.at[rows])
        require_finite_outputs(sweep.value[:, 0], rows.start or 0, self.order)
        return sweep

    def sweeps(self, size: int) -> Iterator[tuple[slice, Sweep]]:
        """Sweeps over all samples in order, in chunks of at most `size`."""
        for rows in self.chunks(size):
            yield rows, self.sweep(rows)

    def seeds(self, rows: slice, scale: float) -> FloatArray:
        """Cotangents (n, d_L, 1, d_L) of single outputs at some of the samples, times sqrt(weight scale)."""
        roots = np.sqrt(self.weights[rows] * scale)
        return roots[:, None, None, None] * np.eye(self.n_outputs)[:, None]


def _in_order_of_cells(at: InputJet, layer: Layer) -> tuple[InputJet, IntArray]:
    """Order samples by equal cells of the first two inputs, whatever the knots: neighbours stay neighbours."""
    (a, b), n, order = layer.domains[:2].T, layer.intervals, np.empty(at.x.shape[0], np.int64)
    sort_by_cell(at.x, a.copy(), n / (b - a), n, order)
    return at.reordered(order), order


def require_finite_outputs(outputs: FloatArray, first: int = 0, order: IntArray | None = None) -> None:
    """Raise ValueError if outputs overflowed; the first sample is number `first`, or order[first]."""
    if not all_finite(outputs):
        s, q = map(int, np.argwhere(~np.isfinite(outputs))[0])
        number = first + s
        if order is not None:
            number = order[number]
        raise ValueError(f"outputs must be finite to be differentiated; got y[{number}, {q}] = {outputs[s, q]}")


def check_targets(points: Points, y: Any) -> FloatArray:
    """Return targets y (N, d_L), checked."""
    y = real("y", as_array("y", y, ndim=2))
    if y.shape != (points.n_samples, points.n_outputs):
        raise ValueError(f"y must have the shape of the outputs, {(points.n_samples, points.n_outputs)}; got {y.shape}")
    return y
