"""The edge of the first KAN paper: a spline beside a multiple of silu."""

from dataclasses import dataclass
from operator import add

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.layers.activations import silu, silu_slope
from refkan.truth.layers.base import Gradient
from refkan.truth.layers.sums import FreeKnotLayer, SumLayer


@dataclass(frozen=True)
class SiluLayer:
    """y_q = sum_p (w_b[q,p] silu(x_p) + w_s[q,p] sum_i C[q,p,i] b_i(x_p)): the edge of Liu et al., arXiv 2404.19756.

    Parameters C (Q, P, dim), then s if the knots are free, then w_b (Q, P) and w_s (Q, P). The spline part is the
    spline layer at D = w_s C.
    """

    spline: SumLayer | FreeKnotLayer

    @property
    def n_inputs(self) -> int:
        """Number of inputs P."""
        return self.spline.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs Q."""
        return self.spline.n_outputs

    @property
    def n_edges(self) -> int:
        """Number of edges Q P."""
        return self.n_outputs * self.n_inputs

    @property
    def n_params(self) -> int:
        """Number of parameters: those of the spline layer and 2 Q P."""
        return self.spline.n_params + 2 * self.n_edges

    @property
    def breakpoints(self) -> int:
        """Number n - 1 of interior breakpoints."""
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
        dim, first, gradients = self.spline.dim, self.spline.n_params, []
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
            gradients.append(gradient)
        return gradients

    def knot_slopes(self, theta: Numbers, x: Numbers) -> list[Matrix]:
        """As for the spline part."""
        return self.spline.knot_slopes(self.split(theta)[0], x)
