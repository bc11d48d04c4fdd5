"""What a layer says at one sample: what it is there, and all its first derivatives.

The rest is the chain rule, in `networks`. Parameters are flat lists in C order, block by block.
"""

from typing import Protocol

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers

Gradient = dict[int, Number]
"""Derivatives of one output by the parameters, by number: those that are left out are zero."""


class Layer(Protocol):
    """What a network asks of a layer."""

    @property
    def n_inputs(self) -> int:
        """Number of inputs P."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs Q."""

    @property
    def n_params(self) -> int:
        """Number of parameters."""

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints of each input."""

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return y_q (Q) at parameters (n_params) and a sample (P)."""

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """Return dy_q/dx_p (Q, P)."""

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """Return dy_q/dtheta_m for each q, by m."""

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """Return dy_q/dt_{p,j} (Q, P, n - 1), t_{p,j} the interior breakpoints of each input."""
