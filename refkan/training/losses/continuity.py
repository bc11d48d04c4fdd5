r"""Where a collocation loss is not continuous in theta: second derivatives at the ends of domains of hidden layers.

Beyond its domain a layer with outside="linear" goes on along its tangent, so that second derivatives in x jump to 0 at
the ends. Activations of hidden layers move with theta: a residual that takes second derivatives jumps whenever one of
them passes an end. Min-max maps keep the extreme activations exactly on the ends, so that rounding decides which side
each is on, for every theta. Affine maps begin with all activations inside, but training may take them across; constants
given by hand may put them anywhere. A sigmoid keeps all activations inside.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from types import FrameType

import numpy as np

from refkan.base import Array, DiscontinuousLossWarning, FloatArray
from refkan.networks import Network
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.training.losses.terms import Term

ROUNDING = 1e-12
"""How far an activation may be from an end, relative to the domain, to count as on it: hits are off by some eps."""

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

REMEDY = "give kan node_map='sigmoid', whose activations stay inside, or outside='polynomial'"


def warn_of_ends(net: Network, stacklevel: int) -> None:
    """Warn if a node map puts activations on the ends of a domain where second derivatives jump."""
    for k, node_map in enumerate(net.node_maps):
        if node_map.reaches_ends and net.layers[k + 1].bends_at_ends:
            warnings.warn(
                f"the loss is not continuous in theta: beyond its domain layer {k + 1} is a straight line "
                f"(outside='linear'), so that second derivatives jump at the ends, and the {node_map.name!r} map in "
                f"front of it puts the extreme activations exactly there. Remedy: {REMEDY}",
                DiscontinuousLossWarning,
                stacklevel=stacklevel + 1,
            )
            return


def activations_on_ends(net: Network, theta: Array, points: FloatArray) -> list[tuple[int, int, int]]:
    """Find activations on the ends of domains where second derivatives jump.

    Returns
    -------
    list of (layer, input, point)
        Numbers of the layer, of its input, and of the row of `points` (N, P), all from 0.
    """
    theta = theta.real
    constants = Statistics(net, theta, slopes=False).constants
    sweep = Sweep.forward(net, theta, points[:, None], constants=constants, slopes=False)
    on_ends: list[tuple[int, int, int]] = []
    for k, jet in enumerate(sweep.maps):
        if net.layers[k + 1].bends_at_ends:
            z, (low, high) = jet.value[:, 0], net.layers[k + 1].domains.T
            near = np.minimum(np.abs(z - low), np.abs(z - high)) <= ROUNDING * (high - low)
            on_ends += [(k + 1, int(node), int(point)) for point, node in np.argwhere(near)]
    return on_ends


def warn_of_activations(net: Network, theta: Array, terms: Iterable[Term]) -> None:
    """Warn if activations at points where a term takes second derivatives lie on such ends, and name the first one."""
    for term in terms:
        for side in term.sides:
            on_ends = activations_on_ends(net, theta, side.points) if side.seeds.channels.order > 1 else []
            if not on_ends:
                continue
            layer, node, point = on_ends[0]
            warnings.warn(
                f"value and gradient jump at this theta: {len(on_ends)} activations of hidden layers at the points of "
                f"term {term.name!r} lie on an end of a domain, where second derivatives are those of either side by "
                f"rounding (outside='linear'); the first is that of input {node} of layer {layer} at point {point}. "
                f"Complex steps and differences do not agree here. Remedy: {REMEDY}",
                DiscontinuousLossWarning,
                stacklevel=2 + _frames_of_the_package(),
            )
            return


def _frames_of_the_package() -> int:
    """How many frames above the caller's belong to this package: optimisers evaluate from any depth."""
    frame: FrameType | None = sys._getframe(1)
    count = 0
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, count = frame.f_back, count + 1
    return count - 1
