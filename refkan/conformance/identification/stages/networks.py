r"""Stage 8, networks: what stands between layers, what layers share, and of what whole gradients are.

With coefficients xi_i (see `points_in_use`) a spline is s(x) = x on its domain, so that two of them one after another
show what stands between them. Networks of layers of other and of equal shapes, no two alike, are their layers one
after another, each asked alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PARTS, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.derivatives_asked import OWNERS
from refkan.conformance.identification.gradients.input_gradients import DETACHED, unexplained
from refkan.conformance.identification.gradients.own_gradients import UNSTABLE
from refkan.conformance.identification.gradients.relations import TURNED
from refkan.conformance.identification.gradients.situations import DIRECTIONS, EDGES
from refkan.conformance.identification.known_maps import in_words
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.stages.points_in_use import point_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

COUNTS = {2: "two", 3: "three"}

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
        networks = _networks(subject)
        if wrong := next(filter(None, (_not_composed(subject, specs) for specs in networks)), None):
            return "", [wrong]
    except NoAnswerError as error:
        return "", [Difference("setting refused", {"reason": str(error)}, ("network",), "measured")]
    told = next(filter(None, (_of_gradients(subject, specs) for specs in networks)), [])
    return "networks of layers one after another", placed(told, where=("network",))


def _not_composed(subject: Subject, specs: tuple[LayerSpec, ...]) -> Difference | None:
    """What values of a network are, if they are not those of its layers one after another."""
    x = subject.samples(specs[0], BLOCK, 7)
    y, composed = subject.raw(subject.build(specs), x, specs[-1].n_outputs), _composed(subject, specs, x)
    if np.abs(y - composed).max() <= subject.tolerance(4 * float(np.abs(composed).max())):
        return None
    how = _other_network(subject, specs, x, y) or f"values are off by {np.abs(y - composed).max():.3g}"
    return Difference("network", {"what": f"of {COUNTS[len(specs)]} layers: {how}"}, ("network",), "measured")


class _Chain:
    """Gradients of a network by the answers of its layers, each asked alone: right or wrong, they are passed on.

    With z_k the inputs of layer k, g_k = J_k^T g_(k+1) and v_(k+1) = J_k v_k by the layer's own slopes, derivatives
    in weights are those for the cotangent g_(k+1), and the second ones are a sum of a term for each layer,

        sum_k J_0^T ... J_(k-1)^T H_k(z_k; g_(k+1), v_k),

    H_k the second derivatives of layer k alone.
    """

    def __init__(self, subject: Subject, specs: tuple[LayerSpec, ...], x: FloatArray, dy: FloatArray) -> None:
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


def _of_gradients(subject: Subject, specs: tuple[LayerSpec, ...]) -> list[Difference]:
    """Of what gradients of a network are, if neither the right ones nor those of its layers passed on."""
    x, declared = subject.samples(specs[0], BLOCK, 7), subject.declared.derivatives
    if "inputs" not in declared or (UNSTABLE | {"changed by a call"}) & subject.names:
        return []
    model, true = subject.build(specs), FloatQuantities(specs, x)
    dy: FloatArray = np.random.default_rng(4).integers(1, 9, (len(x), specs[-1].n_outputs)) / 4.0
    weights = ["coefficients", *specs[0].parts] if "coefficients" in declared else []
    right = {name: true.coefficient_gradients(dy) if name == "coefficients" else true.part_gradients(name, dy)
             for name in weights}  # fmt: skip
    flat = {name: np.concatenate([array.ravel() for array in arrays]) for name, arrays in right.items()}
    flat["inputs"], along = true.input_gradients(dy), np.resize(DIRECTIONS, x.shape)
    theirs = subject.gradients(model, x, dy, {name: array.shape for name, array in flat.items()})
    if "second" in declared and not subject.wrong_gradients & {"input-gradients", "second-derivatives"}:
        theirs["second"], flat["second"] = subject.second(model, x, dy, along), true.second_derivatives(dy, along)
    wrong = [name for name, array in theirs.items()
             if np.abs(array - flat[name]).max() > subject.tolerance(64 * float(np.abs(flat[name]).max()))]  # fmt: skip
    if not wrong:
        return []
    chain, differences = _Chain(subject, specs, x, dy), list[Difference]()
    for name in wrong:
        if name in weights:
            shapes = [array.shape for array in right[name]]
            ours = [chain.gradient(k, name, shape, chain.g[k + 1]) for k, shape in enumerate(shapes)]
            differences += _of_weights(subject, name, theirs[name], ours)
        else:
            terms = chain.curved(along) if name == "second" else [chain.g[0]]
            owner = f"{OWNERS[name]} of a network"
            differences += _told(subject, owner, theirs[name], np.sum(terms, axis=0), ("sample", "input"), terms)
    hidden = _of_hidden(subject, chain, theirs)
    return hidden + [one for one in differences if not hidden or one.name != "gradient is another"]


def _of_hidden(subject: Subject, chain: "_Chain", theirs: dict[str, FloatArray]) -> list[Difference]:
    """Input gradients of a network for other cotangents of a hidden layer than those handed back to it."""
    for k in range(1, len(chain.specs)):
        for words, turn in TURNED.items():
            g = turn(chain.g[k])
            for j in reversed(range(k)):
                g = chain.pulled(j, g)
            if np.abs(g - theirs["inputs"]).max() <= subject.tolerance(64 * float(np.abs(g).max())):
                how = f"the cotangents of layer {k - 1} are others: {words}"
                return [Difference("wrong derivative", {"what": "gradients of a network", "how": how})]
    return []


def _of_weights(subject: Subject, name: str, flat: FloatArray, ours: list[FloatArray]) -> list[Difference]:
    """Gradients in coefficients or in a part, layer by layer: in order, or those of another layer."""
    owner = f"{OWNERS.get(name, f'gradients in {name}')} of a network"
    whole, opposite = (np.concatenate([array.ravel() for array in arrays]) for arrays in (ours, ours[::-1]))
    room = subject.tolerance(64 * float(np.abs(whole).max()))
    if np.abs(flat - opposite).max() <= room < np.abs(flat - whole).max():
        return [
            Difference("wired otherwise", {"what": owner, "how": "they are listed from the last layer to the first"})
        ]
    differences = list[Difference]()
    for k, theirs in enumerate(np.split(flat, np.cumsum([array.size for array in ours])[:-1])):
        of = owner.replace(" of a network", f" of layer {k} of a network")
        same = [j for j, other in enumerate(ours) if j != k and other.size == theirs.size
                and np.abs(other.ravel() - theirs).max() <= room]  # fmt: skip
        if same and np.abs(theirs - ours[k].ravel()).max() > room:
            differences.append(Difference("wired otherwise", {"what": of, "how": f"they are those of layer {same[0]}"}))
        else:
            axes = EDGES if name == "coefficients" else EDGES[: ours[k].ndim]
            differences += _told(subject, of, theirs.reshape(ours[k].shape), ours[k], axes)
    return differences


def _told(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, axes: Sequence[str],
    terms: Sequence[FloatArray] = (),
) -> list[Difference]:  # fmt: skip
    """A rearrangement of what layers pass on, or its terms with other factors."""
    room = subject.tolerance(64 * float(np.abs(ours).max(initial=0.0)))
    told = explain(theirs, ours, axes, room, owner, DETACHED)
    if told == [] or (told and not any(one.name.startswith("factors by") for one in told)):
        return told
    if len(terms) > 1:
        A = np.stack([term.ravel() for term in terms], axis=1)
        w, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=None)
        if np.abs(A @ w - theirs.ravel()).max() <= 16 * room:
            how = ", ".join(f"the curvature of layer {k} {f'counts {v:.6g} times' if abs(v) > 1e-6 else 'is left out'}"
                            for k, v in enumerate(w) if abs(v - 1) > 1e-6)  # fmt: skip
            return [Difference("wrong derivative", {"what": owner, "how": how})]
    return told or [unexplained(subject, owner, theirs, ours)]


def _composed(
    subject: Subject, specs: tuple[LayerSpec, ...], x: FloatArray, added: Sequence[int] = ()
) -> FloatArray:  # fmt: skip
    """Layers one after another, each asked alone; some of them add to their inputs."""
    for k, spec in enumerate(specs):
        x = subject.values(spec, x) + (x if k in added else 0.0)
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
    if (how := _other_network(subject, (first, layer), x, y)).startswith("layers"):
        return Difference("network", {"what": f"of two layers: {how}"}, ("network",), "measured")
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
    for part in specs[-1].parts:
        for place, kept in (("all layers but the last", len(specs) - 1), ("all layers but the first", 0)):
            lost: dict[str, Any] = {attribute(part): None}
            bare = tuple(spec if k == kept else replace(spec, **lost) for k, spec in enumerate(specs))
            others[f"{place} are without the part {part}"] = partial(plain, bare, x)
    for words, count in (("knots of layer 0", specs[0].n_inputs), ("knots of input 0 of layer 0", 1)):
        rows = specs[0].knots[:count]
        after = tuple(replace(spec, knots=np.resize(rows, spec.knots.shape)) for spec in specs[1:])
        others[f"layers after the first have the {words}"] = partial(plain, (specs[0], *after), x)
    others["layers stand in the opposite order"] = partial(plain, specs[::-1], x)
    square = [k for k, spec in enumerate(specs) if spec.n_inputs == spec.n_outputs]
    for which in ([k] for k in square) if len(square) < 2 else (square, *([k] for k in square)):
        numbered = f" {numbers(which)}" if which != square or len(square) < 2 else " with as many inputs as outputs"
        others[f"layers{numbered} add to their inputs"] = partial(plain, specs, x, which)
    for k, spec in enumerate(specs[1:], 1):
        before = partial(plain, specs[:k], x)
        after = specs[k + 1 :]
        if spec.n_inputs == spec.n_outputs:
            others[f"layer {k} is applied twice"] = partial(plain, (*specs[:k], spec, spec, *after), x)
            others[f"layer {k} is left out"] = partial(plain, (*specs[:k], *after), x)
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
    parts = [part for part in PARTS if part in subject.declared.parts and "parts" not in subject.differing]

    def narrow(shape: tuple[int, int], parts: list[str], turn: int) -> LayerSpec:
        spec = subject.with_parts(shape, parts, kind=kind)
        C, bias = np.roll(spec.coefficients, turn, axis=2) * (1 - 2 * (turn % 2)), spec.part("bias") / 2
        spec = replace(
            spec,
            coefficients=frame.coefficients(0.25 * C, spec.dtype),
            knots=spec.knots[:: 1 - 2 * (turn % 2)] * (1 + wider * turn),
        )
        spec = replace(spec, base=spec.part("base") / 4) if "base" in parts else spec
        return replace(spec, bias=bias) if "bias" in parts else spec

    two = narrow((3, 2), [], 0), narrow((3, 3), [], 1)
    return [two, tuple(narrow((2, 2), parts, turn) for turn in range(3))]
