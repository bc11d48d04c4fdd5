r"""Wrong derivatives as the right formulas with one wrong argument.

The derivatives of a layer are linear in the cotangents dy, and in the direction v, and follow from its basis functions
b_i^(k)(x_p) on the interval of x_p, its coefficients and its parts. One of these is replaced at a time: cotangents by
their mean, or by those of the next sample; functions by those of another order, of the next piece, at the end of the
interval; knots, coefficients and parts by others. A replacement that gives the answer up to one factor, in two settings
(of other samples, cotangents and coefficients), is reported, with the place if the rest of the array is right. If
several do, one that also does in another degree is preferred.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, IntArray
from refkan.conformance.cases import RULES, FloatQuantities, LayerSpec, reweighted, round_to
from refkan.conformance.identification.explanations import sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.situations import other_parts
from refkan.conformance.identification.knots_in_use import ends_of, places, true_rows
from refkan.conformance.identification.known_maps import MAPS, place_of
from refkan.conformance.identification.reported import close

ENOUGH = 3
"""Smallest number of wrong entries for a relation with one factor."""

FORMATS = ("float32", "float16", "bfloat16")

TURNED: dict[str, Callable[[FloatArray], FloatArray]] = {
    "one everywhere": np.ones_like,
    "the mean over samples": lambda a: a.mean(axis=0) + 0 * a,
    "less the mean over samples": lambda a: a - a.mean(axis=0),
    "those of the first sample": lambda a: a[:1] + 0 * a,
    "those of the last sample": lambda a: a[-1:] + 0 * a,
    "those of the next sample": lambda a: np.roll(a, -1, axis=0),
    "samples in the opposite order": lambda a: a[::-1],
    "the mean in each sample": lambda a: a.mean(axis=1, keepdims=True) + 0 * a,
    "the sum in each sample": lambda a: a.sum(axis=1, keepdims=True) + 0 * a,
    "the first in each sample": lambda a: a[:, :1] + 0 * a,
    "in each sample in the opposite order": lambda a: a[:, ::-1],
    "memory of (sample, output) is read as (output, sample)": lambda a: a.reshape(a.shape[::-1]).T,
    "memory of (output, sample) is read as (sample, output)": lambda a: a.T.reshape(a.shape),
    "clipped at -1 and 1": lambda a: np.clip(a, -1, 1),
    "their sizes": np.abs,
    "their signs": np.sign,
    "their squares": np.square,
    "divided by their length": lambda a: a / np.linalg.norm(a),
    **{f"rounded to {name}": partial(round_to, name) for name in FORMATS},
}
"""What may replace an array (N, M) with numbers of each sample, in words."""

OF_SAMPLES = {
    "the mean over samples": "each sample has the mean over samples",
    "less the mean over samples": "the mean over samples is subtracted from each",
    "those of the first sample": "all samples have those of the first",
    "the mean in each sample": "each input has the mean over inputs",
    "divided by their length": "they are divided by their norm",
}
"""What becomes of the right derivatives of all samples, by lines of `TURNED`."""

ORDERS = ("values", "first derivatives", "second derivatives", "third derivatives")

Rows = Callable[[int], FloatArray]
"""Derivatives of an order of the basis functions, (N, P, dim)."""


class OfOtherFunctions(FloatQuantities):
    """Quantities of a layer with other basis functions, and another map instead of SiLU."""

    def __init__(self, spec: LayerSpec, x: FloatArray, rows: Rows, branch: Any = None) -> None:
        self.rows, self.branch = rows, branch
        super().__init__((spec,), x)

    def splines_at(self, spec: LayerSpec, z: FloatArray) -> tuple[Any, Any]:
        """The rows given."""
        rows = [self.rows(k) for k in range(3)]
        return rows[0], np.stack([np.einsum("qpi,spi->sqp", spec.coefficients, row) for row in rows])

    def silu_at(self, k: int) -> Any:
        """The other map for all orders."""
        return super().silu_at(k) if self.branch is None else np.repeat(self.branch(self.z[k])[None], 3, axis=0)


def rows_at(spec: LayerSpec, points: FloatArray, pieces: FloatArray) -> Rows:
    """Rows at points (N, P), of the pieces used at other points."""
    columns = list(zip(spec.knots, points.T, pieces.T, strict=True))
    return lambda k: np.stack([true_rows(t, spec.order, x, k, at) for t, x, at in columns], axis=1)


def related(d: Derivatives) -> str:
    """The derivatives in words, "" if no relation holds in two settings."""
    if d.wrong.any() and not d.answered[d.wrong].any():
        return "they are zero" + _place(d)
    fits = _fitting(d)
    if not fits:
        return ""
    again = d.again()
    told = in_both(fits, _fitting(again), [of.sizes for of in (d, again)])
    third = d.in_another_degree() if told else None
    if third is not None and third.right == d.right and not third.is_true:
        elsewhere = _fitting(third, zero=True)
        told = {words: more for words, more in told.items() if words in elsewhere}
    return next((more + _place(d) for more in told.values()), "")


def in_both(
    fits: Mapping[str, float], others: Mapping[str, float], sizes: Sequence[Mapping[str, float]]
) -> dict[str, str]:  # fmt: skip
    """Relations that hold in two settings with one factor, or as one size, in words; those without a factor first."""
    told = {}
    for words, k in fits.items():
        size = sizes_of([abs(k), abs(others.get(words, 0.0))], sizes)
        if words in others and (size or abs(others[words] - k) <= 1e-6 * abs(k)):
            factor = "" if abs(abs(k) - 1) <= 1e-6 else f", multiplied by {size or f'{abs(k):.6g}'}"
            told[words] = words + ", with the opposite sign" * (k < 0) + factor
    return dict(sorted(told.items(), key=lambda pair: pair[0] != pair[1]))


def _place(d: Derivatives) -> str:
    """Where the derivatives are wrong, if not everywhere."""
    wrong = d.wrong
    if not d.right or wrong.all() or (d.answered[~wrong] == 0).all():
        return ""
    if d.order and d.situation.x.shape == wrong.shape:
        where = _part_of_domain(d.situation.x, wrong)
        if "at " not in where:
            return f" {where}"
    return place_of(wrong, d.axes)


def _part_of_domain(x: FloatArray, wrong: Array) -> str:
    """The part of the domain in which entries (N, P) are wrong, in words."""
    told = []
    for p in np.flatnonzero(wrong.any(axis=0)):
        bad, good = x[wrong[:, p], p], x[~wrong[:, p], p]
        low, high = float(good.min(initial=np.inf)), float(good.max(initial=-np.inf))
        if not good.size:
            where = "everywhere"
        elif bad.min() > high:
            where = f"where x > {high:.4g}"
        elif bad.max() < low:
            where = f"where x < {low:.4g}"
        elif not ((bad > low) & (bad < high)).any():
            where = f"outside [{low:.4g}, {high:.4g}]"
        elif not ((good > bad.min()) & (good < bad.max())).any():
            where = f"in [{bad.min():.4g}, {bad.max():.4g}]"
        else:
            where = f"at {bad.size} of {len(x)} points"
        told.append(f"{where} (input {p})")
    return ", ".join(told)


def _fitting(d: Derivatives, zero: bool = False) -> dict[str, float]:
    """Relations that give the wrong entries, and the factor of each; zeros count only with `zero`."""
    wrong, told = d.wrong, dict[str, float]()
    if wrong.sum() < ENOUGH or not np.isfinite(d.answered).all():
        return {}
    theirs = d.answered[wrong]
    for words, other in _alternatives(d):
        ours = other[wrong]
        size = float((ours * ours).sum())
        k = float((ours * theirs).sum()) / size if size > 0 else float(zero)
        if abs(k) > 1e-9 and close(theirs, k * ours, d.room):
            told[words] = k
    return told


def _alternatives(d: Derivatives) -> Iterator[tuple[str, FloatArray]]:
    """What the derivatives would be with one wrong argument, in words."""
    dy, along = d.situation.cotangents, d.situation.direction
    for words, turn in TURNED.items():
        if d.order == 2:
            others = "do not depend on the direction", f"are those along another direction: {words}"
            yield f"they {others[words != 'one everywhere']}", d.whole(dy, turn(along))
        yield f"they are those of other cotangents: {words}", d.whole(turn(dy), along)
    for name, words in OF_SAMPLES.items() if d.order else ():
        yield words, TURNED[name](d.whole(dy, along))
    if d.order and d.inside:  # what chain rules of other variables than x multiply and divide by
        low, high = ends_of(d.spec, places(d.spec, d.x))
        for words, length in {"the length of the interval of x": high - low, **lengths_of_inputs(d.spec)}.items():
            for power in (1, -1, 2, -2):
                done = "multiplied" if power > 0 else "divided"
                yield (f"they are {done} by {words}{', squared' * (abs(power) == 2)}",
                       d.whole(dy, along) * (length**power + 0 * d.x))  # fmt: skip
    if not d.right or d.name == "knots":
        return
    if d.name == "node-scale":
        yield "the bias counts 1 times", d.truth(dy, along) + dy.sum(axis=0) * d.spec.part("bias")
    for part in d.spec.parts if not d.order else ():
        weights = d.spec.part(part)
        rest = len(d.shape) - weights.ndim
        if rest >= 0:
            factor = weights.reshape(weights.shape + (1,) * rest)
            yield f"they are multiplied once more by the part {part}", d.truth(dy, along) * factor
    for words, quantities in _of_others(d):
        yield words, d.truth(dy, along, quantities)


def lengths_of_inputs(spec: LayerSpec) -> dict[str, FloatArray]:
    """Lengths (P,) by which other codes divide x: of the domain, of its half, of intervals."""
    domain, t, r = np.ptp(spec.domains, axis=1), spec.knots, spec.order
    return {
        "the mean spacing (b - a)/n of each input": domain / spec.intervals,
        "the first spacing of each input": t[:, r] - t[:, r - 1],
        "half the length of the domain, (b - a)/2, of each input": domain / 2,
        "the length of the domain, b - a, of each input": domain,
        "the span of all knots of each input": t[:, -1] - t[:, 0],
    }


def _of_others(d: Derivatives) -> Iterator[tuple[str, FloatQuantities]]:
    """Quantities with other functions, points, knots, coefficients, or parts."""
    spec = d.spec
    x = d.situation.x
    low, high = d.spec.domains.T
    for words, layer in _of_gains(spec):
        yield words, FloatQuantities((layer,), x)
    for part, words, layer in other_parts(spec):
        yield f"the part {part} enters otherwise: {words}", FloatQuantities((layer,), x)
    if not d.inside:
        yield "they are those at the nearest point of the domain", FloatQuantities((spec,), np.clip(x, low, high))
        for rule in RULES:
            yield f"they are those of the rule {rule!r}", FloatQuantities((replace(spec, outside=rule),), x)
        return
    for words, rows, branch in _functions(d):
        yield f"they are {words}", OfOtherFunctions(spec, x, rows, branch)
    samples = {"the next sample": np.roll(x, -1, axis=0), "the first sample": x[:1] + 0 * x,
               "the next input": np.roll(x, -1, axis=1), "the mirrored point": low + high - x}  # fmt: skip
    for words, points in samples.items():
        yield f"they are those at {words}", FloatQuantities((spec,), np.clip(points, low, high))


def _of_gains(spec: LayerSpec) -> Iterator[tuple[str, LayerSpec]]:
    """Layers whose splines lack a factor, or have one twice."""
    for names in (("scale",), ("node-scale",), ("scale", "node-scale")):
        words = f"the part{'s' * (len(names) > 1)} {' and '.join(names)}"
        for done, power in (("they lack the factors of", 0), ("they are multiplied once more by", 2)):
            if set(names) <= set(spec.parts):
                yield f"{done} {words}", reweighted(spec, {name: spec.part(name) ** power for name in names})


def _functions(d: Derivatives) -> Iterator[tuple[str, Rows, Any]]:
    """Functions of another order, another map instead of SiLU, other points on the pieces of x, other pieces at x."""
    spec, x = d.spec, d.situation.x
    own = rows_at(spec, x, x)
    m = places(spec, x)
    K, r = spec.knots.shape[1], spec.order

    def middle(of: IntArray) -> FloatArray:
        return np.asarray(sum(ends_of(spec, of)) / 2)

    for k, words in enumerate(ORDERS):
        if k != d.order:
            yield f"the {words} of edges", partial(lambda of, _: own(of), k), None
    for words, branch in {"identity": lambda z: z, **MAPS}.items() if "base" in spec.parts else ():
        yield f"{words} of x", own, branch
    low, high = ends_of(spec, m)
    points = {"the left end of the interval": low, "the middle of the interval": middle(m),
              "the right end of the interval": high,
              **{f"x rounded to {name}": round_to(name, x) for name in FORMATS}}  # fmt: skip
    for words, point in points.items():
        yield f"those at {words}", rows_at(spec, point, x), None
    pieces = {"interval on the left": m - 1, "interval on the right": m + 1,
              "first interval": 0 * m + r - 1, "last interval": 0 * m + K - r - 1}  # fmt: skip
    for words, piece in pieces.items():
        yield f"those of the piece of the {words}", rows_at(spec, x, middle(piece)), None
