r"""Sweeps through a network: forward with everything kept, backward, forward in tangents, and what follows from them.

Layers y_k = Phi_k(theta_k, z_k) and node maps z_{k+1} = m_k(y_k) take turns. A cotangent dy of the outputs goes back by

    (dtheta_k, dz_k) = pullback of Phi_k at dy_k,        dy_{k-1} = m_{k-1}'^T dz_k.

Values and jets (N, channels, P) are swept by the same code: a value is a jet with no directions. Maps that take
statistics are z = scale y + shift, with constants (scale, shift) that are variables of their own here: cotangents of
the constants leave a sweep beside those of theta, and `networks.statistics` takes them back to theta. The sweep over
the statistics batch itself is the one in which they are functions of the activations that it carries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refkan.base import Array, FloatArray, OutsideDomainError, ShortRepr
from refkan.kernels.recycled_memory import dtype_of
from refkan.networks.composition import Composition
from refkan.networks.layers import Linearization
from refkan.networks.node_maps.node_map import Constants
from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.pointwise import AffineJet, MappedJet


@dataclass(frozen=True, eq=False)
class Tangents(ShortRepr):
    """What a forward sweep of values found along a direction: tangents of inputs and outputs, and of the constants."""

    inputs: list[FloatArray]
    outputs: list[FloatArray]
    constants: list[Constants | None]


@dataclass(frozen=True, eq=False)
class Sweep(ShortRepr):
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
        Whether the samples are the statistics batch: constants of node maps follow theta through them.
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
            Constants of the maps that take statistics, None for the others. By default they are taken from the
            activations of these very samples.
        slopes : bool
            Without them only the value of the result is valid.
        inputs : bool
            Without it the first layer knows no derivatives in z: cotangents may be pulled back to theta alone.
        depth : int, optional
            The number of layers; the map behind the last of them belongs to the sweep. By default the whole network.
        """
        layers: list[Linearization] = []
        maps: list[MappedJet] = []
        of_maps: list[Constants | None] = [None] * len(net.node_maps)
        at = z if isinstance(z, InputJet) else InputJet(z)
        for k, (layer, where) in enumerate(zip(net.layers[:depth], net.slices[:depth], strict=True)):
            declared, back = layer.declare(theta[where]), slopes and (inputs or k > 0)
            try:
                layers.append(Linearization(declared, layer.parameters, at, channels, back))
            except OutsideDomainError as error:
                raise OutsideDomainError(f"layer {k}: {error}" if k else str(error)) from None
            if k < len(net.node_maps):
                node_map, y = net.node_maps[k], layers[-1].value
                if node_map.uses_statistics:
                    of_maps[k] = node_map.constants(y[:, 0], k) if constants is None else constants[k]
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
        """Cotangents of theta, of the constants, and of the inputs' jet (None unless asked for).

        Parameters
        ----------
        dy : array (N, channels, d_L), or None
            None where the sweep ends with a map whose constants alone have cotangents.
        constants : sequence of (dscale, dshift) or None
            Cotangents of the constants from elsewhere, in a sweep over the statistics batch; there they go on to theta
            through the activations, and none are returned.
        """
        kinds = [self.value] if dy is None else [self.value, dy]  # complex ones pass through, for complex steps
        dtheta = np.zeros(self.net.n_params, dtype_of(*kinds))
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
        jet, node_map = self.maps[k], self.net.node_maps[k]
        dy = np.zeros_like(self.layers[k].value) if dz is None else jet.pull_back(dz[:, None])[:, 0]
        if node_map.uses_statistics:
            mine = self.sum_constants(k, dz, constants)
            if not self.of_batch:
                through[k] = mine
            elif mine is not None:
                dy[:, 0] += node_map.constants_vjp(self.layers[k].value[:, 0], *mine)
        return dy

    def sum_constants(self, k: int, dz: FloatArray | None, others: Sequence[Constants | None]) -> Constants | None:
        """Cotangents of the constants of map k from those of its result here and from elsewhere."""
        jet, other = self.maps[k], others[k] if others else None
        assert isinstance(jet, AffineJet)
        if dz is None:
            return other
        dscale, dshift = jet.sum_constants(dz)
        return (dscale, dshift) if other is None else (dscale + other[0], dshift + other[1])

    def push_forward(
        self, dtheta: FloatArray, dz: FloatArray | None = None, constants: Sequence[Constants | None] = ()
    ) -> Tangents:
        """Tangents along dtheta, dz (N, channels, d_0), None for inputs that stay, and the constants of the maps.

        In a sweep over the statistics batch the constants follow the activations.
        """
        tangents = Tangents([], [], [None] * len(self.net.node_maps))
        for k, layer in enumerate(self.layers):
            dy = layer.pushforward(dtheta[self.net.slices[k]], dz)
            tangents.inputs.append(np.zeros(layer.z.shape) if dz is None else dz)
            tangents.outputs.append(dy)
            if k < len(self.maps):
                jet, node_map = self.maps[k], self.net.node_maps[k]
                dz = jet.push_forward(dy)
                if node_map.uses_statistics:
                    moved = node_map.constants_jvp(layer.value[:, 0], dy[:, 0]) if self.of_batch else constants[k]
                    tangents.constants[k] = moved
                    assert isinstance(jet, AffineJet)
                    if moved is not None:
                        dz = dz + jet.push_forward_constants(*moved)
        return tangents

    def pull_back_apart(self, G: FloatArray) -> Iterator[tuple[int, FloatArray, Constants | None]]:
        """Pull G (N, O, channels, d_L) back sample by sample, the constants held, from the last layer to the first.

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
            if k > 0:
                dz, jet, through = self.layers[k].pullback_inputs(G), self.maps[k - 1], None
                if self.net.node_maps[k - 1].uses_statistics:
                    assert isinstance(jet, AffineJet)
                    through = jet.pull_back_constants(dz)
                G = jet.pull_back(dz)

    def fill_jacobian(self, G: FloatArray, J: FloatArray, gradients: FloatArray | None = None) -> None:
        """Add to J (N, O, n_params), zero on entry, sum_cq G[s, o, c, q] d(jet[s, c, q])/dtheta.

        ``gradients`` are those of the constants in theta, (C, n_params); without them the constants are held.
        """
        through: list[FloatArray] = []
        for k, g, constants in self.pull_back_apart(G):
            self.layers[k].fill_jacobian(g, J[:, :, self.net.slices[k]])
            if constants is not None:
                through.insert(0, np.concatenate(constants, axis=2))
        if through and gradients is not None:
            J += np.concatenate(through, axis=2) @ gradients
