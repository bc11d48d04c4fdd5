"""Jets: value, first and second derivative of a network along directions in x, and their derivatives in theta.

Along a direction the input is x + h u + h^2/2 v. Sent through the network as a Taylor number in h, it gives
F + h F_h + h^2/2 F_hh; sent back, the gradient dF/dtheta at x(h) as a Taylor number, whose coefficients are the
gradients of those of F.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refkan.truth.arithmetic.number_types import Matrix, Number, samples, typed
from refkan.truth.arithmetic.taylor import Monomial, coefficient
from refkan.truth.networks import Sweep

COEFFICIENTS: tuple[tuple[int, Monomial], ...] = ((1, ()), (1, (0,)), (2, (0, 0)))
"""F, F_h and F_hh as multiples of the coefficients of 1, h and h^2."""


@dataclass(frozen=True)
class Jet:
    """Derivatives along K directions.

    Attributes
    ----------
    sweeps : sequence of K sweeps
        One for each direction, over Taylor numbers.
    number : type
    """

    sweeps: Sequence[Sweep]
    number: Any

    def _derivatives(self, order: int) -> list[Matrix]:
        factor, monomial = COEFFICIENTS[order]
        derivatives = [
            [[factor * coefficient(y, monomial) for y in row] for row in sweep.value] for sweep in self.sweeps
        ]
        return typed(self.number, [list(rows) for rows in zip(*derivatives, strict=True)])

    @property
    def value(self) -> Matrix:
        """F (N, Q)."""
        return [rows[0] for rows in self._derivatives(0)]

    @property
    def first(self) -> list[Matrix]:
        """F_h (N, K, Q)."""
        return self._derivatives(1)

    @property
    def second(self) -> list[Matrix]:
        """F_hh (N, K, Q)."""
        return self._derivatives(2)

    def pullback(self, dvalue: Any, dfirst: Any, dsecond: Any) -> list[Number]:
        """Return the gradient in theta (M) of sum dvalue F + dfirst F_h + dsecond F_hh, shapes as of the three."""
        n_samples, n_outputs = len(self.sweeps[0].value), self.sweeps[0].network.layers[-1].n_outputs
        along = [("dvalue", [[row] for row in dvalue]), ("dfirst", dfirst), ("dsecond", dsecond)]
        total: list[Number] = [0 * value for value in self.sweeps[0].theta]
        for (name, dy), (factor, monomial) in zip(along, COEFFICIENTS, strict=True):
            for k, sweep in enumerate(self.sweeps[:1] if name == "dvalue" else self.sweeps):
                rows = samples(self.number, f"{name}[:, {k}]", [row[k] for row in dy], n_outputs, n_samples)
                pairs = zip(total, sweep.gradient(rows), strict=True)
                total = [t + factor * coefficient(g, monomial) for t, g in pairs]
        return typed(self.number, total)
