"""The degree of pieces, by differences, and the recursion that functions were made by."""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.stages.points_in_use import Sampled
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

SHARES = np.arange(1, 16) / 16 + 2.0**-25
"""Of each interval, where functions are sampled: equidistant, so that differences tell the degree, and with more bits
than float32 has."""


def pieces_degree(inside: Sampled) -> int | None:
    """The degree of the pieces, by differences within intervals; None if they are no polynomials."""
    n = SHARES.size
    blocks = inside.theirs.reshape(
        inside.spec.intervals if inside.x.size % inside.spec.intervals == 0 else 1, -1, inside.spec.dim
    )
    per = blocks.shape[1]
    degrees = []
    for block in blocks if per >= n else []:
        for start in (0, 4, 8):
            window = block[start : start + 7]
            size = np.abs(window).max() * 2.0**-36
            orders = [k for k in range(7) if (np.abs(np.diff(window, k, axis=0)) <= size * 2**k).all()]
            degrees.append(min(orders, default=7) - 1)
    known = [degree for degree in degrees if 0 <= degree < 6]
    return max(set(known), key=known.count) if len(known) >= len(degrees) / 4 and known else None


def recursion_in_use(subject: Subject, inside: Sampled) -> list[Difference]:
    """The recursion with e in all denominators, and with 0/0 mended too late."""
    t, r, x = inside.spec.knots[0], inside.spec.order, inside.x
    m = intervals_of(x, t, r)
    small, off = 2.0**-24, float(np.abs(inside.theirs - inside.right).max())
    slope = (recursion(t, r, x, m, lambda n, d: n / (d + small)) - recursion(t, r, x, m)) / small
    e = float((slope * (inside.theirs - inside.right)).sum() / max((slope * slope).sum(), 1e-300))
    left = np.abs(recursion(t, r, x, m, lambda n, d: n / (d + e)) - inside.theirs).max()
    if left <= 2.0**-8 * off and abs(e) > 2.0**-44 * np.ptp(t):
        return [Difference("shifted denominators", {"what": f"{e:.3g} is added to every denominator"})]
    b: FloatArray = (np.arange(t.size - 1) == m[:, None]).astype(np.float64)
    for k in range(2, r + 1):
        shares = (
            (x[:, None] - t[:-k]) / (t[k - 1 : -1] - t[:-k]),
            (t[k:] - x[:, None]) / (t[k:] - t[1 : t.size - k + 1]),
        )
        b = np.nan_to_num(shares[0] * b[:, :-1] + shares[1] * b[:, 1:], nan=0.0)
    if (np.abs(b - inside.theirs) <= 16 * inside.most).all():
        return [Difference("NaN from repeated knots", {"what": "NaN is made 0 at each step, too late"})]
    return []
