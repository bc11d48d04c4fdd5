"""Spline spaces that hypothesis draws."""

import numpy as np
from hypothesis import strategies as st

import refkan as rk


@st.composite
def any_space(draw, max_order=10, repeats=True):
    """Draw an order and a knot vector; gaps span six orders of magnitude, or are zero."""
    order = draw(st.integers(1, max_order))
    intervals = draw(st.integers(1, 30))
    size = intervals + 2 * order - 2
    gap = st.sampled_from([0.0] * repeats + [1e-6, 0.01, 0.3, 1.0, 1.7])
    gaps = draw(st.lists(gap, min_size=size, max_size=size))
    start = draw(st.sampled_from([0.0, -1.0, 1e3]))
    knots = start + np.concatenate([[0.0], np.cumsum(gaps)])
    too_often = np.any(knots[order:] == knots[:-order])
    if too_often or knots[order - 1] == knots[-order]:
        knots = start + np.arange(size + 1) / 7
    return rk.SplineSpace(knots, order)
