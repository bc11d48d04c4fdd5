r"""Splines on finer knots: which spaces contain which, up to rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.errors import KnotError
from refkan.splines.local_basis import KnotTables
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import require_nested

EPS = np.finfo(np.float64).eps


@dataclass
class NestedSpaces:
    """A coarse space, a fine one that contains it, and the inputs whose splines are taken from one to the other."""

    coarse: SplineSpace
    fine: SplineSpace
    inputs: list[int]


def nested_spaces(coarse: KnotTables, fine: KnotTables) -> list[NestedSpaces]:
    """Coarse and fine spaces, fine breakpoints that are coarse ones up to rounding set to them.

    Inputs with the same knots share one entry: one computation serves them all.

    Raises
    ------
    KnotError
        Naming the first input whose fine knots lack a coarse one.
    """
    nested: dict[tuple[bytes, bytes], NestedSpaces] = {}
    r = coarse.order
    for p, (t, s) in enumerate(zip(coarse.knots, fine.knots.copy(), strict=True)):
        key = t.tobytes(), s.tobytes()
        if key in nested:
            nested[key].inputs.append(p)
            continue
        breakpoints, interior = coarse.breakpoints[p], s[r - 1 : s.size - r + 1]
        at = np.searchsorted(breakpoints, interior).clip(1, breakpoints.size - 1)
        left, right = breakpoints[at - 1], breakpoints[at]
        nearest = np.where(interior - left < right - interior, left, right)
        # Breakpoints of free knots are a plus up to n shares of b - a, each rounded, with 16 roundings of other kinds.
        rounding = EPS * ((16 + interior.size) * (breakpoints[-1] - breakpoints[0]) + 2 * np.abs(breakpoints).max())
        close = np.abs(interior - nearest) <= rounding
        interior[close] = nearest[close]
        nested[key] = NestedSpaces(SplineSpace(t, r), SplineSpace(s, r), [p])
        try:
            require_nested(nested[key].coarse, nested[key].fine)
        except KnotError as error:
            raise KnotError(f"input {p}: {error}") from None
    return list(nested.values())


def cut_alike(coarse: list[FloatArray], fine: list[FloatArray]) -> bool:
    """Whether breakpoints `fine` have as many intervals as `coarse`, wherever they are, or are those cut evenly."""
    n, finer = coarse[0].size - 1, fine[0].size - 1
    factor, rest = divmod(finer, n)
    if factor < 2 or rest:
        return factor == 1 and rest == 0
    at = np.arange(finer + 1) / factor
    cuts = [np.interp(at, np.arange(n + 1), t) for t in coarse]
    return all(np.abs(cut - t).max() <= 8 * EPS * np.abs(t).max() for cut, t in zip(cuts, fine, strict=True))
