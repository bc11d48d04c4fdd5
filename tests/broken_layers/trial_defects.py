"""Broken layers of the kinds that trials of the judge with unknown layers showed to be without a right name.

They were written after those trials, before the hints that name them, and count apart. The first run of the 27 detected
all and named 14, one wrongly.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.conformance.cases.specs import LayerSpec
from tests.broken_layers.plain_numpy import NumpyLayer


class SlopePlus(NumpyLayer):
    """b' with + between its two terms."""

    def differentiate(self, b: Any, t: Any, k: int) -> Any:
        """The sum of both."""
        left = self.ratio(b[:, :-1], t[k - 1 : -1] - t[:-k])
        return (k - 1) * (left + self.ratio(b[:, 1:], t[k:] - t[1 : t.size - k + 1]))


class SlopeOfLeftTerm(NumpyLayer):
    """b' by the first of its two terms."""

    def differentiate(self, b: Any, t: Any, k: int) -> Any:
        """One term."""
        return (k - 1) * self.ratio(b[:, :-1], t[k - 1 : -1] - t[:-k])


class SlopeOfRightTerm(NumpyLayer):
    """b' by the second of its two terms."""

    def differentiate(self, b: Any, t: Any, k: int) -> Any:
        """One term."""
        return -(k - 1) * self.ratio(b[:, 1:], t[k:] - t[1 : t.size - k + 1])


class DividedBySum(NumpyLayer):
    """The basis divided by its sum plus 1e-8."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Normalise."""
        functions = super().basis(p, x, derivative)
        return functions / (super().basis(p, x).sum(axis=1, keepdims=True) + 1e-8)


class PaddedRatios(NumpyLayer):
    """1e-8 in every denominator."""

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """Divide."""
        return numerator / (denominator + 1e-8)


class RoundedPosition(NumpyLayer):
    """The interval by rounding (x - a)/h to the nearest integer."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Points in the upper half of an interval count to the next."""
        r = self.order
        a, b, n = t[r - 1], t[-r], t.size - 2 * r + 1
        m = np.clip(np.rint((x - a) / ((b - a) / n)).astype(int), 0, n - 1) + r - 1
        inside = (x >= a) & (x <= b)
        plain = super().pieces(x, t)
        return np.where(inside[:, None], (np.arange(t.size - 1) == m[:, None]).astype(self.number), plain)


class GradientClipped(NumpyLayer):
    """Input gradients clipped to [-1, 1]."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Clip."""
        return np.clip(super().pull_back(x, dy, derivative), -1, 1)


class GradientAveraged(NumpyLayer):
    """Input gradients divided by the number of samples."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """The mean."""
        return super().pull_back(x, dy, derivative) / len(dy)


class ZeroSlopeAtKnots(NumpyLayer):
    """No gradient at knots."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Masked."""
        at = np.stack([np.isin(x[:, p], self.t[p]) for p in range(x.shape[1])], axis=1)
        return np.where(at, 0.0, super().pull_back(x, dy, derivative))


class SecondInputScaled(NumpyLayer):
    """The gradient of input 1 times 1.5."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """One column."""
        return super().pull_back(x, dy, derivative) * np.where(np.arange(x.shape[1]) == 1, 1.5, 1.0)


class FirstOutputScaled(NumpyLayer):
    """The coefficient gradient of output 0 times 2."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """One output."""
        return super().coefficient_gradient(x, dy * np.where(np.arange(dy.shape[1]) == 0, 2.0, 1.0))


class FourOutputs(NumpyLayer):
    """Outputs beyond the fourth are zero."""

    def __call__(self, x: Any) -> Any:
        """The rest is not written."""
        y = super().__call__(x).copy()
        y[:, 4:] = 0
        return y


class FourInputs(NumpyLayer):
    """Inputs beyond the fourth do not count."""

    def edges(self, x: Any, derivative: int) -> list[Any]:
        """The rest is left out."""
        edges = super().edges(x, derivative)
        return [part if p < 4 else 0 * part for p, part in enumerate(edges)]


class ManySamples(NumpyLayer):
    """Samples beyond 256 are zero."""

    def __call__(self, x: Any) -> Any:
        """The rest is not written."""
        y = super().__call__(x).copy()
        y[256:] = 0
        return y


class FewIntervals(NumpyLayer):
    """Coefficients beyond the 32nd are zero."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = np.where(np.arange(self.C.shape[2]) < 32, self.C, 0.0)


class TanhBehind(NumpyLayer):
    """Outputs through tanh."""

    def __call__(self, x: Any) -> Any:
        """Squash."""
        return np.tanh(super().__call__(x))


class TanhBefore(NumpyLayer):
    """Inputs through tanh."""

    def __call__(self, x: Any) -> Any:
        """Squash."""
        return super().__call__(np.tanh(x))

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """With its slope."""
        return super().pull_back(np.tanh(x), dy, derivative) * (1 - np.tanh(x) ** 2)

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """At the mapped inputs."""
        return super().coefficient_gradient(np.tanh(x), dy)


