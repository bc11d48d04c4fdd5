"""Matrices M in theirs_i = sum_j M_ij ours_j along an axis of arrays, and their shapes in words."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, IntArray
from refkan.conformance.identification.known_maps import EXACT, PLURAL, SAMPLES, Named, numbers
from refkan.conformance.identification.reported import close, fitted, largest


def shape_of(
    name: str, rows: IntArray, n: int, sources: IntArray, k: FloatArray, near: float
) -> tuple[float, list[Named]]:  # fmt: skip
    """A matrix with one entry per row: zeros, an order, factors."""
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
    """Slices that are those of other indices."""
    rows, n = np.arange(order.size) if rows is None else rows, n or order.size
    step = rows - order
    evidence: dict[str, Any] = {"axis": name, "loose": False}
    if rows.size >= n - n % 2 and np.array_equal(order, n - 1 - rows):
        if name in ("output", "answer", "coefficient"):
            return ("reversed coefficients" if name == "coefficient" else "reversed outputs"), evidence
        how = "in the opposite order"
    elif np.unique(order).size == 1:
        how = f"all are those of number {order[0]}" if rows.size > 1 else f"{rows[0]} is that of number {order[0]}"
    elif np.unique(step % n).size == 1 < rows.size >= n - min(step[0] % n, -step[0] % n):  # round the ends, or not
        shift = int(step[rows.size // 2])
        if name == "coefficient":
            round_ends = ", round the ends" if np.unique(step).size > 1 else ""
            return "shifted index", {**evidence, "step": shift, "how": round_ends}
        how = f"shifted by {shift:+d}"
    elif rows.size == 2:
        how = f"{rows[0]} and {rows[1]} are exchanged"
    elif np.array_equal(order, rows - step) and (np.abs(step) == 1).all() and (step[::2] + step[1::2] == 0).all():
        how = f"neighbours are exchanged: {rows[0]} and {rows[1]}, {rows[2]} and {rows[3]}, ..."
    else:
        how = f"{numbers(rows.tolist())} are in the order {', '.join(map(str, order.tolist()[:12]))}"
    return f"{PLURAL[name]} mixed up", {**evidence, "how": how}


def _factors(name: str, rows: IntArray, n: int, k: FloatArray, near: float) -> list[Named]:
    """One factor for all, for some, or one for each; `near` is how exactly they are known."""
    if not k.size or close(k, 1, near):
        return []
    all_of_them = rows.size == n
    if np.ptp(k) <= near * largest(k):
        if all_of_them or name in SAMPLES:
            return constant(float(np.median(k)))
        return [on_some(name, rows, n, float(k[0]))]
    typical = float(np.median(k))
    odd = np.abs(k - typical) > near * max(abs(typical), 1)
    if all_of_them and odd.sum() <= k.size / 2 and np.ptp(k[odd]) <= near:
        return [on_some(name, rows[odd], n, float(k[odd][0] / typical)), *constant(typical)]
    axis = "output" if name == "answer" else name
    return [(f"factors by {axis}", {"axis": name, "factors": k.tolist()})]


def on_some(name: str, rows: IntArray, n: int, factor: float) -> Named:
    """One factor for some of the slices."""
    block = {"sample": "a block of samples", "input": "one input", "coefficient": "one coefficient"}
    evidence = {"axis": name, "indices": rows.tolist(), "size": n, "factor": factor}
    return f"factor on {block.get(name, 'one output')}", evidence


def constant(k: float) -> list[Named]:
    """A constant factor: its sign and its size."""
    names: list[Named] = [("sign", {})] if k < 0 else []
    return names + ([("constant factor", {"factor": abs(k)})] if abs(abs(k) - 1) > EXACT else [])


def combination(name: str, M: FloatArray, rows: IntArray, n: int) -> Named | None:
    """A matrix with several entries per row, `loose` if its shape has no name; None if it takes too many words."""
    M = np.where(np.abs(M) <= 2.0**-24, 0.0, M)
    for step in (1, -1):
        if rows.size == n > 3 and np.abs(M - np.eye(n, k=-step))[1:-1].max() < 2.0**-22:  # the last one adds up
            return ordered(name, np.arange(n) - step, np.arange(n), n)
    how = _shape(M, rows, n)
    told = how or _by_rows(M, rows, n)
    return (f"{PLURAL[name]} mixed up", {"axis": name, "how": told, "loose": not how}) if told else None


def _shape(M: FloatArray, rows: IntArray, n: int) -> str:
    """The shape of a matrix in words, "" if it has none."""
    room = 2.0**-22 * max(1.0, largest(M))
    own = np.eye(n)[rows]
    each = "each" if rows.size > 1 else f"number {rows[0]}"
    first = float(M[0, rows[0] - 1 if rows[0] else -1])  # beside its own
    j, i = np.arange(n)[None], rows[:, None]
    shapes: dict[str, Any] = {"": own}
    if first:
        shapes[f"{each} is {_times(first, n)} of all"] = first
        shapes[f"{_times(-first, n)} of all is subtracted from {each}"] = own + first
    shapes |= {"each is the sum of those up to its own": j <= i, "each is the sum of those from its own on": j >= i}
    told = next((words for words, C in shapes.items() if close(M, 1.0 * C, room)), None)
    if told is not None:
        return told
    if rows.size == n > 3:
        named = {"itself": own, "that counted from the other end": np.eye(n)[::-1], "each": np.ones((n, n))}
        w = fitted(np.stack([C.ravel() for C in named.values()], axis=1), M.ravel(), room)
        if w is not None:
            terms = (f"{v:+.6g} times {name}" for name, v in zip(named, w, strict=True) if abs(v) > 1e-9)
            return "each is " + " ".join(terms)
    return _gathered(M, rows, n) or ""


def _gathered(M: FloatArray, rows: IntArray, n: int) -> str | None:
    """Which place takes its entry from which other one; None if some entry comes from several."""
    whole = np.eye(n)
    whole[rows] = M
    if ((np.abs(whole) > 0).sum(axis=0) > 1).any() or largest(whole[whole != 0] - 1) > 2.0**-22:
        return None
    source = np.where(whole.any(axis=0), np.abs(whole).argmax(axis=0), -1)
    moved = np.flatnonzero(source != np.arange(n))
    if (source[moved] < 0).any() or (moved.size > n // 2 and np.unique(source[moved]).size > 1):
        return None
    if moved.size == 1:
        return f"number {moved[0]} has that of number {source[moved][0]} instead of its own"
    return f"numbers {numbers(moved.tolist())} have those of {numbers(source[moved].tolist())} instead of their own"


def _by_rows(M: FloatArray, rows: IntArray, n: int) -> str:
    """A few rows, in words."""
    odd = np.flatnonzero(np.abs(M - np.eye(n)[rows]).max(axis=1) > 0)
    if n <= 4 or (odd.size <= 3 and (M[odd] != 0).sum() <= 4 * odd.size):
        return "; ".join(f"{rows[i]} is {_sum_of(M[i])}" for i in odd)
    if rows.size == n and np.abs(np.diagonal(M)).min() > 0 and (M != 0).sum() <= 3 * n:
        return "each is a combination of itself and its neighbours, number 1 being " + _sum_of(M[1])
    return ""


def _sum_of(row: FloatArray) -> str:
    """A combination of slices in words."""
    terms = [(j, k) for j, k in enumerate(row.tolist()) if k]
    if not terms:
        return "zero"
    (first, factor), *others = terms
    start = f"number {first}" if abs(factor - 1) < EXACT else f"{factor:.6g} times number {first}"
    return " ".join([start, *(f"{k:+.6g} times number {j}" for j, k in others)])


def _times(k: float, n: int) -> str:
    return "the sum" if abs(k - 1) < 1e-6 else "the mean" if abs(k * n - 1) < 1e-6 else f"{k:.6g} times the sum"
