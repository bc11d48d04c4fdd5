r"""A search for networks with a large rho(NTK_S)/rho(NTK_R), the node maps acting sample by sample.

Everything is searched: the samples, all coefficients, the constants of affine maps, the relative sizes of the layers.
Activations stay in [0, 1] by construction. Spectators are more nodes of the hidden layers, held at the left end of the
domain, where the kernels of both bases agree for r = 2, and without influence on the output: they make the kernel of
the following layer nearly constant in both bases.
"""

from dataclasses import replace
from functools import cached_property
from itertools import product

import numpy as np
from scipy.optimize import differential_evolution, minimize

import refkan as rk
from refkan.base import Frozen
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import SigmoidMap
from validation.descent.kernels.kernels_of_both_bases import radius

DECADES = (-2.0, 3.0)
"""Sizes of the coefficients of a layer, as powers of ten."""


class Family(Frozen, eq=True):
    """All networks of a shape, as points of a unit cube; `spectators` are more nodes in each hidden layer.

    The map "affine" takes the range of each node's activations to any part of [0, 1].
    """

    order: int
    intervals: int
    widths: tuple[int, ...]
    samples: int
    node_map: str
    spectators: int = 0

    @property
    def name(self) -> str:
        more = f", {self.spectators} spectators a hidden layer" if self.spectators else ""
        return f"r = {self.order}, n = {self.intervals}, {list(self.widths)}, {self.node_map} map{more}"

    @property
    def layers(self) -> int:
        return len(self.widths) - 1

    @cached_property
    def net(self) -> rk.Network:
        """A network of the shape, spectators among its nodes; its affine maps are those of a point."""
        hidden = [width + self.spectators for width in self.widths[1:-1]]
        net = rk.kan([self.widths[0], *hidden, self.widths[-1]], self.order, self.intervals, node_map="none")
        if self.node_map != "sigmoid":
            return net
        return replace(net, node_maps=tuple(SigmoidMap(np.tile([0.0, 1.0], (width, 1))) for width in hidden))

    @cached_property
    def inverse(self) -> np.ndarray:
        """A^-1 of the one spline space, in the scaled ReLU basis."""
        space = rk.SplineSpace.uniform(self.order, self.intervals)
        return rk.ChangeOfBasis(space, scaled=True).solve(np.eye(space.dim)).T

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers of coordinates: samples, coefficients, ends of the images of affine maps, sizes of layers."""
        dim = self.order + self.intervals - 1
        coefficients = sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False)) * dim
        ends = 2 * sum(self.widths[1:-1])
        return {"x": self.samples * self.widths[0], "c": coefficients, "ends": ends, "decades": self.layers}

    @property
    def dimension(self) -> int:
        return sum(self.sizes.values())

    def network(self, point: np.ndarray) -> tuple[rk.Network, np.ndarray, np.ndarray]:
        """Return the network, its parameters and the samples of a point; coordinates are clipped to [0, 1]."""
        x, c, ends, decades = np.split(np.clip(point, 0.0, 1.0), np.cumsum(list(self.sizes.values()))[:-1])
        x = x.reshape(self.samples, -1)
        theta, maps, z = np.zeros(self.net.n_params), [], x
        for k, (layer, where) in enumerate(zip(self.net.layers, self.net.slices, strict=True)):
            P, Q = self.widths[k], self.widths[k + 1]
            own, c = np.split(c, [Q * P * layer.dim])  # type: ignore[attr-defined]
            last = k == self.layers - 1
            block = layer.unpack(theta[where])["coefficients"]  # spectators keep the coefficients 0
            block[:Q, :P] = self._coefficients(own.reshape(Q, P, -1), decades[k], last)
            if last or self.node_map != "affine":
                continue
            y = layer.linearize(theta[where], z, slopes=False).value
            span, ends = np.split(ends, [2 * Q])
            maps.append(self._affine_map(y, span.reshape(2, Q)))
            z = np.clip(maps[-1].value(y), 0.0, 1.0)  # it may be off by rounding
        return replace(self.net, node_maps=tuple(maps)) if maps else self.net, theta, x

    def _coefficients(self, unit: np.ndarray, decade: float, last: bool) -> np.ndarray:
        if self.node_map == "none" and not last:
            return unit / unit.shape[1]
        if self.node_map == "sigmoid" and not last:
            return 16.0 * (unit - 0.5)
        low, high = DECADES
        return (unit - 0.5) * 10.0 ** (low + (high - low) * decade)

    def _affine_map(self, y: np.ndarray, ends: np.ndarray) -> AffineMap:
        scale, shift = np.ones(y.shape[1]), np.zeros(y.shape[1])  # of spectators, whose y is 0
        own = y[:, : ends.shape[1]]
        spread = np.maximum(np.ptp(own, axis=0), 1e-9 * np.abs(own).max() + 1e-300)
        scale[: ends.shape[1]] = (ends[1] - ends[0]) / spread
        shift[: ends.shape[1]] = ends[0] - scale[: ends.shape[1]] * own.min(axis=0)
        return AffineMap(scale, shift)

    def ratio(self, point: np.ndarray) -> float:
        """rho(NTK_S)/rho(NTK_R) at a point of the cube."""
        net, theta, x = self.network(point)
        J = net.jacobian(theta, x)
        rho = radius((J.reshape(-1, self.inverse.shape[0]) @ self.inverse.T).reshape(J.shape))
        return radius(J) / rho if rho > 0 else 0.0


def search(family: Family, seed: int, generations: int) -> float:
    """Largest ratio found by differential evolution and then, half as long, the simplex of Nelder and Mead."""

    def objective(point: np.ndarray) -> float:
        return -family.ratio(point)

    size = family.dimension
    best = differential_evolution(
        objective, [(0.0, 1.0)] * size, maxiter=generations, popsize=3, seed=seed, polish=False, tol=0.0
    )
    options = {"maxfev": best.nfev // 2, "adaptive": True}
    polished = minimize(objective, best.x, method="Nelder-Mead", options=options)
    return float(-min(best.fun, polished.fun))


def families(layers: tuple[int, ...], intervals: tuple[int, ...], samples: tuple[int, ...]) -> list[Family]:
    """Families of orders 1 to 4: narrow ones with every kind of map, wider ones, and some with spectators."""
    chosen = []
    for order, L, n, N in product(range(1, 5), layers, intervals, samples):
        if L == 1:
            chosen += [Family(order, n, widths, N, "none") for widths in ((1, 1), (2, 2))]
            continue
        inside = (1,) * (L - 1)
        chosen += [Family(order, n, (1, *inside, 1), N, node_map) for node_map in ("none", "affine", "sigmoid")]
        chosen += [
            Family(order, n, (2, 2, *inside[1:], 2), N, "affine"),
            Family(order, n, (1, *inside, 1), N, "affine", spectators=8),
        ]
    return chosen


BEST_SLOPES = (1.469, -0.340)
"""The best ones for many nodes, over the root of their number, found by maximising the ratio."""


def wide_network(nodes: int, slopes: tuple[float, float] | None = None) -> tuple[rk.Network, np.ndarray, np.ndarray]:
    """A network [1, nodes, 1] of order 2 on 2 intervals, no node maps, whose ratio tends to 1.32449 with many nodes.

    One sample is at x = 0 and two at x = 1/2, one spacing on. All nodes but one stay at 0, so that the kernel of the
    last layer is about `nodes` in all entries, in both bases. The last node takes the values 1/4 and 3/4, from where
    the second layer continues with slopes g of opposite signs. Per node the kernels are then, for x = 0 and 1/2,

        1 + g_s g_t [[1, 0], [0, 1]]  in the spline basis,    1 + g_s g_t [[1, 2], [2, 5]]  in the ReLU basis:

    the negative g_1 g_2 makes the layers cancel in the ReLU basis alone.
    """
    steps = 0.5 * (np.sqrt(nodes) * np.array(BEST_SLOPES) if slopes is None else np.array(slopes))
    net = rk.kan([1, nodes, 1], order=2, intervals=2, node_map="none")
    first, second = np.zeros((nodes, 1, 3)), np.zeros((1, nodes, 3))
    first[-1, 0] = 0.25, 0.75, 0.75
    second[0, -1] = np.cumsum([0.0, *steps])
    return net, np.concatenate([first.ravel(), second.ravel()]), np.array([[0.0], [0.5], [0.5]])
