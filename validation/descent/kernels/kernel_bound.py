r"""Why rho(NTK_S) <= (L/delta^2) rho(NTK_R) for node maps that act sample by sample: the steps, one by one.

The kernel of a layer with P inputs is G o K (Schur product), K = sum_p K^p, K^p = B^p B^pT of the basis at input p, and
G = sum_q g_q g_q^T positive semidefinite from the derivatives g_q of the network's outputs in the layer's. A B-spline
kernel has a diagonal of at most 1 (non-negative functions that sum to 1), whence rho(G o K_S) <= P rho(G). A ReLU
kernel is at least d_p d_p^T, d_p >= delta the leftmost function; with v the top eigenvector of G

    v^T (G o K_R) v >= sum_p rho(G) (sum_s d_ps v_s^2)^2 >= P delta^2 rho(G).

So a layer has the ratio 1/delta^2 at most. NTK_S is the sum over the layers, NTK_R at least each of its terms.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

import refkan as rk
from refkan.base import Frozen
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from validation.descent.kernels.kernels_of_both_bases import delta, relu_jacobian

ROUNDING = 1e-12
"""Products of a few hundred terms, relative to the spectral radius."""


class LayerKernels(Frozen):
    """The kernel of a layer and its factors, for N samples, Q outputs of the network and P inputs of the layer.

    G (N Q, N Q) is made of the derivatives of the network's outputs in the layer's, rows sample-major; K (N, N) is
    sum_p K^p, by basis; `direct` (N Q, N Q) is the kernel from the layer's columns of the Jacobian, by basis, and
    `first` (N, P) the leftmost scaled ReLU power at the inputs of the layer.
    """

    G: np.ndarray
    K: dict[str, np.ndarray]
    direct: dict[str, np.ndarray]
    first: np.ndarray

    def schur(self, basis: str) -> np.ndarray:
        """G o K, the K of two samples repeated for every pair of outputs."""
        outputs = self.G.shape[0] // self.first.shape[0]
        return self.G * np.kron(self.K[basis], np.ones((outputs, outputs)))


def layer_kernels(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> Iterator[LayerKernels]:
    """Yield the kernels layer by layer, from the last to the first."""
    J = net.jacobian(theta, x)
    jacobians = {"spline": J, "relu": relu_jacobian(net, J)}
    sweep = Sweep.forward(net, theta, x[:, None], constants=Statistics(net, theta).constants)
    inputs = [x, *(jet.value[:, 0] for jet in sweep.maps)]
    outputs = net.widths[-1]
    unit = np.broadcast_to(np.eye(outputs)[:, None], (x.shape[0], outputs, 1, outputs))
    for k, g, _ in sweep.pull_back_apart(unit):
        layer = net.layers[k]
        assert isinstance(layer, EdgeLayer)
        rows, z = g.reshape(-1, g.shape[3]), inputs[k]
        K = {basis: np.zeros((x.shape[0], x.shape[0])) for basis in jacobians}
        first = np.empty_like(z)
        for p, space in enumerate(layer.spaces):
            B = rk.bsplines.design_matrix(space, z[:, p], outside="linear").toarray()
            Psi = rk.ChangeOfBasis(space, scaled=True).solve(B)
            K["spline"] += B @ B.T
            K["relu"] += Psi @ Psi.T
            first[:, p] = ((z[:, p] - space.knots[0]) / space.mean_spacing) ** (layer.order - 1)
        blocks = {basis: matrix[:, net.slices[k]] for basis, matrix in jacobians.items()}
        yield LayerKernels(rows @ rows.T, K, {basis: block @ block.T for basis, block in blocks.items()}, first)


def proof_margins(kernels: LayerKernels, least: float) -> dict[str, float]:
    """How far each step of the proof is from failing, relative to its size: none may be below -ROUNDING.

    `least` is the lower bound delta on the leftmost ReLU power.
    """
    G, P = kernels.G, kernels.first.shape[1]
    values = np.linalg.eigvalsh(G)
    rho = values[-1]  # 0 in the hidden layers of order 1, whose splines have no slope
    margins = {
        "G is positive semidefinite": values[0] / rho if rho else 0.0,
        "the leftmost ReLU power is at least delta": kernels.first.min() / least - 1.0,
        "the diagonal of a B-spline kernel is at most P": 1.0 - kernels.K["spline"].diagonal().max() / P,
    }
    for basis, direct in kernels.direct.items():
        scale = np.abs(direct).max()
        difference = np.abs(direct - kernels.schur(basis)).max()
        margins[f"the kernel is a Schur product, {basis} basis"] = -difference / scale if scale else 0.0
    top = {basis: float(np.linalg.eigvalsh(kernels.schur(basis))[-1]) for basis in kernels.K}
    if rho:
        margins["rho(G o K_S) <= P rho(G)"] = 1.0 - top["spline"] / (P * rho)
        margins["rho(G o K_R) >= P delta^2 rho(G)"] = top["relu"] / (P * least**2 * rho) - 1.0
    return {name: float(value) for name, value in margins.items()}


def check_proof(samples: int, seeds: range, least: Callable[[int], float] = delta) -> dict[str, float]:
    """Smallest margin of every step over random networks of orders 1 to 4; `least` maps the order to delta."""
    worst: dict[str, float] = {}
    for order in range(1, 5):
        for node_map in ("none", "affine", "sigmoid"):
            for seed in seeds:
                net, theta, x = random_network(order, node_map, samples, seed)
                for kernels in layer_kernels(net, theta, x):
                    for name, margin in proof_margins(kernels, least(order)).items():
                        worst[name] = min(worst.get(name, np.inf), margin)
    return worst


def random_network(order: int, node_map: str, samples: int, seed: int) -> tuple[rk.Network, np.ndarray, np.ndarray]:
    """A network [2, 3, 2, 2], activations in [0, 1], random breakpoints inside, exterior knots at the mean spacing."""
    rng = np.random.default_rng([order, seed])
    widths, n = (2, 3, 2, 2), 4
    layers = []
    for P, Q in pairwise(widths):
        points = [np.concatenate([[0.0], np.sort(rng.uniform(0.05, 0.95, n - 1)), [1.0]]) for _ in range(P)]
        layers.append(rk.SplineLayer(tuple(rk.SplineSpace.from_breakpoints(order, t) for t in points), Q))
    maps = rk.kan(list(widths), order, n, node_map=node_map).node_maps
    x = rng.uniform(size=(samples, widths[0]))
    x[0] = 0.0  # where the leftmost ReLU power is least
    net, theta = rk.Network(tuple(layers), maps).initialize(rng, x)
    if node_map == "none":  # outputs of hidden layers in [0, 1]: coefficients in [0, 1/P]
        for layer, where in zip(net.layers[:-1], net.slices, strict=False):
            theta[where] = rng.uniform(0.0, 1.0 / layer.n_inputs, where.stop - where.start)
    return net, theta, x
