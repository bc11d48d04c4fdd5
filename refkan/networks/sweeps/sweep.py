r"""Sweeps through a network: forward, backward, and forward in tangents; Jacobians follow from them.

Layers y_k = Phi_k(theta_k, z_k) and node maps z_{k+1} = m_k(y_k) take turns. A cotangent dy of the outputs goes back by

    (dtheta_k, dz_k) = pullback of Phi_k at dy_k,        dy_{k-1} = m_{k-1}'^T dz_k.

Values and jets (N, channels, P) share this code: a value is a jet with no directions. Maps that take statistics are
z = scale y + shift. A sweep treats the constants (scale, shift) as separate variables and returns their cotangents
beside those of theta; `statistics_sweep` pulls them back to theta. Only in the sweep over the statistics batch they are
functions of its activations.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from refkan.base import Array, FloatArray, Frozen, OutsideDomainError
from refkan.kernels.recycled_memory import dtype_of
from refkan.networks.composition import Composition
from refkan.networks.layers.linearization import Linearization
from refkan.networks.node_maps.node_map import Constants
from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.pointwise import AffineJet, MappedJet


def sum_of_constants(parts: Sequence[Constants | None]) -> Constants | None:
    """Add pairs (dscale, dshift), of which some may be None; None if all are."""
    total: Constants | None = None
    for part in parts:
        if total is None:
            total = part
        elif part is not None:
            total = total[0] + part[0], total[1] + part[1]
    return total


class Tangents(Frozen):
    """Tangents of a sweep of values along one direction: of inputs, outputs and constants."""

    inputs: list[FloatArray]
    outputs: list[FloatArray]
    constants: list[Constants | None]


class Sweep(Frozen):
    """A network at theta and a jet z (N, channels, P) of its inputs, every layer linearised.

    Attributes
    ----------
    net : Composition
    layers : list of Linearization
    maps : list of AffineJet or PointwiseJet
        The node maps at the outputs of the layers.
    constants : list
        Scale and shift of the maps that take statistics, None for all other maps of the network.
    of_batch : bool
        Whether the samples are the statistics batch, on which the constants of node maps depend.
    """

    net: Composition
    layers: list[Linearization]
    maps: list[MappedJet]
    constants: list[Constants | None]
    of_batch: bool

    @classmethod
    def forward(
        cls,
        net: Composition,
        theta: Array,
        z: Array | InputJet,
        channels: Channels = VALUES,
        constants: Sequence[Constants | None] | None = None,
        slopes: bool = True,
        inputs: bool = True,
        depth: int | None = None,
    ) -> "Sweep":
        """Evaluate at theta (n_params,) and the jet z (N, channels, P).

        Parameters
        ----------
        constants : sequence, optional
            Constants of the maps that take statistics, None for the others. By default they are computed from the
            activations of these samples.
        slopes : bool
            If False, only the value of the result is valid.
        inputs : bool
            If False, the first layer has no derivatives in z: cotangents can be pulled back to theta only.
        depth : int, optional
            Number of layers, by default all; the map behind the last of them belongs to the sweep.
        """
        layers: list[Linearization] = []
        maps: list[MappedJet] = []
        of_maps: list[Constants | None] = [None] * len(net.node_maps)
        at = z if isinstance(z, InputJet) else InputJet(z)
        for k, (layer, where) in enumerate(zip(net.layers[:depth], net.slices[:depth], strict=True)):
            declared = layer.declare(theta[where])
            back = slopes and (inputs or k > 0)
            try:
                at_layer = Linearization(declared, layer.parameters, at, channels, back)
            except OutsideDomainError as error:
                if k == 0:
                    raise
                raise OutsideDomainError(f"layer {k}: {error}") from None
            layers.append(at_layer)
            if k < len(net.node_maps):
                node_map, y = net.node_maps[k], at_layer.value
                if constants is not None:
                    of_maps[k] = constants[k]
                elif node_map.uses_statistics:
                    of_maps[k] = node_map.constants(y[:, 0], k)
                maps.append(node_map.at(y, channels, of_maps[k], slopes))
                at = InputJet(maps[-1].value)
        return cls(net, layers, maps, of_maps, constants is None)

    @property
    def value(self) -> Array:
        """The jet (N, channels, d_L) of the outputs."""
        return self.layers[-1].value

    # ------------------------------------------------------------------ sweeps

    def pull_back(
        self, dy: FloatArray | None, inputs: bool = False, constants: Sequence[Constants | None] = ()
    ) -> tuple[FloatArray, list[Constants | None], FloatArray | None]:
        """Cotangents of theta, of the constants, and of the inputs' jet (None unless `inputs`).

        Parameters
        ----------
        dy : array (N, channels, d_L), or None
            None if the sweep ends with a map and only its constants have cotangents.
        constants : sequence of (dscale, dshift) or None
            Cotangents of the constants from other samples, in a sweep over the statistics batch. They are pulled back
            to theta through the activations, and none are returned.
        """
        kind = dtype_of(self.value)
        if dy is not None:
            kind = dtype_of(self.value, dy)  # complex cotangents pass through, for complex steps
        dtheta = np.zeros(self.net.n_params, kind)
        through: list[Constants | None] = [None] * len(self.net.node_maps)
        dz: FloatArray | None = None
        for k in range(len(self.layers) - 1, -1, -1):
            if k < len(self.maps):
                dy = self.pull_back_map(k, dz, constants, through)
            assert dy is not None
            dtheta[self.net.slices[k]], dz = self.layers[k].pull_back(dy, inputs or k > 0)
        return dtheta, through, dz

    def pull_back_map(
        self,
        k: int,
        dz: FloatArray | None,
        constants: Sequence[Constants | None],
        through: list[Constants | None],
    ) -> FloatArray:
        """Cotangent of the jet y of map k; those of its constants go into `through`, or on to y."""
        y, node_map = self.layers[k].value, self.net.node_maps[k]
        if dz is None:
            dy = np.zeros_like(y)
        else:
            dy = self.maps[k].pull_back(dz[:, None])[:, 0]
        if node_map.uses_statistics:
            mine = self.sum_constants(k, dz, constants)
            if not self.of_batch:
                through[k] = mine
            elif mine is not None:
                dy[:, 0] += node_map.constants_vjp(y[:, 0], *mine)
        return dy

    def sum_constants(self, k: int, dz: FloatArray | None, others: Sequence[Constants | None]) -> Constants | None:
        """Cotangents of the constants of map k: from its result in this sweep, plus `others`."""
        parts = [others[k]] if others else []
        if dz is not None:
            jet = self.maps[k]
            assert isinstance(jet, AffineJet)
            parts.insert(0, jet.sum_constants(dz))
        return sum_of_constants(parts)

    def push_forward(
        self, dtheta: FloatArray, dz: FloatArray | None = None, constants: Sequence[Constants | None] = ()
    ) -> Tangents:
        """Tangents along dtheta, dz (N, channels, d_0) or None for fixed inputs, and tangents of the constants.

        In a sweep over the statistics batch the tangents of the constants follow from the activations.
        """
        tangents = Tangents([], [], [None] * len(self.net.node_maps))
        for k, layer in enumerate(self.layers):
            dy = layer.pushforward(dtheta[self.net.slices[k]], dz)
            if dz is None:
                dz = np.zeros(layer.z.shape)
            tangents.inputs.append(dz)
            tangents.outputs.append(dy)
            if k == len(self.maps):
                break
            jet, node_map = self.maps[k], self.net.node_maps[k]
            dz = jet.push_forward(dy)
            if not node_map.uses_statistics:
                continue
            if self.of_batch:
                moved: Constants | None = node_map.constants_jvp(layer.value[:, 0], dy[:, 0])
            else:
                moved = constants[k]
            tangents.constants[k] = moved
            if moved is not None:
                assert isinstance(jet, AffineJet)
                dz = dz + jet.push_forward_constants(*moved)
        return tangents

    def pull_back_apart(self, G: FloatArray) -> Iterator[tuple[int, FloatArray, Constants | None]]:
        """Pull G (N, O, channels, d_L) back sample by sample, constants fixed, from the last layer to the first.

        Yields
        ------
        k : int
            Number of a layer.
        array (N, O, channels, Q)
            Cotangents of its outputs.
        (dscale, dshift), arrays (N, O, Q) each, or None
            Cotangents of the constants of the map behind it.
        """
        through: Constants | None = None
        for k in range(len(self.layers) - 1, -1, -1):
            yield k, G, through
            if k == 0:
                return
            dz = self.layers[k].pullback_inputs(G)
            jet, through = self.maps[k - 1], None
            if self.net.node_maps[k - 1].uses_statistics:
                assert isinstance(jet, AffineJet)
                through = jet.pull_back_constants(dz)
            G = jet.pull_back(dz)

    def fill_jacobian(self, G: FloatArray, J: FloatArray, gradients: FloatArray | None = None) -> None:
        """Add to J (N, O, n_params), zero on entry, sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta.

        ``gradients`` (C, n_params) are those of the constants in theta; without them the constants are fixed.
        """
        through: list[FloatArray] = []
        for k, g, constants in self.pull_back_apart(G):
            self.layers[k].fill_jacobian(g, J[:, :, self.net.slices[k]])
            if constants is not None:
                through.insert(0, np.concatenate(constants, axis=2))
        if through and gradients is not None:
            J += np.concatenate(through, axis=2) @ gradients
