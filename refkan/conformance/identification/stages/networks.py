r"""Stage 8, networks: maps between layers, what layers share, and the gradients of a whole network.

With coefficients xi_i (see `points_in_use`) a spline is s(x) = x on its domain, so two of them in succession show any
map between them. Networks of different layers, of other and of equal shapes, are compared with the composition of their
layers, each evaluated by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import (
    PARTS,
    QUANTITIES,
    RULES,
    FloatQuantities,
    LayerSpec,
    attribute,
    reweighted,
    round_to,
)
from refkan.conformance.identification.explanations import by_factors, explain, placed
from refkan.conformance.identification.functions.points_in_use import point_of
from refkan.conformance.identification.gradients.derivatives_asked import GRADIENTS, OWNERS
from refkan.conformance.identification.gradients.input_gradients import DETACHED, unexplained
from refkan.conformance.identification.gradients.own_gradients import UNSTABLE
from refkan.conformance.identification.gradients.relations import FORMATS, TURNED
from refkan.conformance.identification.gradients.situations import DIRECTIONS, EDGES
from refkan.conformance.identification.known_maps import in_words, numbers
from refkan.conformance.identification.reported import Difference, close, fitted, largest, only
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

Specs = tuple[LayerSpec, ...]

COUNTS = {2: "two", 3: "three"}

WIDE = 4.0
"""Domains over which hidden values are spread."""


def answering(subject: Subject) -> Any:
    """Return the model of a layer if it accepts these samples, so that a refusal of the network has another cause."""
    spec = subject.spec((3, 2))
    model = subject.build(spec)
    subject.raw(model, subject.samples(spec, BLOCK), spec.n_outputs)
    return model


def network(subject: Subject) -> tuple[str, list[Difference]]:
    """Maps between layers, what layers share, and whether gradients pass through."""
    if subject.degree < 1:
        raise NoAnswerError("no layer of degree 0 is the identity")
    if subject.behind:
        raise NoAnswerError(f"not tested behind {subject.behind}")
    answering(subject)
    declared = [rule for rule in ("linear", "polynomial", "natural") if rule in subject.declared.outside]
    try:
        for rule in declared or ["natural"]:
            told = _between(subject, rule, WIDE if declared else 1.0)
            if told:
                return "", told
        networks = _networks(subject)
        for specs in networks:
            told = _not_composed(subject, specs) or _stale(subject, specs)
            if told:
                return "", told
    except NoAnswerError as error:
        return "", [Difference("setting refused", {"reason": str(error)}, ("network",), "measured")]
    told = next(filter(None, (_of_gradients(subject, specs) for specs in networks)), [])
    return "networks of layers one after another", placed(told, where=("network",))


def _another(specs: Specs, how: str) -> list[Difference]:
    """A network that is not the composition of its layers."""
    return [Difference("network", {"what": f"of {COUNTS[len(specs)]} layers: {how}"}, ("network",), "measured")]


def _not_composed(subject: Subject, specs: Specs) -> list[Difference]:
    """What the values of a network are if they are not those of the composition of its layers."""
    x = subject.samples(specs[0], BLOCK, 7)
    y, composed = subject.raw(subject.build(specs), x, specs[-1].n_outputs), _composed(subject, specs, x)
    if close(y, composed, subject.tolerance(4 * largest(composed))):
        return []
    off = f"values are off by {largest(y - composed):.3g}"
    return _another(specs, _other_network(subject, specs, x, y) or off)


def _stale(subject: Subject, specs: Specs) -> list[Difference]:
    """Whether a network has the values of an earlier batch, in part or as a whole."""
    if subject.renewed or subject.noise > 2.0**-20:
        return []
    x, model = subject.samples(specs[0], BLOCK, 7), subject.build(specs)
    moved = x[::-1] + 2.0**-6
    first = subject.raw(model, x, specs[-1].n_outputs)
    again, right = (
        subject.raw(model, moved, specs[-1].n_outputs),
        subject.raw(subject.build(specs), moved, first.shape[1]),
    )
    if close(again, right, subject.tolerance(64 * largest(right))):
        return []
    how = "its values are those of" if np.array_equal(again, first) else "its values depend on"
    what = f"of {COUNTS[len(specs)]} layers: in the second of two calls {how} the samples of the first"
    return [Difference("stale cache", {"what": what}, ("network",))]


class _Chain:
    """Gradients of a network from the gradients of its layers, each evaluated by itself, right or wrong.

    With z_k the inputs of layer k, g_k = J_k^T g_(k+1) and v_(k+1) = J_k v_k by the layer's own slopes, derivatives in
    weights are those for the cotangent g_(k+1), and second derivatives are a sum with one term per layer,

        sum_k J_0^T ... J_(k-1)^T H_k(z_k; g_(k+1), v_k),

    with H_k the second derivatives of layer k by itself.
    """

    def __init__(self, subject: Subject, specs: Specs, x: FloatArray, dy: FloatArray) -> None:
        self.subject, self.specs, self.z = subject, specs, [x]
        self.models = [subject.build(spec) for spec in specs]
        for spec, model in zip(specs, self.models, strict=True):
            self.z.append(subject.raw(model, self.z[-1], spec.n_outputs))
        self.g = [dy]
        for k in reversed(range(len(specs))):
            self.g.insert(0, self.pulled(k, self.g[0]))

    def pulled(self, k: int, g: FloatArray) -> FloatArray:
        """The input gradient of layer k for a cotangent."""
        return self.gradient(k, "inputs", self.z[k].shape, g)

    def gradient(self, k: int, name: str, shape: tuple[int, ...], g: FloatArray) -> FloatArray:
        """A gradient of layer k for a cotangent."""
        return self.subject.gradients(self.models[k], self.z[k], g, {name: shape})[name]

    def curved(self, along: FloatArray) -> list[FloatArray]:
        """The terms of second derivatives along a direction."""
        terms, v = list[FloatArray](), along
        for k, spec in enumerate(self.specs):
            term = self.subject.second(self.models[k], self.z[k], self.g[k + 1], v)
            for j in reversed(range(k)):
                term = self.pulled(j, term)
            terms.append(term)
            units = [np.repeat(unit[None], len(v), axis=0) for unit in np.eye(spec.n_outputs)]
            v = np.stack([(self.pulled(k, unit) * v).sum(axis=1) for unit in units], axis=1)
        return terms


def _of_gradients(subject: Subject, specs: Specs) -> list[Difference]:
    """What gradients of a network are, if neither the right ones nor those that follow from its layers."""
    x, declared = subject.samples(specs[0], BLOCK, 7), subject.declared.derivatives
    if "inputs" not in declared or (UNSTABLE | {"changed by a call"}) & subject.names:
        return []
    model, true = subject.build(specs), FloatQuantities(specs, x)
    dy: FloatArray = np.random.default_rng(4).integers(1, 9, (len(x), specs[-1].n_outputs)) / 4.0
    weights = ["coefficients", *specs[0].parts] if "coefficients" in declared else []
    second = "second" in declared and not subject.wrong_gradients & {"input-gradients", "second-derivatives"}
    names, along = [*weights, "inputs", *["second"] * second], np.resize(DIRECTIONS, x.shape)
    right = {name: np.asarray(QUANTITIES[GRADIENTS[name]].of(true, dy, along)) for name in names}
    theirs = subject.gradients(model, x, dy, {name: array.shape for name, array in right.items() if name != "second"})
    theirs |= {"second": subject.second(model, x, dy, along)} if second else {}
    room = {name: subject.tolerance(64 * largest(array)) for name, array in right.items()}
    # NaN is reported for each layer by itself.
    wrong = [name for name, array in right.items() if largest(theirs[name] - array) > room[name]]
    if not wrong:
        return []
    chain, differences = _Chain(subject, specs, x, dy), list[Difference]()
    for name in wrong:
        if name in weights:
            shapes = [getattr(spec, attribute(name)).shape for spec in specs]
            ours = [chain.gradient(k, name, shape, chain.g[k + 1]) for k, shape in enumerate(shapes)]
            differences += _of_weights(subject, name, theirs[name], ours)
        else:
            terms = chain.curved(along) if name == "second" else [chain.g[0]]
            owner = f"{OWNERS[name]} of a network"
            differences += _told(subject, owner, theirs[name], np.sum(terms, axis=0), ("sample", "input"), terms)
    hidden = _of_hidden(subject, chain, theirs) if "inputs" in wrong else []
    return hidden + [one for one in differences if not hidden or one.name != "gradient is another"]


def _of_hidden(subject: Subject, chain: "_Chain", theirs: dict[str, FloatArray]) -> list[Difference]:
    """Input gradients of a network with wrong cotangents handed back to a hidden layer."""
    room = subject.tolerance(64 * largest(chain.g[0]))
    for k in range(1, len(chain.specs)) if not close(chain.g[0], theirs["inputs"], room) else ():
        for words, turn in TURNED.items():
            g = turn(chain.g[k])
            for j in reversed(range(k)):
                g = chain.pulled(j, g)
            if close(g, theirs["inputs"], subject.tolerance(64 * largest(g))):
                how = f"the cotangents of layer {k - 1} are wrong: {words}"
                return only("wrong derivative", what="gradients of a network", how=how)
    return []


def _of_weights(subject: Subject, name: str, flat: FloatArray, ours: list[FloatArray]) -> list[Difference]:
    """Gradients in coefficients or in a part, layer by layer: in another order, or wrong in some layer."""
    owner = f"{OWNERS[name]} of a network"
    whole, opposite = (np.concatenate([array.ravel() for array in arrays]) for arrays in (ours, ours[::-1]))
    room = subject.tolerance(64 * largest(whole))
    if close(flat, opposite, room) and not close(flat, whole, room):
        return only("wired otherwise", what=owner, how="they are listed from the last layer to the first")
    differences = list[Difference]()
    for k, theirs in enumerate(np.split(flat, np.cumsum([array.size for array in ours])[:-1])):
        of = owner.replace(" of a network", f" of layer {k} of a network")
        axes = EDGES if name == "coefficients" else EDGES[: ours[k].ndim]
        differences += _told(subject, of, theirs.reshape(ours[k].shape), ours[k], axes)
    return differences


def _told(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, axes: Sequence[str],
    terms: Sequence[FloatArray] = (),
) -> list[Difference]:  # fmt: skip
    """A rearrangement of the right gradients, or their terms with other factors."""
    room = subject.tolerance(64 * largest(ours))
    told = explain(theirs, ours, axes, room, owner, DETACHED)
    if told == [] or (told and not by_factors(told)):
        return told
    if len(terms) > 1:
        w = fitted(np.stack([term.ravel() for term in terms], axis=1), theirs.ravel(), 16 * room)
        if w is not None:
            how = ", ".join(f"the curvature of layer {k} {f'counts {v:.6g} times' if abs(v) > 1e-6 else 'is left out'}"
                            for k, v in enumerate(w) if abs(v - 1) > 1e-6)  # fmt: skip
            return only("wrong derivative", what=owner, how=how)
    return told or unexplained(subject, owner, theirs, ours)


def _composed(subject: Subject, specs: Specs, x: FloatArray, added: Sequence[int] = ()) -> FloatArray:
    """The composition of layers, each evaluated by itself; some of them add to their inputs."""
    for k, spec in enumerate(specs):
        x = subject.values(spec, x) + (x if k in added else 0.0)
    return x


def _between(subject: Subject, rule: str, wide: float) -> list[Difference]:
    """The map between two layers, the second of which is the identity, from hidden values in `wide` domains."""
    kind = "uniform" if "uniform" in subject.kinds else subject.kind
    layer = subject.spec((1, 1), kind=kind, outside=rule)
    layer = replace(layer, coefficients=point_of(layer, np.eye(layer.dim))[None, None])
    a, b = layer.domain
    x, middle = (a + (b - a) * (np.arange(BLOCK) + 0.5) / BLOCK)[:, None], (a + b) / 2
    first = replace(layer, coefficients=middle + wide * (layer.coefficients - middle))
    between, y = subject.values(first, x), subject.raw(subject.build((first, layer)), x, 1)
    model = subject.build(layer)
    composed = subject.raw(model, between, 1)
    if close(y, composed, subject.tolerance(4 * largest(composed))):
        return []
    if not np.isfinite(composed).all():  # which is told of single layers
        return []
    how = _other_network(subject, (first, layer), x, y)
    if how.startswith("layers"):
        return _another((first, layer), how)
    words = in_words(between[:, 0], y[:, 0], 2.0**-30)
    if close(y, subject.raw(model, np.clip(between, a, b), 1), subject.tolerance(4.0)):
        words = "clip to the domain of the next layer"
    other = replace(layer, coefficients=np.roll(layer.coefficients, 1, axis=2))
    z, mapped = subject.raw(subject.build((first, other)), x, 1), subject.raw(subject.build(other), y, 1)
    if largest(z - mapped) > subject.tolerance(64.0):  # then it is no map of what is between them
        left = largest(z - subject.raw(subject.build(other), between, 1))
        return _another((first, layer), f"values are off by {left:.3g}")
    most = int(np.abs(y - composed).argmax())
    what = f"it lies between layers: {between[most, 0]:.6g} becomes {y[most, 0]:.6g}"
    return [Difference("extra map", {"map": words, "what": what}, ("network",))]


def _other_network(subject: Subject, specs: Specs, x: FloatArray, y: FloatArray) -> str:
    """How layers are combined if not by composition."""
    for words, layers, at, added in _other_networks(subject, specs, x):
        try:
            if close(_composed(subject, layers, at, added), y, subject.tolerance(1.0)):
                return words
        except (ValueError, NoAnswerError):  # sizes that do not fit together
            continue
    return ""


def _other_networks(
    subject: Subject, specs: Specs, x: FloatArray
) -> Iterator[tuple[str, Specs, FloatArray, Sequence[int]]]:
    """What a network may be instead: in words, its layers, their samples, and the layers that add to their inputs."""
    shapes = [spec.coefficients.shape for spec in specs]
    for k, spec in enumerate(specs):
        for names in (("coefficients",), ("knots",), ("coefficients", "knots")) if shapes.count(shapes[k]) > 1 else ():
            more: dict[str, Any] = {name: getattr(spec, name) for name in names}
            shared = tuple(replace(of, **more) if shapes[j] == shapes[k] else of for j, of in enumerate(specs))
            yield f"layers of equal shape have the {' and '.join(names)} of layer {k}", shared, x, ()
    for words, count in (("knots of layer 0", specs[0].n_inputs), ("knots of input 0 of layer 0", 1)):
        rows = specs[0].knots[:count]
        alike = (specs[0], *(replace(spec, knots=np.resize(rows, spec.knots.shape)) for spec in specs[1:]))
        yield f"layers after the first have the {words}", alike, x, ()
    for part in dict.fromkeys(name for spec in specs for name in spec.parts):
        for where, chosen in {"all layers": slice(None), "the first layer": slice(1),
                              "layers after the first": slice(1, None), "the last layer": slice(-1, None),
                              "layers before the last": slice(-1)}.items():  # fmt: skip
            numbers_of = range(len(specs))[chosen]
            yield (
                f"the part {part} of {where} is left out",
                tuple(reweighted(spec, {part: None}) if k in numbers_of else spec for k, spec in enumerate(specs)),
                x,
                (),
            )
    for rule in RULES:
        yield (
            f"layers after the first follow the rule {rule!r} beyond their domains",
            (specs[0], *(replace(spec, outside=rule) for spec in specs[1:])),
            x,
            (),
        )
    yield "layers are in reverse order", specs[::-1], x, ()
    square = [k for k, spec in enumerate(specs) if spec.n_inputs == spec.n_outputs]
    if len(square) > 1:
        yield "layers with as many inputs as outputs add to their inputs", specs, x, square
    for k in square:
        yield f"layers {numbers([k])} add to their inputs", specs, x, [k]
    for k, spec in enumerate(specs[1:], 1):
        before = _composed(subject, specs[:k], x)
        after = specs[k:]
        if spec.n_inputs == spec.n_outputs:
            yield f"layer {k} is applied twice", (*specs[:k], spec, *after), x, ()
            yield f"layer {k} is left out", (*specs[:k], *after[1:]), x, ()
        for name in FORMATS:
            yield f"activations are rounded to {name}", after, round_to(name, before), ()


def _networks(subject: Subject) -> list[tuple[LayerSpec, ...]]:
    """Two layers of different shapes and three of one shape, all different, with outputs inside the next domains."""
    kind, frame = "uniform" if "uniform" in subject.kinds else "", subject.declared.frame
    wider = 0.25 if subject.declared.domain is None and subject.eps < 2.0**-20 else 0.0  # knots of their own
    parts = [part for part in PARTS if part in subject.declared.parts and "parts" not in subject.differing]

    def narrow(shape: tuple[int, int], parts: list[str], turn: int) -> LayerSpec:
        spec = subject.with_parts(shape, parts, kind=kind)
        sign = 1 - 2 * (turn % 2)
        C = frame.coefficients(0.25 * np.roll(spec.coefficients, turn, axis=2) * sign, spec.dtype)
        weights = {"base": spec.part("base") / 4, "bias": spec.part("bias") / 2}
        spec = reweighted(spec, {part: weights[part] for part in weights if part in parts})
        return replace(spec, coefficients=C, knots=spec.knots[::sign] * (1 + wider * turn))

    two = narrow((3, 2), [], 0), narrow((3, 3), [], 1)
    return [two, tuple(narrow((2, 2), parts, turn) for turn in range(3))]
