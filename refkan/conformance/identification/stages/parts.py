r"""Stage 5: what is beside the splines.

With all coefficients zero a layer of splines is zero. What is left, z_q(x) = sum_p k_qp h(x_p) + c_q, is fitted with
each known h, and with two of them, by least squares over 64 samples: a fit counts if it leaves nothing but rounding.
Declared parts are asked by unit weights, and explained as wiring is.

Outputs are linear in each part alone, so that y(A + B) - y(A) - y(B) + y(0) is what parts A and B make together: the
base and the scale nothing, an output's factor and its bias nothing. Its size over that of what they would make if one
multiplied the other is 0 or 1, whatever the order of sums, and rounding is far from 1/2 in any format.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import logit

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import PARTS, PER_NODE, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING, round_to
from refkan.conformance.cases.truths.quantities import silu
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.known_maps import MAPS, beside, in_words, map_of
from refkan.conformance.identification.pieces.rounded_recursions import FORMATS, REPRODUCED, format_of
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, Subject
from refkan.splines.knots import greville_points

WEIGHTS = (-3.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Of a part that is not linear in them."""

NEAR_SILU = 2.0**-8
"""What approximations of silu may be off by."""

TOGETHER = {
    ("base", "scale"): False, ("base", "node-scale"): True, ("base", "bias"): False, ("scale", "node-scale"): True,
    ("scale", "bias"): False, ("node-scale", "bias"): False,
}  # fmt: skip
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
    if all(subject.is_right(layer, x) for layer in layers):
        return Stage("parts", told + (f"; declared and asked: {', '.join(asked)}" if asked else ""), tuple(differences))
    for part in asked:
        differences += _declared(subject, part)
    if not differences:
        differences += [difference for pair in combinations(asked, 2) for difference in _together(subject, *pair)]
    return Stage("parts", told + (f"; declared and asked: {', '.join(asked)}" if asked else ""), tuple(differences))


def _declared(subject: Subject, part: str) -> Iterator[Difference]:
    """One declared part: its response to units, as a rearrangement of what it should be."""
    plain = subject.spec((3, 2))
    x = subject.samples(plain, BLOCK, 4)
    edges = subject.edges(plain, x)
    shape = (3,) if part in PER_NODE else (3, 2)
    neutral, splines = plain.part(part), part in ("scale", "node-scale")

    def y(weights: FloatArray) -> FloatArray:
        more: dict[str, Any] = {attribute(part): weights}
        return subject.values(subject.spec((3, 2), plain.coefficients * splines, **more), x)

    start = y(neutral)
    factors = (1.0, 2.0, -1.0, -3.0)
    effects = [y(neutral + k) - start for k in factors]
    once, twice, less, _ = effects
    room = subject.tolerance(8.0)
    if max(np.abs(effect - k * once).max() for k, effect in zip(factors, effects, strict=True)) > room:
        right = {"base": silu(x, 0)[0].sum(axis=1)[:, None], "bias": 1.0}.get(part, edges.sum(axis=2))
        each = {w: y(np.full(shape, w)) for w in WEIGHTS}
        words = _map_of_weights(each, subject.truth(plain, x)[0], room, splines) if splines else ""
        words = words or _map_of_weights(each, np.broadcast_to(right, start.shape), room, splines)
        if words == "square":
            yield Difference("part applied twice", {"part": part})
            return
        words = words or (_behind_the_sum(y, x, shape, subject.tolerance(1.0)) if part == "base" else "")
        ratios = (
            f"twice the weights make {_ratio(twice, once):.4g} times as much, opposite ones {_ratio(less, once):.4g}"
        )
        yield Difference("part not linear", {"part": part, "how": words or ratios})
        return
    theirs, ours = np.zeros((2, len(x), 3, *shape))
    right = {"base": silu(x, 0)[0], "scale": edges, "node-scale": edges.sum(axis=2), "bias": np.ones((len(x), 3))}[part]
    for u in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[u] = 1
        theirs[(slice(None), slice(None), *u)] = y(neutral + unit) - start
        ours[(slice(None), u[0], *u)] = right[:, u[1]] if part == "base" else right[(slice(None), *u)]
    axes, room = ("sample", "answer", "output", "input")[: theirs.ndim], subject.tolerance(float(np.abs(ours).max()))
    told = explain(theirs, ours, axes, room, f"effects of the part {part}", "part ignored")
    if told is not None and told != [] and told[0].name == "gradient clipped":
        told = None  # of another function
    if told and "wiring" in subject.differing and any(d.evidence.get("axis") == "sample" for d in told):
        return  # of other edges: a factor for each sample explains any function
    if told is not None:
        size = _size_of_effect(subject, part, told)
        yield from (replace(d, evidence={**d.evidence, "part": part}) for d in placed(told, size=size))
    elif (
        part == "base"
        and "functions" in subject.differing
        and plain.degree
        and _at_the_point_of_splines(subject, plain, x, theirs)
    ):
        return
    elif part == "base" and (rounded := _rounded_base(x[:, 0], theirs[:, 0, 0, 0])):
        yield rounded
    elif part == "base" and (mapped := map_of(x[:, 0], theirs[:, 0, 0, 0], subject.tolerance(4.0))) is not None:
        yield Difference("other activation", {"part": part, "what": mapped[0]})
    elif part == "base" and np.ptp(slope := logit(theirs[:, 0, 0, 0] / x[:, 0]) / x[:, 0]) < 1e-6:
        yield Difference("other activation", {"part": part, "what": f"x sigmoid({slope[0]:.6g} x)"})
    elif part == "base" and not np.ptp(theirs[:, [0, 1, 2], [0, 1, 2], 0], axis=1).any():
        yield Difference("other activation", {"part": part, "what": _nearest(x[:, 0], theirs[:, 0, 0, 0])})
    elif not subject.differs or part in ("base", "bias"):
        yield Difference(
            "wired otherwise", {"what": f"the part {part}", "how": "no rearrangement of it"}, sure="measured"
        )


