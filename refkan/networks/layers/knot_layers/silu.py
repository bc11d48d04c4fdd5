r"""The traditional KAN edge: w_b silu(x) + w_s sum_i c_i b_i(x)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, Frozen, IntArray, check_annotated, check_type
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.networks.layers.functions import Declared, ParameterBlocks, RowFunctions
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer
from refkan.networks.layers.knot_layers.spline import SplineLayer
from refkan.networks.layers.layer import Layer
from refkan.splines.spaces import SplineSpace


def _of_spline(name: str) -> Any:
    """The attribute of this name of the spline part."""
    return property(attrgetter(f"spline.{name}"), doc=f"`{name}` of the spline part.")


class SiluLayer(KnotLayer, Frozen, eq=True):
    r"""A layer whose edges add a SiLU to a spline, as in the original KAN.

    ::

        y_q = sum_p (w_b[q,p] silu(x_p) + w_s[q,p] sum_i C[q,p,i] b_i(x_p)),    silu(x) = x/(1 + exp(-x))

    The edge is that of Liu et al., "KAN: Kolmogorov-Arnold Networks" (arXiv 2404.19756), eqs. (2.10) to (2.12).

    Parameters
    ----------
    spline : SplineLayer
        The spline part; its blocks come first, then w_b (Q, P) and w_s (Q, P).

    Raises
    ------
    TypeError
        If `spline` is not a SplineLayer.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SiluLayer(rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1))
    >>> layer.linearize(np.array([0.0, 1.0, 4.0, 0.0, 2.0]), np.array([[0.25]])).value  # w_b = 0, w_s = 2
    array([[1.]])
    """

    spline: SplineLayer
    homogeneous = "coefficients", "w_b"

    def __post_init__(self) -> None:
        check_type("spline", self.spline, SplineLayer)

    n_inputs, n_outputs, domains, window = map(_of_spline, ("n_inputs", "n_outputs", "domains", "window"))
    spaces, intervals, free_knots = map(_of_spline, ("spaces", "intervals", "free_knots"))
    basis, outside, sums_to_one, bends_at_ends = map(_of_spline, ("basis", "outside", "sums_to_one", "bends_at_ends"))
    require_derivatives, jumps = map(_of_spline, ("require_derivatives", "jumps"))

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Blocks of the spline part, then w_b and w_s."""
        edges = (self.n_outputs, self.n_inputs)
        return {**self.spline.blocks, "w_b": edges, "w_s": edges}

    def describe(self) -> str:
        """Name SiLU and describe the spline part."""
        return f"SiLU + {self.spline.describe()}"

    def declare(self, theta: Array) -> Declared:
        """Return the functions of the spline part with the raw coefficients w_s C, then silu with w_b."""
        chart = EdgeScales(self.parameters, theta)
        spline = self.spline.declare(self._of_spline(chart.raw))
        functions = *spline.functions, silu_functions(self.n_inputs)
        return Declared(
            self.n_inputs,
            self.n_outputs,
            functions,
            chart.raw,
            chart=chart,
        )

    def _of_spline(self, theta: Array) -> Array:
        """The parameters of the spline part."""
        return theta[: self.spline.n_params]

    def truth_form(self) -> dict[str, Any]:
        """Return the form of the spline part."""
        return {"kind": "silu", "spline": self.spline.truth_form()}

    def initialize(self, rng: np.random.Generator, x: FloatArray, scheme: str = "linear") -> FloatArray:
        """Start with w_s = 1, the spline part as for SplineLayer, w_b uniform in +-1/sqrt(P)."""
        check_annotated(SiluLayer.initialize, locals())
        spline = self.spline.unpack(self.spline.initialize(rng, x, scheme))
        edges = (self.n_outputs, self.n_inputs)
        bound = 1.0 / np.sqrt(self.n_inputs)
        w_b = rng.uniform(-bound, bound, edges)
        return self.pack(**spline, w_b=w_b, w_s=np.ones(edges))

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """Return for each output one vector an edge with w_s != 0: the spline part of w_s C = 1."""
        if translations:  # 1/w_s depends on theta
            return super().constant_vectors(theta, x, translations)
        w_s = self.unpack(theta)["w_s"]
        vectors = []
        of_spline = self.spline.constant_vectors(self._of_spline(theta), x)
        for q, rows in enumerate(of_spline):
            live = np.flatnonzero(w_s[q, : rows.shape[0]])
            vectors.append(self._padded(rows[live] / w_s[q, live, None]))
        return vectors

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Return the null vectors of the spline part, and on each edge (C, -w_s), along which w_s C is constant."""
        part = self.spline.null_vectors(self._of_spline(theta), x, translations=True)
        n_shifts = self.n_inputs * self.spline.free_knots  # the last rows: constants added to s
        shifts = self._padded(part[part.shape[0] - n_shifts :])
        if translations:
            return shifts
        moved = super().null_vectors(theta, x)
        blocks = self.unpack(theta)
        edges = list(np.ndindex(self.n_outputs, self.n_inputs))
        products = np.zeros((len(edges), self.n_params))
        for row, edge in zip(products, edges, strict=True):
            views = self.unpack(row)
            views["coefficients"][edge] = blocks["coefficients"][edge]
            views["w_s"][edge] = -blocks["w_s"][edge]
        return np.concatenate([moved, shifts, products])

    def _padded(self, rows: FloatArray) -> FloatArray:
        """Vectors of the spline part, with zeros for w_b and w_s."""
        zeros = self.n_params - rows.shape[1]
        return np.pad(rows, ((0, 0), (0, zeros)))

    # ------------------------------------------------ the same function elsewhere

    def with_spaces(self, spaces: Sequence[SplineSpace], free_knots: bool | None = None) -> Self:
        """Return the layer with its spline part on other spaces."""
        check_annotated(SiluLayer.with_spaces, locals())
        return replace(self, spline=self.spline.with_spaces(spaces, free_knots))

    def spaces_at(self, theta: FloatArray) -> tuple[SplineSpace, ...]:
        """Return the spline spaces of the spline part at theta, one for each input."""
        return self.spline.spaces_at(self._of_spline(theta))

    def spline_coefficients(self, theta: FloatArray, factors: bool = True) -> FloatArray:
        """Return the B-spline coefficients w_s C (Q, P, dim) of the spline part; without `factors` only C."""
        c = self.spline.spline_coefficients(self._of_spline(theta))
        if not factors:
            return c
        return c * self.unpack(theta)["w_s"][:, :, None]

    def refitted(self, theta: FloatArray, spaces: Sequence[SplineSpace], c: FloatArray) -> tuple[Self, FloatArray]:
        """Return the layer with its spline part on other spaces, refitted; w_b and w_s are unchanged."""
        _, spline = self.spline.refitted(self._of_spline(theta), spaces, c)
        factors = theta[self.spline.n_params :]
        return self.with_spaces(spaces), np.concatenate([spline, factors])

    _why_no_other_basis = "a SiLU edge is defined in the spline basis"

    def convert(self, theta: FloatArray, target: Layer, allow_inexact: bool = False) -> FloatArray:
        """Convert the spline part; w_b and w_s are unchanged."""
        check_annotated(SiluLayer.convert, locals())
        if not isinstance(target, SiluLayer) or self == target:
            return super().convert(theta, target)
        blocks = self.unpack(theta)
        spline = self.spline.convert(self._of_spline(theta), target.spline, allow_inexact)
        return target.pack(**blocks | target.spline.unpack(spline))

    def prolongation(self, target: Layer) -> sp.csr_array:
        """Return the prolongation of the spline part, with the identity for w_b and w_s."""
        check_annotated(SiluLayer.prolongation, locals())
        if not isinstance(target, SiluLayer) or self == target:
            return super().prolongation(target)
        spline = self.spline.prolongation(target.spline)
        factors = sp.eye_array(2 * self.n_inputs * self.n_outputs)
        return sp.block_diag([spline, factors], format="csr")


@cache
def silu_functions(n_inputs: int) -> RowFunctions:
    """silu(x_p) of every input."""

    def rows(x: Array, derivatives: int) -> Array:
        return ACTIVATIONS["silu"].derivatives(x, derivatives + 1)[..., None]

    return RowFunctions(rows, n_inputs, 1)


class EdgeScales:
    """(C, s, w_b, w_s) -> (w_s C, s, w_b): a product for each edge."""

    def __init__(self, parameters: ParameterBlocks, theta: Array) -> None:
        self.parameters, blocks = parameters, parameters.unpack(theta)
        self.c, self.w_s = blocks["coefficients"], blocks["w_s"]
        self.factors = self.w_s[:, :, None]
        self.raw = theta[: theta.size - self.w_s.size].copy()
        self.raw[: self.c.size] = (self.factors * self.c).reshape(-1)

    def push_forward(self, dtheta: FloatArray) -> FloatArray:
        """d(w_s C) = dw_s C + w_s dC instead of dC."""
        blocks = self.parameters.unpack(dtheta)
        dW = dtheta[: dtheta.size - self.w_s.size].copy()
        dw_s, dC = blocks["w_s"][:, :, None], blocks["coefficients"]
        product = dw_s * self.c + self.factors * dC
        dW[: self.c.size] = product.reshape(-1)
        return dW

    def pull_back(self, dW: FloatArray) -> FloatArray:
        """dC = w_s D and dw_s = sum_i C D, D the cotangent of the product."""
        D = dW[: self.c.size].reshape(self.c.shape)
        C = self.factors * D
        w_s = np.sum(self.c * D, axis=2)
        return np.concatenate([C.reshape(-1), dW[self.c.size :], w_s.reshape(-1)])

    def fill_columns(self, out: FloatArray) -> None:
        """Columns of w_s C become those of C; those of w_s, the last ones, are written."""
        columns = out[:, :, : self.c.size].reshape(*out.shape[:2], *self.c.shape)
        w_s = out[:, :, -self.w_s.size :]
        w_s[...] = np.einsum("soqpi,qpi->soqp", columns, self.c).reshape(w_s.shape)
        columns *= self.factors

    @property
    def _factors(self) -> tuple[IntArray, IntArray]:
        """Columns of the coefficients, and for each coefficient the column of its factor w_s."""
        first = self.parameters.size - self.w_s.size
        factors = first + np.arange(self.w_s.size)
        return np.arange(self.c.size), np.repeat(factors, self.c.shape[2])

    @property
    def jacobian(self) -> sp.csr_array:
        """w_s at (w_s C, C), C at (w_s C, w_s), and 1 for the rest."""
        coefficient, factor = self._factors
        rest = np.arange(self.c.size, self.raw.size)
        rows = np.concatenate([coefficient, coefficient, rest])
        columns = np.concatenate([coefficient, factor, rest])
        w_s = np.repeat(self.w_s.ravel(), self.c.shape[2])
        entries = np.concatenate([w_s, self.c.ravel(), np.ones(rest.size)])
        shape = self.raw.size, self.parameters.size
        return sp.coo_array((entries, (rows, columns)), shape).tocsr()

    def hessian(self, dW: FloatArray) -> sp.csr_array:
        """D at (C, w_s) and at the transposed place."""
        n_params = self.parameters.size
        upper = sp.coo_array((dW[: self.c.size], self._factors), (n_params, n_params))
        return (upper + upper.T).tocsr()
