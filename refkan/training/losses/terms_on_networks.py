r"""Terms on a network: residuals at pieces of their points, and a warning where the loss is not continuous in theta.

Beyond its domain a layer with outside="linear" goes on along its tangent, so that second derivatives in x jump to 0 at
the ends. Activations of hidden layers move with theta: a residual that takes second derivatives jumps whenever one of
them passes an end. Min-max maps keep the extreme activations exactly on the ends, so that rounding decides which side
each is on, for every theta. Affine maps begin with all activations inside, but training may take them across; constants
given by hand may put them anywhere. A sigmoid keeps all activations inside.
"""

import warnings
from typing import Any

import numpy as np

from refkan.base import Array, DiscontinuousLossWarning, FloatArray, Frozen, OutsideDomainError, located
from refkan.networks import Network
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.training.losses.terms import Term


def warn_of_ends(net: Network, stacklevel: int) -> None:
    """Warn if a node map puts activations on the ends of a domain where second derivatives jump."""
    for k, node_map in enumerate(net.node_maps):
        if node_map.reaches_ends and net.layers[k + 1].bends_at_ends:
            warnings.warn(
                f"the loss is not continuous in theta: beyond its domain layer {k + 1} is a straight line "
                f"(outside='linear'), so that second derivatives jump at the ends, and the {node_map.name!r} map in "
                "front of it puts the extreme activations exactly there. Remedy: give kan node_map='sigmoid', whose "
                "activations stay inside, or outside='polynomial'",
                DiscontinuousLossWarning,
                stacklevel=stacklevel + 1,
            )
            return


Pulled = tuple[FloatArray, list[list[Constants | None]]]
"""A cotangent of theta with the constants of node maps held, and those of the constants, one list for each side."""


class Piece(Frozen):
    """Some points of a term, with the sweeps of its sides at theta.

    Attributes
    ----------
    r : array (n, R)
        The residuals as they are.
    factors : array (n,)
        What each is multiplied with in the sum of squares.
    """

    term: Term
    rows: slice
    sweeps: list[Sweep]
    r: Array
    factors: FloatArray

    @classmethod
    def at(cls, net: Network, theta: Array, statistics: Statistics, term: Term, rows: slice) -> "Piece":
        """Evaluate."""
        with located(f"term {term.name!r}, points from number {rows.start} on", OutsideDomainError):
            sweeps = [
                Sweep.forward(net, theta, side.known[rows], side.seeds.channels, statistics.constants)
                for side in term.sides
            ]
        r = term.evaluate(rows, term.quantities([sweep.value for sweep in sweeps]))
        return cls(term, rows, sweeps, r, term.factors[rows])

    @property
    def squares(self) -> Any:
        """Sum of the squares of the weighted residuals."""
        return np.sum((self.factors[:, None] * self.r) ** 2)

    def partials(self) -> list[FloatArray]:
        """Derivatives of the residuals by the channels of each side, arrays (n, R, channels, Q)."""
        quantities = self.term.quantities([sweep.value for sweep in self.sweeps])
        return self.term.differentiate(self.rows, quantities, self.sweeps[0].value.shape[2])

    def gradient(self) -> Pulled | None:
        """Pull the weighted residuals back; None where their cotangents overflow."""
        return self._pull_back(self.r, self.partials())

    def product(self, v: FloatArray, constants: list[Constants | None]) -> Pulled | None:
        """The same of the tangent of the residuals along v, and the tangents of the constants along it."""
        partials, along = self.partials(), np.zeros(self.r.shape)
        for sweep, G in zip(self.sweeps, partials, strict=True):
            along += np.einsum("scq,socq->so", sweep.push_forward(v, None, constants).outputs[-1], G)
        return self._pull_back(along, partials)

    def _pull_back(self, e: FloatArray, partials: list[FloatArray]) -> Pulled | None:
        weighted = self.factors[:, None] ** 2 * e
        dtheta, through = np.zeros(self.sweeps[0].net.n_params), []
        for sweep, G in zip(self.sweeps, partials, strict=True):
            dy = np.einsum("so,socq->scq", weighted, G)
            if not np.isfinite(dy).all():
                return None
            part, constants, _ = sweep.pull_back(dy)
            dtheta += part
            through.append(constants)
        return dtheta, through

    def fill_jacobian(self, J: FloatArray, gradients: FloatArray | None) -> None:
        """Write the Jacobian of the weighted residuals into J (n, R, n_params), zero on entry.

        ``gradients`` are those of the constants of node maps, as for `Sweep.fill_jacobian`.
        """
        for k, (sweep, G) in enumerate(zip(self.sweeps, self.partials(), strict=True)):
            part = np.zeros_like(J) if k else J
            sweep.fill_jacobian(self.factors[:, None, None, None] * G, part, gradients)
            if k:
                J += part
