r"""Sums of a spline layer of few outputs, sample by sample, by the polynomials that the splines are on each interval.

    y[s, q] = sum_p f_qp(x[s, p])        dx[s, p] = sum_q dy[s, q] f_qp'(x[s, p])        dC = transpose of y in C

A piece c of input p is an interval of its knots or the line beyond an end of the domain. There, with r coefficients C
from number w of the piece on,

    f(x) = sum_k u^k v^(r-1-k) sum_i values[c, k, i] C[w + i]
    f'(x) = sum_k u^k v^(r-2-k) sum_i slopes[c, k, i] C[w + i]

On an interval [t_m, t_{m+1}] of length h these are Bernstein forms, u = (x - t_m)/h and v = (t_{m+1} - x)/h; beyond an
end e Taylor polynomials, u = (x - e)/h with the length h of the interval next to it, and v = 1. Tangents are their
first two terms: u is set to 0 there, and the second term added afterwards, so that powers which nobody asks for do not
overflow. Under NATURAL, where B-splines end by themselves, intervals are those of all knots, and beyond them is
nothing: u = 0, and v = 1 or, so that it does not get lost, NaN. The sums over i are taken once for
all samples. Then a sample costs r multiply-adds for each output and input in y and dC, r - 1 in dx, and next to nothing
for its basis: no B-spline is evaluated. For dC the sums over samples of u^k v^(r-1-k) dy are taken for each piece, and
`values` takes them to the coefficients. On the domain no entry of `values` and no u^k v^(r-1-k) is negative, so that
nothing cancels that does not cancel in the sum over B-splines.

Pieces of an input: its n intervals, then the line to the right of the domain, then that to the left; `pieces` fills
their flat tables. Lengths of short loops come as tuples (`width` of r items, `outputs` of Q, `lanes` of L), so that a
compiled form knows them. All outputs are one vector of L lanes (`vectors`). Pairs of a sample and an input have the
order of memory: number j = s P + p. `kept` = (pieces c, u, v) of all pairs for the way back, or empty arrays, and for
each block whether there are points outside.

Loops over a block split the work for each pair, though c, u and v go to memory: the first one vectorises, and those of
sums gain as much as that costs.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, inlined_kernel, kernel
from refkan.kernels.vectors import (
    add,
    add_multiples,
    add_weighted,
    column,
    load,
    multiply,
    rows,
    store,
    total,
    weighted_sum,
    zeros,
)

VECTORS = "99fc0a68c0bd"

LINEAR, POLYNOMIAL, NATURAL = 0, 1, 2

PAIRS = 256
"""Pairs in a block: their data stay in the first-level cache."""

position = np.uint64


@inlined_kernel
def polynomials(table, windows, outside, C, width, lanes):
    """Coefficients of the pieces of each edge, flat (P, n+2, terms, L), from C (Q, P, dim).

    table (P, n+2, terms, r), flat: `values`, terms = r, or `slopes`, terms = r - 1. Beyond the ends LINEAR leaves
    tangents, and NATURAL nothing. Numbers of outputs that do not exist are zero.
    """
    n_inputs, n_pieces = windows.shape
    terms, size = table.shape[0] // (n_inputs * n_pieces * len(width)), position(len(lanes))
    out, edges = np.empty(n_inputs * n_pieces * terms * len(lanes)), np.zeros(C.shape[2] * len(lanes))
    kept = 0 if outside == NATURAL else terms - len(width) + 2 if outside == LINEAR else terms
    at = row = position(0)
    for p in range(n_inputs):
        for q in range(C.shape[0]):
            for i in range(C.shape[2]):
                edges[i * len(lanes) + q] = C[q, p, i]
        for c in range(n_pieces):
            window = rows(edges, position(windows[p, c]) * size, size, width, lanes)
            for k in range(terms):
                form = weighted_sum(column(table, row, position(1), width), window)
                store(out, at, form if c < n_pieces - 2 or k < kept else zeros(lanes), lanes)
                row += position(len(width))
                at += size
    return out


@inlined_kernel
def fold(moments, values, windows, outside, stride, width, lanes, dC):
    """dC[q, p, w stride + i] = sum_ck values[c, k, i] moments[c, k, q]: the transpose of `polynomials`.

    w = windows[p, c]. Windows share r - 1 of their r sums at stride 1, none at stride r.
    """
    n_inputs, n_pieces = windows.shape
    size, sums = position(len(lanes)), np.empty(dC.shape[2] * len(lanes))
    at = row = position(0)
    for p in range(n_inputs):
        sums[:] = 0.0
        for c in range(n_pieces):
            w = position(windows[p, c] * stride) * size
            beyond = c >= n_pieces - 2
            kept = 2 if outside == LINEAR and beyond else len(width)
            share = 0.0 if outside == NATURAL and beyond else 1.0  # NaN does not get lost
            for k in range(len(width)):
                if k < kept:
                    moment = weighted_sum((share,), (load(moments, at, lanes),))
                    add_multiples(sums, w, size, column(values, row, position(1), width), moment)
                at += size
                row += position(len(width))
        for q in range(dC.shape[0]):
            for i in range(dC.shape[2]):
                dC[q, p, i] = sums[i * len(lanes) + q]


@kernel
def find_cells(x, cells, m):
    """m[j] = int((x[j] - a) scale - delta), x taken into the domain [a, b] and the result to be at least 0.

    cells (4, pairs): a, b, scale and delta for each pair of a block.
    """
    for j in range(x.shape[0]):
        at = x[j] if x[j] >= cells[0, j] else cells[0, j]  # so that NaN does not become an index
        at = at if at <= cells[1, j] else cells[1, j]
        # Through 32 bits: many processors have no vectors of conversions to 64.
        m[j] = position(np.int32(max((at - cells[0, j]) * cells[2, j] - cells[3, j], 0.0)))


@kernel
def search_cells(x, guide, halvings, places, n_pieces, m):
    """Intervals instead of the cells m, as in `bspline_basis.find_intervals`, or the one before if halvings is 1.

    guide (P, cells + 1).
    """
    n_inputs, p = position(guide.shape[0]), position(0)
    for j in range(x.shape[0]):
        m[j] = guide[p, m[j]]
        p += position(1)
        p = p if p < n_inputs else position(0)
    if halvings < 2:
        return
    for j in range(x.shape[0]):
        last = position(guide[p, guide.shape[1] - 1])
        row = position(4) * p * position(n_pieces)
        step = position(1 << halvings)
        for _ in range(halvings):
            step >>= position(1)
            middle = min(m[j] + step, last)
            m[j] = middle if places[row + position(4) * middle + position(3)] <= x[j] else m[j]
        p += position(1)
        p = p if p < n_inputs else position(0)


@kernel
def locate(x, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v):
    """Pieces m, u and v of points x; returns whether some are outside. origins[j]: first piece of the input of x[j]."""
    find_cells(x, cells, m)
    if halvings >= 0:
        search_cells(x, guide, halvings, places, n_pieces, m)
    for j in range(x.shape[0]):
        c = origins[j] + m[j]
        c = c + position(1) if places[position(4) * c + position(7)] <= x[j] else c
        row = position(4) * c
        u[j] = (x[j] - places[row]) * places[row + position(2)]
        v[j] = (places[row + position(1)] - x[j]) * places[row + position(2)]
        m[j] = c
    strays = 0
    for j in range(x.shape[0]):
        strays += not (u[j] >= 0.0 and v[j] >= 0.0)
    if strays > 0:
        for j in range(x.shape[0]):
            if not (u[j] >= 0.0 and v[j] >= 0.0):
                right = origins[j] + position(n_pieces - 2)
                m[j] = right if x[j] >= places[position(4) * right] else right + position(1)
                row = position(4) * m[j]
                u[j] = (x[j] - places[row]) * places[row + position(2)] if outside == POLYNOMIAL else 0.0
                v[j] = 1.0 + (x[j] - x[j]) if outside == NATURAL else 1.0
    return strays > 0


@kernel
def fill_terms(u, v, width, skip, size, out):
    """out[k size + j] = u^k v^(d-k) at pair j, k = 0, ..., d, degree d = r - 1 - skip."""
    n = u.shape[0]
    for j in range(n):
        out[position(j)] = 1.0
    for degree in range(1, len(width) - skip):
        last = position(degree * size)
        for j in range(n):
            out[last + position(j)] = out[last - position(size) + position(j)] * u[j]
        for k in range(degree):
            row = position(k * size)
            for j in range(n):
                out[row + position(j)] *= v[j]


@inlined_kernel
def terms_of(u, v, more, j, pairs, width):
    """u^k v^(r-1-k) for all k < r, the items of `width`; from `fill_terms` if there are more than four."""
    order = len(width)  # on a line of its own: branches that depend on it are not compiled
    if order == 1:
        return (1.0,)
    if order == 2:
        return v, u
    if order == 3:
        return v * v, u * v, u * u
    if order == 4:
        return v * (v * v), u * (v * v), (u * u) * v, (u * u) * u
    return column(more, j, pairs, width)


@fused_kernel
def forward(
    first, last, x, cells, origins, guide, halvings, places, values, windows, outside, C, width, outputs, lanes, kept, y
):
    """y (N, Q) at x (N, P); items are blocks of as many pairs as `cells` has columns, all inputs of some samples.

    origins (pairs,): number of the first piece of the input of each; guide (P, cells+1), none and halvings < 0 where
    intervals are equal; windows (P, n+2), C (Q, P, dim), other tables flat.
    """
    order = len(width)
    n_inputs, n_pieces, points, out = windows.shape[0], windows.shape[1], x.reshape(-1), y.reshape(-1)
    size, n_outputs = position(len(lanes)), position(len(outputs))
    gamma, keep = polynomials(values, windows, outside, C, width, lanes), kept[0].shape[0] > 0
    pairs = cells.shape[1]
    samples = pairs // n_inputs
    m, u, v, terms = np.empty(pairs, np.uint64), np.empty(pairs), np.empty(pairs), np.empty(order * pairs)
    for block in range(first, last):
        origin = block * samples
        there = min(samples, x.shape[0] - origin)
        start, end = origin * n_inputs, (origin + there) * n_inputs
        if keep:
            m, u, v = kept[0][start:end], kept[1][start:end], kept[2][start:end]
        z = points[start:end]
        strays = locate(z, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v)
        if keep:
            kept[3][block] = strays
        if order > 4:
            fill_terms(u[: z.shape[0]], v, width, 0, pairs, terms)
        j = position(0)
        for s in range(position(origin), position(origin + there)):
            sums = zeros(lanes)
            for _ in range(n_inputs):
                weights = terms_of(u[j], v[j], terms, j, position(pairs), width)
                forms = rows(gamma, m[j] * position(order) * size, size, width, lanes)
                sums = add(sums, weighted_sum(weights, forms))
                j += position(1)
            store(out, s * n_outputs, sums, outputs)
        if order > 1 and outside == LINEAR and strays:
            for k in range(z.shape[0]):
                if m[k] - origins[k] >= position(n_pieces - 2):
                    reach = (z[k] - places[position(4) * m[k]]) * places[position(4) * m[k] + position(2)]
                    for q in range(len(outputs)):
                        row = m[k] * position(order * len(lanes)) + position(len(lanes) + q)
                        y[origin + k // n_inputs, q] += reach * gamma[row]


@fused_kernel
def pull_back(
    first, last, x, cells, origins, guide, halvings, places, values, slopes, windows, outside, C, width, outputs, lanes,
    kept, dy, stride, dC, dx,
):  # fmt: skip
    """Sums of b_i dy in dC (parts, Q, P, .), as `fold` says; dx (N, P) if it has rows.

    Items are parts of the blocks; what parts leave in dC is still to be added. dy (N, Q); the rest as for `forward`.
    """
    order = len(width)
    n_inputs, n_pieces, points = windows.shape[0], windows.shape[1], x.reshape(-1)
    parts, inputs, d, g = dC.shape[0], dx.shape[0] > 0, dx.reshape(-1), dy.reshape(-1)
    size, n_outputs = position(len(lanes)), position(len(outputs))
    gamma = polynomials(slopes, windows, outside, C, width, lanes)
    moments = np.empty(windows.size * order * len(lanes))
    pairs = cells.shape[1]
    samples = pairs // n_inputs
    n_blocks = (x.shape[0] + samples - 1) // samples
    m, u, v, terms = np.empty(pairs, np.uint64), np.empty(pairs), np.empty(pairs), np.empty((2 * order - 1) * pairs)
    lower = terms[order * pairs :]
    for part in range(first, last):
        moments[:] = 0.0
        for block in range(part * n_blocks // parts, (part + 1) * n_blocks // parts):
            origin = block * samples
            there = min(samples, x.shape[0] - origin)
            start, end = origin * n_inputs, (origin + there) * n_inputs
            z = points[start:end]
            if kept[0].shape[0] > 0:
                m, u, v = kept[0][start:end], kept[1][start:end], kept[2][start:end]
                strays = kept[3][block]
            else:
                strays = locate(z, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v)
            if order > 4:
                fill_terms(u[: z.shape[0]], v, width, 0, pairs, terms)
                if order > 5:
                    fill_terms(u[: z.shape[0]], v, width, 1, pairs, lower)
            j = position(0)
            for s in range(position(origin), position(origin + there)):
                cotangent = load(g, s * n_outputs, outputs)
                for _ in range(n_inputs):
                    powers = terms_of(u[j], v[j], terms, j, position(pairs), width)
                    if inputs:
                        slope = 0.0
                        if order > 1:
                            weights = terms_of(u[j], v[j], lower, j, position(pairs), width[1:])
                            forms = rows(gamma, m[j] * position(order - 1) * size, size, width[1:], lanes)
                            slope = total(multiply(cotangent, weighted_sum(weights, forms)), outputs)
                        d[position(start) + j] = slope
                    add_multiples(moments, m[j] * position(order) * size, size, powers, cotangent)
                    j += position(1)
            if order > 1 and outside == LINEAR and strays:
                for k in range(z.shape[0]):
                    if m[k] - origins[k] >= position(n_pieces - 2):
                        reach = (z[k] - places[position(4) * m[k]]) * places[position(4) * m[k] + position(2)]
                        for q in range(len(outputs)):
                            row = m[k] * position(order * len(lanes)) + position(len(lanes) + q)
                            moments[row] += reach * dy[origin + k // n_inputs, q]
        fold(moments, values, windows, outside, stride, width, lanes, dC[part])


@fused_kernel
def local_basis(
    first, last, x, cells, origins, guide, halvings, places, values, slopes, windows, outside, width, depth, start, out
):  # fmt: skip
    """start (N, P), out[d, s, p, i] = derivative d < D <= 2 of B-spline start + i at x[s, p], slopes for order r > 1.

    The items, `width` of r items and the tables are those of `forward`, `depth` has D; not under NATURAL.
    """
    order = len(width)
    pairs, size, n_pieces, points = cells.shape[1], position(order), windows.shape[1], x.reshape(-1)
    starts, of_piece, bases, more = start.reshape(-1), windows.reshape(-1), out[0].reshape(-1), out[-1].reshape(-1)
    m, u, v = np.empty(pairs, np.uint64), np.empty(pairs), np.empty(pairs)
    terms, lower = np.empty(order * pairs), np.empty(order * pairs)
    for block in range(first, last):
        origin = position(block * pairs)  # whole samples
        z = points[origin : min(int(origin) + pairs, points.shape[0])]
        strays = locate(z, cells, origins, guide, halvings, places, n_pieces, outside, m, u, v)
        if order > 4:
            fill_terms(u[: z.shape[0]], v, width, 0, pairs, terms)
            fill_terms(u[: z.shape[0]], v, width, 1, pairs, lower)
        for j in range(position(z.shape[0])):
            starts[origin + j], at, table = of_piece[m[j]], (origin + j) * size, m[j] * size * size
            weights = terms_of(u[j], v[j], terms, j, position(pairs), width)
            basis = weighted_sum(weights, rows(values, table, size, width, width))
            if strays and outside == LINEAR and order > 1 and m[j] - origins[j] >= position(n_pieces - 2):
                reach = (z[j] - places[position(4) * m[j]]) * places[position(4) * m[j] + position(2)]
                basis = add_weighted(basis, (reach,), (load(values, table + size, width),))
            store(bases, at, basis, width)
            if len(depth) > 1 and order > 1:
                lower_weights = terms_of(u[j], v[j], lower, j, position(pairs), width[1:])
                forms = rows(slopes, m[j] * (size - position(1)) * size, size, width[1:], width)
                store(more, at, weighted_sum(lower_weights, forms), width)
