r"""A network at theta on weighted samples, chunk by chunk, with the constants of its node maps split off.

Under mean-std and min-max maps the outputs depend on theta also through scale and shift. With these constants as
variables c of their own, F = F(theta, c(theta)) and

    J = J_f + E S,    J_f = dF/dtheta at fixed c,    E = dF/dc (N d_L, C),    S = dc/dtheta (C, M).

J_f and E belong to a network whose maps act on each sample alone: the frozen one. S needs the statistics batch alone,
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.arguments import as_array, as_samples, as_vector, real
from refkan.array_types import FloatArray, IntArray
from refkan.kernels.bspline_basis import number_cells
from refkan.kernels.gauss_newton import sort_by_key
from refkan.layers import EdgeLayer, Layer, LocalForm, SplineLayer
from refkan.layers.edges import require_fixed_knots
from refkan.lazy import lazy
from refkan.networks import Network
from refkan.node_maps import StatisticsMap
from refkan.sweeps import Sweep

LEAST_ORDERED = 2048
"""Samples from which on their rows are more than a cache holds, so that their order matters."""


@dataclass(frozen=True, eq=False)
class Points:
    """A network at theta (M,) on samples x (N, P) with weights (N,).

    `order` (N,) are the numbers by which errors name the samples; None where they are those of x.

    Raises
    ------
    ValueError
        On wrong shapes, N = 0, NaN or infinity, a negative weight, or an unbound node map.
    TypeError
        If the net is not a `Network`, or numbers are not real.
    """

    net: Network
    theta: FloatArray
    x: FloatArray
    weights: FloatArray
    order: IntArray | None = None

    @classmethod
    def check(cls, net: Network, theta: Any, x: Any, weights: Any) -> Points:
        """Check the arguments of a public function."""
        if not isinstance(net, Network):
            raise TypeError(f"second derivatives need a refkan Network; got {type(net).__name__}")
        theta = real("theta", as_vector("theta", theta, net.n_params))
        x = real("x", as_samples("x", x, net.widths[0]))
        if x.shape[0] == 0:
            raise ValueError("x must hold at least one sample; got N = 0")
        w = np.ones(x.shape[0]) if weights is None else real("weights", as_vector("weights", weights, x.shape[0]))
        if (w < 0).any():
            first = int(np.argmax(w < 0))
            raise ValueError(f"weights must not be negative; got weights[{first}] = {w[first]}")
        return cls(net, theta, x, w)

    def require_fixed_knots(self) -> None:
        """Raise ValueError, naming the layer, where knots are free."""
        for k, layer in enumerate(self.net.layers):
            inner = getattr(layer, "spline", layer)
            if isinstance(inner, EdgeLayer):
                require_fixed_knots(inner, f"layer {k}")

    def part(self, rows: slice) -> Points:
        """Return some of the samples."""
        return Points(self.net, self.theta, self.x[rows], self.weights[rows])

    def in_order_of_cells(self, rows: slice) -> Points:
        """Some of the samples, in an order in which sums over windows of the first layer read them one after another.

        By the cells of the first two inputs, for sums that may come in any order. As they come where samples are few or
        cells many, where functions have no windows, and where layers name samples outside their domain.
        """
        low, high, _ = rows.indices(self.n_samples)
        order = np.arange(low, high)
        splines: list[Any] = [getattr(layer, "spline", layer) for layer in self.net.layers]
        first, named = splines[0], any(getattr(spline, "outside", None) == "error" for spline in splines)
        if isinstance(first, SplineLayer) and not named and high - low >= max(LEAST_ORDERED, first.intervals**2):
            tables = first.tables(self.theta[self.net.slices[0]])
            x = np.require(self.x[low:high], requirements=["C", "W"])  # one type for the kernel, whatever came
            cells = np.empty(x.shape[0], np.int64)
            number_cells(x, tables.breakpoints, *tables.search, cells)
            sort_by_key(cells, np.empty(first.intervals**2, np.int64), order)
            order += low
        part = copy(self)  # with what has been found of the network
        for name, value in (("x", self.x[order]), ("weights", self.weights[order]), ("order", order)):
            object.__setattr__(part, name, value)
        return part

    @property
    def n_samples(self) -> int:
        """Number of samples N."""
        return self.x.shape[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs d_L."""
        return self.net.widths[-1]

    @lazy
    def batch(self) -> Sweep | None:
        """The statistics batch at theta; None where no map takes constants from it."""
        self.net.require_bound()
        return Sweep.of_statistics(self.net, self.theta) if self.statistics_maps else None

    @lazy
    def frozen(self) -> Network:
        """The network whose constants are fixed at what they are at theta."""
        return self.net if self.batch is None else self.batch.frozen

    @lazy
    def statistics_maps(self) -> list[int]:
        """Numbers of the node maps that take constants from the statistics batch."""
        return [k for k, node_map in enumerate(self.net.node_maps) if isinstance(node_map, StatisticsMap)]

    @property
    def n_constants(self) -> int:
        """Number C of constants: scale and shift of each node under such a map."""
        return sum(2 * self.net.widths[k + 1] for k in self.statistics_maps)

    @property
    def constant_gradients(self) -> FloatArray:
        """S (C, M): for each such map the gradients of its scales, then of its shifts."""
        return np.empty((0, self.net.n_params)) if self.batch is None else self.batch.constant_gradients

    @lazy
    def forms(self) -> list[LocalForm] | None:
        """Local forms of the layers at no samples: their shapes and charts. None where knots are free."""
        if any(_knots_are_free(layer) for layer in self.net.layers):
            return None
        sweep = Sweep.forward(self.frozen, self.theta, self.x[:0], share=False)
        return [layer.local_form() for layer in sweep.layers]

    @property
    def sweep_bytes(self) -> int:
        """About the memory that a sweep takes for each sample: rows of two derivatives, and activations."""
        total = 0
        for layer in self.net.layers:
            inner: Any = getattr(layer, "spline", layer)
            window = getattr(inner, "order", 1) if getattr(inner, "basis", "spline") == "spline" else inner.dim
            total += 8 * (layer.n_inputs * (3 * window + 3) + layer.n_outputs * (2 * self.n_outputs + 4))
        return total

    def chunks(self, size: int, within: slice = slice(None)) -> list[slice]:
        """Equal chunks, of at most `size`, of the samples `within`."""
        low, high, _ = within.indices(self.n_samples)
        count = max(-(-(high - low) // size), 1)
        bounds = [low + (high - low) * k // count for k in range(count + 1)]
        return [slice(*ends) for ends in pairwise(bounds)]

    def sweep(self, rows: slice = slice(None)) -> Sweep:
        """Sweep of the frozen network over some of the samples."""
        sweep = Sweep.forward(self.frozen, self.theta, self.x[rows], share=False, inputs=False)
        require_finite(sweep.value, rows.start or 0, self.order)
        return sweep

    def sweeps(self, size: int) -> Iterator[tuple[slice, Sweep]]:
        """Sweeps over all samples in order, in chunks of at most `size`."""
        for rows in self.chunks(size):
            yield rows, self.sweep(rows)

    def cotangents(
        self, sweep: Sweep, rows: slice, scale: float, constants: bool = True
    ) -> tuple[list[FloatArray], FloatArray]:
        """Pull the outputs, times sqrt(weight scale), back to the outputs of every layer and, if asked, the constants.

        Returns
        -------
        G : list of arrays (n, d_L, Q)
            d(output o of sample s)/d(output q of the layer).
        E : array (n, d_L, C)
            d(output o of sample s)/d(constant); of no constants unless asked for.
        """
        roots = np.sqrt(self.weights[rows] * scale)
        maps = self.statistics_maps if constants else ()
        return sweep.pull_back_several(roots[:, None, None] * np.eye(self.n_outputs), maps)


def _knots_are_free(layer: Layer) -> bool:
    return bool(getattr(getattr(layer, "spline", layer), "free_knots", False))


def require_finite(outputs: FloatArray, first: int = 0, order: IntArray | None = None) -> None:
    """Raise ValueError where outputs overflowed; the first sample is number `first`, or order[first]."""
    if not np.isfinite(outputs).all():
        s, q = map(int, np.argwhere(~np.isfinite(outputs))[0])
        number = first + s if order is None else order[first + s]
        raise ValueError(f"outputs must be finite to be differentiated; got y[{number}, {q}] = {outputs[s, q]}")


def check_targets(points: Points, y: Any) -> FloatArray:
    """Return targets y (N, d_L), checked."""
    y = real("y", as_array("y", y, ndim=2))
    if y.shape != (points.n_samples, points.n_outputs):
        raise ValueError(f"y must have the shape of the outputs, {(points.n_samples, points.n_outputs)}; got {y.shape}")
    return y
