"""Whether a network has the derivatives that are asked of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refkan.networks import Network


def require_derivatives(net: Network, order: int, stacklevel: int = 2, quiet: bool = False) -> None:
    """Refuse derivatives in x of an order that a layer does not have; warn once where they jump, unless quiet.

    Raises
    ------
    ValueError
        Naming the layer: splines of order 2 for second derivatives, or free knots of order 3.
    """
    found = None
    for k, layer in enumerate(net.layers):
        try:
            found = layer.require_derivatives(order) or found
        except ValueError as error:
            raise ValueError(f"layer {k}: {error}") from None
    if found is not None and not quiet:
        warnings.warn(found, stacklevel=stacklevel + 1)
