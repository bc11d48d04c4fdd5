r"""Tangent kernels J J^T in the spline and the ReLU basis, without an evaluation in the ReLU basis.

From w = A^T u follows grad_u = A grad_w, so J_w = J_u A^-T: A^-1, which is r cumulative sums without subtraction, on
the columns of each edge.
"""

from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.networks.layers.knot_layers.edges import EdgeLayer


def relu_jacobian(net: rk.Network, J: np.ndarray, scaled: bool = True) -> np.ndarray:
    """J_w (rows, M) from J_u, for the scaled ReLU powers ((x - t_i)_+/h)^(r-1) or the plain ones."""
    out = np.empty_like(J)
    for layer, where in zip(net.layers, net.slices, strict=True):
        assert isinstance(layer, EdgeLayer)
        edges = J[:, where].reshape(-1, layer.n_outputs, layer.n_inputs, layer.dim)
        columns = [rk.ChangeOfBasis(space, scaled).solve(edges[:, :, p]) for p, space in enumerate(layer.spaces)]
        out[:, where] = np.stack(columns, axis=2).reshape(J.shape[0], -1)
    return out


def radius(J: np.ndarray) -> float:
    """Spectral radius of J J^T, the square of the largest singular value of J."""
    rows = J if J.shape[0] <= J.shape[1] else J.T
    # Small products without BLAS: on busy cores its threads wait for each other longer than the product takes.
    small = rows.shape[0] ** 2 * rows.shape[1] < 10**7
    gram = np.einsum("ik,jk->ij", rows, rows) if small else rows @ rows.T
    return float(np.linalg.eigvalsh(gram)[-1])


def kernel_ratio(net: rk.Network, theta: np.ndarray, x: np.ndarray, scaled: bool = True) -> float:
    """rho(NTK_S)/rho(NTK_R) of a network in the spline basis."""
    J = net.jacobian(theta, x)
    return radius(J) / radius(relu_jacobian(net, J, scaled))


def delta(order: int) -> int:
    """Least value on [a, b] of the leftmost scaled ReLU power: ((a - t_{1-r})/h)^(r-1) = (r-1)^(r-1), or 1 for r = 1.

    This needs t_{1-r} = a - (r-1) h with h = (b-a)/n; the breakpoints between a and b may lie anywhere.
    """
    return max(1, order - 1) ** (order - 1)


class Case(Frozen, eq=True):
    """A network at its random start."""

    order: int
    intervals: int
    widths: tuple[int, ...]
    node_map: str
    seed: int
    start: str = "linear"

    def build(self, samples: int) -> tuple[rk.Network, np.ndarray, np.ndarray]:
        """Return the network, its parameters and uniformly distributed samples."""
        rng = np.random.default_rng([self.seed, self.order, self.intervals, *self.widths])
        x = rng.uniform(size=(samples, self.widths[0]))
        net = rk.kan(self.widths, self.order, self.intervals, node_map=self.node_map)
        net, theta = net.initialize(rng, x, self.start)
        return net, theta, x

    def with_results(self, **results: Any) -> dict[str, Any]:
        return asdict(self) | results


WIDTHS = ((1, 1), (2, 5, 1), (2, 5, 5, 1), (4, 8, 2))
NODE_MAPS = ("affine", "mean-std", "sigmoid")


def random_cases(
    orders: tuple[int, ...],
    intervals: tuple[int, ...],
    seeds: range,
    node_maps: tuple[str, ...] = NODE_MAPS,
    starts: tuple[str, ...] = ("linear",),
) -> list[Case]:
    """Every combination with WIDTHS; a network of one layer has no node map and is taken with the first alone."""
    grid = product(orders, intervals, WIDTHS, node_maps, seeds, starts)
    return [Case(*item) for item in grid if len(item[2]) > 2 or item[3] == node_maps[0]]
