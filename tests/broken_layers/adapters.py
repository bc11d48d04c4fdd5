"""Broken adapters: defects that show between calls, in memory layouts and in state changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.splines import bsplines
from refkan.splines.spaces import SplineSpace
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy


class StridesIgnored(PlainNumpy):
    """Memory read from its beginning, whatever the strides."""

    def _activations(self, model: Any, x: Any) -> list[Any]:
        base = x if x.base is None else x.base
        flat = np.ravel(base, order="K")
        return super()._activations(model, flat[: x.size].reshape(x.shape))


class FirstLayerDetached(PlainNumpy):
    """In a network no gradient reaches the first layer."""

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Zero for layer 0."""
        gradients = dict(super().vjp(model, x, dy))
        if len(model) > 1:
            gradients["coefficients"][0] = 0 * gradients["coefficients"][0]
        return gradients


class Nondeterministic(PlainNumpy):
    """Sums in an order that changes from run to run."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)

    def forward(self, model: Any, x: Any) -> Any:
        """Inputs are added in a random order, with the rounding that this brings."""
        y = super().forward(model, x)
        return y * (1 + 2.0**-52 * self.rng.integers(-1, 2, y.shape))


class NoisyForward(Nondeterministic):
    """Noise that was left on, as of training."""

    def forward(self, model: Any, x: Any) -> Any:
        """A relative 1e-3."""
        y = super().forward(model, x)
        return y * (1 + 1e-3 * self.rng.normal(size=y.shape))


class Accumulating(PlainNumpy):
    """Coefficient gradients that are added to those of earlier calls."""

    def build(self, spec: Any) -> Any:
        """Start without a gradient."""
        model = super().build(spec)
        self.sums: dict[int, Any] = {}
        return model

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Add."""
        gradients = dict(super().vjp(model, x, dy))
        key = id(model)
        if len(model) == 1:
            self.sums[key] = gradients["coefficients"] = self.sums.get(key, 0) + gradients["coefficients"]
        return gradients


class RefineBySamples(PlainNumpy):
    """Refinement by least squares on the samples, to any number of intervals."""

    capabilities = replace(PlainNumpy.capabilities, refine=("nested", "any"))

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """Fit the values at the samples by the smallest coefficients."""
        (layer,) = model
        return [
            self._fitted(layer, [SplineSpace.uniform(layer.order, intervals, s.domain) for s in self._spaces(layer)], x)
        ]

    def _fitted(self, layer: NumpyLayer, spaces: list[SplineSpace], x: Any) -> Any:
        parts = []
        for p, (old, new) in enumerate(zip(self._spaces(layer), spaces, strict=True)):
            column = np.clip(x[:, p], *new.domain)
            y = bsplines.design_matrix(old, column).toarray() @ layer.C[:, p].T
            parts.append(np.linalg.lstsq(bsplines.design_matrix(new, column).toarray(), y, rcond=None)[0].T)
        knots = np.array([space.knots for space in spaces])
        return self.layer(replace(layer.spec, knots=knots, coefficients=np.stack(parts, axis=1), kind="arbitrary"))


class RefineByInterpolation(PlainNumpy):
    """Refinement that interpolates coefficients linearly."""

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """Coefficients at equal steps."""
        (fine,) = super().refine(model, intervals, x)
        (layer,) = model
        at = np.linspace(0, layer.C.shape[2] - 1, fine.C.shape[2])
        fine.C = np.apply_along_axis(lambda c: np.interp(at, np.arange(c.size), c), 2, layer.C)
        return [fine]


class UpdateBySamples(RefineBySamples):
    """An update to quantiles of the samples, and a fit on them."""

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """Exact, as in the plain layer."""
        return PlainNumpy.refine(self, model, intervals, x)

    def update(self, model: Any, x: Any) -> Any:
        """Breakpoints at quantiles, kept apart a little."""
        (layer,) = model
        spaces = []
        for space, column in zip(self._spaces(layer), x.T, strict=True):
            share = np.linspace(0, 1, space.intervals + 1)
            low, high = space.domain
            points = 0.9 * np.quantile(column, share) + 0.1 * (low + (high - low) * share)
            points[0], points[-1] = low, high
            spaces.append(SplineSpace.from_breakpoints(layer.order, points))
        return [self._fitted(layer, spaces, x)]

    capabilities = PlainNumpy.capabilities


class UpdateScaledTwice(PlainNumpy):
    """An update after which a scale is in the coefficients, and applied once more."""

    def update(self, model: Any, x: Any) -> Any:
        """Times 0.75."""
        (layer,) = super().update(model, x)
        layer.C = 0.75 * layer.C
        return [layer]


class EqualSpacingAfterUpdate(PlainNumpy):
    """After an update basis functions are those of equally spaced knots, while the knots reported are the new ones."""

    def update(self, model: Any, x: Any) -> Any:
        """Keep the new knots for the report alone."""
        (layer,) = super().update(model, x)
        layer.reported = layer.t.copy()
        a, b = layer.t[:, layer.order - 1, None], layer.t[:, -layer.order, None]
        n = layer.t.shape[1] - 2 * layer.order + 1
        layer.t = a + (b - a) * np.arange(1 - layer.order, n + layer.order) / n
        return [layer]

    def state(self, model: Any) -> tuple[Any, Any]:
        """The knots of the report."""
        (layer,) = model
        return getattr(layer, "reported", layer.t), layer.C


class CoincidingKnots(UpdateBySamples):
    """An update to plain quantiles, which coincide on discrete data."""

    def update(self, model: Any, x: Any) -> Any:
        """Replace knots and keep the coefficients where no fit exists."""
        (layer,) = model
        t = layer.t.copy()
        inner = slice(layer.order - 1, t.shape[1] - layer.order + 1)
        n = t.shape[1] - 2 * layer.order + 1
        t[:, inner] = np.quantile(x, np.linspace(0, 1, n + 1), axis=0).T
        layer.t = t
        if (np.diff(t, axis=1) <= 0).any():
            layer.C = np.full_like(layer.C, np.nan)
        return [layer]
