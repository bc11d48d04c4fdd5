"""What is asked for at once: a layer, samples, cotangents, and how arrays are handed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.conformance.cases.families import INTERVALS
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.subject import Subject

EDGES = ("output", "input", "coefficient")

SAMPLES = 16

DIRECTIONS = np.array([[0.5, -2.0], [1.0, 0.75], [-1.5, 1.25]])
"""Along which second derivatives are asked for, in turn: no factor of each input turns one into another."""


@dataclass(frozen=True)
class Situation:
    """What is asked for at once.

    Attributes
    ----------
    spec : LayerSpec
    x : array (N, P)
    where : sequence of str
        What is told of it.
    dy : array (N, Q), optional
    training : bool, optional
        The mode into which the model is put.
    of : str
        What is told after the name of a quantity.
    laid : str
        How arrays lie in memory, if otherwise than usual.
    seed : int
        Of the cotangents.
    """

    spec: LayerSpec
    x: FloatArray
    where: Sequence[str] = ()
    dy: FloatArray | None = None
    training: bool | None = None
    of: str = ""
    laid: str = ""
    seed: int = 4

    @lazy
    def cotangents(self) -> FloatArray:
        """dy, (N, Q): of both signs, no two alike, and numbers of no lower format, where none is given."""
        if self.dy is not None:
            return self.dy
        rng, shape = np.random.default_rng(self.seed), (len(self.x), self.spec.n_outputs)
        return round_to(self.spec.dtype, rng.uniform(0.25, 2.0, shape) * rng.choice([-1.0, 1.0], shape))

    @lazy
    def quantities(self) -> FloatQuantities:
        """Those of the layer asked for."""
        return FloatQuantities((self.spec,), self.x)

    @lazy
    def direction(self) -> FloatArray:
        """Along which second derivatives are asked for, (N, P)."""
        return np.resize(DIRECTIONS, self.x.shape)

    def model(self, subject: Subject) -> Any:
        """A new model: some adapters know the layer that was built last alone."""
        model = subject.build(self.spec)
        return (
            model if self.training is None else subject.asked("in_mode", subject.adapter.in_mode, model, self.training)
        )


def asked_layer(
    subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None,
    intervals: int = INTERVALS,
) -> tuple[LayerSpec, FloatArray]:  # fmt: skip
    """A layer and samples; equally spaced knots only where there are no others."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    spec = subject.spec(shape, degree=degree, kind=kind, intervals=intervals)
    return spec, subject.samples(spec, count, 5)