class Hardtanh(NumpyLayer):
    """Inputs clamped to [-1, 1]."""

    def __call__(self, x: Any) -> Any:
        """Clamp."""
        return super().__call__(np.clip(x, -1, 1))

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Nothing flows beyond."""
        return super().pull_back(np.clip(x, -1, 1), dy, derivative) * (np.abs(x) <= 1)

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """At the clamped inputs."""
        return super().coefficient_gradient(np.clip(x, -1, 1), dy)


class Skip(NumpyLayer):
    """The mean of the inputs added to each output."""

    def __call__(self, x: Any) -> Any:
        """Add."""
        return super().__call__(x) + x.mean(axis=1, keepdims=True)

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """With its slope."""
        return super().pull_back(x, dy, derivative) + (derivative == 1) * dy.sum(axis=1, keepdims=True) / x.shape[1]


class FixedDomain(NumpyLayer):
    """Knots on [-1, 1], whatever was asked for."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        a, b = spec.domains[:, :1], spec.domains[:, 1:]
        self.t = -1 + 2 * (self.t - a) / (b - a)


class UnitDomain(FixedDomain):
    """Knots on [0, 1], whatever was asked for."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.t = (self.t + 1) / 2


class LookupTable(NumpyLayer):
    """Basis functions interpolated linearly in a table of 1024 points on the domain."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Look up where the point is inside."""
        low, high = self.spec.domains[p]
        if derivative:
            return super().basis(p, x, derivative)
        place = (np.clip(x, low, high) - low) / (high - low) * 1023
        left = np.minimum(place.astype(int), 1022)
        ends = [super(LookupTable, self).basis(p, low + (high - low) * (left + k) / 1023) for k in (0, 1)]
        between = ends[0] + (place - left)[:, None] * (ends[1] - ends[0])
        return np.where(((x >= low) & (x <= high))[:, None], between, super().basis(p, x))


class HalfBias(NumpyLayer):
    """A bias of 1/2 left on."""

    def __call__(self, x: Any) -> Any:
        """Add."""
        return super().__call__(x) + 0.5


class Dropout(NumpyLayer):
    """One in eight coefficient gradients dropped, others each time."""

    rng = np.random.default_rng(0)

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Drop and scale up."""
        gradients = super().coefficient_gradient(x, dy)
        return gradients * (self.rng.uniform(size=gradients.shape) > 1 / 8) * 8 / 7


class InputsReversed(NumpyLayer):
    """Inputs read from the last to the first."""

    def __call__(self, x: Any) -> Any:
        """Reverse."""
        return super().__call__(x[:, ::-1])

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """As the forward pass reads them."""
        return super().coefficient_gradient(x[:, ::-1], dy)


class ReversedGradient(NumpyLayer):
    """The coefficient gradient counted from the right."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Reverse."""
        return super().coefficient_gradient(x, dy)[..., ::-1]


class DegreeOneLess(NumpyLayer):
    """Splines of one degree less on the same breakpoints."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        if spec.order > 2:
            self.order, self.t = spec.order - 1, self.t[:, 1:]


@dataclass(frozen=True)
class Trial:
    """A layer, the hint that must name it, and parts of keys of the cases that show it."""

    layer: type[NumpyLayer]
    hint: str
    select: tuple[str, ...] = ("layer/degree-3/uniform/3x2", "layer/degree-3/arbitrary/3x2", "basis/degree-3/uniform/")


MANY = ("layer/degree-3/uniform/5x7", "layer/degree-3/arbitrary/5x7")

TRIALS = {
    trial.layer.__name__: trial
    for trial in (
        Trial(SlopePlus, "wrong derivative"),
        Trial(SlopeOfLeftTerm, "wrong derivative"),
        Trial(SlopeOfRightTerm, "wrong derivative"),
        Trial(DividedBySum, "shifted denominators"),
        Trial(PaddedRatios, "shifted denominators"),
        Trial(RoundedPosition, "interval rounded", ("layer/degree-3/uniform/3x2", "basis/degree-3/uniform/interior")),
        Trial(GradientClipped, "gradient clipped"),
        Trial(GradientAveraged, "constant factor"),
        Trial(ZeroSlopeAtKnots, "zero at knots"),
        Trial(SecondInputScaled, "factor on one input"),
        Trial(FirstOutputScaled, "factor on one output"),
        Trial(FourOutputs, "outputs left out", MANY),
        Trial(FourInputs, "inputs left out", MANY),
        Trial(ManySamples, "incomplete block", ("257-samples", "repeated-runs")),
        Trial(FewIntervals, "coefficients left out", ("64-intervals",)),
        Trial(TanhBehind, "extra map"),
        Trial(TanhBefore, "inputs mapped"),
        Trial(Hardtanh, "point clamped"),
        Trial(Skip, "extra branch"),
        Trial(FixedDomain, "fixed domain"),
        Trial(UnitDomain, "fixed domain"),
        Trial(LookupTable, "lookup table"),
        Trial(HalfBias, "extra branch"),
        Trial(Dropout, "not deterministic"),
        Trial(InputsReversed, "inputs reordered"),
        Trial(ReversedGradient, "reversed coefficients"),
        Trial(DegreeOneLess, "degree fixed"),
    )
}
