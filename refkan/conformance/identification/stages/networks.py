r"""Stage 8, networks: what stands between layers, what layers share, and of what whole gradients are.

With coefficients xi_i (see `points_in_use`) a spline is s(x) = x on its domain, so that two of them one after another
show what stands between them. Networks of layers of other and of equal shapes, no two alike, are their layers one
after another, each asked alone.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PER_NODE, LayerSpec
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.identification.gradients.other_settings import in_situations
from refkan.conformance.identification.gradients.situations import Situation
from refkan.conformance.identification.known_maps import in_words
from refkan.conformance.identification.stages.points_in_use import point_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

WIDE = 4.0
"""Domains over which hidden values are spread."""


def _identity(subject: Subject, kind: str, rule: str = "natural") -> LayerSpec:
    """A layer of one input and output that is x itself."""
    spec = subject.spec((1, 1), kind=kind, outside=rule)
    return replace(spec, coefficients=point_of(spec, np.eye(spec.dim))[None, None])


def answering(subject: Subject) -> Any:
    """Return the model of a layer that answers for samples: what else is refused is then a matter of its own."""
    spec = subject.spec((3, 2))
    model = subject.build(spec)
    subject.raw(model, subject.samples(spec, BLOCK), spec.n_outputs)
    return model


def network(subject: Subject) -> tuple[str, list[Difference]]:
    """What stands between layers, what they share, and whether gradients pass."""
    if subject.degree < 1:
        raise NoAnswerError("degree 0 has no layer that is the identity")
    answering(subject)
    try:
        for rule in [r for r in ("linear", "polynomial", "natural") if r in subject.declared.outside] or ["natural"]:
            if mapped := _between(subject, rule, WIDE if rule in subject.declared.outside else 1.0):
                return "", [mapped]
        situations = [Situation(specs, subject.samples(specs[0], BLOCK, 7), ("network",), of=" of a network")
                      for specs in _networks(subject)]  # fmt: skip
        if wrong := next(filter(None, (_not_composed(subject, situation) for situation in situations)), None):
            return "", [wrong]
    except NoAnswerError as error:
        return "", [Difference("setting refused", {"reason": str(error)}, ("network",), "measured")]
    passed_on = "input-gradients" in subject.wrong_gradients  # between layers: all others follow
    if subject.differs or passed_on or subject.by_rows or not subject.declared.derivatives:
        return "networks of layers one after another", []
    first = replace(situations[0], specs=situations[0].specs[:1])
    told = in_situations(subject, [first, *situations], subject.wrong_gradients | {"knot-gradients"})
    return "networks of layers one after another", told


def _not_composed(subject: Subject, situation: Situation) -> Difference | None:
    """What values of a network are, if they are not those of its layers one after another."""
    specs, x = tuple(situation.specs), situation.x
    y, composed = subject.raw(subject.build(specs), x, specs[-1].n_outputs), _composed(subject, specs, x)
    if np.abs(y - composed).max() <= subject.tolerance(4 * float(np.abs(composed).max())):
        return None
    how = _other_network(subject, specs, x, y) or f"values are off by {np.abs(y - composed).max():.3g}"
    count = {2: "two", 3: "three"}[len(specs)]
    return Difference("network", {"what": f"of {count} layers: {how}"}, ("network",), "measured")


def _composed(subject: Subject, specs: tuple[LayerSpec, ...], x: FloatArray) -> FloatArray:
    """Layers one after another, each asked alone."""
    for spec in specs:
        x = subject.values(spec, x)
    return x


def _between(subject: Subject, rule: str, wide: float) -> Difference | None:
    """What stands between two layers, the second of which is the identity: by hidden values in `wide` domains."""
    layer = _identity(subject, "uniform" if "uniform" in subject.kinds else subject.kind, rule)
    a, b = layer.domain
    x, middle = (a + (b - a) * (np.arange(BLOCK) + 0.5) / BLOCK)[:, None], (a + b) / 2
    first = replace(layer, coefficients=middle + wide * (layer.coefficients - middle))
    between, y = subject.values(first, x), subject.raw(subject.build((first, layer)), x, 1)
    model = subject.build(layer)
    composed = subject.raw(model, between, 1)
    if np.abs(y - composed).max() <= subject.tolerance(4 * float(np.abs(composed).max())):
        return None
    if (how := _other_network(subject, (first, layer), x, y)).startswith("layers of equal shape"):
        return Difference("network", {"what": f"of two layers: {how}"}, ("network",), "measured")
    if np.abs(y - composed - between).max() <= subject.tolerance(4 * float(np.abs(y).max())):
        return Difference("network", {"what": "of two layers: the second adds to its inputs"}, ("network",))
    words = in_words(between[:, 0], y[:, 0], 2.0**-30)
    if np.abs(y - subject.raw(model, np.clip(between, a, b), 1)).max() <= subject.tolerance(4.0):
        words = "a cut to the domain of the next layer"
    other = replace(layer, coefficients=np.roll(layer.coefficients, 1, axis=2))
    z, mapped = subject.raw(subject.build((first, other)), x, 1), subject.raw(subject.build(other), y, 1)
    if np.abs(z - mapped).max() > subject.tolerance(64.0):  # then it is no map of what is between them
        left = float(np.abs(z - subject.raw(subject.build(other), between, 1)).max())
        return Difference("network", {"what": f"of two layers: values are off by {left:.3g}"}, ("network",), "measured")
    most = int(np.abs(y - composed).argmax())
    example = f"{y[most, 0]:.6g} comes of {between[most, 0]:.6g}"
    return Difference("extra map", {"map": words, "what": f"it stands between layers: {example}"}, ("network",))


def _other_network(subject: Subject, specs: tuple[LayerSpec, ...], x: FloatArray, y: FloatArray) -> str:
    """What is done with layers in place of one after the other."""
    others: dict[str, Callable[[], FloatArray]] = {}
    plain = partial(_composed, subject)
    shapes = [spec.coefficients.shape for spec in specs]
    for k in range(len(specs)):
        same = [j for j in range(len(specs)) if shapes[j] == shapes[k]]
        if len(same) > 1:
            for words, names in (("coefficients", ["coefficients"]), ("knots", ["knots"]),
                                 ("coefficients and knots", ["coefficients", "knots"])):  # fmt: skip
                shared = tuple(
                    replace(spec, **{name: getattr(specs[k], name) for name in names}) if j in same else spec
                    for j, spec in enumerate(specs)
                )
                others[f"layers of equal shape have the {words} of layer {k}"] = partial(plain, shared, x)
    for words, count in (("knots of layer 0", specs[0].n_inputs), ("knots of input 0 of layer 0", 1)):
        rows = specs[0].knots[:count]
        after = tuple(replace(spec, knots=np.resize(rows, spec.knots.shape)) for spec in specs[1:])
        others[f"layers after the first have the {words}"] = partial(plain, (specs[0], *after), x)
    others["layers stand in the opposite order"] = partial(plain, specs[::-1], x)
    for k, spec in enumerate(specs[1:], 1):
        before = partial(plain, specs[:k], x)
        after = specs[k + 1 :]
        if spec.n_inputs == spec.n_outputs:
            others[f"layer {k} is applied twice"] = partial(plain, (*specs[:k], spec, spec, *after), x)
            others[f"layer {k} is left out"] = partial(plain, (*specs[:k], *after), x)
            z = before()
            others[f"layer {k} adds to its inputs"] = partial(plain, after, z + plain((spec,), z))
        others[f"the activations before layer {k} are negated"] = partial(plain, specs[k:], -before())
        for f in ("float32", "float16", "bfloat16"):
            others[f"activations are rounded to {f}"] = partial(plain, specs[k:], round_to(f, before()))
    for words, other in others.items():
        try:
            if np.abs(other() - y).max() <= subject.tolerance(1.0):
                return words
        except (ValueError, NoAnswerError):  # sizes that do not fit together
            continue
    return ""


def _networks(subject: Subject) -> list[tuple[LayerSpec, ...]]:
    """Two layers of other shapes and three of one, outputs inside the domains of those after them, no two alike."""
    kind, frame = "uniform" if "uniform" in subject.kinds else "", subject.declared.frame
    wider = 0.25 if subject.declared.domain is None and subject.eps < 2.0**-20 else 0.0  # knots of their own
    affine = [part for part in PER_NODE if part in subject.declared.parts and "parts" not in subject.differing]

    def narrow(shape: tuple[int, int], parts: list[str], turn: int) -> LayerSpec:
        spec = subject.with_parts(shape, parts, kind=kind)
        C, bias = np.roll(spec.coefficients, turn, axis=2) * (1 - 2 * (turn % 2)), spec.part("bias") / 2
        spec = replace(
            spec,
            coefficients=frame.coefficients(0.25 * C, spec.dtype),
            knots=spec.knots[:: 1 - 2 * (turn % 2)] * (1 + wider * turn),
        )
        return replace(spec, bias=bias) if "bias" in parts else spec

    two = narrow((3, 2), [], 0), narrow((3, 3), [], 1)
    return [two, tuple(narrow((2, 2), affine, turn) for turn in range(3))]
