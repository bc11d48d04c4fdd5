r"""Matrices M of theirs_i = sum_j M_ij ours_j along one axis, by the shapes that have a name.

With one entry a row they leave out, put in another order, and multiply; with several they add up, subtract, average.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base.array_types import Array, FloatArray, IntArray

Named = tuple[str, dict[str, Any]]
"""A name and its evidence."""

EXACT = 1e-9
"""Relative distance of factors that count as equal."""

SAMPLES = ("sample", "point")

PLURAL = {
    "answer": "outputs", "output": "outputs", "input": "inputs", "coefficient": "coefficients", "sample": "samples",
    "point": "points", "row": "rows", "column": "columns", "knot": "knots",
}  # fmt: skip


def numbers(values: Sequence[int]) -> str:
    """A few whole numbers in words."""
    if len(values) > 2 and (np.diff(values) == 1).all():
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values if len(values) <= 8 else [*values[:4], "...", *values[-2:]]))


def wrong_slices(wrong: Array, axis: int, dark: Array | None = None) -> IntArray:
    """Slices along an axis with entries that are wrong, or in which nothing would be seen."""
    rest = tuple(b for b in range(wrong.ndim) if b != axis)
    return np.flatnonzero(wrong.any(axis=rest) | (False if dark is None else dark.all(axis=rest)))


def place_of(wrong: Array, axes: Sequence[str], but: str = "", dark: Array | None = None) -> str:
    """Which slices of an array have entries that are wrong, if others have none, in words; but for one of its axes."""
    told, same = [], {"answer", "output"}
    for axis, name in enumerate(axes):
        index, n = wrong_slices(wrong, axis, dark), wrong.shape[axis]
        known = name == but or {name, but} == same or (name == "output" and "answer" in axes)
        if 0 < index.size < n and not known and not (but and name in SAMPLES):
            word = PLURAL[name] if index.size > 1 else "output" if name == "answer" else name
            told.append(f"{word} {numbers(index.tolist())} of {n}")
    return f" ({', '.join(told)} alone)" if told and but not in SAMPLES else ""


def shape_of(
    name: str, rows: IntArray, n: int, sources: IntArray, k: FloatArray, near: float
) -> tuple[float, list[Named]]:  # fmt: skip
    """A matrix with one entry a row: zeros, an order, factors."""
    zero = np.abs(k) <= 1e-12
    kept, order = rows[~zero], sources[~zero]
    told: list[Named] = []
    step = np.unique(kept - order)
    beyond = step.size == 1 and ((rows[zero] < step[0]) | (rows[zero] >= n + step[0])).all()
    if step.any() and (beyond or np.unique(order).size < order.size):
        zero = np.zeros(0, bool)  # some stand in for others, or a shift ends there
    if zero.any():
        told.append((left_out(name, rows[zero], n), {"axis": name, "indices": rows[zero].tolist(), "size": n}))
    plain = 0.5 * len(told)
    if not np.array_equal(order, kept):
        told.append(ordered(name, order, kept, n))
        plain += 2.0 + (told[-1][0].endswith("mixed up") and "order" in told[-1][1]["how"])
    factors = _factors(name, kept, n, k[np.abs(k) > 1e-12], near)
    vague = any(label.startswith("factors") for label, _ in factors)
    return plain + len(factors) + vague, told + factors


def left_out(name: str, indices: IntArray, n: int) -> str:
    """The name of slices that are zero."""
    if name == "coefficient":
        return "end coefficient unused" if set(indices) <= {0, n - 1} else "coefficients left out"
    return f"{name if indices.size == 1 and name == 'input' else PLURAL[name]} left out"


def ordered(name: str, order: IntArray, rows: IntArray | None = None, n: int = 0) -> Named:
    """Slices that are those of others."""
    rows, n = np.arange(order.size) if rows is None else rows, n or order.size
    step = np.unique(rows - order)
    evidence: dict[str, Any] = {"axis": name, "loose": False}
    if rows.size >= n - n % 2 and np.array_equal(order, n - 1 - rows):
        if name in ("output", "answer", "coefficient"):
            return ("reversed coefficients" if name == "coefficient" else "reversed outputs"), evidence
        how = "in the opposite order"
    elif np.unique(order).size == 1:
        how = f"all are those of number {order[0]}" if rows.size > 1 else f"{rows[0]} is that of number {order[0]}"
    elif np.unique(step % n).size == 1 and rows.size >= n - min(step[0] % n, -step[0] % n):  # round the ends, or not
        shift = int((rows - order)[rows.size // 2])
        if name == "coefficient":
            return "shifted index", {**evidence, "step": shift, "how": ", round the ends" * (step.size > 1)}
        how = f"shifted by {shift:+d}"
    else:
        how = f"{numbers(rows.tolist())} are in the order {numbers(order.tolist())}"
    return f"{PLURAL[name]} mixed up", {**evidence, "how": how}


def _factors(name: str, rows: IntArray, n: int, k: FloatArray, near: float) -> list[Named]:
    """One factor of all, of some, or one for each; `near` is how exactly they are known."""
    if not k.size or np.abs(k - 1).max() <= near:
        return []
    if np.ptp(k) <= near * np.abs(k).max():
        if rows.size == n or name in SAMPLES:
            return constant(float(np.median(k)))
        return [on_some(name, rows, n, float(k[0]))]
    odd = np.abs(k - 1) > near
    if odd.sum() <= k.size / 2 and np.ptp(k[odd]) <= near:
        return [on_some(name, rows[odd], n, float(k[odd][0]))]
    axis = "output" if name == "answer" else name
    return [(f"factors by {axis}", {"axis": name, "factors": k.tolist()})]


def on_some(name: str, rows: IntArray, n: int, factor: float) -> Named:
    """One factor of some of the slices."""
    block = {"sample": "a block of samples", "input": "one input", "coefficient": "one coefficient"}
    evidence = {"axis": name, "indices": rows.tolist(), "size": n, "factor": factor}
    return f"factor on {block.get(name, 'one output')}", evidence


def constant(k: float) -> list[Named]:
    """A constant factor: its sign and its size."""
    names: list[Named] = [("sign", {})] if k < 0 else []
    return names + ([("constant factor", {"factor": abs(k)})] if abs(abs(k) - 1) > EXACT else [])


def combination(name: str, M: FloatArray, rows: IntArray, n: int) -> Named | None:
    """A matrix with several entries a row, `loose` if its shape has no name; None if it takes too many words."""
    M = np.where(np.abs(M) <= 2.0**-24, 0.0, M)
    for step in (1, -1):
        if rows.size == n > 3 and np.abs(M - np.eye(n, k=-step))[1:-1].max() < 2.0**-22:  # the last one adds up
            return ordered(name, np.arange(n) - step, np.arange(n), n)
    how = _shape(M, rows, n)
    told = how or _by_rows(M, rows, n)
    return (f"{PLURAL[name]} mixed up", {"axis": name, "how": told, "loose": not how}) if told else None


def _shape(M: FloatArray, rows: IntArray, n: int) -> str:
    """The shape of a matrix in words, "" if it has none."""
    own, j, i = np.eye(n)[rows], np.arange(n)[None], rows[:, None]
    first = float(M[0, rows[0] - 1 if rows[0] else -1])  # beside its own
    shapes: dict[str, Any] = {
        f"each is {_times(first, n)} of all": first + 0 * own,
        f"{_times(-first, n)} of all is subtracted from each": first + own,
        "each is the sum of those up to its own": j <= i, "each is the sum of those from its own on": j >= i,
    }  # fmt: skip
    for words, C in shapes.items():
        if np.abs(M - C).max() <= 2.0**-22 * max(1.0, np.abs(M).max()):
            return words
    whole = np.eye(n)  # places each of which has one of those that ours are multiplied by, or none
    whole[rows] = M
    source, moved = np.abs(whole).argmax(axis=0), np.abs(whole - np.eye(n)).max(axis=0) > 0
    if not np.array_equal(whole, np.round(whole)) or (np.abs(whole).sum(axis=0) != 1).any() or 2 * moved.sum() > n:
        return ""
    return f"{numbers(np.flatnonzero(moved).tolist())} taken from {numbers(source[moved].tolist())}"


def _by_rows(M: FloatArray, rows: IntArray, n: int) -> str:
    """A few rows, in words."""
    odd = np.flatnonzero(np.abs(M - np.eye(n)[rows]).max(axis=1) > 0)
    if n > 4 and (odd.size > 3 or (M[odd] != 0).sum() > 4 * odd.size):
        return ""
    told = []
    for i in odd:
        terms = [f"number {j}" if k == 1 else f"{k:.6g} times number {j}" for j, k in enumerate(M[i]) if k]
        told.append(f"{rows[i]} is {' plus '.join(terms) or 'zero'}")
    return "; ".join(told)


def _times(k: float, n: int) -> str:
    return "the sum" if abs(k - 1) < 1e-6 else "the mean" if abs(k * n - 1) < 1e-6 else f"{k:.6g} times the sum"
