"""What is asked for at once, each quantity as it is and as it should be, and what parts beside splines make of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec, attribute
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.known_maps import map_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject


@dataclass(frozen=True)
class Situation:
    """What is asked for at once: a layer or network, samples, and how arrays are handed over.

    Attributes
    ----------
    specs : sequence of LayerSpec
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
    """

    specs: Sequence[LayerSpec]
    x: FloatArray
    where: Sequence[str] = ()
    dy: FloatArray | None = None
    training: bool | None = None
    of: str = ""
    laid: str = ""

    @property
    def cotangents(self) -> FloatArray:
        """dy, (N, Q): no two rows alike where none is given."""
        shape = (len(self.x), self.specs[-1].n_outputs)
        return np.random.default_rng(4).integers(1, 9, shape) / 4.0 if self.dy is None else self.dy

    @property
    def direction(self) -> FloatArray:
        """Along which second derivatives are asked for, (N, P)."""
        return np.where(np.arange(self.x.size).reshape(self.x.shape) % 2, 0.5, -1.25)

    def model(self, subject: Subject) -> Any:
        """A new model."""
        if len(self.specs) == 1 and self.training is None:
            return subject.kept_model(self.specs[0])
        model = subject.build(tuple(self.specs) if len(self.specs) > 1 else self.specs[0])
        return (
            model if self.training is None else subject.asked("in_mode", subject.adapter.in_mode, model, self.training)
        )


@dataclass(frozen=True)
class Quantity:
    """One quantity, as it is and as it should be."""

    owner: str
    name: str
    axes: Sequence[str]
    theirs: FloatArray
    ours: FloatArray


def of_outputs(subject: Subject, situation: Situation, quantity: Quantity, owner: str, room: float) -> list[Difference]:
    """Outputs that are wrong: those without a part, or with a part in another form; or something is added."""
    spec, x = situation.specs[0], situation.x
    if not np.isfinite(quantity.theirs).all():
        return explain(quantity.theirs, quantity.ours, quantity.axes, room, owner) or []
    if len(situation.specs) == 1:
        for part, words, changed in other_parts(spec):
            if np.abs(FloatQuantities((changed,), x).values - quantity.theirs).max() <= room:
                return [Difference("part in another form", {"part": part, "how": words})]
        clamped = np.clip(x, *spec.domains.T)
        if "base" in spec.parts and (clamped != x).any():
            bare = replace(spec, base=0 * spec.part("base"))
            branch = quantity.theirs - FloatQuantities((bare,), x).values
            for words, at in (("the end points", clamped), ("zero", 0 * x)):
                only = replace(spec, coefficients=0 * spec.coefficients, bias=None)
                if np.abs(FloatQuantities((only,), at).values - branch).max() <= room:
                    return [
                        Difference(
                            "part in another form", {"part": "base", "how": f"beyond the domain it is that of {words}"}
                        )
                    ]
    added = quantity.theirs - quantity.ours
    if x.shape == added.shape:
        k = float((added * x).sum() / (x * x).sum())
        if np.abs(added - k * x).max() <= room:
            times = "" if abs(k - 1) < 1e-9 else f" times {k:.6g}"
            return [Difference("extra branch", {"what": f"each input{times}, added to the output of the same number"})]
    told = explain(quantity.theirs, quantity.ours, quantity.axes, room, owner)
    if told is None or any(difference.name.startswith("factors by") for difference in told):
        left = float(np.abs(added).max() / np.abs(quantity.ours).max())
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


def wrong_factors(spec: LayerSpec, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The parts whose factors gradients (..., Q, P) or (..., Q, P, dim) lack or have too many, in words; "" if none."""
    by = {"the part scale": spec.part("scale"), "the part node-scale": spec.part("node-scale")[:, None]}
    by["the parts scale and node-scale"] = spec.gain
    edges = theirs.ndim - 1 - (theirs.shape[-2:] != spec.gain.shape)  # the last axis of edges
    for name, factor in by.items():
        k = factor if edges == theirs.ndim - 1 else factor[..., None]
        if np.abs(theirs * k - ours).max() <= room:
            return f"they lack the factors of {name}"
        if np.abs(theirs - ours * k).max() <= room:
            return f"they are multiplied by {name} once more"
    return ""


def map_of_base(x: FloatArray, slopes: FloatArray, room: float) -> str:
    """What map of x gradients (N,) over the weights are, in words, "" if none is known."""
    mapped = map_of(x[:, 0], slopes, room)
    return "" if mapped is None else f"they are {mapped[0]} of x" + f", times {mapped[1]:.6g}" * (mapped[1] != 1)
