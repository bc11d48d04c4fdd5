"""Every quantity of a layer or network at once, against those of the layer asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PER_NODE, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.asked_gradients import rounded_gradients
from refkan.conformance.identification.known_maps import lower_formats
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

DETACHED = "detached gradient"
EDGES = ("output", "input", "coefficient")

ROWS_ASKED = 16
"""Samples whose share of a gradient is asked for at once."""


def unexplained(subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray) -> Difference:
    """What explains nothing: the rounding of a lower format, or another function."""
    left = float(np.abs(theirs - ours).max() / max(np.abs(ours).max(), 1e-300))
    lower = bool(set(lower_formats(theirs)) - set(lower_formats(ours)))
    if subject.eps < 2.0**-30 and ((lower and left < LARGEST_ROUNDING) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    return Difference("gradient is another", {"what": owner, "left": left}, sure="measured")


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


def against_truth(
    subject: Subject, situation: Situation, model: Any = None, without: frozenset[str] = frozenset()
) -> dict[str, list[Difference]]:
    """What is wrong with outputs, and if they are right with gradients of sum dy * y, by quantity."""
    model = situation.model(subject) if model is None else model
    true, differences = FloatQuantities(situation.specs, situation.x), dict[str, list[Difference]]()
    for quantity in _quantities(subject, situation, model, true):
        room = subject.tolerance(64 * max(float(np.abs(quantity.ours).max(initial=0.0)), 2.0**-20))
        if quantity.name in without or (np.abs(quantity.theirs - quantity.ours) <= room).all():
            continue
        owner = quantity.owner + situation.of
        if quantity.name == "values":
            told = _of_outputs(subject, situation, quantity, owner, room)
        else:
            told = explain(quantity.theirs, quantity.ours, quantity.axes, room, owner, DETACHED)
            if told is None or any(difference.name.startswith("factors by") for difference in told):
                told = _question(subject, situation, model, true, quantity, owner, room) or told
            told = [unexplained(subject, owner, quantity.theirs, quantity.ours)] if told is None else told
        names = (quantity.name, f"{quantity.name}-after")
        differences[quantity.name] = differences.get(quantity.name, []) + placed(
            told, where=situation.where, quantities=names
        )
        if quantity.name == "values":
            break
    return differences


def _quantities(subject: Subject, situation: Situation, model: Any, true: FloatQuantities) -> Iterator[Quantity]:
    """Outputs, then what is declared of gradients."""
    specs, x, dy, declared = situation.specs, situation.x, situation.cotangents, subject.declared.derivatives
    y = (subject.raw if x.flags.c_contiguous else subject.laid_out)(model, x, dy.shape[1])
    yield Quantity("outputs", "values", ("sample", "output"), y, true.values)
    if set(declared) & {"coefficients", "inputs", "knots"}:
        answer = subject.asked("vjp", subject.adapter.vjp, model, x, dy)
    if "coefficients" in declared:
        yield from _by_layers(subject, answer, "coefficients", specs, true.coefficient_gradients(dy))
        for part in dict.fromkeys(part for spec in specs for part in spec.parts):
            yield from _by_layers(subject, answer, part, specs, true.part_gradients(part, dy))
    if "inputs" in declared:
        theirs = subject.read_gradient(answer, "inputs", x.shape)
        yield Quantity("input gradients", "input-gradients", ("sample", "input"), theirs, true.input_gradients(dy))
    if "second" in declared and (specs[0].order > 2 or "base" in specs[0].parts):
        along = situation.direction
        theirs, ours = subject.second(model, x, dy, along), true.second_derivatives(dy, along)
        yield Quantity("second derivatives", "second-derivatives", ("sample", "input"), theirs, ours)
    if "knots" in declared and len(specs) == 1 and not specs[0].parts and x.shape[1] < 8 and specs[0].order > 2 and specs[0].kind != "repeated":
        ours = true.knot_gradients(dy)
        if ours.size:
            theirs = subject.read_gradient(answer, "knots", ours.shape)
            yield Quantity("knot gradients", "knot-gradients", ("input", "knot"), theirs, ours)


def _by_layers(
    subject: Subject, answer: Any, name: str, specs: Sequence[LayerSpec], ours: Sequence[FloatArray]
) -> Iterator[Quantity]:
    """Gradients in the coefficients or in a part, layer by layer."""
    shape = ours[0].shape if len(specs) == 1 else (sum(array.size for array in ours),)
    flat = subject.read_gradient(answer, name, shape).ravel()
    axes = EDGES if name == "coefficients" else EDGES[: 1 if name in PER_NODE else 2]
    label = "coefficient gradients" if name == "coefficients" else f"gradients in {name}"
    quantity = "coefficient-gradients" if name == "coefficients" else f"{name}-gradients"
    for k, (theirs, right) in enumerate(
        zip(np.split(flat, np.cumsum([array.size for array in ours])[:-1]), ours, strict=True)
    ):
        owner = label + (f" of layer {k}" if len(specs) > 1 else "")
        yield Quantity(owner, quantity, axes, theirs.reshape(right.shape), right)


def _of_outputs(
    subject: Subject, situation: Situation, quantity: Quantity, owner: str, room: float
) -> list[Difference]:
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
                yield part, words, replace(spec, **{attribute(part): changed})


def _question(
    subject: Subject, situation: Situation, model: Any, true: FloatQuantities, quantity: Quantity, owner: str,
    room: float,
) -> list[Difference]:  # fmt: skip
    """What no rearrangement explains: parts, samples, or terms of the chain rule that are left out."""
    name, specs = quantity.name, situation.specs
    if name == "coefficient-gradients" and len(specs) == 1:
        if "node-scale" in specs[0].parts or "scale" in specs[0].parts:
            if lacks := lacking_factors(specs[0], quantity.theirs, quantity.ours, room):
                return [Difference("wrong derivative", {"what": owner, "how": f"they lack the factors of {lacks}"})]
        return _of_rows(subject, situation, model, true, owner) if len(situation.x) > ROWS_ASKED else []
    if len(specs) == 1:
        return []
    if name == "coefficient-gradients":
        others = true.coefficient_gradients(situation.cotangents)
        for k, other in enumerate(others):
            if other.size == quantity.theirs.size and np.abs(other.ravel() - quantity.theirs.ravel()).max() <= room:
                return [Difference("wired otherwise", {"what": owner, "how": f"they are those of layer {k}"})]
    if name == "second-derivatives":
        return _of_curvatures(situation, quantity, owner, room)
    return []


def _of_curvatures(situation: Situation, quantity: Quantity, owner: str, room: float) -> list[Difference]:
    """The second derivatives of a network are a sum of terms, each with the curvature of one of its layers."""
    terms = []
    for k in range(len(situation.specs)):
        only = FloatQuantities(situation.specs, situation.x)
        only.edges = [
            edges * np.array([1.0, 1.0, float(j == k)])[:, None, None, None] for j, edges in enumerate(only.edges)
        ]
        terms.append(only.second_derivatives(situation.cotangents, situation.direction).ravel())
    w, *_ = np.linalg.lstsq(np.stack(terms, axis=1), quantity.theirs.ravel(), rcond=None)
    if np.abs(np.stack(terms, axis=1) @ w - quantity.theirs.ravel()).max() > 16 * room:
        return []
    how = ", ".join(
        f"the curvature of layer {k} {'is left out' if abs(v) < 1e-6 else f'counts {v:.6g} times'}"
        for k, v in enumerate(w) if abs(v - 1) > 1e-6
    )  # fmt: skip
    return [Difference("wrong derivative", {"what": owner, "how": how})]


def lacking_factors(spec: LayerSpec, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The parts whose factors are lacking in gradients (..., Q, P) or (..., Q, P, dim), in words; "" if none."""
    by = {"the part scale": spec.part("scale"), "the part node-scale": spec.part("node-scale")[:, None]}
    by["the parts scale and node-scale"] = spec.gain
    edges = theirs.ndim - 1 - (theirs.shape[-2:] != spec.gain.shape)  # the last axis of edges
    for name, factor in by.items():
        if np.abs(theirs * (factor if edges == theirs.ndim - 1 else factor[..., None]) - ours).max() <= room:
            return name
    return ""


