"""Pairs of nested spline spaces, their exact prolongation, and the size of the terms of its recursion."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.truth.bases.prolongation import prolongation
from tests.shared.factories import KINDS, exact_knots

ORDERS = (1, 2, 3, 4, 5, 7)
FINER = ("refined", "inserted", "inserted twice", "moved ends")


def finer(S: rk.SplineSpace, how: str) -> rk.SplineSpace:
    """Return a space that contains S on its domain."""
    a, b = S.domain
    if how == "refined":
        return S.refine(3)
    new = a + (b - a) * np.array([0.07, 0.31, 0.33, 0.87])
    if how == "inserted":
        return S.insert(new)
    if how == "inserted twice":  # as often as the order allows, up to two
        return rk.SplineSpace(np.sort(np.concatenate([S.knots, *[new] * min(S.order, 2)])), S.order)
    inside = S.insert(new).breakpoints
    steps = (b - a) * np.cumsum(np.linspace(0.11, 0.4, S.order - 1))
    return rk.SplineSpace(np.concatenate([a - steps[::-1], inside, b + steps / 3]), S.order)


def exact_prolongation(coarse: rk.SplineSpace, fine: rk.SplineSpace) -> list[list[Fraction]]:
    return prolongation(exact_knots(coarse), exact_knots(fine), coarse.order)


def contributions(coarse: rk.SplineSpace, fine: rk.SplineSpace) -> np.ndarray:
    """Return for each entry of P the sum of the absolute values of all terms of its recursion.

    From the interval at the end of the domain over which more of the fine B-spline hangs. Where exterior knots moved,
    the recursion extrapolates, and how far depends on the interval.
    """
    r, t, s = coarse.order, coarse.knots, fine.knots
    sizes = np.zeros((fine.dim, coarse.dim))
    a, b = coarse.domain
    for j in range(fine.dim):
        at_the_right = j + r - (fine.dim - 1) > max(r - j, 1)
        m = int(np.searchsorted(t, b) if at_the_right else np.searchsorted(t, max(s[j], a), "right")) - 1
        C = np.eye(r)
        for k in range(1, r):
            for i in range(r - k):
                left, right = t[m - r + 1 + k + i], t[m + 1 + i]
                C[i] = abs(right - s[j + k]) / (right - left) * C[i] + abs(s[j + k] - left) / (right - left) * C[i + 1]
        sizes[j, m - r + 1 : m + 1] = C[0]
    return sizes


PAIRS = pytest.mark.parametrize("how", FINER)
SPACES = pytest.mark.parametrize(("kind", "order"), [(kind, order) for kind in KINDS for order in ORDERS])
