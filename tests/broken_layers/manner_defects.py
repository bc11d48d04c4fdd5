"""Defects that show in some ways of calling a layer, or for some numbers of samples, and nowhere else."""

import numpy as np

from tests.broken_layers.plain_numpy import PlainNumpy


class Numpy(PlainNumpy):
    def spline(self, model, x):
        return super().forward(model, np.asarray(x, np.float64))


class RepeatsAfter1000(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        return y[np.arange(len(y)) % 1000]


class ChunkLosesItsLastRow(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        if len(y) > 1024:
            y[len(y) - 1] = 0.0
        return y


class RaisesWithoutSamples(Numpy):
    def forward(self, model, x):
        return self.spline(model, x.reshape(-1, x.size // len(x)))


class TurnsSquares(Numpy):
    def forward(self, model, x):
        y = self.spline(model, x)
        return y.T if y.shape[0] == y.shape[1] == x.shape[1] else y


class FirstCotangents(Numpy):
    def vjp(self, model, x, dy):
        model[0].kept = getattr(model[0], "kept", dy)
        return super().vjp(model, x, model[0].kept)


class ReadsContiguousCotangents(Numpy):
    def vjp(self, model, x, dy):
        if dy.flags.c_contiguous or 0 in dy.strides:
            return super().vjp(model, x, dy)
        read = np.lib.stride_tricks.as_strided(dy, strides=(8 * dy.shape[1], 8))
        return super().vjp(model, x, read.copy())


class SumsExpandedCotangents(Numpy):
    def vjp(self, model, x, dy):
        return super().vjp(model, x, dy * len(dy) if dy.strides[0] == 0 else dy)


class ScaledInEvaluation(Numpy):
    training = True

    def in_mode(self, model, training):
        self.training = training
        return model

    def built(self, spec):
        self.training = True
        return super().built(spec)

    def forward(self, model, x):
        return self.spline(model, x) * (1.0 if self.training else 0.9)


class InTheFormatOfSamples(PlainNumpy):
    def forward(self, model, x):
        return super().forward(model, x).astype(x.dtype)


MANNER_DEFECTS = (
    RepeatsAfter1000,
    ChunkLosesItsLastRow,
    RaisesWithoutSamples,
    TurnsSquares,
    FirstCotangents,
    ReadsContiguousCotangents,
    SumsExpandedCotangents,
    ScaledInEvaluation,
    InTheFormatOfSamples,
)
