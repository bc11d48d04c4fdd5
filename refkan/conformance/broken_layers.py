"""Layers with one defect each, by the names under which the documentation shows what identifies them.

Examples
--------
>>> from refkan.conformance import identify
>>> from refkan.conformance.broken_layers import BROKEN
>>> identify(BROKEN["mean over samples"]()).leading
'constant factor'
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases import KNOTS, LayerSpec
from refkan.splines import bsplines
from refkan.splines.spaces import SplineSpace


class RightLayer(Adapter):
    """A right layer, y_q = sum_p sum_i C[q, p, i] b_i(x_p); models are specs."""

    capabilities = Capabilities((1, 2, 3), KNOTS, ("natural",), derivatives=("inputs", "coefficients", "second"))

    def build(self, spec: Any) -> LayerSpec:
        """Keep the spec."""
        return spec

    def functions(self, spec: LayerSpec, x: Any, derivative: int = 0) -> FloatArray:
        """Basis functions, or a derivative of them, at x (N, P): (P, N, dim)."""
        matrices = []
        for t, column in zip(spec.knots, x.T, strict=True):
            space, at = SplineSpace(t, spec.order), np.ascontiguousarray(column)
            matrices.append(bsplines.design_matrix(space, at, derivative, "natural").toarray())
        return np.stack(matrices)

    def forward(self, spec: LayerSpec, x: Any) -> Any:
        """Values."""
        return np.einsum("psi,qpi->sq", self.functions(spec, x), spec.coefficients)

    def vjp(self, spec: LayerSpec, x: Any, dy: Any) -> Mapping[str, Any]:
        """Gradients."""
        slopes = self.functions(spec, x, 1)
        return {
            "inputs": np.einsum("sq,psi,qpi->sp", dy, slopes, spec.coefficients),
            "coefficients": np.einsum("sq,psi->qpi", dy, self.functions(spec, x)),
        }

    def second(self, spec: LayerSpec, x: Any, dy: Any, direction: Any) -> Any:
        """Second derivatives."""
        curvatures = self.functions(spec, x, 2)
        return direction * np.einsum("sq,psi,qpi->sp", dy, curvatures, spec.coefficients)

    def state(self, spec: LayerSpec) -> tuple[Any, Any]:
        """Knots and coefficients."""
        return spec.knots, spec.coefficients


class Float32Knots(RightLayer):
    """Knots are stored in float32."""

    def build(self, spec: Any) -> LayerSpec:
        """Round the knots."""
        return replace(spec, knots=spec.knots.astype(np.float32))


class SumsInSingle(RightLayer):
    """Sums are computed in float32."""

    def forward(self, spec: LayerSpec, x: Any) -> Any:
        """Round functions and coefficients."""
        functions, C = (v.astype(np.float32) for v in (self.functions(spec, x), spec.coefficients))
        return np.einsum("psi,qpi->sq", functions, C).astype(np.float64)


class SumsInAnyOrder(RightLayer):
    """The order of sums changes from call to call, as with atomics on a GPU."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)

    def forward(self, spec: LayerSpec, x: Any) -> Any:
        """Permute the basis functions."""
        order = self.rng.permutation(spec.dim)
        functions = self.functions(spec, x)[:, :, order]
        return np.einsum("psi,qpi->sq", functions, spec.coefficients[:, :, order])


class Unguarded(RightLayer):
    """The recursion of Cox and de Boor divides 0 by 0 on repeated knots."""

    def forward(self, spec: LayerSpec, x: Any) -> Any:
        """Values by the recursion."""
        values = 0.0
        with np.errstate(all="ignore"):
            for p, t in enumerate(spec.knots):
                at = x[:, p, None]
                b = ((t[:-1] <= at) & (at < t[1:])).astype(float)
                for k in range(1, spec.order):
                    rising = (at - t[: -k - 1]) / (t[k:-1] - t[: -k - 1])
                    falling = (t[k + 1 :] - at) / (t[k + 1 :] - t[1:-k])
                    b = rising * b[:, :-1] + falling * b[:, 1:]
                values = values + b @ spec.coefficients[:, p].T
        return values


