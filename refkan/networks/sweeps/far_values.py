r"""Values at points so far outside the domain that tails of single functions exceed the largest number.

Under outside="linear" a layer is its tangent there, u(x) = u(e) + u'(e) (x - e), with e the nearer end. Values and
slopes at e are summed before they are multiplied by x - e: the single values b(e) + b'(e) (x - e) overflow, and a sum
of infinities of both signs is NaN. Activations are divided by a power of two, since they may overflow even if the
value does not.
"""

from collections.abc import Sequence

import numpy as np

from refkan.base import Array, FloatArray, all_finite
from refkan.networks.composition import Composition
from refkan.networks.node_maps.node_map import Constants
from refkan.splines.sums.channels import VALUES
from refkan.splines.sums.pointwise import AffineJet

UNIT = 2.0**256
"""Divisor of activations. Slopes may be as large; numbers above 1e-230 lose no digit."""


def far_values(net: Composition, theta: FloatArray, x: FloatArray, constants: Sequence[Constants | None]) -> FloatArray:
    """Evaluate at x (N, d_0); values beyond the largest number are infinite.

    Layers with several blocks of functions, or with other rules outside, are evaluated as usual: NaN may remain, which
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
                if isinstance(jet, AffineJet):
                    z = jet.slope * z + jet.shift / UNIT
                else:
                    z = jet.value[:, 0] / UNIT
        return UNIT * z


def require_numbers(owner: str, *arrays: Array | None) -> None:
    """Raise OverflowError if an entry is NaN, a sum or product of values beyond the largest number."""
    for array in arrays:
        if array is None or all_finite(array):
            continue
        missing = np.argwhere(np.isnan(array))
        if missing.size:
            place = ", ".join(map(str, missing[0].tolist()))
            raise OverflowError(
                f"theta and x must keep {owner} within float64; got no number at [{place}], where activations overflow:"
                " take samples nearer to the domain, or smaller parameters"
            )
