r"""Spline layers: y_q = sum_p sum_i C[q, p, i] b_i(x_p)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.array_types import Array, FloatArray
from refkan.networks.layers.functions import Declared
from refkan.networks.layers.knot_layers.edges import EdgeLayer
from refkan.networks.layers.knot_layers.free_knots import MovingSplines
from refkan.splines.sums import SplineFunctions


@dataclass(frozen=True)
class SplineLayer(EdgeLayer):
    r"""A Kolmogorov-Arnold layer in the B-spline basis: y_q = sum_p sum_i C[q, p, i] b_i(x_p).

    Parameters are those of `EdgeLayer`. The blocks are coefficients (Q, P, dim) and, with free knots, s (P, n). ([S26]
    eq. (2).)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1)
    >>> layer.linearize(np.array([0.0, 1.0, 4.0]), np.array([[0.25], [0.75]])).value
    array([[0.5],
           [2.5]])
    """

    @property
    def basis(self) -> str:  # type: ignore[override]
        """The B-spline basis."""
        return "spline"

    @property
    def sums_to_one(self) -> bool:  # type: ignore[override]
        """Whether coefficients multiply functions that sum to one everywhere.

        B-splines do, unless they decay outside the domain (outside="natural").
        """
        return self.outside != "natural"

    def declare(self, theta: Array) -> Declared:
        """Return the B-splines, on knots that move with s where they are free."""
        tables = self.tables(theta)
        if self.free_knots:
            return Declared(
                self.n_inputs, self.n_outputs,
                (MovingSplines(tables, self.outside, self.unpack(theta)["s"], self.domains),), theta,
            )  # fmt: skip
        return Declared(self.n_inputs, self.n_outputs, (SplineFunctions(tables, self.outside),), theta)

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw random linear functions plus noise, N(0, 1) coefficients, or Gaussian ones of matched variance on x."""
        check_annotated(SplineLayer.initialize, locals())
        blocks = {"coefficients": self.draw_spline_coefficients(rng, scheme)}
        if self.free_knots:
            blocks["s"] = self.starting_s()
        theta: FloatArray = self.pack(**blocks)
        if scheme == "gaussian":
            blocks["coefficients"] = self.matched_gaussian(rng, theta, x)
            theta = self.pack(**blocks)
        return theta


EdgeLayer.kinds["spline"] = SplineLayer