def _map_of_weights(each: dict[float, FloatArray], right: FloatArray, room: float, splines: bool) -> str:
    """The map that weights go through, in words, if outputs are one number for each times what they should be."""
    start = 0.0 if splines else each[0.0]
    k = np.array([_ratio(y - start, right) for y in each.values()])
    if max(np.abs(y - start - v * right).max() for v, y in zip(k, each.values(), strict=True)) > 16 * room:
        return ""
    words = in_words(np.array(list(each)), k, 16 * room)
    if words == "absolute value":
        return "its absolute value counts"
    return words if words == "square" else f"weights go through {words}"


def _behind_the_sum(y: Callable[[FloatArray], FloatArray], x: FloatArray, shape: tuple[int, ...], room: float) -> str:
    """The map h of y = h(u), u linear in weights as small weights show it, in words; "" if none is known."""
    w, e = np.ones(shape), 2.0**-14
    zero, u = y(0 * w), (y(e * w) - y(-e * w)) / (2 * e)
    of = beside(x, u, 2.0**-20)
    for name, h in MAPS.items():
        slope = float((h(np.array([2.0**-16])) - h(np.array([-(2.0**-16)])))[0]) * 2.0**15
        if slope and all(
            np.abs(h(k * u / slope) - (y(k * w) - zero + h(np.zeros(1)))).max() <= 2.0**-20 for k in (1.0, -2.0)
        ):
            return f"{name} is applied to the sum over inputs, of {of.split(' times')[0]}"
    return ""


def _size_of_effect(subject: Subject, part: str, told: list[Difference]) -> str:
    """Which size a constant factor of the effects of a part is: measured once more in another shape."""
    factors = [difference.evidence["factor"] for difference in told if difference.name == "constant factor"]
    if not factors:
        return ""
    spec = subject.spec((5, 4))
    x = subject.samples(spec, BLOCK, 4)
    more: dict[str, Any] = {attribute(part): spec.part(part) + 1.0}
    changed = replace(spec, coefficients=spec.coefficients * (part in ("scale", "node-scale")), **more)
    none: dict[str, Any] = {attribute(part): spec.part(part)}
    theirs = subject.values(changed, x) - subject.values(replace(changed, **none), x)
    right = {"base": silu(x, 0)[0].sum(axis=1)[:, None], "bias": 1.0}.get(part, subject.edges(spec, x).sum(axis=2))
    ours = np.broadcast_to(right, theirs.shape)
    return sizes_of([*factors, abs(_ratio(theirs, ours))], [{"inputs": 2, "outputs": 3}, {"inputs": 4, "outputs": 5}])


