r"""Node maps: what takes the outputs y of one layer into the domain [a, b] of the next.

    affine     z = a' + (b'-a')(y - low)/(high - low), low and high of the initial activations, then fixed
    mean-std   z = mid + half (y - mean)/(kappa std), mean and std of the activations of the statistics batch
    min-max    z = a + (b-a)(y - min)/(max - min), extremes of the activations of the statistics batch
    sigmoid    z = a + (b-a)/(1 + exp(-y))
    none       z = y

[a', b'] is the domain less a margin of (b-a)/1024 on each side, and kappa is 5/2. All but the sigmoid are
z = scale y + shift, node by node. Under mean-std and min-max scale and shift follow theta through the statistics batch,
and every derivative in theta goes through them.

Examples
--------
>>> from refkan.networks.node_maps import NODE_MAPS
>>> list(NODE_MAPS)
['affine', 'mean-std', 'min-max', 'sigmoid', 'none']
"""

from refkan.networks.node_maps.kinds import AffineMap, MeanStdMap, MinMaxMap, SigmoidMap, Unmapped
from refkan.networks.node_maps.node_map import NodeMap

NODE_MAPS: dict[str, NodeMap] = {
    node_map.name: node_map for node_map in (AffineMap(), MeanStdMap(), MinMaxMap(), SigmoidMap(), Unmapped())
}
"""The node maps by name, not yet bound to data."""


__all__ = [
    "NODE_MAPS",
    "AffineMap",
]
