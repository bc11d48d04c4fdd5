"""Spline, ReLU-power and Chebyshev layers: sums of functions of single inputs, on knots that are fixed or free."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.bases.free_knots import breakpoint_pullback, free_knots
from refkan.truth.bases.outside import Row, is_inside
from refkan.truth.layers.base import Gradient


@dataclass(frozen=True)
class SumLayer:
    """y_q = sum_p sum_i C[q, p, i] phi_{p,i}(x_p): a spline, ReLU-power or Chebyshev layer; parameters C (Q, P, dim).

    If `margin` is given, x must lie in each domain, or outside by no more than that part of its length.
    """

    families: Sequence[Any]
    n_outputs: int
    margin: Number | None = None

    @property
    def n_inputs(self) -> int:
        """Number of inputs P."""
        return len(self.families)

    @property
    def dim(self) -> int:
        """Number of coefficients of an edge."""
        return self.families[0].dim

    @property
    def n_params(self) -> int:
        """Number of coefficients Q P dim."""
        return self.n_outputs * self.n_inputs * self.dim

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints."""
        return self.families[0].breakpoints

    def edge(self, theta: Numbers, q: int, p: int) -> Numbers:
        """Return C[q, p, :]."""
        begin = (q * self.n_inputs + p) * self.dim
        return theta[begin : begin + self.dim]

    def functions(self, x: Numbers, derivative: int) -> list[Row]:
        """Return for each input the functions phi_{p,i}, or derivatives, that do not vanish around x_p, by i."""
        for family, x_p in zip(self.families, x, strict=True) if self.margin is not None else ():
            a, b = family.domain
            is_inside((a - self.margin * (b - a), b + self.margin * (b - a)), x_p, "error")
        return [family.functions(x_p, derivative) for family, x_p in zip(self.families, x, strict=True)]

    def sums(self, theta: Numbers, rows: Sequence[Row]) -> Matrix:
        """Return sum_i C[q, p, i] rows[p][i] (Q, P)."""
        edges = [[self.edge(theta, q, p) for p in range(self.n_inputs)] for q in range(self.n_outputs)]
        return [[sum(C[i] * f for i, f in row.items()) for C, row in zip(each, rows, strict=True)] for each in edges]

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return sum_p sum_i C[q, p, i] phi_{p,i}(x_p); a number of the type in use where no function has support."""
        zero = 0 * self.families[0].domain[0]
        return [sum(edges, zero) for edges in self.sums(theta, self.functions(x, 0))]

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """dy_q/dx_p = sum_i C[q, p, i] phi_{p,i}'(x_p)."""
        return self.sums(theta, self.functions(x, 1))

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """dy_q/dC[q, p, i] = phi_{p,i}(x_p)."""
        rows, size = self.functions(x, 0), self.n_inputs * self.dim
        return [
            {q * size + p * self.dim + i: f for p, row in enumerate(rows) for i, f in row.items()}
            for q in range(self.n_outputs)
        ]

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """Each breakpoint moves the functions of its own input."""
        inputs = list(enumerate(zip(self.families, x, strict=True)))
        outputs = range(self.n_outputs)
        return [[family.knot_slopes(self.edge(theta, q, p), x_p) for p, (family, x_p) in inputs] for q in outputs]


@dataclass(frozen=True)
class FreeKnotLayer:
    """A layer whose interior breakpoints are parameters s (P, n), which follow C; see `bases.free_knots`.

    The knots of `start` say how many they are, and the domains.
    """

    start: SumLayer
    floor: Number

    @property
    def n_inputs(self) -> int:
        """Number of inputs P."""
        return self.start.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs Q."""
        return self.start.n_outputs

    @property
    def dim(self) -> int:
        """Number of coefficients of an edge."""
        return self.start.dim

    @property
    def n_params(self) -> int:
        """Number of parameters Q P dim + P n."""
        return self.start.n_params + self.n_inputs * (self.breakpoints + 1)

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints."""
        return self.start.breakpoints

    def split(self, theta: Numbers) -> tuple[SumLayer, Numbers, list[Numbers]]:
        """Return the layer on the knots at theta, and C and s."""
        families, size = self.start.families, self.start.n_params
        n = self.breakpoints + 1
        s = [theta[size + p * n : size + (p + 1) * n] for p in range(self.n_inputs)]
        pairs = zip(families, s, strict=True)
        moved = [replace(f, knots=free_knots(s_p, f.domain, f.order, self.floor)) for f, s_p in pairs]
        return replace(self.start, families=moved), theta[:size], s

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """As for the layer on the knots at theta."""
        layer, C, _ = self.split(theta)
        return layer.value(C, x)

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """As for the layer on the knots at theta."""
        layer, C, _ = self.split(theta)
        return layer.slopes(C, x)

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """Those in C, and dy_q/ds[p, m] = sum_j dy_q/dt[p, j] dt[p, j]/ds[p, m]."""
        layer, C, s = self.split(theta)
        gradients = layer.gradients(C, x)
        for gradient, slopes in zip(gradients, layer.knot_slopes(C, x), strict=True):
            for p, dt in enumerate(slopes):
                ds = breakpoint_pullback(s[p], layer.families[p].domain, self.floor, dt)
                gradient |= {len(C) + p * len(ds) + m: slope for m, slope in enumerate(ds)}
        return gradients

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """As for the layer on the knots at theta."""
        layer, C, _ = self.split(theta)
        return layer.knot_slopes(C, x)
