r"""Second derivatives of networks: cotangents of values, and the tangents of these cotangents, forward over reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refkan.base import FloatArray, ShortRepr
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.sweep import Sweep, Tangents


@dataclass(frozen=True, eq=False)
class Cotangents(ShortRepr):
    """What a backward sweep of values found: for each layer the cotangent of its outputs, for each map of its results.

    Attributes
    ----------
    outputs : list of arrays (N, Q)
        Of the outputs of every layer.
    mapped : list of arrays (N, Q), or None
        Of the results of every map; None behind the last layer of a sweep that ends with a map.
    constants : list of (dscale, dshift), or None
        Of the constants of every map that has some, from the samples of this sweep and from elsewhere.
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
    full = None if dy is None else dy[:, None]
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
    tangents, found
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
        dZ = None if dx is None else dx[:, 0] + bent
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
    if dZ is not None and Z is not None:
        moved = dZ * jet.slope + jet.bend(dy, Z)
    if not node_map.uses_statistics:
        return moved
    mine: Constants | None = None
    if dZ is not None and Z is not None:
        mine = np.sum(dZ * y + Z * dy, axis=0), dZ.sum(axis=0)
        constants = tangents.constants[k]
        assert constants is not None
        moved += constants[0] * Z
    other = others[k] if others else None
    if other is not None:
        mine = other if mine is None else (mine[0] + other[0], mine[1] + other[1])
    if not sweep.of_batch:
        through[k] = mine
        return moved
    sums = backward.constants[k]
    if mine is not None:
        moved += node_map.constants_vjp(y, *mine)
    if sums is not None:
        moved += node_map.constants_hvp(y, dy, *sums)
    return moved
