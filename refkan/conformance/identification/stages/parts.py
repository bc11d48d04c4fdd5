r"""Stage 5: what is beside the splines.

With all coefficients zero a layer of splines is zero. What is left, z_q(x) = sum_p k_qp h(x_p) + c_q, is fitted with
each known h, and with two of them, by least squares over 64 samples: a fit counts if it leaves nothing but rounding.
Declared parts are asked by unit weights, and explained as wiring is.

Outputs are linear in each part alone, so that y(A + B) - y(A) - y(B) + y(0) is what parts A and B make together: the
base and the scale nothing, an output's factor and its bias nothing. Its size over that of what they would make if one
multiplied the other is 0 or 1, whatever the order of sums, and rounding is far from 1/2 in any format.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PARTS, PER_NODE, LayerSpec, attribute
from refkan.conformance.cases.truths.quantities import silu
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.known_maps import beside, in_words, map_of
from refkan.conformance.identification.stages.wiring import ratio_of, with_size
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, Subject

WEIGHTS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
"""Of a part, in which outputs must be linear."""

TOGETHER = (("base", "node-scale"), ("scale", "node-scale"))
"""Pairs of parts of which one multiplies the other."""


def parts(subject: Subject) -> Stage:
    """Return what the layer has beside its splines."""
    spec = subject.spec((3, 2))
    x = subject.samples(spec, BLOCK, 4)
    zero = subject.values(replace(spec, coefficients=0 * spec.coefficients), x)
    differences: list[Difference] = []
    told = "splines alone"
    if (np.abs(zero) > max(256 * subject.eps, 16 * subject.noise)).any():
        told = beside(x, zero, subject.tolerance(max(float(np.abs(zero).max()), 1.0)))
        differences.append(Difference("extra branch", {"what": told}))
    if subject.nonlinear or subject.apart:
        return Stage("parts", told, tuple(differences))
    asked = [part for part in PARTS if part in subject.declared.parts]
    layers = [subject.with_parts(parts=names) for names in (asked, *([part] for part in asked))]
    if not all(subject.is_right(layer, x) for layer in layers):
        for part in asked:
            differences += _declared(subject, part)
        if not differences:
            differences += [difference for pair in combinations(asked, 2) for difference in _together(subject, *pair)]
    return Stage("parts", told + (f"; declared and asked: {', '.join(asked)}" if asked else ""), tuple(differences))


def _declared(subject: Subject, part: str) -> Iterator[Difference]:
    """One declared part: its response to units, as a rearrangement of what it should be."""
    plain, splines = subject.spec((3, 2)), part in ("scale", "node-scale")
    x = subject.samples(plain, BLOCK, 4)

    def y(weights: FloatArray | float, spec: LayerSpec = plain, x: FloatArray = x) -> FloatArray:
        more: dict[str, Any] = {attribute(part): np.broadcast_to(weights, spec.part(part).shape)}
        return subject.values(replace(spec, coefficients=spec.coefficients * splines, **more), x)

    right = _effects(subject, plain, x, part)
    whole = subject.truth(plain, x)[0] if splines else right.reshape(*right.shape[:2], -1).sum(axis=2)
    each, zero = [y(w) for w in WEIGHTS], y(0.0)
    once = each[WEIGHTS.index(1.0)] - zero
    if max(np.abs(of - zero - w * once).max() for w, of in zip(WEIGHTS, each, strict=True)) > subject.tolerance(8.0):
        start = 0.0 if splines else zero
        k, room = np.array([ratio_of(of - start, whole) for of in each]), 16 * subject.tolerance(8.0)
        alike = max(np.abs(of - start - v * whole).max() for v, of in zip(k, each, strict=True)) <= room
        how = (
            f"weights go through {in_words(np.array(WEIGHTS), k, room)}"
            if alike
            else "what they add is no multiple of what a unit adds"
        )
        yield Difference("part not linear", {"part": part, "how": how})
        return
    neutral = plain.part(part)
    start = y(neutral)
    theirs, ours = np.zeros((2, len(x), 3, *neutral.shape))
    for u in np.ndindex(*neutral.shape):
        unit = np.zeros(neutral.shape)
        unit[u] = 1
        theirs[(slice(None), slice(None), *u)] = y(neutral + unit) - start
        ours[(slice(None), u[0], *u)] = right[(slice(None), *u)]
    axes, room = ("sample", "answer", "output", "input")[: theirs.ndim], subject.tolerance(float(np.abs(ours).max()))
    told = explain(theirs, ours, axes, room, f"effects of the part {part}", "part ignored")
    if told is not None and told != [] and told[0].name == "gradient clipped":
        told = None  # of another function
    if told and "wiring" in subject.differing and any(d.evidence.get("axis") == "sample" for d in told):
        return  # of other edges: a factor for each sample explains any function
    if told is not None:

        def again(spec: LayerSpec, x: FloatArray) -> tuple[FloatArray, FloatArray]:
            ours = _effects(subject, spec, x, part)
            theirs = y(spec.part(part) + 1, spec, x) - y(spec.part(part), spec, x)
            return theirs, ours.reshape(*theirs.shape, -1).sum(axis=2)

        sized = with_size(subject, told, again)
        yield from (replace(d, evidence={**d.evidence, "part": part}) for d in sized)
    elif part == "base" and not any(name.startswith(("point ", "inputs ")) for name in subject.names):
        h = theirs[:, 0, 0, 0]
        mapped = map_of(x[:, 0], h, subject.tolerance(4.0))
        off = float(np.abs(h - right[:, 0, 0]).max())
        what = mapped[0] if mapped else f"another function of x, off by up to {off:.2e}, {h[0]:.4g} of {x[0, 0]:.4g},"
        yield Difference("other activation", {"part": part, "what": what})
    elif not subject.differs or part == "bias":
        how = "no rearrangement of it"
        yield Difference("wired otherwise", {"what": f"the part {part}", "how": how}, sure="measured")


def _effects(subject: Subject, spec: LayerSpec, x: FloatArray, part: str) -> FloatArray:
    """What a unit of each weight of a part adds to its output, (N, Q, P) or (N, Q)."""
    if part == "bias":
        return np.ones((len(x), spec.n_outputs))
    edges = np.repeat(silu(x, 0)[0][:, None], spec.n_outputs, axis=1) if part == "base" else subject.edges(spec, x)
    return np.asarray(edges.sum(axis=2) if part in PER_NODE else edges)


def _together(subject: Subject, first: str, two: str) -> Iterator[Difference]:
    """What two parts make together: the product of their changes, or nothing."""
    plain = subject.spec((3, 2))
    x = subject.samples(plain, BLOCK, 4)

    def y(with_one: bool, with_two: bool) -> FloatArray:
        weights: dict[str, Any] = {attribute(p): plain.part(p) + w for p, w in ((first, with_one), (two, with_two))}
        return subject.values(replace(plain, **weights), x)

    theirs = y(True, True) - y(True, False) - y(False, True) + y(False, False)
    of = next((part for part in (first, two) if part in ("base", "bias")), "node-scale")  # what is multiplied
    product = _effects(subject, plain, x, of)
    product = product.sum(axis=2) if product.ndim == 3 else product
    times = np.linalg.norm(theirs) > 0.5 * np.linalg.norm(product)  # whichever edges the coefficients are on
    if times != ((first, two) in TOGETHER):
        factor, other = (two, first) if two != "bias" else (first, two)
        how = f"{factor} multiplies {other}, too" if times else f"{factor} does not multiply {other}"
        yield Difference("parts in another order", {"how": how})
