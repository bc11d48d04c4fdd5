"""Networks on samples: layers joined by node maps, forward for values and backward for gradients.

A network is F(x) = Phi_L(m_{L-1}(Phi_{L-1}( ... m_1(Phi_1(x)) ... ))), layers Phi_k with their parts of theta and node
maps m_k. Maps that take statistics take them from a batch of samples of its own; it goes through the network in front
of x, so that derivatives in theta pass through it and derivatives in x do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import mul

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.layers import Layer
from refkan.truth.node_maps import NodeMap


@dataclass(frozen=True)
class Network:
    """Layers, one node map between every two of them, and the statistics batch of the maps that need one."""

    layers: Sequence[Layer]
    node_maps: Sequence[NodeMap]
    batch: Matrix = field(default_factory=list)

    @property
    def n_params(self) -> int:
        """Length of theta."""
        return sum(layer.n_params for layer in self.layers)

    def parts(self, theta: Numbers) -> list[Numbers]:
        """Cut theta into the parameters of each layer."""
        parts, begin = [], 0
        for layer in self.layers:
            parts.append(theta[begin : begin + layer.n_params])
            begin += layer.n_params
        return parts

    def sweep(self, theta: Numbers, x: Sequence[Numbers]) -> "Sweep":
        """Evaluate at theta and samples x.

        Raises
        ------
        ValueError
            If a map that takes statistics meets a node of constant outputs, if a sample lies outside its domain under
            outside="error", or where a function has no value among Fractions.
        UndecidedError
            If a ball holds a knot or a kink.
        """
        batch = self.batch if any(node_map.uses_statistics for node_map in self.node_maps) else []
        sweep = Sweep(self, theta, len(batch))
        z: list[Numbers] = [*batch, *x]
        for k, (layer, part) in enumerate(zip(self.layers, self.parts(theta), strict=True)):
            sweep.inputs.append(z)
            y = [layer.value(part, z_s) for z_s in z]
            if k < len(self.node_maps):
                z, pullback = self.node_maps[k].at(y, len(batch), f"after layer {k}")  # type: ignore[assignment]
                sweep.map_pullbacks.append(pullback)
        sweep.value = y[len(batch) :]
        return sweep


@dataclass
class Sweep:
    """A network at theta and x: its values (N, Q), and everything that the way back needs.

    Attributes
    ----------
    network, theta
    batch : int
        Number of samples of the statistics batch, which go through in front of x.
    inputs : list over layers
        The inputs of each layer, (batch + N, P).
    map_pullbacks : list over node maps
    value : list (N, Q)
    """

    network: Network
    theta: Numbers
    batch: int
    inputs: list[list[Numbers]] = field(default_factory=list)
    map_pullbacks: list[Callable[[Matrix], Matrix]] = field(default_factory=list)
    value: Matrix = field(default_factory=list)

    def cotangents(self, dy: Sequence[Numbers]) -> list[Matrix]:
        """Cotangents of what each layer puts out, from dy (N, Q) of the last: the chain rule, backward."""
        n_outputs = self.network.layers[-1].n_outputs
        cotangents: list[Matrix] = [[*([0] * n_outputs for _ in range(self.batch)), *map(list, dy)]]
        for k in reversed(range(len(self.map_pullbacks))):
            cotangents.insert(0, self.map_pullbacks[k](self._pull_back_inputs(k + 1, cotangents[0])))
        return cotangents

    def _pull_back_inputs(self, k: int, dy: Matrix) -> Matrix:
        """dx[s, p] = sum_q dy[s, q] dy_q/dx_p of layer k."""
        layer, theta = self.network.layers[k], self.network.parts(self.theta)[k]
        slopes = [layer.slopes(theta, z) for z in self.inputs[k]]
        return [[sum(map(mul, d, column)) for column in zip(*S, strict=True)] for d, S in zip(dy, slopes, strict=True)]

    def gradient(self, dy: Sequence[Numbers]) -> list[Number]:
        """Return dtheta_m = sum_s,q dy[s,q] dF_q(x_s)/dtheta_m (M)."""
        dtheta, begin = [0 * value for value in self.theta], 0
        parts = self.network.parts(self.theta)
        for layer, part, inputs, out in zip(self.network.layers, parts, self.inputs, self.cotangents(dy), strict=True):
            for z, d in zip(inputs, out, strict=True):
                for d_q, gradient in zip(d, layer.gradients(part, z), strict=True):
                    for m, slope in gradient.items():
                        dtheta[begin + m] = dtheta[begin + m] + d_q * slope
            begin += layer.n_params
        return dtheta

    def input_gradient(self, dy: Sequence[Numbers]) -> Matrix:
        """Return dx[s,p] = sum_q dy[s,q] dF_q(x_s)/dx_p (N, P)."""
        return self._pull_back_inputs(0, self.cotangents(dy)[0])[self.batch :]

    def knot_gradients(self, dy: Sequence[Numbers]) -> list[Matrix]:
        """Return for each layer the derivatives (P, n - 1) of sum dy F by its interior breakpoints, C held fixed."""
        gradients, parts = [], self.network.parts(self.theta)
        for layer, part, inputs, out in zip(self.network.layers, parts, self.inputs, self.cotangents(dy), strict=True):
            total: Matrix = [[0] * layer.breakpoints for _ in range(layer.n_inputs)]
            for z, d in zip(inputs, out, strict=True):
                for d_q, rows in zip(d, layer.knot_slopes(part, z), strict=True):
                    for p, row in enumerate(rows):
                        total[p] = [t + d_q * slope for t, slope in zip(total[p], row, strict=True)]
            gradients.append(total)
        return gradients
