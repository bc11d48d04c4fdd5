r"""The statistics batch, on which constants of node maps depend, and second derivatives by forward over reverse.

Mean-std and min-max maps are z = scale y + shift, where the constants c = (scale, shift) are functions of the
activations on the statistics batch and so of theta. Derivatives in x hold them fixed; derivatives in theta do not:
with F(theta, c),

    dF/dtheta = J_f + E S,    J_f at fixed c,    E = dF/dc,    S = dc/dtheta (C, n_params).

One sweep over the batch pulls cotangents of c back to theta for any number of sweeps over samples.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refkan.base import Array, FloatArray, Frozen, lazy
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.sweep import Sweep, Tangents, sum_of_constants


class Cotangents(Frozen):
    """Cotangents of a sweep of values: of the outputs of each layer, and of the results and constants of each map.

    Attributes
    ----------
    outputs : list of arrays (N, Q)
        Of the outputs of every layer.
    mapped : list of arrays (N, Q), or None
        Of the results of every map; None for a map behind the last layer of the sweep.
    constants : list of (dscale, dshift), or None
        Of the constants of every map that has some, summed over this sweep and others.
    """

    outputs: list[FloatArray]
    mapped: list[FloatArray | None]
    constants: list[Constants | None]


def cotangents(sweep: Sweep, dy: FloatArray | None, constants: Sequence[Constants | None] = ()) -> Cotangents:
    """Cotangents of everything from dy (N, d_L); arguments as for `Sweep.pull_back`."""
    L, n_maps = len(sweep.layers), len(sweep.maps)
    outputs: list[FloatArray] = [np.empty(0)] * L
    mapped: list[FloatArray | None] = [None] * n_maps
    sums: list[Constants | None] = [None] * len(sweep.net.node_maps)
    full = None
    if dy is not None:
        full = dy[:, None]
    for k in range(L - 1, -1, -1):
        if k < n_maps:
            dz = None
            if k + 1 < L:
                dz = sweep.layers[k + 1].pullback_inputs(outputs[k + 1][:, None, None])[:, 0]
                mapped[k] = dz[:, 0]
            full = sweep.pull_back_map(k, dz, constants, [None] * len(sums))
            if sweep.net.node_maps[k].uses_statistics:
                sums[k] = sweep.sum_constants(k, dz, constants)
        assert full is not None
        outputs[k] = full[:, 0]
    return Cotangents(outputs, mapped, sums)


def pull_back_tangent(
    sweep: Sweep,
    dtheta: FloatArray,
    tangents: Tangents,
    backward: Cotangents,
    ddy: FloatArray | None,
    moved_constants: Sequence[Constants | None] = (),
    inputs: bool = False,
) -> tuple[FloatArray, list[Constants | None], FloatArray | None]:
    r"""Forward over reverse: the tangents along dtheta and dx of the cotangents of theta, of the constants, and of x.

    With Y_k, Z_k the cotangents of outputs and inputs of layer k, ' a tangent and H_k the Hessian of <Y_k, y_k>:

        (theta_k*', Z_k') = pullback_k(Y_k') + H_k (dtheta_k, z_k'),

    and through a map with slope m' and constants (s, t) with cotangents (s*, t*):

        Y' = m' Z' + m'' y' Z + s' Z,        s*' = sum Z' y + Z y',    t*' = sum Z'.

    In a sweep over the statistics batch the pullback of (s*', t*') is added, and the Hessian of <s*, s> + <t*, t>
    in the activations times y'.

    Parameters
    ----------
    dtheta : array (n_params,)
    tangents, backward
        What `Sweep.push_forward` (dtheta, dx) and `cotangents` (dy) return.
    ddy : array (N, d_L), or None
        By what dy moves; None where the sweep ends with a map.
    moved_constants : sequence of (ds*, dt*) or None
        Tangents of the cotangents of the constants from elsewhere, in a sweep over the statistics batch.
    inputs : bool
        Whether the last result is the tangent of the cotangent of x, (N, d_0); else it is None.
    """
    result = np.zeros(sweep.net.n_params)
    through: list[Constants | None] = [None] * len(sweep.net.node_maps)
    moved, dZ = ddy, None
    for k in range(len(sweep.layers) - 1, -1, -1):
        layer, where = sweep.layers[k], sweep.net.slices[k]
        if k < len(sweep.maps):
            moved = _pull_back_map_tangent(sweep, k, tangents, backward, dZ, moved_constants, through)
        assert moved is not None
        Y = backward.outputs[k][:, None]
        part, dx = layer.pullback(moved[:, None], inputs or k > 0)
        curved, bent = layer.hessian_product(dtheta[where], tangents.inputs[k], Y)
        result[where] = part + curved
        dZ = None
        if dx is not None:
            dZ = dx[:, 0] + bent
    return result, through, dZ


def _pull_back_map_tangent(
    sweep: Sweep,
    k: int,
    tangents: Tangents,
    backward: Cotangents,
    dZ: FloatArray | None,
    others: Sequence[Constants | None],
    through: list[Constants | None],
) -> FloatArray:
    """Tangent of the cotangent of the outputs of layer k, from dZ (N, Q), that of the result of the map behind."""
    jet, node_map, Z = sweep.maps[k], sweep.net.node_maps[k], backward.mapped[k]
    y, dy = sweep.layers[k].value[:, 0], tangents.outputs[k][:, 0]
    moved = np.zeros(y.shape)
    parts = [others[k]] if others else []
    if dZ is not None and Z is not None:
        moved = dZ * jet.slope + jet.bend(dy, Z)
        if node_map.uses_statistics:
            constants = tangents.constants[k]
            assert constants is not None
            moved += constants[0] * Z
            parts.insert(0, (np.sum(dZ * y + Z * dy, axis=0), dZ.sum(axis=0)))
    if not node_map.uses_statistics:
        return moved
    mine = sum_of_constants(parts)
    if not sweep.of_batch:
        through[k] = mine
        return moved
    sums = backward.constants[k]
    if mine is not None:
        moved += node_map.constants_vjp(y, *mine)
    if sums is not None:
        moved += node_map.constants_hvp(y, dy, *sums)
    return moved


class Statistics:
    """The statistics batch at theta, up to the last map that takes constants from it.

    Attributes
    ----------
    net : Composition
    sweep : Sweep or None
        None for a network without such maps.
    constants : list
        (scale, shift) of each node map, or None for a map without statistics.
    """

    def __init__(self, net: Composition, theta: Array, slopes: bool = True, inputs: bool = False) -> None:
        self.net = net
        self.maps = net.statistics_maps
        self.sweep: Sweep | None = None
        self.constants: list[Constants | None] = [None] * len(net.node_maps)
        if self.maps:
            depth = self.maps[-1] + 1
            self.sweep = Sweep.forward(net, theta, net.batch, slopes=slopes, inputs=inputs, depth=depth)
            self.constants = self.sweep.constants

    @property
    def count(self) -> int:
        """Number C of constants: scale and shift of each node under such a map."""
        return sum(2 * self.net.widths[k + 1] for k in self.maps)

    def pull_back(self, constants: Sequence[Constants | None]) -> FloatArray:
        """Cotangent of theta (n_params,) from cotangents of scale and shift of every map."""
        if self.sweep is None:
            return np.zeros(self.net.n_params)
        return self.sweep.pull_back(None, constants=constants)[0]

    def push_forward(self, dtheta: FloatArray) -> Tangents:
        """Tangents of the batch, and with them of the constants, along dtheta."""
        if self.sweep is None:
            return Tangents([], [], [None] * len(self.net.node_maps))
        return self.sweep.push_forward(dtheta)

    def cotangents(self, constants: Sequence[Constants | None]) -> Cotangents:
        """Cotangents of everything on the batch from those of the constants."""
        assert self.sweep is not None
        return cotangents(self.sweep, None, constants)

    @lazy
    def gradients(self) -> FloatArray:
        """Gradients S (C, n_params) of the constants: for each map with statistics its scales, then its shifts."""
        S = np.zeros((self.count, self.net.n_params))
        rows = iter(S)
        for k in self.maps:
            assert self.sweep is not None
            head = replace(self.sweep, layers=self.sweep.layers[: k + 1], maps=self.sweep.maps[: k + 1])
            for unit in np.eye(2 * self.net.widths[k + 1]):
                constants: list[Constants | None] = [None] * len(self.constants)
                constants[k] = unit[: unit.size // 2], unit[unit.size // 2 :]
                next(rows)[:] = head.pull_back(None, constants=constants)[0]
        return S


def add_constants(sums: list[Constants | None], parts: Sequence[Constants | None]) -> None:
    """Add cotangents of the constants of one sweep to sums over several."""
    for k, part in enumerate(parts):
        sums[k] = sum_of_constants([sums[k], part])
