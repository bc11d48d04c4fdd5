r"""Sums of a spline layer over samples in the order of their intervals, where the B-splines are polynomials.

    y[s, q] = sum_p sum_i b[p, i, s] C[p, m + i, q]           dC[p, m + i, q] = sum_s b[p, i, s] dy[s, q]
    dx[p, s] = sum_q dy[s, q] sum_i b'[p, i, s] C[p, m + i, q]

A sweep (`forward`, `pull_back`) is one call for many blocks of B samples: the data of an input in a block, above all
its basis rows, stay in the first cache levels, and threads meet once. For each block and input it computes the basis
and then its sums.

Place k of an input at a block holds sample places[k]; those of interval m fill the run of places from ends[m] to
ends[m + 1]. Runs are filled up to a multiple of RUN with samples B and B + 1, which do not exist: loops over a run have
no remainder, and the arrays they read or write have two rows more than samples. Recursions go over a run at once, and
several of its samples are worked with the r rows of C that the cache, or the registers, hold.

Coefficients of an input lie as (tiles, dim, TILE): the outputs in tiles of TILE, the last one padded with zeros. Basis
rows lie as (D+1, r, ROW). Both are indexed as flat arrays, so that the offsets between the r rows are constants.
Outputs and cotangents are padded to a multiple of L, a vector (`vectors`). `lanes` has L items: four, or eight where
the processor has registers for them (`vectors.widest`). The bits of dx depend on L, those of y and dC do not. Few
outputs are better served by `polynomial_layer`.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import inlined_kernel, kernel
from refkan.kernels.vectors import (
    add_products,
    add_weighted,
    column,
    load,
    no_rows,
    rows,
    store,
    total,
    weighted_sum,
)

VECTORS = "99fc0a68c0bd"

RUN = 4
TILE = 64
TOGETHER = 8
"""Inputs that are read and written together: so many numbers of a sample lie in one cache line."""
ROW = 1032
"""Places in a block; not a power of two, or the rows of an input would fall into the same cache lines."""

FOUR = (0,) * 4
"""Samples of a run that are worked together in dC."""

position = np.uint64


@kernel
def gather_points(x, origin, first_input, z):
    """z[p, s] = x[origin + s, first_input + p]; beyond the last sample, that one again."""
    there = min(z.shape[1], x.shape[0] - origin)
    for s in range(there):
        for p in range(min(z.shape[0], x.shape[1] - first_input)):
            z[p, s] = x[origin + s, first_input + p]
    for p in range(z.shape[0]):
        for s in range(there, z.shape[1]):
            z[p, s] = z[p, there - 1]


@inlined_kernel
def fill_rows(z, places, ends, t, inverse, width, depth, points, out):
    """out[(d r + i) ROW + k]: derivative d <= 1 of B-spline m + i at points[k], place k of interval m.

    points[k] = z[places[k]]; where there is no sample, the point before. Cox-de Boor as in `bspline_basis`, for a run
    of points at once; knots t (K,), inverse spans (r, K); `width` has r items, `depth` D+1.
    """
    order, top = len(width), len(depth) - 1
    for k in range(ends[ends.shape[0] - 1]):
        s = places[k]
        points[k] = z[s] if s < z.shape[0] else points[k - 1]
    for m in range(ends.shape[0] - 1):
        right = position(m + order)
        for v in range(position(ends[m]), position(ends[m + 1])):
            out[v] = 1.0
            if top > 0 and order == 1:
                out[v + position(ROW)] = 0.0
            for k in range(1, order):
                left = right - position(k)
                carry = before = 0.0
                for i in range(k):
                    q = out[v + position(i * ROW)] * inverse[k, left + position(i)]
                    if top > 0 and k == order - 1:
                        out[v + position((order + i) * ROW)] = k * (before - q)
                        before = q
                    out[v + position(i * ROW)] = carry + (t[right + position(i)] - points[v]) * q
                    carry = (points[v] - t[left + position(i)]) * q
                out[v + position(k * ROW)] = carry
                if top > 0 and k == order - 1:
                    out[v + position((order + k) * ROW)] = k * before


@kernel
def continue_tangents(points, ends, t, tangents, width, slopes, out):
    """Replace what `fill_rows` left for points outside the domain by tangents at its ends.

    tangents[d, side, i]: derivative d <= 1 of the first, or of the last, r functions at that end; `slopes` tells
    whether rows of derivatives follow those of values.
    """
    order = len(width)
    a, b = t[order - 1], t[t.shape[0] - order]
    for k in range(ends[ends.shape[0] - 1]):
        if a <= points[k] and points[k] <= b:
            continue
        side = 0 if points[k] < a else 1
        reach = points[k] - (a if side == 0 else b)
        for i in range(order):
            out[i * ROW + k] = tangents[0, side, i] + reach * tangents[1, side, i]
            if slopes:
                out[(order + i) * ROW + k] = tangents[1, side, i]


@inlined_kernel
def contract(places, ends, basis, C, origin, width, lanes, y):
    """y[s, q] += sum_i basis[i ROW + k] C[origin + (tile dim + m + i) TILE + q], s = places[k].

    Two samples of a run at once. y (B+2, Q), Q a multiple of L.
    """
    n, n_outputs = position(ends.shape[0] - 1), position(y.shape[1])
    tiles, dim = (n_outputs + position(TILE - 1)) // position(TILE), n + position(len(width) - 1)
    out = y.reshape(-1)
    for tile in range(tiles):
        vectors = min(position(TILE), n_outputs - tile * position(TILE)) // position(len(lanes))
        for m in range(n):
            c = position(origin) + (tile * dim + m) * position(TILE)
            for k in range(position(ends[m]), position(ends[m + position(1)]), position(2)):
                low = position(places[k]) * n_outputs + tile * position(TILE)
                high = position(places[k + position(1)]) * n_outputs + tile * position(TILE)
                low_basis = column(basis, k, position(ROW), width)
                high_basis = column(basis, k + position(1), position(ROW), width)
                for vector in range(vectors):
                    q = vector * position(len(lanes))
                    coefficients = rows(C, c + q, position(TILE), width, lanes)
                    before, next_before = load(out, low + q, lanes), load(out, high + q, lanes)
                    store(out, low + q, add_weighted(before, low_basis, coefficients), lanes)
                    store(out, high + q, add_weighted(next_before, high_basis, coefficients), lanes)


@inlined_kernel
def pull_back_coefficients(places, ends, basis, dy, width, lanes, stride, origin, dC):
    """dC[origin + (tile dim + m stride + i) TILE + q] += sum_k basis[i ROW + k] dy[s, q], s = places[k].

    Four samples of a run and two functions at once: as many numbers of the basis as registers hold, and two sums that
    are loaded and stored once for four samples. dy (B+2, Q), Q a multiple of L, zero in the last two samples.
    Intervals share r - 1 of their r sums at stride 1, none at stride r; dim = (n-1) stride + r.
    """
    n, n_outputs = position(ends.shape[0] - 1), position(dy.shape[1])
    tiles = (n_outputs + position(TILE - 1)) // position(TILE)
    dim = (n - position(1)) * position(stride) + position(len(width))
    g, row, size, order = dy.reshape(-1), position(ROW), position(TILE), len(width)
    for tile in range(tiles):
        vectors = min(size, n_outputs - tile * size) // position(len(lanes))
        first = tile * size
        for m in range(n):
            c = position(origin) + (tile * dim + m * position(stride)) * size
            for k in range(position(ends[m]), position(ends[m + position(1)]), position(4)):
                g0 = first + position(places[k]) * n_outputs
                g1 = first + position(places[k + position(1)]) * n_outputs
                g2 = first + position(places[k + position(2)]) * n_outputs
                g3 = first + position(places[k + position(3)]) * n_outputs
                for i in range(0, order, 2):
                    second = min(i + 1, order - 1) - i  # 0 if there is none
                    at, to = k + position(i) * row, c + position(i) * size
                    low = column(basis, at, position(1), FOUR)
                    high = column(basis, at + position(second) * row, position(1), FOUR)
                    for vector in range(vectors):
                        q = to + vector * position(len(lanes))
                        o = vector * position(len(lanes))
                        d = (
                            load(g, g0 + o, lanes),
                            load(g, g1 + o, lanes),
                            load(g, g2 + o, lanes),
                            load(g, g3 + o, lanes),
                        )
                        store(dC, q, add_weighted(load(dC, q, lanes), low, d), lanes)
                        if second:
                            store(dC, q + size, add_weighted(load(dC, q + size, lanes), high, d), lanes)


@inlined_kernel
def pull_back_inputs(places, ends, basis, C, origin, dy, width, lanes, dx):
    """dx[s] = sum_i basis[(r + i) ROW + k] sum_q dy[s, q] C[origin + (tile dim + m + i) TILE + q], s = places[k].

    Two samples of a run at once. dx (B+2,).
    """
    n, n_outputs = position(ends.shape[0] - 1), position(dy.shape[1])
    tiles, dim = (n_outputs + position(TILE - 1)) // position(TILE), n + position(len(width) - 1)
    g, slopes = dy.reshape(-1), basis[len(width) * ROW :]
    dx[:] = 0.0
    for tile in range(tiles):
        vectors = min(position(TILE), n_outputs - tile * position(TILE)) // position(len(lanes))
        o = tile * position(TILE)
        for m in range(n):
            c = position(origin) + (tile * dim + m) * position(TILE)
            for k in range(position(ends[m]), position(ends[m + position(1)]), position(2)):
                low, high = position(places[k]), position(places[k + position(1)])
                sums = more_sums = no_rows(width, lanes)
                for vector in range(vectors):
                    q = vector * position(len(lanes))
                    coefficients = rows(C, c + q, position(TILE), width, lanes)
                    sums = add_products(sums, coefficients, load(g, o + low * n_outputs + q, lanes))
                    more_sums = add_products(more_sums, coefficients, load(g, o + high * n_outputs + q, lanes))
                low_slopes = column(slopes, k, position(ROW), width)
                high_slopes = column(slopes, k + position(1), position(ROW), width)
                dx[low] += total(weighted_sum(low_slopes, sums), lanes)
                dx[high] += total(weighted_sum(high_slopes, more_sums), lanes)


@kernel
def padded(samples, outputs, lanes):
    """An array (samples + 2, outputs filled up to whole vectors) that begins where a multiple of L numbers begins.

    A vector of eight numbers is a cache line: it would otherwise lie in two, and take two reads.
    """
    width = (outputs + len(lanes) - 1) // len(lanes) * len(lanes)
    flat = np.empty((samples + 2) * width + len(lanes))
    first = -(flat.ctypes.data // flat.itemsize) % len(lanes)
    return flat[first : first + (samples + 2) * width].reshape((samples + 2, width))


@kernel
def forward(first, last, x, knots, inverse_spans, tangents, width, lanes, size, C, places, ends, strays, out):
    """out (N, Q) from the order of samples, places (blocks, P, .) and ends (blocks, P, n+1); the items are blocks.

    knots (P, K), inverse_spans (P, r, K), tangents (2, 2, P, r), used where strays[block, p] says that points are
    outside the domain; C flat, one input after another.
    """
    n_inputs, n_outputs = x.shape[1], out.shape[1]
    entries = C.shape[0] // n_inputs
    z, points = np.empty((TOGETHER, size)), np.empty(ROW)
    basis = np.empty(len(width) * ROW)
    y = padded(size, n_outputs, lanes)
    for block in range(first, last):
        origin = block * size
        y[:] = 0.0
        for p in range(n_inputs):
            if p % TOGETHER == 0:
                gather_points(x, origin, p, z)
            where, runs = places[block, p], ends[block, p]
            fill_rows(z[p % TOGETHER], where, runs, knots[p], inverse_spans[p], width, (0,), points, basis)
            if strays[block, p]:
                continue_tangents(points, runs, knots[p], tangents[:, :, p], width, False, basis)
            contract(where, runs, basis, C, p * entries, width, lanes, y)
        for s in range(min(size, x.shape[0] - origin)):
            for q in range(n_outputs):
                out[origin + s, q] = y[s, q]


@kernel
def pull_back(
    first, last, x, knots, inverse_spans, tangents, width, lanes, size, C, places, ends, strays,
    dy, stride, groups, dC, dx,
):  # fmt: skip
    """Sums of b_i dy in dC (parts, inputs x entries), and dx (N, P) unless it has no samples.

    An item is one of so many `groups` of inputs at one of the parts of all blocks, number part groups + group; what
    parts leave in dC is still to be added. dy (N, Q); the rest as for `forward`.
    """
    n_blocks, n_inputs, n_outputs, parts = places.shape[0], x.shape[1], dy.shape[1], dC.shape[0]
    inputs = dx.shape[0] > 0
    entries, sums = C.shape[0] // n_inputs, dC.shape[1] // n_inputs
    z, slopes = np.empty((TOGETHER, size)), np.empty((TOGETHER, size + 2))
    points, basis = np.empty(ROW), np.empty(2 * len(width) * ROW)
    g = padded(size, n_outputs, lanes)
    for item in range(first, last):
        part, group = item // groups, item % groups
        first_input, last_input = group * n_inputs // groups, (group + 1) * n_inputs // groups
        dC[part, first_input * sums : last_input * sums] = 0.0
        for block in range(part * n_blocks // parts, (part + 1) * n_blocks // parts):
            origin = block * size
            there = min(size, x.shape[0] - origin)
            g[:] = 0.0
            for s in range(there):
                for q in range(n_outputs):
                    g[s, q] = dy[origin + s, q]
            for p in range(first_input, last_input):
                k = (p - first_input) % TOGETHER
                if k == 0:
                    gather_points(x, origin, p, z)
                where, runs = places[block, p], ends[block, p]
                fill_rows(z[k], where, runs, knots[p], inverse_spans[p], width, (0, 0), points, basis)
                if strays[block, p]:
                    continue_tangents(points, runs, knots[p], tangents[:, :, p], width, True, basis)
                pull_back_coefficients(where, runs, basis, g, width, lanes, stride, p * sums, dC[part])
                if not inputs:
                    continue
                pull_back_inputs(where, runs, basis, C, p * entries, g, width, lanes, slopes[k])
                if k == TOGETHER - 1 or p == last_input - 1:
                    for s in range(there):
                        for i in range(k + 1):
                            dx[origin + s, p - k + i] = slopes[i, s]
