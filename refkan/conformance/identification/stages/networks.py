r"""Stage 8, networks: what stands between layers, what layers share, and of what whole gradients are.

With coefficients xi_i (see `points_in_use`) a spline is s(x) = x on its domain, so that two of them one after another
show what stands between them. Networks of layers of other and of equal shapes, no two alike, are their layers one
after another, each asked alone. Where values are right, gradients follow from those of layers: with z_k the inputs of
layer k and g_k the cotangents handed back to them, second derivatives are a sum of one term for each layer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PARTS, LayerSpec
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.derivatives_asked import OWNERS
from refkan.conformance.identification.gradients.of_what import DETACHED, unexplained
from refkan.conformance.identification.gradients.own_gradients import UNSTABLE
from refkan.conformance.identification.gradients.situations import DIRECTIONS, EDGES
from refkan.conformance.identification.known_maps import in_words
from refkan.conformance.identification.stages.points_in_use import point_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

COUNTS = {2: "two", 3: "three"}

WIDE = 4.0
"""Domains over which hidden values are spread."""


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
        rules = [r for r in ("linear", "polynomial", "natural") if r in subject.declared.outside] or ["natural"]
        networks = _networks(subject)
        wrong = [_between(subject, rule, WIDE if rule in subject.declared.outside else 1.0) for rule in rules]
        wrong += [] if any(wrong) else [_not_composed(subject, specs) for specs in networks]
        if told := [difference for difference in wrong if difference]:
            return "", told[:1]
    except NoAnswerError as error:
        return "", [Difference("setting refused", {"reason": str(error)}, ("network",), "measured")]
    told = next(filter(None, (_of_gradients(subject, specs) for specs in networks)), [])
    return "networks of layers one after another", placed(told, where=("network",))


def _composed(subject: Subject, specs: Sequence[LayerSpec], x: FloatArray, added: Sequence[int] = ()) -> FloatArray:
    """Layers one after another, each asked alone; some of them add to their inputs."""
    for k, spec in enumerate(specs):
        x = subject.values(spec, x) + (x if k in added else 0.0)
    return x


def _told(how: str) -> Difference:
    return Difference("network", {"what": how}, ("network",), "measured")


def _not_composed(subject: Subject, specs: tuple[LayerSpec, ...], x: FloatArray | None = None) -> Difference | None:
    """What values of a network are, if they are not those of its layers one after another."""
    x = subject.samples(specs[0], BLOCK, 7) if x is None else x
    y, composed = subject.raw(subject.build(specs), x, specs[-1].n_outputs), _composed(subject, specs, x)
    if np.abs(y - composed).max() <= subject.tolerance(4 * float(np.abs(composed).max())):
        return None
    for words, others, added in _other_networks(specs):
        if np.abs(_composed(subject, others, x, added) - y).max() <= subject.tolerance(1.0):
            return _told(f"of {COUNTS[len(specs)]} layers: {words}")
    return _told(f"of {COUNTS[len(specs)]} layers: values are off by {np.abs(y - composed).max():.3g}")


def _between(subject: Subject, rule: str, wide: float) -> Difference | None:
    """What stands between two layers, the second of which is the identity: by hidden values in `wide` domains."""
    layer = subject.spec((1, 1), kind="uniform" if "uniform" in subject.kinds else subject.kind, outside=rule)
    layer = replace(layer, coefficients=point_of(layer, np.eye(layer.dim))[None, None])
    a, b = layer.domain
    x, middle = (a + (b - a) * (np.arange(BLOCK) + 0.5) / BLOCK)[:, None], (a + b) / 2
    first = replace(layer, coefficients=middle + wide * (layer.coefficients - middle))
    if (told := _not_composed(subject, (first, layer), x)) is None or "off by" not in str(told):
        return told
    other = replace(layer, coefficients=np.roll(layer.coefficients, 1, axis=2))
    between, y = subject.values(first, x), subject.raw(subject.build((first, layer)), x, 1)
    z, mapped = subject.raw(subject.build((first, other)), x, 1), subject.raw(subject.build(other), y, 1)
    if not np.abs(z - mapped).max() <= subject.tolerance(64.0) or not np.ptp(y):  # it is no map of what is between
        return told
    most = int(np.abs(y - between).argmax())
    example = f"it stands between layers: {y[most, 0]:.6g} comes of {between[most, 0]:.6g}"
    return Difference("extra map", {"map": in_words(between[:, 0], y[:, 0], 2.0**-30), "what": example}, ("network",))


def _other_networks(specs: tuple[LayerSpec, ...]) -> Iterator[tuple[str, tuple[LayerSpec, ...], Sequence[int]]]:
    """Other layers in place of those of a network, in words, and those that add to their inputs."""
    for k, spec in enumerate(specs):
        for names in (("coefficients",), ("knots",), ("coefficients", "knots")):
            more = {name: getattr(spec, name) for name in names}
            alike = [s.coefficients.shape == spec.coefficients.shape for s in specs]
            shared = tuple(replace(s, **more) if same else s for s, same in zip(specs, alike, strict=True))
            if sum(alike) > 1:
                yield f"layers of equal shape have the {' and '.join(names)} of layer {k}", shared, ()
    knots = [np.resize(specs[0].knots, spec.knots.shape) for spec in specs]
    after = tuple(replace(spec, knots=t) for spec, t in zip(specs, knots, strict=True))
    yield "layers after the first have the knots of layer 0", after, ()
    square = [k for k, spec in enumerate(specs) if spec.n_inputs == spec.n_outputs]
    yield "layers with as many inputs as outputs add to their inputs", specs, square


def _networks(subject: Subject) -> list[tuple[LayerSpec, ...]]:
    """Two layers of other shapes and three of one, outputs inside the domains of those after them, no two alike."""
    kind, frame = "uniform" if "uniform" in subject.kinds else "", subject.declared.frame
    wider = 0.25 if subject.declared.domain is None and subject.eps < 2.0**-20 else 0.0  # knots of their own
    parts = [part for part in PARTS if part in subject.declared.parts and "parts" not in subject.differing]

    def narrow(shape: tuple[int, int], parts: list[str], turn: int) -> LayerSpec:
        spec = subject.with_parts(shape, parts, kind=kind)
        C = np.roll(spec.coefficients, turn, axis=2) * (1 - 2 * (turn % 2))
        more: dict[str, Any] = {"base": spec.part("base") / 4, "bias": spec.part("bias") / 2}
        return replace(
            spec,
            coefficients=frame.coefficients(0.25 * C, spec.dtype),
            knots=spec.knots[:: 1 - 2 * (turn % 2)] * (1 + wider * turn),
            **{name: weights for name, weights in more.items() if name in parts},
        )

    two = narrow((3, 2), [], 0), narrow((3, 3), [], 1)
    return [two, tuple(narrow((2, 2), parts, turn) for turn in range(3))]


def _of_gradients(subject: Subject, specs: tuple[LayerSpec, ...]) -> list[Difference]:
    """Of what gradients of a network are, where its values and the gradients of layers are right."""
    x, declared, known = subject.samples(specs[0], BLOCK, 7), subject.declared.derivatives, subject.wrong_gradients
    model, true = subject.build(specs), FloatQuantities(specs, x)
    unstable = (UNSTABLE | {"changed by a call"}) & subject.names
    if "inputs" not in declared or unstable or "input-gradients" in known:
        return []
    if np.abs(subject.raw(model, x, specs[-1].n_outputs) - true.values).max() > subject.tolerance(4.0):
        return []
    dy: FloatArray = np.random.default_rng(4).integers(1, 9, (len(x), specs[-1].n_outputs)) / 4.0
    ours: dict[str, list[FloatArray]] = {"inputs": [true.input_gradients(dy)]}
    if "coefficients" in declared and "coefficient-gradients" not in known:
        ours["coefficients"] = true.coefficient_gradients(dy)
        ours |= {name: true.part_gradients(name, dy) for name in specs[0].parts if f"{name}-gradients" not in known}
    flat = {name: arrays[0] if name == "inputs" else np.concatenate([array.ravel() for array in arrays])
            for name, arrays in ours.items()}  # fmt: skip
    theirs = subject.gradients(model, x, dy, {name: array.shape for name, array in flat.items()})
    if "second" in declared and "second-derivatives" not in known:
        along = np.resize(DIRECTIONS, x.shape)
        flat["second"], theirs["second"] = true.second_derivatives(dy, along), subject.second(model, x, dy, along)
        bent = [FloatQuantities(specs[:k], x).second_derivatives(true.cotangents(dy)[k], along)
                for k in range(1, len(specs) + 1)]  # fmt: skip
        ours["second"] = list(np.diff(np.stack([0 * x, *bent]), axis=0))
    rooms = {name: subject.tolerance(64 * float(np.abs(array).max())) for name, array in flat.items()}
    differences, wrong = list[Difference](), [n for n in flat if np.abs(theirs[n] - flat[n]).max() > rooms[n]]
    for name in wrong:
        owner = f"{OWNERS.get(name, f'gradients in {name}')} of a network"
        if name in ("inputs", "second"):
            differences += _explained(subject, owner, theirs[name], flat[name], ("sample", "input"), ours[name])
            continue
        ends = np.cumsum([array.size for array in ours[name]])[:-1]
        for k, (part, right) in enumerate(zip(np.split(theirs[name], ends), ours[name], strict=True)):
            of = owner.replace(" of a network", f" of layer {k} of a network")
            differences += _explained(subject, of, part.reshape(right.shape), right, EDGES[: right.ndim])
    return differences


def _explained(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, axes: Sequence[str],
    terms: Sequence[FloatArray] = (),
) -> list[Difference]:  # fmt: skip
    """A rearrangement of what is right, or its terms with other factors."""
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
