"""Layers at one sample: the functions that they are made of, their values and all first derivatives.

Every layer says, at parameters theta and a sample x of P numbers, what its Q outputs y_q are, and what dy_q/dx_p and
dy_q/dtheta_m are. The rest, in `networks`, is the chain rule. Parameters are flat lists in C order, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import add, mul
from typing import Any, Protocol

from refkan.truth.activations import ACTIVATIONS, silu, silu_slope
from refkan.truth.bases.free_knots import breakpoint_pullback, free_knots
from refkan.truth.bases.outside import Row, is_inside
from refkan.truth.number_types import Matrix, Number, Numbers

Gradient = dict[int, Number]
"""Derivatives of one output by the parameters, by number: those that are left out are zero."""


class Layer(Protocol):
    """What a network asks of a layer."""

    @property
    def n_inputs(self) -> int:
        """P."""

    @property
    def n_outputs(self) -> int:
        """Q."""

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
        """P."""
        return len(self.families)

    @property
    def dim(self) -> int:
        """Number of coefficients of an edge."""
        return self.families[0].dim

    @property
    def n_params(self) -> int:
        """Q P dim."""
        return self.n_outputs * self.n_inputs * self.dim

    @property
    def breakpoints(self) -> int:
        """n - 1."""
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
        """Return sum_p sum_i C[q, p, i] phi_{p,i}(x_p)."""
        return [sum(edges) for edges in self.sums(theta, self.functions(x, 0))]

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
        """P."""
        return self.start.n_inputs

    @property
    def n_outputs(self) -> int:
        """Q."""
        return self.start.n_outputs

    @property
    def dim(self) -> int:
        """Number of coefficients of an edge."""
        return self.start.dim

    @property
    def n_params(self) -> int:
        """Q P dim + P n."""
        return self.start.n_params + self.n_inputs * (self.breakpoints + 1)

    @property
    def breakpoints(self) -> int:
        """n - 1."""
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
        found = layer.gradients(C, x)
        for gradient, slopes in zip(found, layer.knot_slopes(C, x), strict=True):
            for p, dt in enumerate(slopes):
                ds = breakpoint_pullback(s[p], layer.families[p].domain, self.floor, dt)
                gradient |= {len(C) + p * len(ds) + m: slope for m, slope in enumerate(ds)}
        return found

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """As for the layer on the knots at theta."""
        layer, C, _ = self.split(theta)
        return layer.knot_slopes(C, x)


@dataclass(frozen=True)
class SiluLayer:
    """y_q = sum_p (w_b[q,p] silu(x_p) + w_s[q,p] sum_i C[q,p,i] b_i(x_p)): the edge of Liu et al., arXiv 2404.19756.

    Parameters C (Q, P, dim), then s if the knots are free, then w_b (Q, P) and w_s (Q, P). The spline part is the
    spline layer at D = w_s C.
    """

    spline: SumLayer | FreeKnotLayer

    @property
    def n_inputs(self) -> int:
        """P."""
        return self.spline.n_inputs

    @property
    def n_outputs(self) -> int:
        """Q."""
        return self.spline.n_outputs

    @property
    def n_edges(self) -> int:
        """Q P."""
        return self.n_outputs * self.n_inputs

    @property
    def n_params(self) -> int:
        """Those of the spline layer and 2 Q P."""
        return self.spline.n_params + 2 * self.n_edges

    @property
    def breakpoints(self) -> int:
        """n - 1."""
        return self.spline.breakpoints

    def split(self, theta: Numbers) -> tuple[list[Number], Matrix, Numbers]:
        """Return the parameters of the spline part, D in the place of C, and w_b (Q, P) and w_s (Q P)."""
        first, edges, dim, P = self.spline.n_params, self.n_edges, self.spline.dim, self.n_inputs
        w_b, w_s = theta[first : first + edges], theta[first + edges :]
        D = [w_s[m // dim] * theta[m] for m in range(edges * dim)]
        return [*D, *theta[edges * dim : first]], [list(w_b[q * P : (q + 1) * P]) for q in range(self.n_outputs)], w_s

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return the sum of both parts."""
        spline, w_b, _ = self.split(theta)
        branch = [sum(w * silu(x_p) for w, x_p in zip(row, x, strict=True)) for row in w_b]
        return [y + b for y, b in zip(self.spline.value(spline, x), branch, strict=True)]

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """Those of the spline part, and w_b silu'(x_p)."""
        spline, w_b, _ = self.split(theta)
        branch = [[w * silu_slope(x_p) for w, x_p in zip(row, x, strict=True)] for row in w_b]
        return [list(map(add, *rows)) for rows in zip(self.spline.slopes(spline, x), branch, strict=True)]

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """dy/dC = w_s dy/dD, dy/dw_s = sum_i C_i dy/dD_i, dy/dw_b = silu(x_p); s as in the spline part."""
        parameters, _, w_s = self.split(theta)
        dim, first, found = self.spline.dim, self.spline.n_params, []
        for q, inner in enumerate(self.spline.gradients(parameters, x)):
            gradient = {first + q * self.n_inputs + p: silu(x_p) for p, x_p in enumerate(x)}
            for m, slope in inner.items():
                edge = m // dim
                if edge < self.n_edges:
                    w = first + self.n_edges + edge
                    gradient[m] = w_s[edge] * slope
                    gradient[w] = gradient.get(w, 0) + theta[m] * slope
                else:
                    gradient[m] = slope
            found.append(gradient)
        return found

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """As for the spline part."""
        return self.spline.knot_slopes(self.split(theta)[0], x)


