r"""The common base of spline and ReLU-power layers: a function of a spline space on each edge from p to q."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, check_annotated, check_choice, check_count, check_flag, check_sequence
from refkan.networks.layers.knot_layers.edge_conversion import SplineEdges
from refkan.splines.knots import FLOOR
from refkan.splines.local_basis import OUTSIDE
from refkan.splines.spaces import SplineSpace
from refkan.splines.sums.spline_functions import SLACK

NOISE = 0.1
"""Standard deviation of the noise on starting coefficients."""


class EdgeLayer(SplineEdges):
    r"""A layer with a spline on every edge: y_q = sum_p f_{qp}(x_p), f_{qp} in the spline space of input p.

    Parameters
    ----------
    spaces : tuple of SplineSpace
        One for each input, all of one order and one number of intervals; knots and domains may differ.
    n_outputs : int
    outside : {"linear", "polynomial", "natural", "error"}
        What happens to inputs outside the domain.
    free_knots : bool
        Whether the interior breakpoints are parameters: a block s (P, n) follows, see `knots.free_breakpoints`;
        the breakpoints of `spaces` are where they start.

    Raises
    ------
    ValueError
        If spaces disagree in order or intervals, a count is not positive, or free knots come with order 1, with
        outside="natural", or with an interval shorter than the floor of the parameterisation.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.networks.layers.knot_layers.edges import EdgeLayer
    >>> [isinstance(layer, EdgeLayer) for layer in rk.kan([2, 3, 1], 3, 4).layers + rk.mlp([2, 3, 1]).layers]
    [True, True, False, False]
    """

    def __post_init__(self) -> None:
        if isinstance(self.spaces, SplineSpace):
            raise TypeError("spaces must hold one SplineSpace for each input; got a single SplineSpace")
        vars(self).update(spaces=tuple(check_sequence("spaces", self.spaces, "SplineSpaces")))
        check_count("n_outputs", self.n_outputs, 1)
        check_choice("outside", self.outside, OUTSIDE)
        check_flag("free_knots", self.free_knots)
        if not self.spaces:
            raise ValueError("spaces must hold one SplineSpace for each input; got none")
        for p, space in enumerate(self.spaces):
            if not isinstance(space, SplineSpace):
                raise TypeError(f"spaces[{p}] must be a SplineSpace; got {type(space).__name__}")
            if space.order != self.order or space.intervals != self.intervals:
                raise ValueError(
                    "a layer has one order and one number of intervals; "
                    f"got spaces[{p}] = {space} beside spaces[0] = {self.spaces[0]}"
                )
        if not self.free_knots:
            return
        if self.order < 2:
            raise ValueError("free knots need order >= 2; got order 1, whose splines jump at the knots")
        if self.outside == "natural":
            raise ValueError("free knots need outside='linear', 'polynomial' or 'error'; got 'natural'")
        self.starting_s()  # raises if no s has these knots

    @property
    def window(self) -> int:
        """Number of functions that may be non-zero at an input."""
        return self.order

    def describe(self) -> str:
        """Name order, intervals and basis."""
        kind = "interval"
        if self.intervals > 1:
            kind = "intervals"
        if self.free_knots:
            kind = f"free {kind}"
        return f"order {self.order} on {self.intervals} {kind} ({self.basis})"

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Coefficients (Q, P, dim) and, with free knots, s (P, n)."""
        coefficients = self.n_outputs, self.n_inputs, self.dim
        if not self.free_knots:
            return {"coefficients": coefficients}
        s = self.n_inputs, self.intervals
        return {"coefficients": coefficients, "s": s}

    def require_derivatives(self, order: int) -> str | None:
        """Raise ValueError unless r > order, with free knots r > order + 1, for derivatives of positive order.

        The derivative of order r - 1 jumps at the knots; for this order, return a remark that says so.
        """
        if order == 0 or self.order > order + 1:
            return None
        which = ("values", "first", "second", "third")[order]
        if self.order <= order:
            raise ValueError(
                f"{which} derivatives in x need splines of order >= {order + 2} (order {order + 1}: they jump at the "
                f"knots); got order {self.order}"
            )
        if self.free_knots:
            raise ValueError(
                f"{which} derivatives in x with free knots need order >= {order + 2}; got order {self.order}, of "
                "which they jump at the knots"
            )
        return f"the {which} derivative of splines of order {self.order} jumps at the knots"

    def constant_coefficients(self, theta: FloatArray) -> FloatArray:
        """Return coefficients (P, dim) of the function 1: those of B-splines are all 1."""
        ones = np.ones((self.n_inputs, self.dim))
        return self.between_bases(theta, ones, "spline", self.basis)

    def is_constant_at(self, x: FloatArray) -> bool:
        """Whether the function 1 of the spline space is 1 at all inputs x: natural tails decay."""
        if self.outside != "natural":
            return True
        a, b = self.domains.T
        return bool(np.all((x >= a) & (x <= b)))

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """Return for each output P vectors: the function 1 on one edge."""
        moving = self.free_knots and self.basis != "spline"  # then A moves with theta
        if not self.is_constant_at(x) or (translations and moving):
            return super().constant_vectors(theta, x, translations)
        P, size = self.n_inputs, self.n_inputs * self.dim
        ones = np.zeros((P, P, self.dim))
        ones[np.arange(P), np.arange(P)] = self.constant_coefficients(theta)
        vectors = np.zeros((self.n_outputs, P, self.n_params))
        for q in range(self.n_outputs):
            vectors[q, :, q * size : (q + 1) * size] = ones.reshape(P, size)
        return list(vectors)

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Return the vectors that move constants between the edges into a node.

        With free knots they are followed by P vectors that add a constant to s, one for each input.
        """
        vectors = super().null_vectors(theta, x, translations)
        if not self.free_knots:
            return vectors
        P, n = self.n_inputs, self.intervals
        shifts = np.zeros((P, self.n_params))
        shifts[:, -P * n :] = np.repeat(np.eye(P), n, axis=1)
        return np.concatenate([vectors, shifts])

    def truth_form(self) -> dict[str, Any]:
        """Return order, outside, n_outputs, margin and knots (P, n + 2r - 1), with free knots also their floor."""
        return {
            "kind": self.basis,
            "order": self.order,
            "outside": self.outside,
            "n_outputs": self.n_outputs,
            "margin": SLACK,
            "knots": [space.knots.tolist() for space in self.spaces],
            "floor": FLOOR if self.free_knots else None,
        }

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Draw the same function in every basis, or Gaussian coefficients of its output variance on x."""
        check_annotated(EdgeLayer.initialize, locals())
        u = self.draw_spline_coefficients(rng, scheme)
        theta = self._starting_parameters(u)
        if scheme == "gaussian":
            self.unpack(theta)["coefficients"][...] = self.matched_gaussian(rng, theta, x)
        return theta

    def draw_spline_coefficients(self, rng: np.random.Generator, scheme: str) -> FloatArray:
        r"""Draw a random linear function on each edge plus noise, in B-spline coefficients (Q, P, dim).

        c_i = g (xi_i - (a+b)/2)/(b-a) + N(0, 0.1^2), g ~ N(0, 1/P), xi the Greville points. Under the scheme "normal"
        c_i ~ N(0, 1), independent.
        """
        if scheme == "normal":
            return rng.normal(0.0, 1.0, (self.n_outputs, self.n_inputs, self.dim))
        P, Q = self.n_inputs, self.n_outputs
        slope = rng.normal(0.0, 1.0 / np.sqrt(P), (Q, P, 1))
        noise = rng.normal(0.0, NOISE, (Q, P, self.dim))
        greville = np.array([space.greville for space in self.spaces])
        middle = self.domains.mean(axis=1, keepdims=True)
        length = self.domains[:, 1:] - self.domains[:, :1]
        return slope * ((greville - middle) / length) + noise
