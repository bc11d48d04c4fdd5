"""An equation with a network that is to solve it: enclosures of its residual, and the equation as text."""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import Intervals, concatenated
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.subdivision import Evaluation, absolute, of_range, range_over
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, units
from refkan.analysis.exact.solutions.equation_functions import evaluated, formula
from refkan.base import FloatArray, Frozen

Function = Callable[..., Any]


class Equation(Frozen):
    """An equation in a box, and a network v that is to solve it.

    Attributes
    ----------
    v : IntervalNetwork
    box : array (P, 2)
    source, boundary : callable
        f and g.
    wavenumber : float
        k.
    diffusion, reaction : callable or None
        c and r.
    degree : int
        Degree of the Taylor polynomials of v.
    """

    v: IntervalNetwork
    box: FloatArray
    source: Function
    boundary: Function
    wavenumber: float
    diffusion: Function | None
    reaction: Function | None
    degree: int

    def __str__(self) -> str:
        inputs = ["x"]
        laplacian, flux = "u''", "(c u')'"
        if len(self.box) > 1:
            inputs = [f"x{p + 1}" for p in range(len(self.box))]
            laplacian, flux = "Lap u", "div(c grad u)"
        left = [laplacian if self.diffusion is None else flux]
        data = []
        for letter, name, function in (
            ("c", "diffusion_coefficient", self.diffusion),
            ("r", "reaction_coefficient", self.reaction),
            ("f", "source", self.source),
            ("g", "boundary", self.boundary),
        ):
            if function is not None:
                data.append(f"{letter} = {formula(name, function, inputs)}")
        if self.wavenumber:
            left.append("+ k^2 u")
            data.append(f"k = {self.wavenumber!r}")
        if self.reaction is not None:
            left.append("- r u")
        sides = (f"{name} in {shown_interval(side)}" for name, side in zip(inputs, self.box.tolist(), strict=True))
        where = f"for {', '.join(sides)}, u = g on the boundary"
        return f"{' '.join(left)} = f {where}, with {', '.join(data)}"

    def residual(self, boxes: Intervals) -> Expansion:
        """rho as Taylor numbers (B,) at the centres and over boxes."""
        rho = self.v.sweep(boxes, self.degree).map(self._residual, boxes)
        return rho._replace(smoothness=rho.smoothness - 2)

    def _residual(self, outputs: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        v, degree = outputs[:, 0], self.degree - 2
        rho = -evaluated("source", self.source, at, degree)
        for unit in units(len(self.box)):
            flux = v.derivative(unit)
            if self.diffusion is not None:
                flux = flux * evaluated("diffusion_coefficient", self.diffusion, at, self.degree - 1)
            rho = rho + flux.derivative(unit)
        if self.wavenumber:
            k = Intervals.of(self.wavenumber)
            rho = rho + v * (k * k)
        if self.reaction is not None:
            rho = rho - v * evaluated("reaction_coefficient", self.reaction, at, degree)
        kept = {index: part for index, part in rho.parts.items() if sum(index) <= degree}
        return TaylorIntervals(kept, degree)

    def boundary_errors(self, tolerance: float, budget: int) -> Intervals:
        """v - g on the faces of the box, one entry a face: x_0 = a_0, x_0 = b_0, x_1 = a_1, ..."""

        def mismatch(outputs: TaylorIntervals, at: Intervals) -> TaylorIntervals:
            return outputs[:, 0] - evaluated("boundary", self.boundary, at, self.degree)

        def quantities(boxes: Intervals) -> Evaluation:
            return Evaluation.of_value(self.v.sweep(boxes, self.degree).map(mismatch, boxes))

        faces = []
        for p, end in np.ndindex(self.box.shape):
            face = self.box.copy()
            face[p] = self.box[p, end]
            faces.append(range_over(quantities, face, absolute(tolerance), budget).outer)
        return concatenated(faces)

    def factor(self, budget: int) -> Intervals:
        """The range of q = k^2 - r."""
        k = Intervals.of(self.wavenumber)
        q = k * k if self.wavenumber else Intervals.of(0.0)
        if self.reaction is None:
            return q
        reaction = self.reaction
        return q - self._range(lambda at: evaluated("reaction_coefficient", reaction, at, 0).value, 1e-3, budget)

    def slope(self, p: int, budget: int) -> float:
        """A lower bound of m, the least c - c_p ((a + b)/2 - x_p) in the box."""
        if self.diffusion is None:
            return 1.0
        diffusion = self.diffusion
        a, b = map(Intervals.of, self.box[p])
        middle = (a + b) * Intervals.of(0.5)

        def minus_source(at: Intervals) -> Intervals:
            c = evaluated("diffusion_coefficient", diffusion, at, 1)
            slope = c.derivative(units(len(self.box))[p]).value
            return c.value - slope * (middle - at[:, p])

        return float(self._range(minus_source, 1e-3, budget).lo)

    def is_elliptic(self, slopes: FloatArray, budget: int) -> bool:
        """Whether c > 0 in the box: by m > 0 along an input, or by its range."""
        if self.diffusion is None or (slopes > 0).any():
            return True
        diffusion = self.diffusion
        c = self._range(lambda at: evaluated("diffusion_coefficient", diffusion, at, 0).value, 1e-2, budget)
        return bool(c.lo > 0)

    def _range(self, function: Callable[[Intervals], Intervals], tolerance: float, budget: int) -> Intervals:
        """The range in the box of a function of points or boxes (B, P), to a part of it."""

        def quantities(boxes: Intervals) -> Evaluation:
            return Evaluation(function(boxes)[:, None], function(Intervals.of(boxes.middle))[:, None])

        return range_over(quantities, self.box, of_range(tolerance), budget).outer[0]


def shown_interval(side: list[float]) -> str:
    """An interval by the shortest decimals that name its ends."""
    low, high = (repr(end).removesuffix(".0") for end in side)
    return f"[{low}, {high}]"
