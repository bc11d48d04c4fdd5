r"""Values at points so far outside the domain that the tails of single functions exceed the largest number.

Under outside="linear" a layer is its tangent there, u(x) = u(e) + u'(e) (x - e), with e the nearer end. Functions are
summed before the reach x - e comes in: their own values b(e) + b'(e) (x - e) overflow, and of infinities of both signs
no sum is left. Activations are carried divided by a power of two, since they too may overflow where the value does not.
"""

from collections.abc import Sequence

import numpy as np

from refkan.base import Array, FloatArray, all_finite
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.splines.sums.channels import VALUES
from refkan.splines.sums.pointwise import AffineJet

UNIT = 2.0**256
"""What activations are divided by: room for slopes of as much, and no digit is lost of numbers above 1e-230."""


def far_values(net: Composition, theta: FloatArray, x: FloatArray, constants: Sequence[Constants | None]) -> FloatArray:
    """Evaluate at x (N, d_0); values beyond the largest number are infinite.

    Layers with other functions beside splines, and other rules outside, are evaluated as ever: NaN may be left, which
    `require_numbers` refuses.
    """
    z = x / UNIT
    with np.errstate(over="ignore", invalid="ignore"):
        for k, (layer, where) in enumerate(zip(net.layers, net.slices, strict=True)):
            part = theta[where]
            if layer.outside == "linear" and len(layer.declare(part).functions) == 1:
                nearest = np.clip(UNIT * z, *layer.domains.T)
                at = layer.linearize(part, nearest)
                z = at.value / UNIT + at.pushforward(np.zeros(part.size), z - nearest / UNIT)
            else:
                z = layer.linearize(part, UNIT * z).value / UNIT
            if k < len(net.node_maps):
                jet = net.node_maps[k].at(UNIT * z[:, None], VALUES, constants[k])
                z = jet.slope * z + jet.shift / UNIT if isinstance(jet, AffineJet) else jet.value[:, 0] / UNIT
        return UNIT * z


def require_numbers(owner: str, *arrays: Array | None) -> None:
    """Raise OverflowError where an entry is not a number: sums or products of what is beyond the largest number."""
    for array in arrays:
        if array is not None and not all_finite(array) and np.isnan(array).any():
            place = ", ".join(map(str, np.argwhere(np.isnan(array))[0].tolist()))
            raise OverflowError(
                f"theta and x must keep {owner} within float64; got no number at [{place}], where activations overflow:"
                " take samples nearer to the domain, or smaller parameters"
            )
