r"""Two arrays of the same axes: by which rearrangement T and which factors one is made of the other.

If theirs = k * T(ours), with k constant along all axes but at most one (or two), and T a permutation of indices, then
k and T say what was done. For a given T, with A = T(ours), the best factors along axis a are

    k_a = (sum theirs A) / (sum A^2),  sums over all other axes,

and they explain theirs if what is left, theirs - k A, is rounding. The plainest T that leaves nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray

Named = tuple[str, dict[str, Any]]
"""A name and its evidence."""

SIGNIFICANT = 2.0**-20
"""Shares of the largest entry below which a factor is not measured."""

PLURAL = {"output": "outputs", "input": "inputs", "coefficient": "coefficients", "sample": "samples", "point": "points"}


def explain(
    theirs: FloatArray, ours: FloatArray, axes: Sequence[str], tolerance: float, what: str
) -> list[Named] | None:  # fmt: skip
    """Return what makes theirs of ours: names with evidence, [] if they are equal, None if nothing does.

    Parameters
    ----------
    theirs, ours : array
    axes : sequence of {"sample", "output", "input", "coefficient"}
    tolerance : float
        The rounding allowed, absolute.
    what : str
        What the arrays are, in words.
    """
    if not ours.size:
        return None
    if not np.isfinite(theirs).all():
        bad = int((~np.isfinite(theirs)).sum())
        return [("not finite", {"what": what, "count": bad, "total": theirs.size})]
    if (np.abs(theirs - ours) <= tolerance).all():
        return []
    if not (np.abs(theirs) > tolerance).any():
        return [("zero", {"what": what})]
    for name, moved, kept in rearrangements(ours, axes):
        factors = _factors(theirs, moved, axes, kept, tolerance)
        if factors is not None:
            return ([(name[0], {"what": what, **name[1]})] if name else []) + [
                (found, {"what": what, **evidence}) for found, evidence in factors
            ]
    low, high = float(theirs.min()), float(theirs.max())
    if (np.abs(np.clip(ours, low, high) - theirs) <= tolerance).all():
        return [("clipped", {"what": what, "low": low, "high": high})]
    return None


def rearrangements(ours: FloatArray, axes: Sequence[str]) -> Iterator[tuple[Any, FloatArray, Any]]:
    """Yield (name, rearranged array, entries that it says something of), the plainest first."""
    every: Any = tuple([slice(None)] * ours.ndim)
    yield None, ours, every
    if "output" in axes and "input" in axes:
        yield from _transposed(ours, axes, every)
    for axis, name in enumerate(axes):
        size = ours.shape[axis]
        if size < 2 or name in ("sample", "point"):
            continue
        yield ("reversed", {"axis": name}), np.flip(ours, axis), every
        for step in (1, -1):
            inner = slice(1, size - 1) if size > 3 else slice(None)
            kept = (*every[:axis], inner, *every[axis + 1 :])
            yield ("shifted", {"axis": name, "step": step}), np.roll(ours, step, axis), kept
        if size > 2 and name != "coefficient":
            yield from _exchanged(ours, axis, name, every)
        for k in (0, size - 1):
            shared = np.repeat(np.take(ours, [k], axis), size, axis)
            yield ("shared", {"axis": name, "index": k}), shared, every


def _transposed(ours: FloatArray, axes: Sequence[str], every: Any) -> Iterator[tuple[Any, FloatArray, Any]]:
    """The axes of outputs and inputs exchanged, in the same memory."""
    q, p = axes.index("output"), axes.index("input")
    turned = np.swapaxes(ours, q, p)
    if ours.shape[q] != 1 != ours.shape[p]:
        if abs(q - p) == 1:
            yield ("transposed", {}), turned.reshape(ours.shape), every
            back = np.swapaxes(ours.reshape(turned.shape), q, p)
            yield ("transposed", {}), back, every
        elif turned.shape == ours.shape:
            yield ("transposed", {}), turned, every


def _exchanged(ours: FloatArray, axis: int, name: str, every: Any) -> Iterator[tuple[Any, FloatArray, Any]]:
    """Two neighbours exchanged."""
    for k in range(ours.shape[axis] - 1 if name != "sample" else 0):
        order = np.arange(ours.shape[axis])
        order[[k, k + 1]] = order[[k + 1, k]]
        yield ("exchanged", {"axis": name, "first": k, "second": k + 1}), np.take(ours, order, axis), every


def _factors(
    theirs: FloatArray, moved: FloatArray, axes: Sequence[str], kept: Any, tolerance: float
) -> list[Named] | None:  # fmt: skip
    """Factors that are constant, or so along all axes but one or two."""
    A, B = moved[kept], theirs[kept]
    if not A.size:
        return None
    groups: list[tuple[int, ...]] = [(), *((a,) for a in range(A.ndim))]
    groups += [
        (a, b) for a in range(A.ndim) for b in range(a + 1, A.ndim) if not {"sample", "point"} & {axes[a], axes[b]}
    ]
    for along in groups:
        if len(along) == A.ndim:
            continue
        k = _fit(A, B, along)
        if (np.abs(B - k * A) <= tolerance).all():
            return _told(k, A, [axes[a] for a in along], along)
    return None


def _fit(A: FloatArray, B: FloatArray, along: tuple[int, ...]) -> FloatArray:
    """k as an array that broadcasts against A; 1 where A is zero."""
    others = tuple(a for a in range(A.ndim) if a not in along)
    size, top = (A * A).sum(axis=others, keepdims=True), (A * B).sum(axis=others, keepdims=True)
    small = size <= (SIGNIFICANT * np.abs(A).max()) ** 2
    return np.asarray(np.where(small, 1.0, top / np.where(small, 1.0, size)))


def _told(k: FloatArray, A: FloatArray, names: list[str], along: tuple[int, ...]) -> list[Named]:
    flat = k.squeeze() if len(along) < 2 else np.squeeze(k, tuple(a for a in range(A.ndim) if a not in along))
    if not along:
        return constant(float(flat))
    if len(along) == 2:
        return [("factor by edge", {"axis": " and ".join(names), "factors": np.round(flat, 6).tolist()})]
    (name,), flat = names, np.atleast_1d(flat)
    typical = 1.0 if (np.abs(flat - 1) <= 1e-9).any() else float(np.median(flat))
    if np.abs(flat - 1).max() > 1e-9 and (np.abs(flat) <= 1e-12).any():
        rest = flat[np.abs(flat) > 1e-12]
        where = np.flatnonzero(np.abs(flat) <= 1e-12).tolist()
        found: list[Named] = [("left out", {"axis": name, "indices": where, "size": flat.size})]
        return found + (constant(float(rest[0])) if np.ptp(rest) < 1e-9 else [])
    odd = np.flatnonzero(np.abs(flat - typical) > 1e-9 * max(abs(typical), 1))
    if not odd.size:  # numbers beyond any range differ by more than their quotients
        return constant(typical)
    if odd.size == 1 or (odd.size <= flat.size / 2 and np.ptp(flat[odd]) < 1e-9):
        index, value = odd.tolist(), float(flat[odd[0]])
        evidence = {"axis": name, "indices": index, "size": flat.size, "factor": value / typical if typical else value}
        return [("factor on some", evidence), *constant(typical)]
    return [("factor along", {"axis": name, "factors": flat.tolist()})]


def constant(k: float) -> list[Named]:
    """A constant factor: its sign and its size."""
    found: list[Named] = [("sign", {})] if k < 0 else []
    return found + ([("constant factor", {"factor": abs(k)})] if abs(abs(k) - 1) > 1e-9 else [])


def sizes_of(factors: Sequence[float], sizes: Sequence[Mapping[str, float]]) -> str:
    """Return which size, or 1 over it, a factor is in several measurements; "" if none.

    Examples
    --------
    >>> sizes_of([1 / 8, 1 / 5], [{"samples": 8, "inputs": 2}, {"samples": 5, "inputs": 2}])
    '1 over the number of samples'
    """
    for name in sizes[0]:
        for power, words in ((-1, "1 over {}"), (1, "{}"), (-0.5, "1 over the root of {}"), (2, "the square of {}")):
            if all(abs(k - s[name] ** power) <= 1e-6 * k for k, s in zip(factors, sizes, strict=True)):
                return words.format(name if name.startswith("the ") else f"the number of {name}")
    return ""
