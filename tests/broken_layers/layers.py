"""Broken layers: the plain NumPy layer with one line changed."""

from typing import Any

import numpy as np

from refkan.conformance.cases.specs import LayerSpec
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace
from tests.broken_layers.plain_numpy import NumpyLayer


class Float32Knots(NumpyLayer):
    """Knots made as a + k h in float32."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        if spec.kind == "uniform":
            a, b = np.float32(spec.domain[0]), np.float32(spec.domain[1])
            steps = np.arange(1 - spec.order, spec.intervals + spec.order, dtype=np.float32)
            row = steps * ((b - a) / np.float32(spec.intervals)) + a
            self.t = np.repeat(row[None], spec.n_inputs, axis=0).astype(self.number)


class Float32Coefficients(NumpyLayer):
    """Coefficients kept in float32."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = self.C.astype(np.float32).astype(self.number)


class Float32Inputs(NumpyLayer):
    """Inputs that pass through float32."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Round x first."""
        return super().basis(p, x.astype(np.float32).astype(self.number), derivative)


class Float32Arithmetic(NumpyLayer):
    """Basis functions computed in float32."""

    def lift(self, b: Any, x: Any, t: Any, k: int) -> Any:
        """One step in float32."""
        return super().lift(b.astype(np.float32), x.astype(np.float32), t.astype(np.float32), k).astype(self.number)


class MeanOverInputs(NumpyLayer):
    """The mean over inputs instead of the sum."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = self.C / spec.n_inputs


class MeanOverSamples(NumpyLayer):
    """Coefficient gradients averaged over samples."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """The mean."""
        return super().coefficient_gradient(x, dy) / len(dy)


class SlopeWithoutDegree(NumpyLayer):
    """b_i' without the factor r - 1."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """The factor is missing."""
        return super().pull_back(x, dy, derivative) / (self.order - 1 if derivative == 1 else 1)


class SignOfInputGradient(NumpyLayer):
    """Input gradients with the opposite sign."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Minus."""
        return super().pull_back(x, dy, derivative) * (-1 if derivative == 1 else 1)


class SignOfSecond(NumpyLayer):
    """Second derivatives with the opposite sign."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Minus."""
        return super().pull_back(x, dy, derivative) * (-1 if derivative == 2 else 1)


class RightEndOpen(NumpyLayer):
    """All intervals half open, the last one too."""

    def pieces(self, x: Any, t: Any) -> Any:
        """t_i <= x < t_{i+1} at x = b too."""
        open_there = np.array([(t[i] <= x) & (x < t[i + 1]) for i in range(t.size - 1)]).T.astype(self.number)
        return np.where((x == t[-self.order])[:, None], open_there, super().pieces(x, t))


class LeftLimit(NumpyLayer):
    """Points at knots belong to the interval on their left."""

    def pieces(self, x: Any, t: Any) -> Any:
        """t_i < x <= t_{i+1} at knots."""
        left = np.array([(t[i] < x) & (x <= t[i + 1]) for i in range(t.size - 1)]).T.astype(self.number)
        return np.where(np.isin(x, t)[:, None], left, super().pieces(x, t))


class ClampedInputs(NumpyLayer):
    """Inputs clamped to the domain; the gradient outside is that of the clamp."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Clamp first."""
        low, high = self.spec.domains[p]
        inside = (x >= low) & (x <= high)
        functions = super().basis(p, np.clip(x, low, high), derivative)
        return functions if derivative == 0 else functions * inside[:, None]


class NaturalAnyway(NumpyLayer):
    """The rule outside is ignored: the basis functions' own values."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.outside = "natural"


class ZeroOutside(NumpyLayer):
    """Zero outside the domain."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Masked."""
        low, high = self.spec.domains[p]
        return super().basis(p, x, derivative) * ((x >= low) & (x <= high))[:, None]


class TransposedCoefficients(NumpyLayer):
    """(Q, P, dim) read as (P, Q, dim)."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        Q, P, dim = self.C.shape
        self.C = self.C.reshape(P, Q, dim).transpose(1, 0, 2)


class TransposedGradient(NumpyLayer):
    """The coefficient gradient in the order (P, Q, dim)."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Another axis order, in the same memory."""
        g = super().coefficient_gradient(x, dy)
        return g.transpose(1, 0, 2).reshape(g.shape)


class ReversedCoefficients(NumpyLayer):
    """Coefficients counted from the right."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = self.C[..., ::-1]

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Reversed as well."""
        return super().coefficient_gradient(x, dy)[..., ::-1]