class RightEndOpen(RightLayer):
    """All intervals are half-open, so that x = b lies in none."""

    def functions(self, spec: LayerSpec, x: Any, derivative: int = 0) -> FloatArray:
        """Zero at x = b."""
        inside = x != spec.domains[:, 1]
        return super().functions(spec, x, derivative) * inside.T[:, :, None]


class ClampedInputs(RightLayer):
    """Inputs are clamped to the domain."""

    def functions(self, spec: LayerSpec, x: Any, derivative: int = 0) -> FloatArray:
        """Constant beyond the domain."""
        at = np.clip(x, *spec.domains.T)
        functions = super().functions(spec, at, derivative)
        return functions if derivative == 0 else functions * (at == x).T[:, :, None]


class MeanOverSamples(RightLayer):
    """Coefficient gradients are means over samples instead of sums."""

    def vjp(self, spec: LayerSpec, x: Any, dy: Any) -> Mapping[str, Any]:
        """Divide by the number of samples."""
        gradients = super().vjp(spec, x, dy)
        return {**gradients, "coefficients": gradients["coefficients"] / len(x)}


class SlopeTimesOrder(RightLayer):
    """Slopes of order r have the factor r instead of r - 1."""

    def vjp(self, spec: LayerSpec, x: Any, dy: Any) -> Mapping[str, Any]:
        """Multiply input gradients."""
        gradients = super().vjp(spec, x, dy)
        return {**gradients, "inputs": gradients["inputs"] * spec.order / spec.degree}


class SecondDetached(RightLayer):
    """No gradient flows through the input gradient."""

    def second(self, spec: LayerSpec, x: Any, dy: Any, direction: Any) -> Any:
        """Zero."""
        return 0.0 * direction


class RefinedBySamples(RightLayer):
    """A refinement fits new coefficients on equally spaced knots to the samples."""

    capabilities = replace(RightLayer.capabilities, refine=("nested", "any"), state=True)

    def refine(self, spec: LayerSpec, intervals: int, x: Any) -> LayerSpec:
        """Fit on equally spaced knots."""
        spaces = [SplineSpace.uniform(spec.order, intervals, ends) for ends in spec.domains]
        return self.fitted(spec, np.stack([space.knots for space in spaces]), x)

    def fitted(self, spec: LayerSpec, knots: FloatArray, x: Any) -> LayerSpec:
        """Return the layer on other knots whose splines are closest at the samples."""
        shape = (*spec.coefficients.shape[:2], knots.shape[1] - spec.order)
        fitted = replace(spec, knots=knots, coefficients=np.zeros(shape), kind="arbitrary")
        before, after = self.functions(spec, x), self.functions(fitted, x)
        C = np.zeros(shape)
        for p, (A, B) in enumerate(zip(before, after, strict=True)):
            C[:, p] = np.linalg.lstsq(B, A @ spec.coefficients[:, p].T, rcond=None)[0].T
        return replace(fitted, coefficients=C)


class CoincidingKnots(RefinedBySamples):
    """An update moves breakpoints to quantiles of the samples, which coincide on discrete data."""

    capabilities = replace(RightLayer.capabilities, update=True, state=True)

    def update(self, spec: LayerSpec, x: Any) -> LayerSpec:
        """Fit on quantiles; coefficients are NaN if knots coincide."""
        knots = spec.knots.copy()
        shares = np.linspace(0.0, 1.0, spec.intervals + 1)
        knots[:, spec.degree : knots.shape[1] - spec.degree] = np.quantile(x, shares, axis=0).T
        if (np.diff(knots, axis=1) > 0).all():
            return self.fitted(spec, knots, x)
        moved = replace(spec, knots=knots, kind="arbitrary")
        object.__setattr__(moved, "coefficients", np.nan * spec.coefficients)  # which a spec refuses
        return moved


BROKEN: Mapping[str, type[Adapter]] = {
    "float32 knots": Float32Knots,
    "sums in single": SumsInSingle,
    "sums in another order each time": SumsInAnyOrder,
    "0/0 unguarded": Unguarded,
    "right end open": RightEndOpen,
    "inputs clamped": ClampedInputs,
    "mean over samples": MeanOverSamples,
    "slope times the order": SlopeTimesOrder,
    "second derivatives detached": SecondDetached,
    "refinement by samples": RefinedBySamples,
    "knots that coincide after an update": CoincidingKnots,
}
"""The layers by what is wrong with them."""
