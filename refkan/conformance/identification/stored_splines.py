r"""Compare the knots and coefficients that a layer stores after a change with those of the same splines."""

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.explanations import explain
from refkan.conformance.identification.gradients.situations import EDGES
from refkan.conformance.identification.knots_in_use import true_rows
from refkan.conformance.identification.known_maps import lowered, numbers, place_of
from refkan.conformance.identification.reported import close, factor_of, largest

CHANGED = 2.0**-36
"""Relative to the largest output, how much a change of representation may change outputs by its least-squares solve."""


def other_spaces(spec: LayerSpec, stored: LayerSpec, kind: str) -> str:
    """Why stored knots or coefficients alone cannot belong to the function before the change, in words."""
    if np.array_equal(stored.coefficients, spec.coefficients) and not np.array_equal(stored.knots, spec.knots):
        return "; the stored knots have changed, the coefficients have not"
    if kind == "update":
        return ""
    for p, (asked, used) in enumerate(zip(spec.domains, stored.domains, strict=True)):
        if largest(used - asked) > CHANGED * largest(asked):
            low, high = used
            return f"; the stored knots of input {p} are those of the domain [{low:.6g}, {high:.6g}]"
    for p, (t, u) in enumerate(zip(spec.knots, stored.knots, strict=True)):
        points, d = np.unique(t[spec.degree : t.size - spec.degree]), np.ptp(t)
        lost = [v for v in points if np.abs(u - v).min() > CHANGED * d]
        if lost:
            shown = ", ".join(f"{v:.6g}" for v in lost[:4]) + ", ..." * (len(lost) > 4)
            return f"; {len(lost)} of {points.size} breakpoints of input {p} are not among the stored knots: {shown}"
    return ""


def compared_with_right(spec: LayerSpec, stored: LayerSpec, allowed: float, kind: str) -> str:
    """Whether the stored knots can hold the splines before, and how stored coefficients differ from the right ones.

    The right ones follow from points inside every interval, for each input by itself.
    """
    C = stored.coefficients
    right = np.zeros(C.shape)
    bad = []
    near = True
    for p, (t, u) in enumerate(zip(spec.knots, stored.knots, strict=True)):
        at = _points_inside(t, u, stored.order)
        A = true_rows(u, stored.order, at)
        y = true_rows(t, spec.order, at) @ spec.coefficients[:, p].T
        z = A @ C[:, p].T
        right[:, p] = np.linalg.lstsq(A, y, rcond=1e-12)[0].T
        near &= close(z, y, 0.25 * largest(y))
        bad += [p] * (largest(A @ right[:, p].T - y) > 2.0**-20 * largest(y))
    if bad:
        same = all((stored.knots == row).all() for row in stored.knots[:1]) and len(stored.knots) > 1
        return f"; the stored knots of input {numbers(bad)} cannot hold it" + (", and all inputs have the same" * same)
    room = max(allowed, 2.0**-30) * largest(right)
    lower = lowered(stored.knots, spec.knots)
    if lower:
        return f"; the stored knots are {lower[0]} numbers"
    off = np.abs(C - right) > room
    wrong = np.flatnonzero(off.any(axis=(0, 2))).tolist()
    before = "; the stored knots can hold it: the coefficients"
    if wrong and all(np.isin(C[:, p], np.r_[0.0, spec.coefficients[:, p].ravel()]).all() for p in wrong):
        place = f" of input{'s' * (len(wrong) > 1)} {numbers(wrong)}" * (len(wrong) < len(stored.knots))
        return f"{before}{place} are those from before"
    lower = lowered(C, spec.coefficients) if close(C, right, 2.0**-9 * largest(right)) else []
    if lower:
        return f"{before} are {lower[0]} numbers"
    said = explain(C, right, EDGES, room, "stored coefficients")
    if said is not None:
        return f"{before} are wrong; {'; '.join(map(str, said))}" if said else ""
    how = f"by up to {largest(C - right):.3g}{place_of(off, EDGES)}"
    ends = stored.degree and not off[:, :, stored.degree : -stored.degree].any()
    ratio = factor_of(C, right)
    used, asked = (np.abs(of).sum(axis=2) for of in (C, right))
    if near and not ends and ratio < 1 and (used <= asked).all():
        how += f"; they are too small, {ratio:.4g} of the right ones on average, as if their size was penalised"
    return f"{before} are wrong; {how}"


def _points_inside(t: FloatArray, u: FloatArray, order: int) -> FloatArray:
    """Points inside every interval of two knot vectors, within both domains."""
    points = np.unique(np.concatenate([t, u]))
    at = (points[:-1, None] + np.diff(points)[:, None] * (np.arange(8) + 0.5) / 8).ravel()
    return np.asarray(at[(at > max(t[order - 1], u[order - 1])) & (at < min(t[-order], u[-order]))])


def is_before(spec: LayerSpec, stored: LayerSpec) -> bool:
    """Whether knots and coefficients are still those before the change."""
    return np.array_equal(stored.knots, spec.knots) and np.array_equal(stored.coefficients, spec.coefficients)


def of_other_splines(spec: LayerSpec, stored: LayerSpec, allowed: float, kind: str) -> str:
    """How stored coefficients differ from those of splines, in a layer with other functions, if that is certain."""
    told = compared_with_right(spec, stored, allowed, kind)
    return told if any(words in told for words in ("from before", "too small", "stored coefficients")) else ""
