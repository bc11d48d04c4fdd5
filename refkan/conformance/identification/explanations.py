r"""Explain how two arrays with the same axes differ: where, and by which linear map.

Where: the smallest box of indices, along each axis, outside of which they agree. By which map: along one axis, each
slice of theirs is a combination of slices of ours,

    theirs_i = sum_j M_ij ours_j,   i in the box,

with one matrix M for all other axes. A row with one entry is found by inner products, M_ij = <theirs_i, ours_j> /
<ours_j, ours_j>, the others by least squares; M is accepted if only rounding is left. Its shape has a name: factors,
zeros, an order, a shift, one row for all, sums, means. The axis with the simplest M is reported.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, IntArray
from refkan.conformance.identification import matrices_in_words as shapes
from refkan.conformance.identification.known_maps import EXACT, PLURAL, SAMPLES, Named, numbers
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, only

SIGNIFICANT = 2.0**-20
"""Relative to the largest entry: no factor is measured below it."""

CLEAR = 32
"""Combinations of several slices must explain more than this many times the rounding allowed."""

OF_OUTPUTS = ("answer", "output")
"""Axes of responses: the outputs that answer, and those to whose coefficients they do."""

UNLIKELY = 100.0
"""Added to the cost of a combination of samples, which can explain almost anything by its many numbers."""


def explain(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], tolerance: float, owner: str, zero: str = "zero outputs"
) -> list[Difference] | None:  # fmt: skip
    """Return what turns ours into theirs, [] if they are equal, None if no known map does.

    Parameters
    ----------
    theirs, ours : array
    axes : sequence of {"sample", "point", "answer", "output", "input", "coefficient", "row", "column"}
    tolerance : float
        The rounding allowed, absolute. what : str What the arrays are, in words.
    zero : str
        The name of arrays that are zero.
    """
    bad = int((~np.isfinite(theirs)).sum())
    if bad:
        return only("not finite", what=owner, count=bad, total=theirs.size)
    if close(theirs, ours, tolerance):
        return []
    if close(theirs, 0.0, tolerance):
        return only(zero, what=owner)
    for first, moved in (([], ours), *_turned(ours, axes)):
        told = [] if close(theirs, moved, tolerance) else _Pair(theirs, moved, axes, tolerance).combined()
        if told is not None:
            return [Difference(name, {"what": owner, **evidence}) for name, evidence in first + told]
    low, high = float(theirs.min()), float(theirs.max())
    if low < high and close(np.clip(ours, low, high), theirs, tolerance):
        return only("gradient clipped", what=owner, how=f"clipped at {low:.6g} and {high:.6g}")
    return None


def placed(differences: Iterable[Difference], **fields: Any) -> list[Difference]:
    """Return differences with what a stage knows for all of them: `quantities`, `where`, or the `size` of factors."""
    size = fields.pop("size", "")
    more = {"constant factor": {"size": size} if size else {}}
    return [
        replace(difference, evidence={**difference.evidence, **more.get(difference.name, {})}, **fields)
        for difference in differences
    ]


def sized(
    told: list[Difference], sizes: Sequence[Mapping[str, float]], again: Callable[[], tuple[FloatArray, FloatArray]]
) -> list[Difference]:  # fmt: skip
    """Return differences; which size a constant factor is follows from a second measurement `again`, (theirs, ours)."""
    factors = [difference.evidence["factor"] for difference in told if difference.name == "constant factor"]
    return placed(told, size=sizes_of([*factors, abs(factor_of(*again()))], sizes)) if factors else told


def by_factors(told: Iterable[Difference]) -> bool:
    """Whether there is a factor for each slice, which can explain almost anything by its many numbers."""
    return any(difference.name.startswith("factors by") for difference in told)


def by_samples(told: Iterable[Difference] | None) -> bool:
    """Whether the explanation runs over samples: a factor for each of them explains any function of one output."""
    return any(difference.evidence.get("axis") == "sample" for difference in told or ())


def _turned(ours: FloatArray, axes: Sequence[str]) -> Iterator[tuple[list[Named], FloatArray]]:
    """Rearrangements of the whole array that may come first: outputs and inputs exchanged, an axis reversed."""
    if "output" in axes and "input" in axes:
        q, p = axes.index("output"), axes.index("input")
        turned = np.swapaxes(ours, q, p)
        if ours.shape[q] != 1 != ours.shape[p] and abs(q - p) == 1:
            yield [("transposed coefficients", {})], turned.reshape(ours.shape)
            yield [("transposed coefficients", {})], np.swapaxes(ours.reshape(turned.shape), q, p)
    for axis, name in enumerate(axes):
        if name not in SAMPLES and ours.shape[axis] > 1:
            yield [shapes.ordered(name, np.arange(ours.shape[axis])[::-1])], np.flip(ours, axis)


class _Pair(Frozen):
    """Two arrays with the same axes, and the rounding allowed."""

    theirs: FloatArray
    ours: FloatArray
    axes: Sequence[str]
    tolerance: float

    def combined(self) -> list[Named] | None:
        """The simplest combination along one axis, within the box of what differs."""
        box, place = self._box()
        if self._is_added(box):  # outputs get what belongs to others, beside their own
            box = [np.arange(n) if name in OF_OUTPUTS else indices
                   for indices, n, name in zip(box, self.ours.shape, self.axes, strict=True)]  # fmt: skip
            place = {name: words for name, words in place.items() if name not in OF_OUTPUTS}
        told = self._in_box(box, place) if place else []
        if told:
            return told
        several = [
            (plain + len(self.axes) * UNLIKELY * (name in SAMPLES), told)
            for axis, name in enumerate(self.axes)
            for plain, told in self._along(axis, name, box)
        ]
        if not several or min(plain for plain, _ in several) >= UNLIKELY:
            several += self._by_edge(box)
        if not several:
            return None
        _, told = min(several, key=lambda pair: pair[0])
        return [(name, {**evidence, "place": _elsewhere(place, evidence.get("axis", ""))}) for name, evidence in told]

    def _is_added(self, box: list[IntArray]) -> bool:
        """Whether other answers are wrong than those of the outputs whose coefficients show it."""
        if not set(OF_OUTPUTS) <= set(self.axes):
            return False
        answers, outputs = (box[self.axes.index(name)] for name in OF_OUTPUTS)
        return min(answers.size, outputs.size) > 0 and not np.isin(outputs, answers).any()

    def _in_box(self, box: list[IntArray], place: Mapping[str, str]) -> list[Named]:
        """One factor for all that differs, reported for the axis with the smallest share of wrong slices."""
        theirs = self.theirs[np.ix_(*box)]
        ours = self.ours[np.ix_(*box)]
        shape = self.ours.shape
        k = factor_of(theirs, ours)
        if not close(theirs, k * ours, self.tolerance):
            return []
        axis = min((a for a, name in enumerate(self.axes) if name in place), key=lambda a: box[a].size / shape[a])
        name = self.axes[axis]
        n = shape[axis]
        zero = close(theirs, 0.0, self.tolerance)
        evidence = {"axis": name, "indices": box[axis].tolist(), "size": n, "place": _elsewhere(place, name)}
        if zero or k == 0:
            return [(shapes.left_out(name, box[axis], n), evidence)]
        told, more = shapes.on_some(name, box[axis], n, k)
        return [(told, {**evidence, **more})]

    def _box(self) -> tuple[list[IntArray], dict[str, str]]:
        """Indices along each axis, outside of which the arrays agree and are not zero; and the same in words."""
        bad = np.abs(self.theirs - self.ours) > self.tolerance
        every = [np.arange(n) for n in self.ours.shape]
        others = [tuple(b for b in range(bad.ndim) if b != axis) for axis in range(bad.ndim)]
        box, place = [np.flatnonzero(bad.any(axis=rest)) for rest in others], {}
        for axis, name in enumerate(self.axes):
            if name in SAMPLES:
                box[axis] = every[axis]
            if box[axis].size == every[axis].size:
                continue
            here = [every[axis] if b == axis else box[b] for b in range(bad.ndim)]
            shown = np.asarray((np.abs(self.ours[np.ix_(*here)]) > self.tolerance).any(axis=others[axis]))  # were it so
            shown[box[axis]] = False
            box[axis] = np.flatnonzero(~shown)
            if shown.any() and not (name == "output" and "answer" in place):
                word = "output" if name == "answer" else name
                place[name] = f"{word if box[axis].size == 1 else PLURAL.get(name, name)} {numbers(box[axis].tolist())}"
        return box, place

    def _along(self, axis: int, name: str, box: list[IntArray]) -> Iterator[tuple[float, list[Named]]]:
        """Shapes of M along an axis, each with its cost."""
        n = self.ours.shape[axis]
        rows = box[axis]
        tolerance = self.tolerance
        wide = [*box[:axis], np.arange(n), *box[axis + 1 :]]
        A = np.moveaxis(self.ours[np.ix_(*wide)], axis, 0).reshape(n, -1)
        B = np.moveaxis(self.theirs[np.ix_(*box)], axis, 0).reshape(rows.size, -1)
        single = _single(A, B, rows, tolerance)
        if single is not None:
            yield shapes.shape_of(name, rows, n, *single, max(EXACT, 8 * tolerance / largest(A)))
            return
        enough = (np.abs(A).max(axis=0) > tolerance).sum() >= 2 * n > 2
        if name not in SAMPLES and enough and not close(B, A[rows], CLEAR * tolerance):
            M: FloatArray = np.asarray(np.linalg.lstsq(A.T, B.T, rcond=1e-10)[0].T, np.float64)
            plain = np.round(M, 9)  # without the rounding of the solver
            M = plain if largest(plain @ A - B) < largest(M @ A - B) else M
            told = shapes.combination(name, M, rows, n) if close(M @ A, B, 4 * tolerance) else None
            if told:
                yield 8.0 + told[1]["loose"], [told]

    def _by_edge(self, box: list[IntArray]) -> list[tuple[float, list[Named]]]:
        """One factor for each pair of indices along two axes."""
        A = self.ours[np.ix_(*box)]
        B = self.theirs[np.ix_(*box)]
        axes = self.axes
        told = []
        for a, b in combinations(range(A.ndim), 2):
            rest = tuple(c for c in range(A.ndim) if c not in (a, b))
            if not rest or {axes[a], axes[b]} & set(SAMPLES):
                continue
            size = (A * A).sum(axis=rest, keepdims=True)
            seen = size > (SIGNIFICANT * largest(A)) ** 2
            if (np.abs(A) > self.tolerance).sum() < 2 * seen.sum():  # a factor for each number is none
                continue
            k = np.where(seen, (A * B).sum(axis=rest, keepdims=True) / np.where(seen, size, 1.0), 1.0)
            if close(B, k * A, self.tolerance):
                evidence = {"axis": f"{axes[a]} and {axes[b]}", "factors": np.round(np.squeeze(k, rest), 6).tolist()}
                told.append((9.0, [("factors by edge", evidence)]))
        return told


def _elsewhere(place: Mapping[str, str], axis: str) -> str:
    """Where the difference is, except for the axis that the sentence itself names."""
    if axis in SAMPLES:
        return ""
    told = [words for name, words in place.items() if name != axis and {name, axis} != {"answer", "output"}]
    return f" ({', '.join(told)} only)" if told else ""


def _single(A: FloatArray, B: FloatArray, rows: IntArray, tolerance: float) -> tuple[IntArray, FloatArray] | None:
    """For each row of B a row of A of which it is a multiple, that of its own index if possible, and the factor."""
    size, products = (A * A).sum(axis=1), B @ A.T
    seen = size > (SIGNIFICANT * largest(A)) ** 2
    k = np.where(seen, products / np.where(seen, size, 1.0), 0.0)
    left = (B * B).sum(axis=1)[:, None] - k * products
    sources, factors = rows.copy(), np.ones(rows.size)
    for i, own in enumerate(rows):
        if not (np.abs(B[i]) > tolerance).any():
            factors[i] = float(not seen[own])
            continue
        order = [own, *np.argsort(left[i], kind="stable")[:2]]
        equal = [j for j in order if seen[j] and close(B[i], k[i, j] * A[j], tolerance)]
        if not equal:
            return None
        sources[i], factors[i] = equal[0], k[i, equal[0]]
    return sources, factors


def sizes_of(factors: Sequence[float], sizes: Sequence[Mapping[str, float]]) -> str:
    """Return which size, or 1 over it, a factor equals in several measurements; "" if none.

    Examples
    --------
    >>> sizes_of([1 / 8, 1 / 5], [{"samples": 8, "inputs": 2}, {"samples": 5, "inputs": 2}])
    '1 over the number of samples'
    """
    for name in sizes[0]:
        if len({each[name] for each in sizes}) == 1:
            continue  # then it tells nothing
        for power, words in ((-1, "1 over {}"), (1, "{}"), (-0.5, "1 over the root of {}"), (2, "the square of {}")):
            if all(abs(k - s[name] ** power) <= 1e-6 * k for k, s in zip(factors, sizes, strict=True)):
                return words.format(name if name.startswith("the ") else f"the number of {name}")
    return ""