def _nearest(x: FloatArray, values: FloatArray) -> str:
    """A function of x in words: silu but for small errors, or by some of its values."""
    off = np.abs(values - silu(x, 0)[0])
    if off.max() <= NEAR_SILU:
        return f"silu off by up to {off.max():.2e}, at x = {x[off.argmax()]:.4g},"
    return f"another function of x ({', '.join(f'{values[s]:.4g} of {x[s]:.4g}' for s in range(3))})"


def _rounded_base(x: FloatArray, theirs: FloatArray) -> Difference | None:
    """The right activation, computed in a lower format."""
    right = silu(x, 0)[0]
    off = float((np.abs(theirs - right) / np.maximum(np.abs(right), 2.0**-6)).max())
    name = format_of(off)
    for dtype, kept in FORMATS.items():
        if np.abs(round_to(dtype, right) - theirs).max() <= REPRODUCED:
            return Difference(
                f"{kept} arithmetic", {"what": f"values of silu in the part 'base' are rounded to {dtype}"}
            )
        if np.abs(silu(round_to(dtype, x), 0)[0] - theirs).max() <= REPRODUCED:
            return Difference(
                f"{kept} arithmetic", {"what": f"silu in the part 'base' is taken at x rounded to {dtype}"}
            )
    if not name or off >= LARGEST_ROUNDING:
        return None
    return Difference(
        f"{name} arithmetic", {"what": f"silu in the part 'base' is off by {off:.1e} of it"}, sure="measured"
    )


def _at_the_point_of_splines(subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray) -> bool:
    """Whether effects of the base are those of another point, the one at which splines are taken."""
    if "functions" not in subject.differing or not spec.degree:
        return False
    at = [subject.basis(spec, x[:, p], p) @ greville_points(t, spec.order) for p, t in enumerate(spec.knots)]
    off = np.abs(theirs[:, [0, 1, 2], [0, 1, 2]] - silu(np.stack(at, axis=1), 0)[0][:, None])
    return bool((off <= subject.tolerance(4.0)).all())


def _together(subject: Subject, first: str, two: str) -> Iterator[Difference]:
    """What two parts make together: the product of their changes, or nothing."""
    plain = subject.spec((3, 2))
    x = subject.samples(plain, BLOCK, 4)
    unit = {part: (np.ones(3) if part in PER_NODE else np.ones((3, 2))) for part in (first, two)}

    def y(with_one: bool, with_two: bool) -> FloatArray:
        weights: dict[str, Any] = {
            attribute(p): plain.part(p) + w * unit[p] for p, w in ((first, with_one), (two, with_two))
        }
        return subject.values(subject.spec((3, 2), plain.coefficients, **weights), x)

    theirs = y(True, True) - y(True, False) - y(False, True) + y(False, False)
    branch = np.repeat(silu(x, 0)[0].sum(axis=1)[:, None], 3, axis=1)
    makes = {"base": branch, "bias": np.ones((len(x), 3))}.get(first if first in ("base", "bias") else two)
    product = subject.edges(plain, x).sum(axis=2) if makes is None else makes
    if (first, two) == ("base", "bias"):
        product = branch
    times = np.linalg.norm(theirs) > 0.5 * np.linalg.norm(product)  # whichever edges the coefficients are on
    if times != TOGETHER[first, two]:
        factor, other = (two, first) if two != "bias" else (first, two)
        how = f"{factor} multiplies {other}, too" if times else f"{factor} does not multiply {other}"
        yield Difference("parts in another order", {"how": how})


def _ratio(y: FloatArray, z: FloatArray) -> float:
    """The factor k of y = k z, by least squares."""
    return float((y * z).sum() / max(float((z * z).sum()), 1e-300))
