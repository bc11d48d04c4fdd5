"""Adapters that raise, stop themselves, or return what is no result; and right layers that were judged to be wrong."""

import os
import signal
import time
from dataclasses import replace

import numpy as np

from refkan.conformance import Capabilities
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.cases import DTYPES, round_to
from tests.broken_layers.layers import Float32Knots
from tests.broken_layers.plain_numpy import PlainNumpy

FEW = replace(
    PlainNumpy.capabilities, degrees=(3,), knots=("uniform",), outside=(), dtypes=("float64",), derivatives=(),
    refine=(), update=False, network=False, promotes=False, state=False, parts=(),
)  # fmt: skip


class Few(PlainNumpy):
    """A right layer that declares little."""

    capabilities = FEW


class Raises(Few):
    """Every call raises."""

    def forward(self, model, x):
        raise RuntimeError("shape mismatch:\n  (3, 2)\n\n  (2, 3)")


class RaisesOfAnotherBasis(Raises):
    """So that identification alone can judge it."""

    capabilities = replace(FEW, basis="cosines")


class RaisesNowAndThen(Few):
    """Every seventh call raises."""

    def __init__(self):
        self.calls = 0

    def forward(self, model, x):
        self.calls += 1
        if self.calls % 7 == 3:
            raise ValueError("now and then")
        return super().forward(model, x)


class Stops(Few):
    """Stopped by a signal, as by a batch system; no deadline of its own runs meanwhile."""

    def forward(self, model, x):
        os.kill(os.getpid(), signal.SIGSTOP)
        return super().forward(model, x)


class Aborts(Few):
    """The process is ended."""

    def forward(self, model, x):
        os.abort()


class Exits(Few):
    """The process is left without an exception."""

    def forward(self, model, x):
        os._exit(0)


class Hangs(Few):
    """No call returns."""

    def forward(self, model, x):
        time.sleep(600)


class Masked(Few):
    """No entry may be read."""

    def forward(self, model, x):
        return np.ma.masked_all((len(x), len(model[0].C)))


class Transposed(Few):
    """Outputs first."""

    def forward(self, model, x):
        return super().forward(model, x).T


class NotFinite(Few):
    """NaN throughout."""

    def forward(self, model, x):
        return np.nan * super().forward(model, x)


class ReadOnly(Few):
    """A right layer whose results cannot be written to."""

    def forward(self, model, x):
        y = super().forward(model, x).copy()
        y.flags.writeable = False
        return y


class RefinesNothing(Few):
    """`refine` is declared and raises."""

    capabilities = replace(FEW, refine=("nested",))

    def refine(self, model, intervals, x):
        raise RuntimeError("no refinement")


class UpdatesNothing(Few):
    """`update` is declared and raises."""

    capabilities = replace(FEW, update=True)

    def update(self, model, x):
        raise RuntimeError("no update")


class InFloat64Only(Few):
    """float32 is declared and refused."""

    capabilities = replace(FEW, dtypes=("float64", "float32"))

    def build(self, spec):
        if spec.dtype == "float32":
            raise TypeError("float64 only")
        return super().build(spec)


class Cosines(Adapter):
    """A right layer of cosines, each operation rounded to the format of the spec."""

    capabilities = Capabilities(degrees=(3,), basis="cosines", dtypes=DTYPES)

    def build(self, spec):
        return spec

    def _functions(self, spec, x):
        k = np.arange(1, spec.dim + 1)
        at = round_to(spec.dtype, x[:, :, None] * k)
        return round_to(spec.dtype, np.cos(at)), round_to(spec.dtype, -k * np.sin(at))

    def forward(self, spec, x):
        values, _ = self._functions(spec, x)
        return round_to(spec.dtype, np.einsum("spi,qpi->sq", values, spec.coefficients))

    def vjp(self, spec, x, dy):
        values, slopes = self._functions(spec, x)
        dx = np.einsum("sq,spi,qpi->sp", dy, slopes, spec.coefficients)
        return {"inputs": round_to(spec.dtype, dx), "coefficients": np.einsum("sq,spi->qpi", dy, values)}


class CosinesOfOneFormat(Cosines):
    """The format comes as an argument."""

    def __init__(self, dtype):
        self.capabilities = replace(Cosines.capabilities, dtypes=(dtype,))


class CosinesElsewhere(Cosines):
    """Other points in all formats but float64."""

    def _functions(self, spec, x):
        return super()._functions(spec, x if spec.dtype == "float64" else 1.01 * x)


class SharedKnots(Few):
    """The knots of input 0 for all inputs."""

    def __init__(self, kind):
        self.capabilities = replace(FEW, knots=(kind,), degrees=(1, 2, 3))

    def build(self, spec):
        return super().build(replace(spec, knots=np.repeat(spec.knots[:1], spec.n_inputs, axis=0)))


class Float32KnotsAndUpdate(PlainNumpy):
    """A benign difference of 1e-7, and an update that loses a quarter of the function."""

    capabilities = replace(FEW, update=True, state=True)
    layer = Float32Knots

    def update(self, model, x):
        (layer,) = super().update(model, x)
        layer.C = 0.75 * layer.C
        return [layer]
