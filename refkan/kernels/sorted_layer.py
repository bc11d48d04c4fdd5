r"""Sums of a spline layer over samples in the order of their intervals, where the B-splines are polynomials.

    y[s, q] = sum_p sum_i b[p, i, s] C[p, m + i, q]           dC[p, m + i, q] = sum_s b[p, i, s] dy[s, q]
    dx[p, s] = sum_q dy[s, q] sum_i b'[p, i, s] C[p, m + i, q]

A slot is one input at one block of samples, that of slot % P of P inputs. Its places k hold samples order[slot, k];
those of interval m fill the run of places from ends[slot, m] to ends[slot, m + 1]. Runs are filled up to a multiple of
RUN with samples B and B + 1, which do not exist: loops over a run have no remainder, and the arrays they read or write
have two rows more than samples. Recursions go over a run at once, and several of its samples are worked with the r rows
of C that the cache, or the registers, hold.

Coefficients lie as C (P, tiles, dim, TILE): the outputs in tiles of TILE, the last one padded with zeros; the rows of a
slot as (D+1, r, ROW). All are indexed as flat arrays, because the offsets between the r rows must be constants: a
compiler that cannot see that rows are apart compares addresses before every short loop, which costs as much as five
outputs, or gives up.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import dot_kernel, fused_kernel, kernel

RUN = 4
TILE = 32
ROW = 1032
"""Places of a slot. Not a power of two, or the rows of a slot would fall into the same lines of a cache."""

position = np.uint64


@kernel
def to_tiles(first, last, C, tiles):
    """tiles[p, tile, i, l] = C[tile TILE + l, p, i], 0 beyond the last output; the items are inputs."""
    for p in range(first, last):
        for tile in range(tiles.shape[1]):
            for l in range(TILE):
                q = tile * TILE + l
                for i in range(tiles.shape[2]):
                    tiles[p, tile, i, l] = C[q, p, i] if q < C.shape[0] else 0.0


@kernel
def from_tiles(first, last, parts, C):
    """C[tile TILE + l, p, i] = sum over parts, in order, of parts[part, p, tile, i, l]; the items are inputs."""
    for p in range(first, last):
        for q in range(C.shape[0]):
            tile, l = q // TILE, q % TILE
            for i in range(C.shape[2]):
                C[q, p, i] = parts[0, p, tile, i, l]
            for part in range(1, parts.shape[0]):
                for i in range(C.shape[2]):
                    C[q, p, i] += parts[part, p, tile, i, l]


@kernel
def to_blocks(first, last, rows, blocks):
    """blocks[block, s, q] = rows[block B + s, q], 0 where there is none; rows (N, Q), blocks (., B+2, >= Q)."""
    size, n_outputs = blocks.shape[1] - 2, rows.shape[1]
    for block in range(first, last):
        there = max(0, min(size, rows.shape[0] - block * size))
        for s in range(there):
            for q in range(n_outputs):
                blocks[block, s, q] = rows[block * size + s, q]
            for q in range(n_outputs, blocks.shape[2]):
                blocks[block, s, q] = 0.0
        blocks[block, there:] = 0.0


@kernel
def from_blocks(first, last, blocks, rows):
    """rows[block B + s, q] = blocks[block - first, s, q] for the blocks of a range."""
    size = blocks.shape[1] - 2
    for block in range(first, last):
        for s in range(min(size, rows.shape[0] - block * size)):
            for q in range(rows.shape[1]):
                rows[block * size + s, q] = blocks[block - first, s, q]


@kernel
def from_slots(first, last, slots, input_first, rows):
    """rows[block B + s, input_first + p] = slots[(block - first) P + p, s] for the blocks of a range."""
    size, n_inputs = slots.shape[1] - 2, slots.shape[0] // (last - first)
    for block in range(first, last):
        for p in range(n_inputs):
            for s in range(min(size, rows.shape[0] - block * size)):
                rows[block * size + s, input_first + p] = slots[(block - first) * n_inputs + p, s]


@kernel
def sort_slots(first, last, m, order, ends):
    """Counting sort of the samples s of a slot by their intervals m[slot, s]; m (slots, B), ends (slots, n+1)."""
    size, n = m.shape[1], ends.shape[1] - 1
    for slot in range(first, last):
        end = ends[slot]
        end[:] = 0
        for s in range(size):
            end[m[slot, s] + position(1)] += 1
        total = 0
        for j in range(1, n + 1):  # end[j]: where interval j - 1 starts, and then where it goes on
            count = end[j]
            end[j] = total
            total += (count + RUN - 1) // RUN * RUN
        for s in range(size):
            j = m[slot, s] + position(1)
            k = position(end[j])
            end[j] += 1
            order[slot, k] = s
        for j in range(1, n + 1):
            k = end[j]
            while k % RUN:
                order[slot, k] = size + k % 2
                k += 1
            end[j] = k


@fused_kernel
def fill_slots(first, last, x, sample, inputs, size, places, ends, knots, inverse_spans, width, depth, points, out):
    """out[((slot (D+1) + d) r + i) ROW + k]: derivative d <= 1 of B-spline m + i at points[slot, k] of interval m.

    points[slot, k] = x[sample + slot // P * size + places[slot, k], p], p in the range `inputs`; where there is no
    sample, the point before. Cox-de Boor as in `bspline_basis`, for a run of points at once; knots (P, K),
    inverse_spans (P, r, K); `width` has r items, `depth` D+1.
    """
    order, top = len(width), len(depth) - 1
    n_inputs, last_sample = knots.shape[0], x.shape[0] - 1
    for slot in range(first, last):
        t, inverse, z = knots[slot % n_inputs], inverse_spans[slot % n_inputs], points[slot]
        p, origin = inputs[0] + slot % n_inputs, sample + slot // n_inputs * size
        for k in range(ends[slot, ends.shape[1] - 1]):
            s = places[slot, k]
            z[k] = x[min(origin + s, last_sample), p] if s < size else z[k - 1]
        base = position(slot * (top + 1) * order * ROW)
        for m in range(ends.shape[1] - 1):
            right = position(m + order)
            for place in range(position(ends[slot, m]), position(ends[slot, m + 1])):
                v = base + place
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
                        out[v + position(i * ROW)] = carry + (t[right + position(i)] - z[place]) * q
                        carry = (z[place] - t[left + position(i)]) * q
                    out[v + position(k * ROW)] = carry
                    if top > 0 and k == order - 1:
                        out[v + position((order + k) * ROW)] = k * before


@fused_kernel
def contract(first, last, order, ends, rows, step, C, width, y):
    """y[block, s, q] += sum_i rows[slot step + i ROW + k] C[p, tile, m + i, q], slot = block P + p, s = order[slot, k].

    y (blocks, B+2, Q), Q a multiple of 4; the items are blocks.
    """
    n, size, n_outputs = position(ends.shape[1] - 1), position(y.shape[1]), position(y.shape[2])
    n_inputs = position(order.shape[0] // y.shape[0])
    tiles, dim = (n_outputs + position(TILE - 1)) // position(TILE), n + position(len(width) - 1)
    out = y.reshape(-1)
    for block in range(position(first), position(last)):
        for tile in range(tiles):
            lanes = min(position(TILE), n_outputs - tile * position(TILE))
            origin = block * size * n_outputs + tile * position(TILE)
            for p in range(n_inputs):
                slot = block * n_inputs + p
                for m in range(n):
                    c = ((p * tiles + tile) * dim + m) * position(TILE)
                    for k in range(position(ends[slot, m]), position(ends[slot, m + position(1)])):
                        b = slot * position(step) + k
                        o = origin + position(order[slot, k]) * n_outputs
                        for q in range(lanes):
                            value = out[o + q]
                            for i in range(len(width)):
                                value += rows[b + position(i * ROW)] * C[c + position(i * TILE) + q]
                            out[o + q] = value


@fused_kernel
def pull_back_coefficients(first, last, order, ends, rows, step, dy, width, stride, dC):
    """dC[p, tile, m stride + i, q] += sum over blocks and k of rows[slot step + i ROW + k] dy[block, s, q].

    s = order[slot, k], four of a run at once; the items are inputs. dy (blocks, B+2, Q), zero in the last two samples.
    Intervals share r - 1 of their r sums at stride 1, none at stride r.
    """
    n, size, n_outputs = position(ends.shape[1] - 1), position(dy.shape[1]), position(dy.shape[2])
    n_blocks = position(dy.shape[0])
    n_inputs = position(order.shape[0]) // n_blocks
    tiles = (n_outputs + position(TILE - 1)) // position(TILE)
    dim = (n - position(1)) * position(stride) + position(len(width))
    g = dy.reshape(-1)
    for block in range(n_blocks):
        for tile in range(tiles):
            lanes = min(position(TILE), n_outputs - tile * position(TILE))
            origin = block * size * n_outputs + tile * position(TILE)
            for p in range(position(first), position(last)):
                slot = block * n_inputs + p
                for m in range(n):
                    c = ((p * tiles + tile) * dim + m * position(stride)) * position(TILE)
                    for k in range(position(ends[slot, m]), position(ends[slot, m + position(1)]), position(4)):
                        b = slot * position(step) + k
                        g0 = origin + position(order[slot, k]) * n_outputs
                        g1 = origin + position(order[slot, k + position(1)]) * n_outputs
                        g2 = origin + position(order[slot, k + position(2)]) * n_outputs
                        g3 = origin + position(order[slot, k + position(3)]) * n_outputs
                        for q in range(lanes):
                            d0, d1, d2, d3 = g[g0 + q], g[g1 + q], g[g2 + q], g[g3 + q]
                            for i in range(len(width)):
                                row = b + position(i * ROW)
                                value = rows[row] * d0 + rows[row + position(1)] * d1
                                value += rows[row + position(2)] * d2 + rows[row + position(3)] * d3
                                dC[c + position(i * TILE) + q] += value


@dot_kernel
def pull_back_inputs(first, last, order, ends, slopes, step, C, dy, width, dx):
    """dx[slot, order[slot, k]] = sum_q dy[block, s, q] sum_i slopes[slot step + i ROW + k] C[p, tile, m + i, q].

    Four samples of a run at once; the items are slots. dx (slots, B+2).
    """
    n, size, n_outputs = position(ends.shape[1] - 1), position(dy.shape[1]), position(dy.shape[2])
    n_inputs = position(order.shape[0] // dy.shape[0])
    tiles, dim = (n_outputs + position(TILE - 1)) // position(TILE), n + position(len(width) - 1)
    g = dy.reshape(-1)
    for slot in range(position(first), position(last)):
        dx[slot, :] = 0.0
        for tile in range(tiles):
            lanes = min(position(TILE), n_outputs - tile * position(TILE))
            origin = slot // n_inputs * size * n_outputs + tile * position(TILE)
            for m in range(n):
                c = ((slot % n_inputs * tiles + tile) * dim + m) * position(TILE)
                for k in range(position(ends[slot, m]), position(ends[slot, m + position(1)]), position(4)):
                    b = slot * position(step) + k
                    s0, s1 = position(order[slot, k]), position(order[slot, k + position(1)])
                    s2, s3 = position(order[slot, k + position(2)]), position(order[slot, k + position(3)])
                    g0, g1, g2, g3 = s0 * n_outputs, s1 * n_outputs, s2 * n_outputs, s3 * n_outputs
                    u0 = u1 = u2 = u3 = 0.0
                    for q in range(lanes):
                        e0 = e1 = e2 = e3 = 0.0  # derivatives of y[s, q] in x[p, s]
                        for i in range(len(width)):
                            row, value = b + position(i * ROW), C[c + position(i * TILE) + q]
                            e0 += slopes[row] * value
                            e1 += slopes[row + position(1)] * value
                            e2 += slopes[row + position(2)] * value
                            e3 += slopes[row + position(3)] * value
                        o = origin + q
                        u0 += e0 * g[g0 + o]
                        u1 += e1 * g[g1 + o]
                        u2 += e2 * g[g2 + o]
                        u3 += e3 * g[g3 + o]
                    dx[slot, s0] += u0
                    dx[slot, s1] += u1
                    dx[slot, s2] += u2
                    dx[slot, s3] += u3


@fused_kernel
def contract_few(first, last, order, ends, rows, step, C, input_first, width, y):
    """The same as `contract` for so few outputs that runs are the longer loops.

    C (Q, inputs, dim), of which the slots see inputs from `input_first` on; y (blocks, B+2, Q).
    """
    n, n_inputs = ends.shape[1] - 1, order.shape[0] // y.shape[0]
    values = np.empty(order.shape[1], y.dtype)
    for slot in range(first * n_inputs, last * n_inputs):
        block, p = slot // n_inputs, input_first + slot % n_inputs
        base = position(slot * step)
        for q in range(y.shape[2]):
            c = C[q, p]
            for m in range(n):
                for k in range(position(ends[slot, m]), position(ends[slot, m + 1])):
                    value = 0.0
                    for i in range(len(width)):
                        value += rows[base + position(i * ROW) + k] * c[position(m + i)]
                    values[k] = value
            for k in range(ends[slot, n]):
                y[block, order[slot, k], q] += values[k]


@dot_kernel
def pull_back_coefficients_few(first, last, order, ends, rows, step, dy, input_first, width, stride, dC):
    """The same as `pull_back_coefficients` for few outputs: dC (Q, inputs, ...), the items are inputs of a group."""
    n, n_inputs = ends.shape[1] - 1, order.shape[0] // dy.shape[0]
    g = np.empty(order.shape[1], dy.dtype)
    for block in range(dy.shape[0]):
        for p in range(first, last):
            slot = block * n_inputs + p
            base = position(slot * step)
            for q in range(dy.shape[2]):
                for k in range(ends[slot, n]):
                    g[k] = dy[block, order[slot, k], q]
                for m in range(n):
                    start, end = position(ends[slot, m]), position(ends[slot, m + 1])
                    for i in range(len(width)):
                        row, total = base + position(i * ROW), 0.0
                        for k in range(start, end):
                            total += rows[row + k] * g[k]
                        dC[q, input_first + p, position(m * stride + i)] += total


@fused_kernel
def pull_back_inputs_few(first, last, order, ends, slopes, step, C, input_first, dy, width, dx):
    """The same as `pull_back_inputs` for few outputs; C (Q, inputs, dim)."""
    n, n_inputs = ends.shape[1] - 1, order.shape[0] // dy.shape[0]
    g, values = np.empty(order.shape[1], dy.dtype), np.empty(order.shape[1], dx.dtype)
    for slot in range(first, last):
        block, p = slot // n_inputs, input_first + slot % n_inputs
        base = position(slot * step)
        values[:] = 0.0
        for q in range(dy.shape[2]):
            c = C[q, p]
            for k in range(ends[slot, n]):
                g[k] = dy[block, order[slot, k], q]
            for m in range(n):
                for k in range(position(ends[slot, m]), position(ends[slot, m + 1])):
                    edge = 0.0
                    for i in range(len(width)):
                        edge += slopes[base + position(i * ROW) + k] * c[position(m + i)]
                    values[k] += edge * g[k]
        for k in range(ends[slot, n]):
            dx[slot, order[slot, k]] = values[k]
