"""Layers with one defect each, of kinds that no list of supposed defects had: what identification is tested with."""

import numpy as np
from scipy.special import erf

from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy

SCALE = np.float32(2.0**12 + 1)


def of(layer, **capabilities):
    adapter = PlainNumpy()
    adapter.layer, adapter.name = layer, layer.__name__
    return adapter


def moved(name, point):
    """A layer whose functions are taken at point(x, a, b)."""

    def basis(self, p, x, derivative=0):
        return NumpyLayer.basis(self, p, point(x, *self.spec.domains[p]), derivative)

    return type(name, (NumpyLayer,), {"basis": basis})


def to_tf32(values):
    return (np.round(np.asarray(values) * 2.0 ** (10 - np.floor(np.log2(np.abs(values) + 1e-300))))
            / 2.0 ** (10 - np.floor(np.log2(np.abs(values) + 1e-300))))  # fmt: skip


MOVED = {
    "point clamped": moved("ShortOfB", lambda x, a, b: np.minimum(x, b - 1e-3 * (b - a))),
    "point snapped": moved("Snapped", lambda x, a, b: np.where(np.abs(2 * x % 1 - 0.5) > 0.49, np.rint(2 * x) / 2, x)),
    "point quantised": moved("Quantised", lambda x, a, b: np.rint(x * 1000) / 1000),
    "inputs mapped": moved("Scaled", lambda x, a, b: 0.9 * x),
    "float16 inputs": moved("HalfInputs", lambda x, a, b: x.astype(np.float16).astype(np.float64)),
}


class SwappedOnOneInput(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        if spec.n_outputs > 1 and spec.n_inputs > 1:
            self.C = self.C.copy()
            self.C[[0, 1], 1] = self.C[[1, 0], 1]


class ScaledByNorm(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        self.C = self.C / (np.linalg.norm(self.C, axis=(1, 2), keepdims=True) + 1e-30)


class OneInputWithoutCoefficients(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        if spec.n_inputs > 1:
            self.C = self.C * (np.arange(spec.n_inputs) != 0)[:, None]


class HalfSums(NumpyLayer):
    def sum(self, A, B):
        return (A.astype(np.float16) @ B.astype(np.float16)).astype(np.float64)


class SumsInTf32(NumpyLayer):
    def sum(self, A, B):
        return to_tf32(A) @ to_tf32(B)


class SearchInSingle(NumpyLayer):
    def pieces(self, x, t):
        return super().pieces(x.astype(np.float32).astype(np.float64), t.astype(np.float32).astype(np.float64))


class RepeatedAfterThousand(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x).copy()
        y[1000:] = y[:1]
        return y


class ChunkLosesItsLast(NumpyLayer):
    def __call__(self, x):
        y = super().__call__(x).copy()
        y[511::512] = 0
        return y


class WrongWhereSquare(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x.T if x.shape[0] == x.shape[1] else x)


class EvenDegreeReversed(NumpyLayer):
    def basis(self, p, x, derivative=0):
        functions = super().basis(p, x, derivative)
        return functions[:, ::-1] if self.order == 3 else functions


class GeluBeside(NumpyLayer):
    def __call__(self, x):
        return super().__call__(x) + (x * (1 + erf(x / np.sqrt(2))) / 2).sum(axis=1, keepdims=True)


class Bump(NumpyLayer):
    def _polynomials(self, x, t, derivative):
        r = self.order
        centre = np.array([t[i : i + r + 1].mean() for i in range(t.size - r)])
        width = (t[r:] - t[:-r]) / 2
        d = np.abs(x[:, None] - centre) / np.where(width > 0, width, 1)
        return np.maximum(1 - d**3, 0)


class SlopeOfOneTermAtDegreeOne(NumpyLayer):
    def differentiate(self, b, t, k):
        left = (k - 1) * self.ratio(b[:, :-1], t[k - 1 : -1] - t[:-k])
        return left if self.order == 2 else super().differentiate(b, t, k)


class KnotsRounded(NumpyLayer):
    def __init__(self, spec):
        super().__init__(spec)
        self.t = np.round(self.t, 3)


class GradientOfOnes(NumpyLayer):
    def pull_back(self, x, dy, derivative=1):
        return super().pull_back(x, np.ones_like(dy), derivative)


class GradientOfPreviousSample(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        return super().coefficient_gradient(np.roll(x, 1, axis=0), dy)


class GradientOverRoot(NumpyLayer):
    def coefficient_gradient(self, x, dy):
        return super().coefficient_gradient(x, dy) / np.sqrt(len(x))


LAYERS = {
    "outputs mixed up": (SwappedOnOneInput,),
    "samples and inputs confused": (WrongWhereSquare,),
    "interval search": (SearchInSingle,),
    "gradients mixed": (GradientOfPreviousSample,),
    "not linear": (ScaledByNorm,),
    "input left out": (OneInputWithoutCoefficients,),
    "float16 or TF32 arithmetic": (HalfSums, SumsInTf32),
    "incomplete block": (RepeatedAfterThousand,),
    "rows by position": (ChunkLosesItsLast,),
    "reversed coefficients": (EvenDegreeReversed,),
    "extra branch": (GeluBeside,),
    "other functions": (Bump,),
    "wrong derivative": (SlopeOfOneTermAtDegreeOne,),
    "knots rounded": (KnotsRounded,),
    "cotangent ignored": (GradientOfOnes,),
    "constant factor": (GradientOverRoot,),
}
