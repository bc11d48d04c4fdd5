"""Families of functions of one input, whose sums are the outputs of a layer, and the registry of their kinds.

A new basis is one class with its functions, registered in `FAMILIES` under the kind that `truth_form()` of the layer
names. A form holds a row of numbers for each input, knots or domains, under the name `rows_of` of its family.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from refkan.truth.arithmetic.number_types import Number, Numbers
from refkan.truth.bases.bsplines import bsplines, knot_derivative
from refkan.truth.bases.chebyshev import chebyshev
from refkan.truth.bases.outside import Row
from refkan.truth.bases.relu_powers import truncated_knot_derivative, truncated_powers

Form = dict[str, Any]
"""What a layer or node map says of itself, see `reading`."""


class Family(Protocol):
    """Functions phi_0, phi_1, ... of one input."""

    rows_of: ClassVar[str]
    """The entry of a form that holds a row for each input."""

    @classmethod
    def read(cls, form: Form, row: Numbers, outside: str) -> Self:
        """Return the family of one input from a form and the row of this input."""

    @property
    def dim(self) -> int:
        """Number of functions."""

    @property
    def domain(self) -> Numbers:
        """The ends a and b."""

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints."""

    def functions(self, x: Number, derivative: int) -> Row:
        """Evaluate a derivative of those that do not vanish around x, by number."""

    def knot_slopes(self, c: Numbers, x: Number) -> list[Number]:
        """Derivatives (n - 1) of sum_i c_i phi_i(x) by each interior breakpoint."""


@dataclass(frozen=True)
class OnKnots:
    """What both bases on a knot vector have in common."""

    knots: Numbers
    order: int
    outside: str

    rows_of: ClassVar[str] = "knots"

    @classmethod
    def read(cls, form: Form, row: Numbers, outside: str) -> Self:
        """Return the functions on one knot vector."""
        return cls(row, form["order"], outside)

    @property
    def dim(self) -> int:
        """Number of functions n + r - 1."""
        return len(self.knots) - self.order

    @property
    def domain(self) -> Numbers:
        """The ends a and b."""
        return self.knots[self.order - 1], self.knots[-self.order]

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints."""
        return len(self.knots) - 2 * self.order


@dataclass(frozen=True)
class BSplines(OnKnots):
    """The B-splines on a knot vector; see `bases.bsplines`."""

    def functions(self, x: Number, derivative: int) -> Row:
        """b_i(x)."""
        return bsplines(self.knots, self.order, x, derivative, self.outside)

    def knot_slopes(self, c: Numbers, x: Number) -> list[Number]:
        """As the formula of `knot_derivative`."""
        inside = range(1, self.breakpoints + 1)
        return [knot_derivative(self.knots, self.order, c, j, x, self.outside) for j in inside]


@dataclass(frozen=True)
class ReluPowers(OnKnots):
    """The ReLU powers of a knot vector; see `bases.relu_powers`."""

    scale: Number

    @classmethod
    def read(cls, form: Form, row: Numbers, outside: str) -> Self:
        """Return the powers on one knot vector; the scale is h = (b - a)/n in the scaled basis and 1 in the plain."""
        r = form["order"]
        a, b = row[r - 1], row[-r]
        scale = 1 + 0 * a
        if form["kind"] == "scaled-relu":
            scale = (b - a) / (len(row) - 2 * r + 1)
        return cls(row, r, outside, scale)

    def functions(self, x: Number, derivative: int) -> Row:
        """psi_i(x)."""
        return truncated_powers(self.knots, self.order, x, derivative, self.scale, self.outside)

    def knot_slopes(self, c: Numbers, x: Number) -> list[Number]:
        """c_i dpsi_i/dt_i: the breakpoint t_j is where psi_{j+r-1} begins."""
        begin = range(self.order, self.dim)
        more = self.scale, self.outside
        return [c[i] * truncated_knot_derivative(self.knots, self.order, i, x, *more) for i in begin]


@dataclass(frozen=True)
class Chebyshev:
    """The Chebyshev polynomials up to a degree; see `bases.chebyshev`."""

    domain: Numbers
    degree: int
    outside: str

    rows_of: ClassVar[str] = "domains"

    @classmethod
    def read(cls, form: Form, row: Numbers, outside: str) -> Self:
        """Return the polynomials on one domain."""
        return cls(row, form["degree"], outside)

    @property
    def dim(self) -> int:
        """Number of functions degree + 1."""
        return self.degree + 1

    @property
    def breakpoints(self) -> int:
        """There are no breakpoints."""
        return 0

    def functions(self, x: Number, derivative: int) -> Row:
        """T_k at the place of x in the domain."""
        return chebyshev(self.domain, self.degree, x, derivative, self.outside)

    def knot_slopes(self, c: Numbers, x: Number) -> list[Number]:
        """There are no knots."""
        return []


FAMILIES: dict[str, type[Family]] = {
    "spline": BSplines,
    "relu": ReluPowers,
    "scaled-relu": ReluPowers,
    "chebyshev": Chebyshev,
}
"""Families by the kind of a form."""
