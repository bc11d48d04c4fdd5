r"""What a quantity is, if not the one that is asked for: the same formula with one of its arguments another one.

The values of a layer, its derivatives and its Gauss-Newton matrix are sums of products of cotangents dy, directions v,
basis functions b_i^(k)(x_p) on the interval of x_p, coefficients and parts. One of these is replaced at a time: arrays
by their mean, sum, first or next slices along one of their axes; functions by those of another order, of the piece
beside, at the end of the interval, by one of the two terms of their derivative; knots by others. What gives the answer,
but for one factor, in two settings (of other samples, cotangents and coefficients, and of another degree and other
sizes where that is wrong, too) is told, with the place if the rest of the array is right.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import RULES, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import round_to
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives, matrix
from refkan.conformance.identification.gradients.situations import EDGES
from refkan.conformance.identification.gradients.slopes import places, terms, true_rows
from refkan.conformance.identification.known_maps import MAPS
from refkan.conformance.identification.matrix_shapes import PLURAL, place_of

ENOUGH = 3
"""Entries that are wrong, at least, where a relation with one factor is looked for."""

ELEMENTWISE: dict[str, Callable[[FloatArray], FloatArray]] = {
    "zero": np.zeros_like, "one everywhere": np.ones_like, "their sizes": np.abs, "their squares": np.square,
    **{f"rounded to {name}": partial(round_to, name) for name in ("float32", "float16", "bfloat16")},
}  # fmt: skip

ALONG: dict[str, Callable[[FloatArray, int], FloatArray]] = {
    "the mean over {all}": lambda a, k: a.mean(axis=k, keepdims=True) + 0 * a,
    "the sum over {all}": lambda a, k: a.sum(axis=k, keepdims=True) + 0 * a,
    "less the mean over {all}": lambda a, k: a - a.mean(axis=k, keepdims=True),
    "divided by the length over {all}": lambda a, k: a / np.linalg.norm(a, axis=k, keepdims=True),
    "those of the first {one}": lambda a, k: np.take(a, [0], axis=k) + 0 * a,
    "those of the last {one}": lambda a, k: np.take(a, [-1], axis=k) + 0 * a,
    "those of the next {one}": lambda a, k: np.roll(a, -1, axis=k),
    "those of the {one} before": lambda a, k: np.roll(a, 1, axis=k),
    "{all} in the opposite order": lambda a, k: np.flip(a, axis=k),
}

ORDERS = ("values", "first derivatives", "second derivatives", "third derivatives")

Rows = Callable[[int], FloatArray]
"""Derivatives of an order of the basis functions, (N, P, dim)."""


def turned(array: FloatArray, axes: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
    """What may be in place of an array, in words: other numbers, or other slices along one of its axes."""
    for words, of in ELEMENTWISE.items():
        yield words, of(array)
    if array.ndim == len(axes) == 2 and array.shape[0] == array.shape[1]:
        yield f"{PLURAL[axes[0]]} and {PLURAL[axes[1]]} are exchanged", array.T
    for k, axis in enumerate(axes):
        for words, along in ALONG.items() if array.shape[k] > 1 else ():
            yield words.format(one=axis, all=PLURAL[axis]), along(array, k)


class OfOtherFunctions(FloatQuantities):
    """Quantities of a layer with other basis functions, and another map in place of SiLU."""

    def __init__(self, spec: LayerSpec, x: FloatArray, rows: Rows | None = None, branch: Any = None) -> None:
        self.rows, self.branch = rows, branch
        super().__init__((spec,), x)

    def splines_at(self, spec: LayerSpec, z: FloatArray) -> tuple[Any, Any]:
        """By the rows given."""
        if self.rows is None:
            return super().splines_at(spec, z)
        rows = [self.rows(k) for k in range(3)]
        return rows[0], np.stack([np.einsum("qpi,spi->sqp", spec.coefficients, row) for row in rows])

    def silu_at(self, k: int) -> Any:
        """The other map for all orders."""
        return super().silu_at(k) if self.branch is None else np.repeat(self.branch(self.z[k])[None], 3, axis=0)


def rows_at(spec: LayerSpec, points: FloatArray, pieces: FloatArray, of: Callable[..., FloatArray] = true_rows) -> Rows:
    """Rows at points (N, P), of the pieces in force at others."""
    return lambda k: np.stack(
        [of(t, spec.order, points[:, p], k, pieces[:, p]) for p, t in enumerate(spec.knots)], axis=1
    )


def related(d: Derivatives) -> str:
    """What the quantity is, in words, "" if no relation holds in two settings."""
    zero = d.wrong.any() and not d.answered[d.wrong].any()
    if zero and (place := _place(d)):
        return "they are zero" + place
    fits = _fitting(d, zero=bool(zero))
    if not fits:
        return "some are zero" * bool(zero)
    others = d.again(sizes=True)
    others = d.again() if others.is_true or others.right != d.right else others
    again = _fitting(others, zero=True)
    sizes = [sizes_asked(of.spec, len(of.x)) for of in (d, others)]
    told = {}
    for words, k in fits.items():
        size = sizes_of([abs(k), abs(again.get(words, 0.0))], sizes)
        if words in again and (size or not again[words] or abs(again[words] - k) <= 1e-6 * abs(k)):
            sign = ", with the opposite sign" * (k < 0)
            told[words] = (
                words
                + sign
                + ("" if not k or abs(abs(k) - 1) <= 1e-6 else f", multiplied by {size or f'{abs(k):.6g}'}")
            )
    plain = sorted(told.items(), key=lambda pair: pair[0] != pair[1])  # without a factor first
    return next((more + _place(d) for _, more in plain), "")


def _place(d: Derivatives) -> str:
    """Where the quantity is wrong, if not everywhere: beyond a point of the domain, or in some slices."""
    wrong, x, told = d.wrong, d.situation.x, list[str]()
    if not d.right or wrong.all() or (d.answered[~wrong] == 0).all():
        return ""
    for p in np.flatnonzero(wrong.any(axis=0)) if d.order else ():
        bad, good = x[wrong[:, p], p], x[~wrong[:, p], p]
        if good.size and bad.min() > good.max():
            told.append(f"where x > {good.max():.4g} (input {p})")
        elif good.size and bad.max() < good.min():
            told.append(f"where x < {good.min():.4g} (input {p})")
        else:
            return place_of(wrong, d.axes)
    return " " + ", ".join(told) if told else place_of(wrong, d.axes)


def _fitting(d: Derivatives, zero: bool = False) -> dict[str, float]:
    """Relations that give what is wrong, and the factor of each; with zeros, if they may be all that there is."""
    wrong, told = d.wrong, dict[str, float]()
    if wrong.sum() < ENOUGH or not np.isfinite(d.answered).all():
        return {}
    theirs = d.answered[wrong]
    for words, other in _alternatives(d):
        ours = other[wrong]
        size = float((ours * ours).sum())
        k = float((ours * theirs).sum()) / size if size > 0 else 0.0
        all_zero = zero and not size and (np.abs(d.answered - other) <= d.room).all()
        if all_zero or (abs(k) > 1e-9 and np.abs(theirs - k * ours).max() <= d.room):
            told[words] = k
    left = theirs - d.expected[wrong]
    for words, added in _added(d):
        ours = np.broadcast_to(added, wrong.shape)[wrong]
        k = float((ours * left).sum()) / max(float((ours * ours).sum()), 1e-300)
        if np.abs(left - k * ours).max() <= d.room:
            told[f"{k:.6g} times {words} is added"] = 1.0
    return told


def _added(d: Derivatives) -> Iterator[tuple[str, FloatArray]]:
    """What may be added to the quantity, times any number."""
    if d.in_weights:
        yield "each weight", d.spec.coefficients if d.name == "coefficients" else d.spec.part(d.name)
    if d.name == "gauss-newton":
        yield "the identity", np.eye(d.shape[0])
    if d.name == "node-scale":
        yield "what the bias adds", d.situation.cotangents.sum(axis=0) * d.spec.part("bias")


def _alternatives(d: Derivatives) -> Iterator[tuple[str, FloatArray]]:
    """What the quantity would be, by what is another."""
    dy, along = d.situation.cotangents, d.situation.direction
    for words, other in turned(dy, ("sample", "output")) if d.name not in ("values", "gauss-newton") else ():
        yield f"they are those of other cotangents: {words}", d.whole(other, along)
    for words, other in turned(along, ("sample", "input")) if d.order == 2 else ():
        yield f"they are those along another direction: {words}", d.whole(dy, other)
    if d.name == "gauss-newton":
        yield from _matrices(d)
    if d.order and d.inside:  # the chain rule of another variable than x
        m = places(d.spec, d.x)
        h = np.stack([t[m[:, p] + 1] - t[m[:, p]] for p, t in enumerate(d.spec.knots)], axis=1)
        for words, power in {"times": 1, "divided by": -1, "times the square of": 2, "over the square of": -2}.items():
            yield f"they are the right ones {words} the length of the interval of x", d.whole(dy, along) * h**power
    if not d.right or d.name == "knots":
        return
    if d.name == "node-scale":
        yield "they are those of dy times the outputs", (dy * d.situation.quantities.values).sum(axis=0)
    for words, quantities in _of_others(d):
        yield words, d.truth(dy, along, quantities)


def _matrices(d: Derivatives) -> Iterator[tuple[str, FloatArray]]:
    """Gauss-Newton matrices of other Jacobians, with some of their entries alone, or in another order."""
    ours, C = d.expected, d.spec.coefficients
    for words, other in turned(d.jacobian, ("sample", "output")):
        yield f"they are those of the Jacobian: {words}", matrix(other)
    index = np.unravel_index(np.arange(C.size), C.shape)
    q, p, i = (of[:, None] == of for of in index)
    kept = {"the diagonal": q & p & i, "the blocks of edges": q & p, "the blocks of outputs": q,
            "the blocks of inputs": p, "the upper triangle": np.triu(ours != np.inf),
            "the lower triangle": np.tril(ours != np.inf)}  # fmt: skip
    for words, entries in kept.items():
        yield f"all but {words} are zero", ours * entries
    for axes in permutations(range(3)):
        order = np.arange(C.size).reshape(C.shape).transpose(axes).ravel()
        yield f"they stand in the order ({', '.join(EDGES[k] for k in axes)})", ours[np.ix_(order, order)]


def _of_others(d: Derivatives) -> Iterator[tuple[str, FloatQuantities]]:
    """Quantities with other coefficients, parts, points, knots or functions."""
    spec, x = d.spec, d.situation.x
    for words, changed in other_weights(spec):
        yield words, FloatQuantities((changed,), x)
    low, high = spec.domains.T
    clamped = np.clip(x, low, high)
    if "base" in spec.parts:
        near = {"SiLU at the nearest point of the domain": lambda z: MAPS["silu"](np.clip(z, low, high))}
        for words, branch in {"x": lambda z: z, **MAPS, **near}.items():
            yield f"the part base counts otherwise: it multiplies {words}", OfOtherFunctions(spec, x, branch=branch)
    if not d.inside:
        yield "they are those at the nearest point of the domain", FloatQuantities((spec,), clamped)
        for rule in RULES:
            yield f"they are those of the rule {rule!r}", FloatQuantities((replace(spec, outside=rule),), x)
        return
    for words, points in turned(x, ("sample", "input")):
        yield f"they are those at other samples: {words}", FloatQuantities((spec,), np.clip(points, low, high))
    step, r = np.ptp(spec.domains, axis=1, keepdims=True) / spec.intervals, spec.order
    equal = spec.domains[:, :1] + step * np.arange(1 - r, spec.intervals + r)
    for words, knots in {"equally spaced": equal, **dict(turned(spec.knots, ("input",)))}.items():
        if (np.diff(knots, axis=1) > 0).all():
            yield (
                f"they are those on other knots: {words}",
                FloatQuantities((replace(spec, knots=knots, kind="arbitrary"),), x),
            )
    for words, rows in _functions(d).items():
        yield f"they are those of {words}", OfOtherFunctions(spec, x, rows)


def other_weights(spec: LayerSpec) -> Iterator[tuple[str, LayerSpec]]:
    """Layers whose coefficients, or one of whose parts, are others: in words, and the layer."""
    for words, C in turned(spec.coefficients, EDGES):
        yield f"they are those of other coefficients: {words}", replace(spec, coefficients=C)
    for part in spec.parts:
        weights = spec.part(part)
        for words, changed in turned(weights, EDGES[: weights.ndim]):
            more: dict[str, Any] = {attribute(part): changed}
            if not np.array_equal(changed, weights):
                yield f"the part {part} counts otherwise: {words}", replace(spec, **more)
    if {"scale", "node-scale"} <= set(spec.parts):
        neutral: dict[str, Any] = {
            name: np.ones_like(spec.part(part)) for name, part in (("scale", "scale"), ("node_scale", "node-scale"))
        }
        yield "the parts scale and node-scale count otherwise: one everywhere", replace(spec, **neutral)


def _functions(d: Derivatives) -> dict[str, Rows]:
    """Other functions than the basis functions, by rows of each order of derivatives."""
    spec, x = d.spec, d.situation.x
    m, last = places(spec, x), spec.knots.shape[1] - 2
    low, high = (np.stack([t[m[:, p] + k] for p, t in enumerate(spec.knots)], axis=1) for k in (0, 1))

    def middle(of: Any) -> FloatArray:
        of = np.clip(of, 0, last)
        return np.stack([(t[of[:, p]] + t[of[:, p] + 1]) / 2 for p, t in enumerate(spec.knots)], axis=1)

    own = rows_at(spec, x, x)
    others: dict[str, Rows] = {
        f"{words} of edges": partial(lambda order, _: own(order), k) for k, words in enumerate(ORDERS) if k != d.order
    }
    for words, points in {"the left end": low, "the middle": (low + high) / 2, "the right end": high}.items():
        others[f"{words} of the interval"] = rows_at(spec, points, x)
    for words, step in {"on the left": -1, "on the right": 1}.items():
        others[f"the piece of the interval {words}"] = rows_at(spec, x, middle(m + step))
    both = {"the first term of b' alone": (1, 0), "the second term of b' alone": (0, 1),
            "the sum of both terms of b'": (1, 1)}  # fmt: skip
    for words, (k, l) in both.items() if d.order else ():
        others[words] = rows_at(spec, x, x, partial(_of_terms, k, l))
    return others


def _of_terms(k: float, l: float, t: FloatArray, order: int, x: FloatArray, derivative: int, at: FloatArray) -> Any:
    """The terms of a derivative of B-splines with other factors than 1 and -1; its values as they are."""
    if not derivative:
        return true_rows(t, order, x, 0, at)
    left, right = terms(t, order, x, derivative, at)
    return k * left + l * right


def sizes_asked(spec: LayerSpec, count: int) -> dict[str, float]:
    """Sizes of a layer and of a batch that factors may be."""
    Q, P = spec.coefficients.shape[:2]
    sizes = {
        "samples": count, "outputs": Q, "inputs": P, "the samples times the outputs": count * Q,
        "the degree": max(spec.degree, 1), "the degree less one": max(spec.degree - 1, 1), "the order": spec.order,
        "the order over the degree": spec.order / max(spec.degree, 1),
        "coefficients of an edge": spec.dim, "intervals": spec.intervals, "the coefficients": spec.coefficients.size,
    }  # fmt: skip
    if spec.kind == "uniform":
        sizes["the spacing h"] = float(np.ptp(spec.domain)) / spec.intervals
        sizes["the length of the domain"] = float(np.ptp(spec.domain))
    return sizes
