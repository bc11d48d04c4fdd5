r"""A network whose first layer is linear and whose second are splines, with its gradient, and L-BFGS with step 1.

    y(x) = sum_q phi_q(s_q),    s_q = (z_q - low_q) / (high_q - low_q),    z = W x,

phi_q a spline of order r on n equal intervals of [0, 1], continued by its outermost polynomials. The bounds of a node are
those of z_q on the unit square ("box": sums of the negative and of the positive entries of row q of W), those on the
samples ("samples"), or those of all nodes on the samples at once ("layer"); the gradient passes through them.

Everything is computed in the precision of the parameters, sums over samples in blocks, as a pairwise summation would.
This is a program of its own: it shares no line with the networks and optimisers of the library, to which tests hold it.
"""

from __future__ import annotations

from math import comb, factorial

import numba as nb
import numpy as np

BOUNDS = {"box": 0, "samples": 1, "layer": 2}

BLOCK = 256
"""Samples that are summed before their sum is added to the others."""

DIVERGED = 1e30
"""A loss that ends a run: single precision holds no square of what follows."""


def local_polynomials(order: int) -> np.ndarray:
    """Return M with N_k(t) = sum_p M[k, p] t^p, the B-splines that live on one cell of a uniform grid, t in [0, 1].

    From N(x) = sum_j (-1)^j C(r, j) (x - j)_+^(r-1) / (r-1)! at x = t + r - 1 - k.
    """
    r = order
    M = np.zeros((r, r))
    for k in range(r):
        for j in range(r - k):
            for p in range(r):
                M[k, p] += (-1) ** j * comb(r, j) * comb(r - 1, p) * float(r - 1 - k - j) ** (r - 1 - p)
    return M / factorial(r - 1)


def change_of_basis(n: int, order: int) -> np.ndarray:
    """Return A of Corollary 1 on n equal intervals of [0, 1]: B-splines are A times powers of ReLU, w = A^T u."""
    size = n + order - 1
    stencil = [(-1) ** k * comb(order, k) * float(n) ** (order - 1) / factorial(order - 1) for k in range(order + 1)]
    return sum(value * np.eye(size, k=k) for k, value in enumerate(stencil))


def bisected(C: np.ndarray, order: int) -> np.ndarray:
    """Return the coefficients of the same splines on twice as many intervals: B_i = 2^(1-r) sum_s C(r, s) b_(2i+s)."""
    size = C.shape[1]
    fine = np.zeros((C.shape[0], 2 * size - order + 1))
    for i in range(size):
        for s in range(order + 1):
            j = 2 * i + s - (order - 1)
            if 0 <= j < fine.shape[1]:
                fine[:, j] += 2.0 ** (1 - order) * comb(order, s) * C[:, i]
    return fine


@nb.njit(cache=True)
def value_and_gradient(theta, hidden, n, M, bounds, X, y, g):  # type: ignore[no-untyped-def]
    """Return the mean square of y(x) - y; `g` becomes its gradient. X holds a sample in each column.

    theta is W, row by row, and the coefficients, node by node.
    """
    r = M.shape[0]
    m, N, zero = n + r - 1, X.shape[1], theta[0] * 0
    S, slopes, e = np.empty((hidden, N), theta.dtype), np.empty((hidden, N), theta.dtype), np.empty(N, theta.dtype)
    low, high = np.empty(hidden, theta.dtype), np.empty(hidden, theta.dtype)
    least, most = np.zeros(hidden, np.int64), np.zeros(hidden, np.int64)
    for q in range(hidden):
        w0, w1 = theta[2 * q], theta[2 * q + 1]
        for i in range(N):
            S[q, i] = w0 * X[0, i] + w1 * X[1, i]
        if bounds == 0:
            low[q], high[q] = min(w0, zero) + min(w1, zero), max(w0, zero) + max(w1, zero)
        else:
            least[q], most[q] = np.argmin(S[q]), np.argmax(S[q])
            low[q], high[q] = S[q, least[q]], S[q, most[q]]
    at_least, at_most = np.argmin(low), np.argmax(high)
    if bounds == 2:
        low[:], high[:] = low[at_least], high[at_most]
    e[:] = -y
    poly = np.empty((n, r), theta.dtype)
    for q in range(hidden):
        for c in range(n):
            for p in range(r):
                s = zero
                for k in range(r):
                    s += theta[2 * hidden + q * m + c + k] * M[k, p]
                poly[c, p] = s
        inverse = 1 / (high[q] - low[q])
        for i in range(N):
            s = (S[q, i] - low[q]) * inverse
            S[q, i] = s
            c = min(max(int(s * n), 0), n - 1)
            t = s * n - c
            value, slope = poly[c, r - 1], zero
            for p in range(r - 2, -1, -1):
                slope = slope * t + value
                value = value * t + poly[c, p]
            e[i] += value
            slopes[q, i] = slope * n * inverse
    loss = zero
    for first in range(0, N, BLOCK):
        part = zero
        for i in range(first, min(first + BLOCK, N)):
            part += e[i] * e[i]
        loss += part
    g[:] = zero
    scale = (zero + 2) / N
    moments, part_of = np.empty((n, r), theta.dtype), np.empty((n, r), theta.dtype)
    sums = np.empty(4, theta.dtype)
    of_low, of_high = zero, zero
    for q in range(hidden):
        moments[:], sums[:] = zero, zero
        for first in range(0, N, BLOCK):
            part_of[:] = zero
            a, b, down, up = zero, zero, zero, zero
            for i in range(first, min(first + BLOCK, N)):
                s, power = S[q, i], scale * e[i]
                c = min(max(int(s * n), 0), n - 1)
                t = s * n - c
                dz = power * slopes[q, i]
                for p in range(r):
                    part_of[c, p] += power
                    power *= t
                a += dz * X[0, i]
                b += dz * X[1, i]
                down -= dz * (1 - s)
                up -= dz * s
            moments += part_of
            sums[0] += a
            sums[1] += b
            sums[2] += down  # with respect to the lower bound,
            sums[3] += up  # and to the upper
        for c in range(n):
            for k in range(r):
                s = zero
                for p in range(r):
                    s += M[k, p] * moments[c, p]
                g[2 * hidden + q * m + c + k] += s
        for d in range(2):
            g[2 * q + d] += sums[d]
            if bounds == 0:
                g[2 * q + d] += sums[2] if theta[2 * q + d] < 0 else sums[3]
            elif bounds == 1:
                g[2 * q + d] += sums[2] * X[d, least[q]] + sums[3] * X[d, most[q]]
        of_low += sums[2]
        of_high += sums[3]
    if bounds == 2:
        for d in range(2):
            g[2 * at_least + d] += of_low * X[d, least[at_least]]
            g[2 * at_most + d] += of_high * X[d, most[at_most]]
    return loss / N


