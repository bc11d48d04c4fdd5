"""What claims of other papers share."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refkan.networks import Network
from refkan.training.adaptivity.indicators import LayerState, layer_states
from refkan.training.adaptivity.refits import refit_layer
from validation.statements import ByCells, asked_of_cells, times


def tenfold(cost: str, factor: float) -> ByCells:
    """Errors of rivals over ours: tenfold, as corrected no less than ours; controls multiply them by a factor."""
    return ByCells(
        asked_of_cells(10.0, cost),
        control=times(error_of=factor),
        twin=times(error_of=1 / factor),
        corrected=asked_of_cells(1.0, cost),
        published=False,
    )


def refitted(
    net: Network, theta: np.ndarray, x: np.ndarray, place: Callable[[LayerState], np.ndarray]
) -> tuple[Network, np.ndarray]:
    """Return the network on the breakpoints that `place` chooses for each layer, its edges refitted at the samples."""
    layers, parts = list(net.layers), [theta[where] for where in net.slices]
    for k, state in layer_states(net, theta, x).items():
        layers[k], parts[k] = refit_layer(state, place(state))
    return replace(net, layers=tuple(layers)), np.concatenate(parts)
