"""Layers and samples with each quantity as it should be, and wrong outputs explained by parts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, lazy
from refkan.conformance.cases import INTERVALS, FloatQuantities, LayerSpec, reweighted, round_to, true_values
from refkan.conformance.identification.explanations import by_factors, explain
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, measured, only
from refkan.conformance.identification.subject import Subject

EDGES = ("output", "input", "coefficient")

DIRECTIONS = np.array([[0.5, -2.0], [1.0, 0.75], [-1.5, 1.25]])
"""Directions of second derivatives, in turn: no factors of inputs turn one into another."""


SAMPLES = 16


class Situation(Frozen):
    """A layer, samples, and how arrays are handed over.

    Attributes
    ----------
    spec : LayerSpec
    x : array (N, P)
    where : sequence of str
        The settings that its differences name.
    dy : array (N, Q), optional
    training : bool, optional
        The mode into which the model is put.
    of : str
        What follows the name of a quantity.
    laid : str
        How arrays lie in memory, if in an unusual layout.
    seed : int
        Seed of the cotangents.
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
        """dy, (N, Q): by default of both signs, all different, and with all bits of the format."""
        if self.dy is not None:
            return self.dy
        rng, shape = np.random.default_rng(self.seed), (len(self.x), self.spec.n_outputs)
        return round_to(self.spec.dtype, rng.uniform(0.25, 2.0, shape) * rng.choice([-1.0, 1.0], shape))

    @lazy
    def quantities(self) -> FloatQuantities:
        """The quantities of the requested layer."""
        return FloatQuantities((self.spec,), self.x)

    @lazy
    def direction(self) -> FloatArray:
        """Direction of second derivatives, (N, P)."""
        return np.resize(DIRECTIONS, self.x.shape)

    def model(self, subject: Subject) -> Any:
        """A new model: some adapters know only the layer built last."""
        model = subject.build(self.spec)
        if self.training is None:
            return model
        return subject.asked("in_mode", model, self.training)


def asked_layer(
    subject: Subject, shape: tuple[int, int] = (3, 2), count: int = SAMPLES, degree: int | None = None,
    intervals: int = INTERVALS,
) -> tuple[LayerSpec, FloatArray]:  # fmt: skip
    """A layer and samples, with equally spaced knots only if no others are declared."""
    kind = "arbitrary" if "arbitrary" in subject.kinds else "uniform-fine" if "uniform-fine" in subject.kinds else ""
    return subject.layer(shape, 5, count, degree=degree, kind=kind, intervals=intervals)


def fewer(subject: Subject) -> int:
    """A number of intervals other than that of most stages, if it is free."""
    return INTERVALS - 1 if subject.declared.intervals is None else INTERVALS


def of_outputs(
    subject: Subject, situation: Situation, theirs: FloatArray, ours: FloatArray, room: float
) -> list[Difference]:  # fmt: skip
    """Wrong outputs: without a part, with a part in another form, or with something added."""
    spec, x, owner = situation.spec, situation.x, "outputs" + situation.of
    told = explain(theirs, ours, ("sample", "output"), room, owner)
    if not np.isfinite(theirs).all():
        return told or []
    for part, words, layer in other_parts(spec):
        if close(true_values(layer, x), theirs, room):
            return only("part in another form", part=part, how=words)
    clamped = np.clip(x, *spec.domains.T)
    if "base" in spec.parts and (clamped != x).any():
        branch = theirs - true_values(reweighted(spec, {"base": 0 * spec.part("base")}), x)
        base = replace(spec, coefficients=0 * spec.coefficients, bias=None)
        points = {"the end points": clamped, "zero": 0 * x}
        words = next((words for words, at in points.items() if close(branch, true_values(base, at), room)), "")
        if words:
            return only("part in another form", part="base", how=f"beyond the domain it is that of {words}")
    added = theirs - ours
    k = factor_of(added, x) if x.shape == added.shape else 0.0
    if k and close(added, k * x, room):
        times = "" if abs(k - 1) < 1e-9 else f" times {k:.6g}"
        return only("extra branch", what=f"each input{times}, added to the output of the same number")
    if told is None or by_factors(told):
        return measured("other outputs", what=owner, left=float(largest(added) / largest(ours)))
    return told


def other_parts(spec: LayerSpec) -> Iterator[tuple[str, str, LayerSpec]]:
    """Layers with one altered part: its name, the change in words, the layer."""
    for part in spec.parts:
        given = spec.part(part)
        more: dict[str, FloatArray] = {
            "it is left out": np.full(given.shape, 0.0 if part in ("base", "bias") else 1.0),
            "its absolute value is used": np.abs(given), "it is squared": given * given,
            "its outputs are reversed": given[::-1],
        }  # fmt: skip
        if given.ndim == 2:
            if given.shape[0] == given.shape[1]:
                more["outputs and inputs are exchanged"] = given.T
            more["memory of (output, input) is read as (input, output)"] = given.T.reshape(given.shape)
        for words, weights in more.items():
            if not np.array_equal(weights, given):
                yield part, words, reweighted(spec, {part: weights})
