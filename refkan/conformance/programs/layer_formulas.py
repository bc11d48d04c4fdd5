"""What a layer computes by definition, at the numbers of a run."""

from fractions import Fraction
from typing import Any

import numpy as np

from refkan.conformance.cases import LayerSpec
from refkan.conformance.programs import arrays
from refkan.conformance.programs.symbols import Symbols
from refkan.truth import bsplines


class Formulas:
    """What a layer computes by definition, at the symbols of a run.

    Parameters
    ----------
    spec : LayerSpec
    symbols : Symbols
    """

    def __init__(self, spec: LayerSpec, symbols: Symbols) -> None:
        self.spec, self.symbols = spec, symbols
        self._functions: dict[int, Any] = {}

    def of(self, quantity: str) -> Any:
        """Return a quantity as an array of numbers."""
        methods = {
            "values": self.values,
            "coefficient-gradients": self.coefficient_gradients,
            "input-gradients": self.input_gradients,
            "second-derivatives": self.second_derivatives,
            "jvp": self.jvp,
        }
        return methods[quantity]()

    def functions(self, derivative: int) -> Any:
        """Derivatives of all B-splines at all samples, (N, P, dim), by the truth's formula."""
        if derivative not in self._functions:
            self._functions[derivative] = self._evaluated(derivative)
        return self._functions[derivative]

    def _evaluated(self, derivative: int) -> Any:
        spec, symbols = self.spec, self.symbols
        out = np.full((*symbols.x.shape, spec.dim), symbols.field.number(0), object)
        for (s, p), x in np.ndenumerate(symbols.x):
            knots = [Fraction(t) for t in spec.knots[p].tolist()]
            at = x.at({}) if x.p.is_constant() else x
            for i, value in bsplines(knots, spec.order, at, derivative, spec.outside).items():
                out[s, p, i] = symbols.field.number(value)
        return out

    def _part(self, name: str, shape: tuple[int, ...]) -> Any:
        """A part with one number an edge or an output; one where the layer has no such factor."""
        if name in self.symbols.weights:
            return self.symbols.weights[name]
        return np.full(shape, self.symbols.field.number(1), object)

    @property
    def _factors(self) -> Any:
        """node-scale_q scale_qp, (Q, P): what multiplies the spline of an edge."""
        Q, P, _ = self.spec.coefficients.shape
        return self._part("node-scale", (Q,))[:, None] * self._part("scale", (Q, P))

    @property
    def _bases(self) -> Any:
        """node-scale_q base_qp, (Q, P): what multiplies the SiLU of an edge."""
        base = self.symbols.weights["base"]
        return self._part("node-scale", base.shape[:1])[:, None] * base

    def values(self) -> Any:
        """y_q = node-scale_q (sum_p scale_qp sum_i C_qpi b_i(x_p) + sum_p base_qp silu(x_p)) + bias_q."""
        symbols = self.symbols
        y = np.einsum("spi,qpi,qp->sq", self.functions(0), symbols.coefficients, self._factors)
        if "base" in symbols.weights:
            y = y + arrays.silu(symbols.x) @ self._bases.T
        return y + symbols.weights["bias"] if "bias" in symbols.weights else y

    def coefficient_gradients(self) -> Any:
        """dC_qpi = node-scale_q scale_qp sum_s dy_sq b_i(x_sp)."""
        return np.einsum("sq,spi,qp->qpi", self.symbols.dy, self.functions(0), self._factors)

    def input_gradients(self, derivative: int = 1) -> Any:
        """dx_sp = sum_q dy_sq node-scale_q (scale_qp sum_i C_qpi b_i'(x_sp) + base_qp silu'(x_sp)), or higher ones."""
        return np.einsum("sq,sqp->sp", self.symbols.dy, self._slopes(derivative))

    def _slopes(self, derivative: int) -> Any:
        """Derivatives of all outputs in all inputs of a sample, (N, Q, P)."""
        symbols = self.symbols
        slopes = np.einsum("spi,qpi,qp->sqp", self.functions(derivative), symbols.coefficients, self._factors)
        if "base" in symbols.weights:
            slopes = slopes + _silu_derivative(symbols.x, derivative)[:, None, :] * self._bases
        return slopes

    def jvp(self) -> Any:
        """dy_sq = sum_p direction_sp dy_sq/dx_sp."""
        return np.einsum("sp,sqp->sq", self.symbols.direction, self._slopes(1))

    def second_derivatives(self) -> Any:
        """The layer is a sum over inputs, so that its Hessian in x is diagonal."""
        return self.input_gradients(2) * self.symbols.direction


def _silu_derivative(x: Any, derivative: int) -> Any:
    """With s = sigmoid(x): silu' = s + x s (1 - s), silu'' = s (1 - s) (2 + x (1 - 2 s))."""
    s = arrays.sigmoid(x)
    if derivative == 1:
        return s + x * s * (1 - s)
    return s * (1 - s) * (2 + x * (1 - 2 * s))
