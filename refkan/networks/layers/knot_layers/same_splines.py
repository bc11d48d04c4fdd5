r"""Splines on finer knots: which spaces contain which, and the coefficients and matrices that take one to the other."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from refkan.base.array_types import Array, FloatArray
from refkan.base.errors import KnotError
from refkan.splines.local_basis import KnotTables
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolongation_matrix, require_nested
from refkan.splines.transfer.insertion import apply_rows, prolongation_rows

EPS = np.finfo(np.float64).eps

SpacePair = tuple[SplineSpace, SplineSpace]
"""A coarse space and a fine one that contains it."""


def nested_spaces(coarse: KnotTables, fine: KnotTables) -> list[SpacePair]:
    """Coarse and fine space of each input, fine breakpoints that are coarse ones up to rounding set to them.

    Inputs with the same knots get one and the same pair.

    Raises
    ------
    KnotError
        Naming the first input whose fine knots lack a coarse one.
    """
    pairs: list[SpacePair] = []
    found: dict[tuple[bytes, bytes], SpacePair] = {}
    r = coarse.order
    for p, (t, s) in enumerate(zip(coarse.knots, fine.knots.copy(), strict=True)):
        key = t.tobytes(), s.tobytes()
        if key in found:
            pairs.append(found[key])
            continue
        breakpoints, interior = coarse.breakpoints[p], s[r - 1 : s.size - r + 1]
        at = np.searchsorted(breakpoints, interior).clip(1, breakpoints.size - 1)
        left, right = breakpoints[at - 1], breakpoints[at]
        nearest = np.where(interior - left < right - interior, left, right)
        # Breakpoints of free knots are a plus up to n shares of b - a, each rounded, with 16 roundings of other kinds.
        rounding = EPS * ((16 + interior.size) * (breakpoints[-1] - breakpoints[0]) + 2 * np.abs(breakpoints).max())
        close = np.abs(interior - nearest) <= rounding
        interior[close] = nearest[close]
        pair = SplineSpace(t, r), SplineSpace(s, r)
        try:
            require_nested(*pair)
        except KnotError as error:
            raise KnotError(f"input {p}: {error}") from None
        found[key] = pair
        pairs.append(pair)
    return pairs


def prolong_coefficients(pairs: list[SpacePair], u: Array) -> Array:
    """B-spline coefficients (Q, P, fine dim) of the splines with coefficients u (Q, P, coarse dim)."""
    fine = np.empty((*u.shape[:2], pairs[0][1].dim), u.dtype)
    for (space, finer), inputs in _alike(pairs):
        fine[:, inputs] = apply_rows(*prolongation_rows(space.knots, finer.knots, space.order), u[:, inputs])
    return fine


def prolongation_matrices(pairs: list[SpacePair], basis: str) -> list[sp.csr_array]:
    """P of each input in a basis."""
    matrices: dict[int, sp.csr_array] = {}
    for (coarse, fine), inputs in _alike(pairs):
        matrices |= dict.fromkeys(inputs, prolongation_matrix(coarse, fine, basis))
    return [matrices[p] for p in range(len(pairs))]


def _alike(pairs: list[SpacePair]) -> list[tuple[SpacePair, list[int]]]:
    """Different pairs, each with the inputs that have it: knots that all inputs share need one computation."""
    inputs: dict[int, list[int]] = {}
    for p, pair in enumerate(pairs):
        inputs.setdefault(id(pair), []).append(p)
    return [(pairs[members[0]], members) for members in inputs.values()]


def cut_alike(coarse: list[FloatArray], fine: list[FloatArray]) -> bool:
    """Whether breakpoints `fine` have as many intervals as `coarse`, wherever they are, or are those cut evenly."""
    n, finer = coarse[0].size - 1, fine[0].size - 1
    factor, rest = divmod(finer, n)
    if factor < 2 or rest:
        return factor == 1 and rest == 0
    at = np.arange(finer + 1) / factor
    cuts = [np.interp(at, np.arange(n + 1), t) for t in coarse]
    return all(np.abs(cut - t).max() <= 8 * EPS * np.abs(t).max() for cut, t in zip(cuts, fine, strict=True))