@dataclass(frozen=True)
class DenseLayer:
    """y_q = activation(z_q), z_q = sum_p W[q,p] x_p + bias_q; parameters W (Q, P) and, if there is one, bias (Q)."""

    n_inputs: int
    n_outputs: int
    activation: str
    bias: bool

    @property
    def n_params(self) -> int:
        """Q P, and Q with bias."""
        return self.n_outputs * (self.n_inputs + self.bias)

    @property
    def breakpoints(self) -> int:
        """0."""
        return 0

    def weights(self, theta: Numbers) -> Matrix:
        """Return W."""
        return [list(theta[q * self.n_inputs : (q + 1) * self.n_inputs]) for q in range(self.n_outputs)]

    def arguments(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return z (Q)."""
        bias = theta[self.n_outputs * self.n_inputs :] if self.bias else [0] * self.n_outputs
        return [sum(map(mul, W, x)) + b for W, b in zip(self.weights(theta), bias, strict=True)]

    def value(self, theta: Numbers, x: Numbers) -> list[Number]:
        """Return activation(z_q)."""
        function, _ = ACTIVATIONS[self.activation]
        return [function(z) for z in self.arguments(theta, x)]

    def slopes(self, theta: Numbers, x: Numbers) -> Matrix:
        """dy_q/dx_p = activation'(z_q) W[q,p]."""
        _, slope = ACTIVATIONS[self.activation]
        pairs = zip(self.arguments(theta, x), self.weights(theta), strict=True)
        return [[slope(z) * w for w in W] for z, W in pairs]

    def gradients(self, theta: Numbers, x: Numbers) -> list[Gradient]:
        """dy_q/dW[q,p] = activation'(z_q) x_p, dy_q/dbias_q = activation'(z_q)."""
        _, slope = ACTIVATIONS[self.activation]
        P, size, found = self.n_inputs, self.n_outputs * self.n_inputs, []
        for q, z in enumerate(self.arguments(theta, x)):
            gradient = {q * P + p: slope(z) * x_p for p, x_p in enumerate(x)}
            found.append(gradient | {size + q: slope(z)} if self.bias else gradient)
        return found

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """There are no knots."""
        return [[[] for _ in x] for _ in range(self.n_outputs)]