class ShiftedCoefficients(NumpyLayer):
    """Coefficient i + 1 on function i, and none on the last."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = np.concatenate([self.C[..., 1:], 0 * self.C[..., :1]], axis=2)


class ShiftedGradient(NumpyLayer):
    """The coefficient gradient one place off."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Rolled."""
        return np.roll(super().coefficient_gradient(x, dy), 1, axis=2)


class ShiftedKnots(NumpyLayer):
    """Function i on the knots from i + 1."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.t = np.concatenate([self.t[:, 1:], 2 * self.t[:, -1:] - self.t[:, -2:-1]], axis=1)


class AlwaysCubic(NumpyLayer):
    """Cubic splines, whatever the degree; as many functions, which still sum to one."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        n = spec.dim - 3
        if n < 1:
            raise ValueError("too few coefficients")
        a, b = spec.domains[:, :1], spec.domains[:, 1:]
        self.order = 4
        self.t = self.given(a + (b - a) * np.arange(-3, n + 4) / n)


class EqualSpacing(NumpyLayer):
    """Knots replaced by equally spaced ones on the same domain."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        if spec.kind == "arbitrary":
            a, b = spec.domains[:, :1], spec.domains[:, 1:]
            self.t = self.given(a + (b - a) * np.arange(1 - spec.order, spec.intervals + spec.order) / spec.intervals)


class KnotsOfFirstInput(NumpyLayer):
    """All inputs on the knots of the first."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.t = np.repeat(self.t[:1], spec.n_inputs, axis=0)


class Unguarded(NumpyLayer):
    """0/0 left as it is."""

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """Divide."""
        with np.errstate(all="ignore"):
            return np.divide(numerator, denominator)


class NanToNum(Unguarded):
    """0/0 mended at each step, too late."""

    def lift(self, b: Any, x: Any, t: Any, k: int) -> Any:
        """Then NaN to 0."""
        with np.errstate(all="ignore"):
            return np.nan_to_num(super().lift(b, x, t, k))


class Unnormalised(NumpyLayer):
    """Divided differences without the length of the support."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.C = self.C / (self.t[:, spec.order :] - self.t[:, : -spec.order])


class LastUnused(NumpyLayer):
    """A loop that stops one function early."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """The last is missing."""
        functions = super().basis(p, x, derivative).copy()
        functions[:, -1] = 0
        return functions


class LastInputLeftOut(NumpyLayer):
    """A loop that stops one input early."""

    def edges(self, x: Any, derivative: int) -> list[Any]:
        """The last is missing."""
        edges = super().edges(x, derivative)
        return [*edges[:-1], 0 * edges[-1]] if len(edges) > 1 else edges


class DetachedInputs(NumpyLayer):
    """No gradient reaches the inputs."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Zero."""
        return 0 * super().pull_back(x, dy, derivative)


class DetachedCoefficients(NumpyLayer):
    """No gradient reaches the coefficients."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Zero."""
        return 0 * super().coefficient_gradient(x, dy)


class DetachedSecond(NumpyLayer):
    """No second derivative."""

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Zero."""
        return super().pull_back(x, dy, derivative) * (0 if derivative == 2 else 1)


class IncompleteBlock(NumpyLayer):
    """Whole blocks of 8 samples alone are written."""

    def __call__(self, x: Any) -> Any:
        """The rest stays zero."""
        y = super().__call__(x).copy()
        y[len(y) // 8 * 8 :] = 0
        return y


class ReversedOutputs(NumpyLayer):
    """Outputs in the opposite order."""

    def __call__(self, x: Any) -> Any:
        """Reversed."""
        return super().__call__(x)[:, ::-1]


class SortedSamples(NumpyLayer):
    """Samples sorted for speed, and never put back."""

    def __call__(self, x: Any) -> Any:
        """In the order of the first input."""
        return super().__call__(x)[np.argsort(x[:, 0], kind="stable")]


class CotangentIgnored(NumpyLayer):
    """Gradients of the sum of outputs."""

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """Ones instead of dy."""
        return super().coefficient_gradient(x, np.ones_like(dy))


class TruncatedPowers(NumpyLayer):
    """A sum of ReLU powers, whose terms cancel."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """psi(x) A^T, for values."""
        if derivative or (np.diff(self.t[p]) == 0).any():
            return super().basis(p, x, derivative)
        A = ChangeOfBasis(SplineSpace(self.t[p], self.order)).dense()
        return np.maximum(x[:, None] - self.t[p][: A.shape[0]], 0) ** (self.order - 1) @ A.T
