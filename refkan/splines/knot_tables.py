"""Tables of knots that are new at every call, as free knots are: made at once, where others are made when needed."""

import numpy as np

from refkan.base import Array, IntArray
from refkan.kernels import tables_of_new_knots
from refkan.kernels.launch import launch
from refkan.splines.knots import extend_uniformly
from refkan.splines.local_basis import KnotTables, cell_count, pairs_of_block


def extended_tables(breakpoints: Array, order: int) -> KnotTables:
    """Tables of the knots `extend_uniformly(breakpoints, order)`, breakpoints (P, n+1).

    Of real ones the properties that sweeps need are made by one kernel. It does not look for equal intervals: only
    the start of a training has them.
    """
    if breakpoints.dtype.kind == "c":
        return KnotTables(extend_uniformly(breakpoints, order), order)
    P, n = breakpoints.shape[0], breakpoints.shape[1] - 1
    pairs = pairs_of_block(P)
    knots = np.empty((P, n + 2 * order - 1))
    inverse_spans, tangents = np.empty((P, order, knots.shape[1])), np.empty((2, 2, P, order))
    filled, windows = np.empty((2, P), np.int64), np.empty((P, n + 2), np.int64)
    guide: IntArray = np.empty((P, cell_count(n) + 1), np.int32)
    scale, most, cells, origins = np.empty(P), np.empty(P, np.int64), np.empty((4, pairs)), np.empty(pairs, np.uint64)
    launch(
        tables_of_new_knots.fill_tables, P, 8 * inverse_spans.size + 2 * guide.size + 5 * pairs,
        breakpoints, knots, inverse_spans, tangents, filled, windows, guide, scale, most, cells, origins,
    )  # fmt: skip
    halvings = max(most.tolist()).bit_length()
    tables = KnotTables(knots, order)
    vars(tables).update(  # as if each had been asked for
        breakpoints=breakpoints, inverse_spans=inverse_spans, tangents=tangents, filled=filled, windows=windows,
        search=(guide, scale, halvings), cells=(cells, origins, guide, halvings),
    )  # fmt: skip
    return tables
