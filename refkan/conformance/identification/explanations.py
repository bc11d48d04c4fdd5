r"""Two arrays of the same axes: where they differ, and what one is made of there.

Where: the smallest box of indices, along each axis, outside of which they agree. What: along one axis a, each slice of
theirs is a combination of slices of ours,

    theirs_i = sum_j M_ij ours_j,   i in the box,

with one matrix M for all other axes. A row with one entry is found by inner products, M_ij = <theirs_i, ours_j> /
<ours_j, ours_j>, the others by least squares; M counts if what is left is rounding. Its shape has a name: factors,
zeros, an order, a shift, one row for all, sums, means. The axis along which M is plainest is told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.identification.matrix_shapes import (
    EXACT,
    PLURAL,
    SAMPLES,
    Named,
    combination,
    left_out,
    numbers,
    on_some,
    ordered,
    shape_of,
)  # fmt: skip
from refkan.conformance.identification.stages_and_differences import Difference

SIGNIFICANT = 2.0**-20
"""Shares of the largest entry below which a factor is not measured."""

CLEAR = 32
"""Times the rounding allowed: what combinations of several slices must explain."""

UNLIKELY = 100.0
"""Added to how plain a combination of samples is: it explains much by many numbers."""


def explain(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], tolerance: float, owner: str, zero: str = "zero outputs"
) -> list[Difference] | None:  # fmt: skip
    """Return what makes theirs of ours, [] if they are equal, None if nothing does.

    Parameters
    ----------
    theirs, ours : array
    axes : sequence of {"sample", "point", "answer", "output", "input", "coefficient", "row", "column"}
    tolerance : float
        The rounding allowed, absolute.
    what : str
        What the arrays are, in words.
    zero : str
        The name of arrays that are zero.
    """
    if not ours.size:
        return None
    if not np.isfinite(theirs).all():
        bad = int((~np.isfinite(theirs)).sum())
        return [Difference("not finite", {"what": owner, "count": bad, "total": theirs.size})]
    if (np.abs(theirs - ours) <= tolerance).all():
        return []
    if not (np.abs(theirs) > tolerance).any():
        return [Difference(zero, {"what": owner})]
    wholes: list[tuple[list[Named], FloatArray]] = [([], ours), *_turned(ours, axes)]
    for first, moved in wholes:
        told = [] if (np.abs(theirs - moved) <= tolerance).all() else _combined(theirs, moved, axes, tolerance)
        if told is not None:
            return [Difference(name, {"what": owner, **evidence}) for name, evidence in first + told]
    low, high = float(theirs.min()), float(theirs.max())
    if low < high and (np.abs(np.clip(ours, low, high) - theirs) <= tolerance).all():
        return [Difference("gradient clipped", {"what": owner, "how": f"cut off at {low:.6g} and {high:.6g}"})]
    return None


def placed(differences: Iterable[Difference], **fields: Any) -> list[Difference]:
    """Return differences with what a stage knows of all of them: `quantities`, `where`, or the `size` of factors."""
    size = fields.pop("size", "")
    more = {"constant factor": {"size": size} if size else {}}
    return [
        replace(difference, evidence={**difference.evidence, **more.get(difference.name, {})}, **fields)
        for difference in differences
    ]


def _turned(ours: FloatArray, axes: Sequence[str]) -> Iterator[tuple[list[Named], FloatArray]]:
    """What may be done to a whole array before: outputs and inputs exchanged in the same memory, an axis reversed."""
    if "output" in axes and "input" in axes:
        q, p = axes.index("output"), axes.index("input")
        turned = np.swapaxes(ours, q, p)
        if ours.shape[q] != 1 != ours.shape[p] and abs(q - p) == 1:
            yield [("transposed coefficients", {})], turned.reshape(ours.shape)
            yield [("transposed coefficients", {})], np.swapaxes(ours.reshape(turned.shape), q, p)
    for axis, name in enumerate(axes):
        if name not in SAMPLES and ours.shape[axis] > 1:
            yield [ordered(name, np.arange(ours.shape[axis])[::-1])], np.flip(ours, axis)


def _combined(theirs: FloatArray, ours: FloatArray, axes: Sequence[str], tolerance: float) -> list[Named] | None:
    """The plainest combination along one axis, within the box of what differs."""
    box, place = _box(theirs, ours, axes, tolerance)
    if place and (told := _in_box(theirs[np.ix_(*box)], ours[np.ix_(*box)], axes, box, place, ours.shape, tolerance)):
        return told
    combinations = [
        (plain + len(axes) * UNLIKELY * (name in SAMPLES), told)
        for axis, name in enumerate(axes)
        for plain, told in _along(theirs, ours, axis, name, box, tolerance)
    ]
    if not combinations or min(plain for plain, _ in combinations) >= UNLIKELY:
        combinations += _by_edge(theirs, ours, axes, box, tolerance)
    if not combinations:
        return None
    _, told = min(combinations, key=lambda pair: pair[0])
    return [(name, {**evidence, "place": _elsewhere(place, evidence.get("axis", ""))}) for name, evidence in told]


def _in_box(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], box: list[IntArray], place: Mapping[str, str],
    shape: tuple[int, ...], tolerance: float,
) -> list[Named]:  # fmt: skip
    """One factor of all that differs, told of the axis along which that is the least."""
    k = float((theirs * ours).sum() / max((ours * ours).sum(), 1e-300))
    if not (np.abs(theirs - k * ours) <= tolerance).all():
        return []
    axis = min((a for a in range(len(axes)) if axes[a] in place), key=lambda a: box[a].size / shape[a])
    name, k = axes[axis], 0.0 if not (np.abs(theirs) > tolerance).any() else k
    evidence = {"axis": name, "indices": box[axis].tolist(), "size": shape[axis], "place": _elsewhere(place, name)}
    if k == 0:
        return [(left_out(name, box[axis], shape[axis]), evidence)]
    told, more = on_some(name, box[axis], shape[axis], k)
    return [(told, {**evidence, **more})]


def _box(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], tolerance: float
) -> tuple[list[IntArray], dict[str, str]]:  # fmt: skip
    """Indices along each axis, outside of which the arrays agree and are not zero; and their words."""
    bad, every = np.abs(theirs - ours) > tolerance, [np.arange(n) for n in ours.shape]
    others = [tuple(b for b in range(ours.ndim) if b != axis) for axis in range(ours.ndim)]
    box, place = [np.flatnonzero(bad.any(axis=rest)) for rest in others], {}
    for axis, name in enumerate(axes):
        if name in SAMPLES:
            box[axis] = every[axis]
        if box[axis].size == every[axis].size:
            continue
        here = [every[axis] if b == axis else box[b] for b in range(ours.ndim)]
        shown = np.asarray((np.abs(ours[np.ix_(*here)]) > tolerance).any(axis=others[axis]))  # were it wrong there
        shown[box[axis]] = False
        box[axis] = np.flatnonzero(~shown)
        if shown.any() and not (name == "output" and "answer" in place):
            word = "output" if name == "answer" else name
            place[name] = f"{word if box[axis].size == 1 else PLURAL.get(name, name)} {numbers(box[axis].tolist())}"
    return box, place


def _elsewhere(place: Mapping[str, str], axis: str) -> str:
    """Where it is, but for the axis of which more is told."""
    if axis in SAMPLES:
        return ""
    told = [words for name, words in place.items() if name != axis and {name, axis} != {"answer", "output"}]
    return f" ({', '.join(told)} alone)" if told else ""


def _along(
    theirs: FloatArray, ours: FloatArray, axis: int, name: str, box: list[IntArray], tolerance: float
) -> Iterator[tuple[float, list[Named]]]:  # fmt: skip
    """What M is along an axis, and how plain that is."""
    n, rows = ours.shape[axis], box[axis]
    wide = [np.arange(n) if b == axis else box[b] for b in range(ours.ndim)]
    A = np.moveaxis(ours[np.ix_(*wide)], axis, 0).reshape(n, -1)
    B = np.moveaxis(theirs[np.ix_(*box)], axis, 0).reshape(rows.size, -1)
    single = _single(A, B, rows, tolerance)
    if single is not None:
        yield shape_of(name, rows, n, *single, max(EXACT, 8 * tolerance / float(np.abs(A).max())))
    elif (
        name not in SAMPLES
        and (np.abs(A).max(axis=0) > tolerance).sum() >= 2 * n > 2
        and np.abs(B - A[rows]).max() > CLEAR * tolerance
    ):
        M: FloatArray = np.asarray(np.linalg.lstsq(A.T, B.T, rcond=1e-10)[0].T, np.float64)
        plain = np.round(M, 9)  # without the rounding of the solver
        M = plain if np.abs(plain @ A - B).max() < np.abs(M @ A - B).max() else M
        if (np.abs(M @ A - B) <= 4 * tolerance).all() and (told := combination(name, M, rows, n)):
            yield 8.0 + told[1]["loose"], [told]


def _single(A: FloatArray, B: FloatArray, rows: IntArray, tolerance: float) -> tuple[IntArray, FloatArray] | None:
    """For each row of B the row of A of which it is a multiple, and the factor; its own where it can be."""
    size, products = (A * A).sum(axis=1), B @ A.T
    seen = size > (SIGNIFICANT * np.abs(A).max()) ** 2
    k = np.where(seen, products / np.where(seen, size, 1.0), 0.0)
    left = (B * B).sum(axis=1)[:, None] - k * products
    sources, factors = rows.copy(), np.ones(rows.size)
    for i, own in enumerate(rows):
        if not (np.abs(B[i]) > tolerance).any():
            factors[i] = float(not seen[own])
            continue
        order = [own, *np.argsort(left[i], kind="stable")[:2]]
        equal = [j for j in order if seen[j] and (np.abs(B[i] - k[i, j] * A[j]) <= tolerance).all()]
        if not equal:
            return None
        sources[i], factors[i] = equal[0], k[i, equal[0]]
    return sources, factors


def _by_edge(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], box: list[IntArray], tolerance: float
) -> list[tuple[float, list[Named]]]:  # fmt: skip
    """One factor for each pair of indices along two axes."""
    A, B, differences = ours[np.ix_(*box)], theirs[np.ix_(*box)], []
    for a in range(A.ndim):
        for b in range(a + 1, A.ndim):
            rest = tuple(c for c in range(A.ndim) if c not in (a, b))
            if not rest or {axes[a], axes[b]} & set(SAMPLES):
                continue
            size = (A * A).sum(axis=rest, keepdims=True)
            seen = size > (SIGNIFICANT * np.abs(A).max()) ** 2
            if (np.abs(A) > tolerance).sum() < 2 * seen.sum():  # a factor for each number is none
                continue
            k = np.where(seen, (A * B).sum(axis=rest, keepdims=True) / np.where(seen, size, 1.0), 1.0)
            if (np.abs(B - k * A) <= tolerance).all():
                evidence = {"axis": f"{axes[a]} and {axes[b]}", "factors": np.round(np.squeeze(k, rest), 6).tolist()}
                differences.append((9.0, [("factors by edge", evidence)]))
    return differences


def sizes_of(factors: Sequence[float], sizes: Sequence[Mapping[str, float]]) -> str:
    """Return which size, or 1 over it, a factor is in several measurements; "" if none is, or there is but one.

    Examples
    --------
    >>> sizes_of([1 / 8, 1 / 5], [{"samples": 8, "inputs": 2}, {"samples": 5, "inputs": 2}])
    '1 over the number of samples'
    """
    for name in sizes[0] if len(sizes) > 1 else ():
        if len({each[name] for each in sizes}) == 1:
            continue  # then it tells nothing
        for power, words in ((-1, "1 over {}"), (1, "{}"), (-0.5, "1 over the root of {}"), (2, "the square of {}")):
            if all(abs(k - s[name] ** power) <= 1e-6 * k for k, s in zip(factors, sizes, strict=True)):
                return words.format(name if name.startswith("the ") else f"the number of {name}")
    return ""