@nb.njit(cache=True)
def in_relu(v, hidden, inverse, transposed, out):  # type: ignore[no-untyped-def]
    """Apply A^-1 (or its transpose) to the coefficients of each node; the first layer stays as it is."""
    m = inverse.shape[0]
    out[: 2 * hidden] = v[: 2 * hidden]
    for q in range(hidden):
        for i in range(m):
            s = v[0] * 0
            for j in range(m):
                s += (inverse[j, i] if transposed else inverse[i, j]) * v[2 * hidden + q * m + j]
            out[2 * hidden + q * m + i] = s


@nb.njit(cache=True)
def descend(theta, hidden, n, M, bounds, X, y, inverse, epochs, inner, gradients, changes):  # type: ignore[no-untyped-def]
    """L-BFGS with step 1 and a hundred pairs; return the loss before each epoch, after the last, and the best point.

    With an `inverse` of A, of size 0 otherwise, theta holds the coefficients w of powers of ReLU and descends in them,
    which is (17a) for u. `gradients` and `changes` are the tolerances on the gradient, and on slope, step and change of
    the loss, which end an epoch of `inner` iterations; pairs survive epochs. theta becomes the last point.
    """
    size, zero, relu = theta.size, theta[0] * 0, inverse.size > 0
    u, gu, g, before, d = theta.copy(), theta.copy(), theta.copy(), theta.copy(), theta.copy()
    S, Y, rho, alpha = np.empty((100, size), theta.dtype), np.empty((100, size), theta.dtype), u[:1], u[:1]
    rho, alpha = np.empty(100, theta.dtype), np.empty(100, theta.dtype)
    losses, best, best_loss = np.full(epochs + 1, np.nan), theta.copy(), np.inf
    count, head, iterations, t, scaling = 0, 0, 0, zero + 1, zero + 1
    for epoch in range(epochs + 1):
        evaluate, k, loss, previous = True, 0, zero, zero
        while True:
            if evaluate:
                if relu:
                    in_relu(theta, hidden, inverse, True, u)
                else:
                    u[:] = theta
                previous = loss
                loss = value_and_gradient(u, hidden, n, M, bounds, X, y, gu)
                if relu:
                    in_relu(gu, hidden, inverse, False, g)
                else:
                    g[:] = gu
                if loss < best_loss:
                    best_loss = loss
                    best[:] = theta
                if k == 0:
                    losses[epoch] = loss
                if epoch == epochs or not loss < DIVERGED or np.max(np.abs(g)) <= gradients:
                    break
                if k > 0 and (np.max(np.abs(d)) * t <= changes or abs(loss - previous) < changes):
                    break
            k += 1
            iterations += 1
            if iterations == 1:
                d[:] = -g
            else:
                ys, yy = zero, zero
                for i in range(size):
                    change = g[i] - before[i]
                    ys += change * d[i] * t
                    yy += change * change
                if ys > 1e-10:
                    S[head], Y[head] = d * t, g - before
                    rho[head], scaling = 1 / ys, ys / yy
                    head, count = (head + 1) % 100, min(count + 1, 100)
                d[:] = -g
                for a in range(count):
                    j = (head - 1 - a) % 100
                    alpha[j] = np.dot(S[j], d) * rho[j]
                    d -= alpha[j] * Y[j]
                d *= scaling
                for a in range(count):
                    j = (head - count + a) % 100
                    d += (alpha[j] - np.dot(Y[j], d) * rho[j]) * S[j]
            before[:] = g
            t = min(zero + 1, 1 / np.sum(np.abs(g))) if iterations == 1 else zero + 1
            if np.dot(g, d) > -changes:
                break
            theta += t * d
            evaluate = k < inner  # the next epoch begins with the value at the last point
            if not evaluate:
                break
    return losses, best
