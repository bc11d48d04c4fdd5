r"""Stage 5: the parts besides the splines.

With all coefficients zero a layer of splines is zero. What is left, z_q(x) = sum_p k_qp h(x_p) + c_q, is fitted with
each known h, and with two of them, by least squares over 64 samples: a fit is accepted if it leaves only rounding.
Declared parts are measured by unit weights, and explained like wiring.

Outputs are linear in each part alone, so y(A + B) - y(A) - y(B) + y(0) is the joint effect of parts A and B: none for
the base and the scale, none for an output's factor and its bias. Relative to the effect if one multiplied the other,
its size is 0 or 1, whatever the order of sums, and rounding is far from 1/2 in any format.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import logit

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING, PARTS, PER_NODE, LayerSpec, reweighted, round_to, silu
from refkan.conformance.identification.explanations import by_samples, explain, sized
from refkan.conformance.identification.functions.pieces_in_use import FORMATS, REPRODUCED, format_of
from refkan.conformance.identification.known_maps import MAPS, beside, in_words, map_of
from refkan.conformance.identification.reported import Difference, Stage, close, factor_of, largest, measured, only
from refkan.conformance.identification.subject import Subject
from refkan.splines.knots import greville_points

WEIGHTS = (-3.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
"""Scales of weights for a part that is not linear in them."""

NEAR_SILU = 2.0**-8
"""Largest error of approximations of silu."""

TOGETHER = {
    ("base", "scale"): False, ("base", "node-scale"): True, ("base", "bias"): False, ("scale", "node-scale"): True,
    ("scale", "bias"): False, ("node-scale", "bias"): False,
}  # fmt: skip
"""Pairs of parts of which one multiplies the other."""


def parts(subject: Subject) -> tuple[Stage, Subject]:
    """Return what the layer has besides its splines."""
    spec, x = subject.layer((3, 2), 4)
    zero = subject.without_splines(spec, x)
    told = "only splines"
    differences = list[Difference]()
    if largest(zero) > max(256 * subject.eps, 16 * subject.noise):
        told = beside(x, zero, subject.tolerance(max(largest(zero), 1.0)))
        differences += only("extra branch", what=told)
    if subject.nonlinear or subject.apart:
        return Stage("parts", told, differences), subject
    if subject.behind and subject.declared.parts:
        return Stage("parts", told, differences, f"not tested behind {subject.behind}"), subject
    asked = [part for part in PARTS if part in subject.declared.parts]
    told += f"; declared and tested: {', '.join(asked)}" if asked else ""
    layers = [subject.with_parts(parts=names) for names in (asked, *([part] for part in asked))]
    if all(subject.is_right(layer, x) for layer in layers):
        return Stage("parts", told, differences), subject
    known = {_apart_from_owner(difference) for stage in subject.stages for difference in stage.differences}
    of_parts = [difference for part in asked for difference in _declared(subject, part)]
    differences += [difference for difference in of_parts if _apart_from_owner(difference) not in known]
    for pair in combinations(asked, 2) if not (differences or of_parts) else ():
        differences += _together(subject, *pair)
    for part in ("base", "bias") if not (differences or of_parts) else ():
        differences += _on_splines(subject, part) if part in asked else []
    return Stage("parts", told, differences), subject


def _apart_from_owner(difference: Difference) -> str:
    """What is said of a difference, whatever it is said of: outputs that are mixed up mix those of all parts."""
    return str(replace(difference, evidence={**difference.evidence, "what": "", "place": ""}, where=()))


def _right_effect(subject: Subject, part: str, spec: LayerSpec, x: FloatArray) -> Any:
    """What weights 1 in all of a part add to outputs, (N, 1) or (N, Q)."""
    if part == "base":
        return silu(x, 0)[0].sum(axis=1)[:, None]
    return np.ones((len(x), 1)) if part == "bias" else subject.edges(spec, x).sum(axis=2)


def _declared(subject: Subject, part: str) -> list[Difference]:
    """One declared part: its response to unit weights, as a rearrangement of the right response."""
    plain, x = subject.layer((3, 2), 4)
    shape = (3,) if part in PER_NODE else (3, 2)
    neutral, splines = plain.part(part), part in ("scale", "node-scale")
    layer = replace(plain, coefficients=plain.coefficients * splines)
    whole = _right_effect(subject, part, plain, x)

    def y(weights: FloatArray) -> FloatArray:
        return subject.values(reweighted(layer, {part: weights}), x)

    def again() -> tuple[FloatArray, FloatArray]:
        spec, x = subject.layer((5, 4), 4)
        bare = replace(spec, coefficients=spec.coefficients * splines)
        one, none = (subject.values(reweighted(bare, {part: spec.part(part) + k}), x) for k in (1.0, 0.0))
        return one - none, np.broadcast_to(_right_effect(subject, part, spec, x), one.shape)

    start = y(neutral)
    factors = (1.0, 2.0, -1.0, -3.0)
    effects = [y(neutral + k) - start for k in factors]
    once, room = effects[0], subject.tolerance(8.0)
    if max(largest(effect - k * once) for k, effect in zip(factors, effects, strict=True)) > room:
        each = {w: y(np.full(shape, w)) for w in WEIGHTS}
        words = _map_of_weights(each, subject.truth(plain, x)[0], room, splines) if splines else ""
        words = words or _map_of_weights(each, np.broadcast_to(whole, start.shape), room, splines)
        if words == "square":
            return only("part applied twice", part=part)
        words = words or (_behind_the_sum(y, x, shape, subject.tolerance(1.0)) if part == "base" else "")
        twice, less = (f"{factor_of(effect, once):.4g}" for effect in effects[1:3])
        ratios = f"doubled weights give {twice} times as much, negated ones {less}"
        return only("part not linear", part=part, how=words or ratios)
    theirs, ours = np.zeros((2, len(x), 3, *shape))
    each_edge = silu(x, 0)[0][:, None] + np.zeros((3, 1)) if part == "base" else subject.edges(plain, x)
    right = each_edge if len(shape) == 2 else whole + np.zeros(3)
    for u in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[u] = 1
        theirs[(slice(None), slice(None), *u)] = y(neutral + unit) - start
        ours[(slice(None), u[0], *u)] = right[(slice(None), *u)]
    axes = ("sample", "answer", "output", "input")[: theirs.ndim]
    told = explain(theirs, ours, axes, subject.tolerance(largest(ours)), f"effects of the part {part}", "part ignored")
    if told is not None and told != [] and told[0].name == "gradient clipped":
        told = None  # of another function
    if "wiring" in subject.differing and by_samples(told):
        return []  # of other edges: a factor for each sample explains any function
    if told is not None:
        told = sized(told, [{"inputs": 2, "outputs": 3}, {"inputs": 4, "outputs": 5}], again)
        return [replace(difference, evidence={**difference.evidence, "part": part}) for difference in told]
    if part == "base" and _at_the_point_of_splines(subject, plain, x, theirs):
        return []
    different = _other_activation(subject, x[:, 0], theirs[:, :, :, 0]) if part == "base" else []
    if different:
        return different
    known = subject.differs and part not in ("base", "bias")
    return [] if known else measured("wired otherwise", what=f"the part {part}", how="not a rearrangement of it")


def _other_activation(subject: Subject, x: FloatArray, effects: FloatArray) -> list[Difference]:
    """The function that the base multiplies instead of SiLU, if it is the same for all outputs."""
    theirs = effects[:, 0, 0]
    rounded = _rounded_base(x, theirs)
    if rounded:
        return rounded
    words = _activation(subject, x, theirs)
    if not words and not np.ptp(effects[:, [0, 1, 2], [0, 1, 2]], axis=1).any():
        words = _nearest(x, theirs)
    return only("other activation", part="base", what=words) if words else []


def _activation(subject: Subject, x: FloatArray, theirs: FloatArray) -> str:
    """A known function of x, in words; "" if it is none."""
    known = map_of(x, theirs, subject.tolerance(4.0))
    if known is not None:
        name, _, _ = known
        return name
    slope = logit(theirs / x) / x
    return f"x sigmoid({slope[0]:.6g} x)" if np.ptp(slope) < 1e-6 else ""


def _map_of_weights(each: dict[float, FloatArray], right: FloatArray, room: float, splines: bool) -> str:
    """The map of weights, in words, if outputs are the right ones times a number for each weight."""
    start = 0.0 if splines else each[0.0]
    k = np.array([factor_of(y - start, right) for y in each.values()])
    if max(largest(y - start - v * right) for v, y in zip(k, each.values(), strict=True)) > 16 * room:
        return ""
    words = in_words(np.array(list(each)), k, 16 * room)
    if words == "absolute value":
        return "its absolute value is used"
    return words if words == "square" else f"weights go through {words}"


def _behind_the_sum(y: Callable[[FloatArray], FloatArray], x: FloatArray, shape: tuple[int, ...], room: float) -> str:
    """The map h in y = h(u), with u linear in weights as for small weights, in words; "" if unknown."""
    w, e = np.ones(shape), 2.0**-14
    zero, u = y(0 * w), (y(e * w) - y(-e * w)) / (2 * e)
    of = beside(x, u, 2.0**-20)
    for name, h in MAPS.items():
        slope = float((h(np.array([2.0**-16])) - h(np.array([-(2.0**-16)])))[0]) * 2.0**15
        if slope and all(close(h(k * u / slope), y(k * w) - zero + h(np.zeros(1)), 2.0**-20) for k in (1.0, -2.0)):
            return f"{name} is applied to the sum over inputs, of {of.split(' times')[0]}"
    return ""


def _nearest(x: FloatArray, values: FloatArray) -> str:
    """A function of x in words: silu with small errors, or some of its values."""
    off = np.abs(values - silu(x, 0)[0])
    if off.max() <= NEAR_SILU:
        return f"silu off by up to {off.max():.2e}, at x = {x[off.argmax()]:.4g},"
    return f"another function of x ({', '.join(f'{values[s]:.4g} of {x[s]:.4g}' for s in range(3))})"


def _rounded_base(x: FloatArray, theirs: FloatArray) -> list[Difference]:
    """The right activation, computed in a lower format."""
    right, of = silu(x, 0)[0], "the part 'base'"
    for dtype, kept in FORMATS.items():
        if close(round_to(dtype, right), theirs, REPRODUCED):
            return only(f"{kept} arithmetic", what=f"values of silu in {of} are rounded to {dtype}")
        if close(silu(round_to(dtype, x), 0)[0], theirs, REPRODUCED):
            return only(f"{kept} arithmetic", what=f"silu in {of} is taken at x rounded to {dtype}")
    off = largest((theirs - right) / np.maximum(np.abs(right), 2.0**-6))
    name = format_of(off) if off < LARGEST_ROUNDING else ""
    return measured(f"{name} arithmetic", what=f"silu in {of} is off by {off:.1e} of it") if name else []


def _at_the_point_of_splines(subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray) -> bool:
    """Whether the base is evaluated at another point, the one at which splines are evaluated."""
    if "functions" not in subject.differing or not spec.degree:
        return False
    at = [subject.basis(spec, x[:, p], p) @ greville_points(t, spec.order) for p, t in enumerate(spec.knots)]
    off = np.abs(theirs[:, [0, 1, 2], [0, 1, 2]] - silu(np.stack(at, axis=1), 0)[0][:, None])
    return bool((off <= subject.tolerance(4.0)).all())


def _on_splines(subject: Subject, part: str) -> list[Difference]:
    """Whether a part that is added has an effect on splines, too."""
    plain, x = subject.layer((3, 2), 4)
    bare = replace(plain, coefficients=0 * plain.coefficients)

    def effect(layer: LayerSpec) -> FloatArray:
        return subject.values(reweighted(layer, {part: layer.part(part) + 1}), x) - subject.values(layer, x)

    splines = subject.edges(plain, x).sum(axis=2)
    more = effect(plain) - effect(bare)
    k = factor_of(more, splines)
    if abs(k) < 2.0**-16 or not close(more, k * splines, subject.tolerance(16 * largest(splines))):
        return []
    times = "" if abs(k - 1) < 1e-6 else f", {k:.6g} times"
    return only("parts in another order", how=f"{part} multiplies the splines, too{times}")


def _together(subject: Subject, first: str, two: str) -> list[Difference]:
    """The joint effect of two parts: the product of their changes, or nothing."""
    plain, x = subject.layer((3, 2), 4)

    def y(*more: float) -> FloatArray:
        weights = {part: plain.part(part) + k for part, k in zip((first, two), more, strict=True)}
        return subject.values(reweighted(plain, weights), x)

    theirs = y(1, 1) - y(1, 0) - y(0, 1) + y(0, 0)
    makes = next((part for part in ("base", "bias") if part in (first, two)), "scale")
    product = np.broadcast_to(_right_effect(subject, makes, plain, x), theirs.shape)
    times = np.linalg.norm(theirs) > 0.5 * np.linalg.norm(product)  # whichever edges the coefficients are on
    if times == TOGETHER[first, two]:
        return []
    factor, other = (two, first) if two != "bias" else (first, two)
    how = f"{factor} multiplies {other}, too" if times else f"{factor} does not multiply {other}"
    return only("parts in another order", how=how)