def _of_rows(subject: Subject, situation: Situation, model: Any, true: FloatQuantities, owner: str) -> list[Difference]:
    """Which samples of a batch count, by cotangents of a few of them, and of single ones where those differ."""
    N = len(situation.x)

    def counts(rows: slice) -> float:
        dy = np.zeros(true.values.shape)
        dy[rows] = 1.0
        (ours,) = true.coefficient_gradients(dy)
        theirs = subject.gradients(model, situation.x, dy, {"coefficients": ours.shape})["coefficients"]
        k = float((theirs * ours).sum() / (ours * ours).sum())
        return k if np.abs(theirs - k * ours).max() <= subject.tolerance(64 * np.abs(ours).max()) else np.nan

    blocks = [counts(slice(s, s + ROWS_ASKED)) for s in range(0, N, ROWS_ASKED)]
    weights = np.concatenate([
        np.full(min(ROWS_ASKED, N - s), k) if np.isfinite(k) else [counts(slice(r, r + 1)) for r in range(s, min(s + ROWS_ASKED, N))]
        for s, k in zip(range(0, N, ROWS_ASKED), blocks, strict=True)
    ])  # fmt: skip
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    if left_out.size:
        evidence = {"what": owner, "indices": left_out.tolist(), "size": N}
        return [Difference("samples left out", evidence)]
    if np.isfinite(weights).all() and (odd := np.flatnonzero(np.abs(weights - 1) > 1e-6)).size:
        if np.ptp(weights[odd]) < 1e-6:
            evidence = {"what": owner, "indices": odd.tolist(), "size": N, "factor": float(weights[odd[0]])}
            return [Difference("factor on a block of samples", evidence)]
    return []
