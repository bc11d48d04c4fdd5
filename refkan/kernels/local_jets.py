r"""Jets through layers: values with first and second derivatives along K directions, as channels of one array.

A jet of P quantities at sample s is z[s, c, p]: channel 0 the value x, channels 1..K its first derivatives u_d, and
channels K+1.. the second derivatives v_d of the first few directions. A function phi of a single input makes of it

    phi,    phi' u_d,    phi'' u_d^2 + phi' v_d,

so that for basis functions b_i with derivatives rows[k, s, p, i] the channels of the basis are W[s, c, p, i], and a
layer is y[s, c, q] = sum_p sum_i W[s, c, p, i] C[p, start[s, p] + i, q]. Cotangents g[s, o, c, q] have an axis o for
several of them at once. `width`, `count`, `firsts` and `tile` are sequences of as many items as a window has functions,
a jet channels, a jet first derivatives, and a tile outputs: as tuples they tell the compiler how long short loops are.

Coefficients lie as (P, tiles, dim, T), the outputs in tiles of T, and are indexed as a flat array: offsets between the
r rows of a window are then constants. A compiler that cannot see that rows are apart compares addresses before every
short loop. One or two outputs are a tile; more lie in tiles of T = TILE, of which the last is filled up with zeros. A
product and its sum may be fused (one rounding).
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import fused_kernel, inlined_kernel, kernel
from refkan.kernels.vectors import add, column, load, multiply, rows, total, weighted_sum, zeros

VECTORS = "99fc0a68c0bd"

TILE = 32
LANES = 8
CHUNK = 16
"""Samples whose jets of the basis are formed at once: 30 kB for 20 cubic inputs, which fit the first-level cache."""

position = np.uint64


@kernel
def window_rows(first, last, inputs, rows, z, width, count, firsts, out):
    """out[s - first, c, p, i] = b, b' u_d, b'' u_d^2 + b' v_d with b^(k) = rows[k, s, p, i], for a range of inputs."""
    for s in range(first, last):
        for p in range(inputs[0], inputs[1]):
            for i in range(len(width)):
                out[s - first, 0, p, i] = rows[0, s, p, i]
            for c in range(1, len(firsts) + 1):
                u = z[s, c, p]
                for i in range(len(width)):
                    out[s - first, c, p, i] = u * rows[1, s, p, i]
            for c in range(len(firsts) + 1, len(count)):
                u, v = z[s, c - len(firsts), p], z[s, c, p]
                for i in range(len(width)):
                    out[s - first, c, p, i] = u * u * rows[2, s, p, i] + v * rows[1, s, p, i]


@inlined_kernel
def contract(first, last, start, W, C, width, count, tile, out):
    """out[s, c, q] = sum_p sum_i W[s, c, p, i] C[p, t, start[s, p] + i, q]; start (N, P), out (N, channels, Q)."""
    n_inputs, n_outputs = W.shape[2], out.shape[2]
    order, channels, T = len(width), len(count), len(tile)
    tiles, dim = C.shape[1], C.shape[2]
    flat = C.reshape(-1)
    y, w = np.empty(channels * T), np.empty(channels * order)
    for s in range(first, last):
        for t in range(tiles):
            size = min(T, n_outputs - t * T)
            for k in range(channels * T):
                y[k] = 0.0
            for p in range(n_inputs):
                for c in range(channels):
                    for i in range(order):
                        w[c * order + i] = W[s, c, p, i]
                base = position(((p * tiles + t) * dim + start[s, p]) * T)
                for q in range(position(min((size + 3) // 4 * 4, T))):
                    for c in range(len(count)):
                        value = y[position(c * T) + q]
                        for i in range(len(width)):
                            value += w[c * order + i] * flat[base + position(i * T) + q]
                        y[position(c * T) + q] = value
            for c in range(channels):
                for q in range(size):
                    out[s, c, t * T + q] = y[c * T + q]


@kernel
def contract_jets(first, last, start, rows, z, C, width, count, firsts, tile, out):
    """`contract` with the W of rows and z, formed for CHUNK samples at a time: storing W costs more than forming it."""
    W = np.empty((CHUNK, len(count), z.shape[2], len(width)), out.dtype)
    none = first - first  # a 0 that is written out is a type of its own, for which kernels are compiled once more
    for low in range(first, last, CHUNK):
        high = min(low + CHUNK, last)
        window_rows(low, high, (none, z.shape[2]), rows, z, width, count, firsts, W)
        contract(none, high - low, start[low:high], W, C, width, count, tile, out[low:high])


@inlined_kernel
def pull_back_coefficients(first, last, start, W, dy, groups, width, count, tile, dC):
    """dC[part, p, t, start + i, q] += sum_c W[s, c, p, i] dy[s, c, q] over samples of each part; the parts add up.

    dy (N, channels, Q), dC (parts, P, tiles, dim, T) zero on entry. Items are pairs of a part and a group of inputs;
    every dC[part, p] has one owner.
    """
    n_samples, n_inputs, n_outputs = dy.shape[0], W.shape[2], dy.shape[2]
    order, channels, T = len(width), len(count), len(tile)
    parts, tiles, dim = dC.shape[0], dC.shape[2], dC.shape[3]
    flat = dC.reshape(-1)
    g, w = np.zeros(channels * T), np.empty(channels * order)
    for task in range(first, last):
        part, group = task // groups, task % groups
        for s in range(part * n_samples // parts, (part + 1) * n_samples // parts):
            for t in range(tiles):
                size = min(T, n_outputs - t * T)
                lanes = min((size + 3) // 4 * 4, T)
                for c in range(channels):
                    for q in range(size):
                        g[c * T + q] = dy[s, c, t * T + q]
                    for q in range(size, lanes):
                        g[c * T + q] = 0.0
                for p in range(group * n_inputs // groups, (group + 1) * n_inputs // groups):
                    for c in range(channels):
                        for i in range(order):
                            w[c * order + i] = W[s, c, p, i]
                    base = position((((part * n_inputs + p) * tiles + t) * dim + start[s, p]) * T)
                    for q in range(position(lanes)):
                        for i in range(len(width)):
                            value = flat[base + position(i * T) + q]
                            for c in range(len(count)):
                                value += w[c * order + i] * g[position(c * T) + q]
                            flat[base + position(i * T) + q] = value


@kernel
def pull_back_jets(first, last, start, rows, z, dy, groups, width, count, firsts, tile, dC):
    """`pull_back_coefficients` of the W of rows and z, formed again for CHUNK samples at a time."""
    n_samples, n_inputs, parts = dy.shape[0], z.shape[2], dC.shape[0]
    W = np.empty((CHUNK, len(count), n_inputs, len(width)))
    for task in range(first, last):
        part, group = task // groups, task % groups
        inputs = group * n_inputs // groups, (group + 1) * n_inputs // groups
        end = (part + 1) * n_samples // parts
        for low in range(part * n_samples // parts, end, CHUNK):
            high = min(low + CHUNK, end)
            window_rows(low, high, inputs, rows, z, width, count, firsts, W)
            chunk = start[low:high], W, dy[low:high], groups, width, count, tile, dC[part : part + 1]
            pull_back_coefficients(group, group + 1, *chunk)


@inlined_kernel
def pull_back_inputs(first, last, start, rows, z, C, dy, width, count, firsts, tile, lanes, dz):
    """dz (N, O, channels, P) of dy (N, O, channels, Q): `pull_back_rows` of h = sum_q C[p, start + i, q] dy[.., q].

    With e_k (Q,) the derivatives of the edges of an input, sum_i b_i^(k) C[p, t, start + i, q], it is made of sums
    over q of dy e_1, dy e_2 and dy e_3, each as `lanes` interleaved sums,
    LANES or as many as a tile has outputs: no addition waits for the one before.
    """
    n_cotangents, n_inputs, n_outputs = dy.shape[1], dz.shape[3], dy.shape[3]
    order, channels, n_first = len(width), len(count), len(firsts)
    T, dim, steps = len(tile), C.shape[2], (n_outputs + LANES - 1) // LANES
    per_tile = max(T // LANES, 1)
    flat = C.reshape(-1)
    g = np.zeros(n_cotangents * steps * channels * LANES)
    b, u, f = np.empty(3 * order), np.empty(channels), np.empty(channels * LANES)
    for s in range(first, last):
        for o in range(n_cotangents):
            for c in range(channels):
                for q in range(n_outputs):
                    g[((o * steps + q // LANES) * channels + c) * LANES + q % LANES] = dy[s, o, c, q]
        for p in range(n_inputs):
            for k in range(3):
                for i in range(order):
                    b[k * order + i] = rows[k + 1, s, p, i] if k + 1 < rows.shape[0] else 0.0
            for c in range(channels):
                u[c] = z[s, c, p]
            for o in range(n_cotangents):
                for k in range(channels * LANES):
                    f[k] = 0.0
                for step in range(steps):
                    t, rest = step // per_tile, step % per_tile
                    base = position(((p * C.shape[1] + t) * dim + start[s, p]) * T + rest * LANES)
                    at = position((o * steps + step) * channels * LANES)
                    for q in range(position(lanes)):
                        slope = bend = third = 0.0
                        for i in range(len(width)):
                            value = flat[base + position(i * T) + q]
                            slope += b[i] * value
                            bend += b[order + i] * value
                            third += b[2 * order + i] * value
                        total = f[q] + g[at + q] * slope
                        for c in range(1, len(firsts) + 1):
                            cotangent = g[at + position(c * LANES) + q]
                            total += cotangent * (u[c] * bend)
                            f[position(c * LANES) + q] += cotangent * slope
                        for c in range(len(firsts) + 1, len(count)):
                            cotangent, d = g[at + position(c * LANES) + q], c - n_first
                            total += cotangent * (u[d] * u[d] * third + u[c] * bend)
                            f[position(d * LANES) + q] += cotangent * (2.0 * u[d] * bend)
                            f[position(c * LANES) + q] += cotangent * slope
                        f[q] = total
                for c in range(channels):
                    k = c * LANES
                    low, high = (f[k] + f[k + 4]) + (f[k + 1] + f[k + 5]), (f[k + 2] + f[k + 6]) + (f[k + 3] + f[k + 7])
                    dz[s, o, c, p] = low + high


@fused_kernel
def pull_back_values(first, last, start, slopes, C, dy, width, tile, dz):
    """The same for values: dz[s, o, 0, p] = sum_q dy[s, o, 0, q] sum_i slopes[s, p, i] C[p, t, start[s, p] + i, q]."""
    n_cotangents, n_outputs, n_inputs, tiles = dy.shape[1], dy.shape[3], dz.shape[3], C.shape[1]
    size, order = position(len(tile)), position(len(width))
    flat, b, of_input = C.reshape(-1), slopes.reshape(-1), position(C.shape[1] * C.shape[2]) * position(len(tile))
    padded, g = tiles * len(tile), np.zeros(n_cotangents * tiles * len(tile))
    for s in range(position(first), position(last)):
        for o in range(n_cotangents):
            for q in range(n_outputs):
                g[o * padded + q] = dy[s, o, 0, q]
        for p in range(position(n_inputs)):
            weights = column(b, (s * position(n_inputs) + p) * order, position(1), width)
            window = p * of_input + position(start[s, p]) * size
            for o in range(n_cotangents):
                sums = zeros(tile)
                for t in range(position(tiles)):
                    at = window + t * position(C.shape[2]) * size
                    edges = weighted_sum(weights, rows(flat, at, size, width, tile))
                    sums = add(sums, multiply(edges, load(g, position(o * padded) + t * size, tile)))
                dz[s, o, 0, p] = total(sums, tile)
