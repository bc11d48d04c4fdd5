"""What is asked for at once, each quantity as it is and as it should be, and what parts beside splines make of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.conformance.cases.specs import LayerSpec, attribute
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

EDGES = ("output", "input", "coefficient")

DIRECTIONS = np.array([[0.5, -2.0], [1.0, 0.75], [-1.5, 1.25]])
"""Along which second derivatives are asked for, in turn: no factor of each input turns one into another."""


@dataclass(frozen=True)
class Situation:
    """What is asked for at once: a layer, samples, and how arrays are handed over.

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


def of_outputs(
    subject: Subject, situation: Situation, theirs: FloatArray, ours: FloatArray, room: float
) -> list[Difference]:  # fmt: skip
    """Outputs that are wrong: those without a part, or with a part in another form; or something is added."""
    spec, x, owner = situation.spec, situation.x, "outputs" + situation.of
    if not np.isfinite(theirs).all():
        return explain(theirs, ours, ("sample", "output"), room, owner) or []
    for part, words, changed in other_parts(spec):
        if np.abs(FloatQuantities((changed,), x).values - theirs).max() <= room:
            return [Difference("part in another form", {"part": part, "how": words})]
    clamped = np.clip(x, *spec.domains.T)
    if "base" in spec.parts and (clamped != x).any():
        branch = theirs - FloatQuantities((replace(spec, base=0 * spec.part("base")),), x).values
        only = replace(spec, coefficients=0 * spec.coefficients, bias=None)
        for words, at in (("the end points", clamped), ("zero", 0 * x)):
            if np.abs(FloatQuantities((only,), at).values - branch).max() <= room:
                how = f"beyond the domain it is that of {words}"
                return [Difference("part in another form", {"part": "base", "how": how})]
    added = theirs - ours
    if x.shape == added.shape:
        k = float((added * x).sum() / (x * x).sum())
        if np.abs(added - k * x).max() <= room:
            times = "" if abs(k - 1) < 1e-9 else f" times {k:.6g}"
            return [Difference("extra branch", {"what": f"each input{times}, added to the output of the same number"})]
    told = explain(theirs, ours, ("sample", "output"), room, owner)
    if told is None or any(difference.name.startswith("factors by") for difference in told):
        left = float(np.abs(added).max() / np.abs(ours).max())
        return [Difference("other outputs", {"what": owner, "left": left}, sure="measured")]
    return told


def other_parts(spec: LayerSpec) -> Iterator[tuple[str, str, LayerSpec]]:
    """Layers one of whose parts is another: its name, what is done to it in words, the layer."""
    for part in spec.parts:
        given = spec.part(part)
        more: dict[str, FloatArray] = {
            "it is left out": np.full(given.shape, 0.0 if part in ("base", "bias") else 1.0),
            "it counts by its absolute value": np.abs(given), "it counts squared": given * given,
            "it is replaced by its mean": np.full(given.shape, given.mean()),
            "its outputs are reversed": given[::-1],
        }  # fmt: skip
        if given.ndim == 2:
            if given.shape[0] == given.shape[1]:
                more["outputs and inputs are exchanged"] = given.T
            more["memory of (output, input) is read as (input, output)"] = given.T.reshape(given.shape)
            more["the first input's counts for all"] = np.repeat(given[:, :1], given.shape[1], axis=1)
            more["the first output's counts for all"] = np.repeat(given[:1], given.shape[0], axis=0)
        for words, changed in more.items():
            if not np.array_equal(changed, given):
                other: dict[str, Any] = {attribute(part): changed}
                yield part, words, replace(spec, **other)
