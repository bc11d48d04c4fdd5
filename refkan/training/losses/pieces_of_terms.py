r"""A part of a term's points, carried through the network: residuals, and what the sums of a problem take from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, OutsideDomainError, located
from refkan.networks import Network
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.training.losses.terms import Term

Pulled = tuple[FloatArray, list[list[Constants | None]]]
"""A cotangent of theta with the constants of node maps held, and those of the constants, one list for each side."""


@dataclass(frozen=True, eq=False)
class Piece:
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
    def at(cls, net: Network, theta: Array, statistics: Statistics, term: Term, rows: slice) -> Piece:
        """Evaluate."""
        with located(f"term {term.name!r}, points from number {rows.start} on", OutsideDomainError):
            sweeps = [
                Sweep.forward(net, theta, side.inputs[rows], side.seeds.channels, statistics.constants)
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
