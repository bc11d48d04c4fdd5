r"""A network whose first layer is linear and whose second are splines, with its gradient, in either precision.

    y(x) = sum_q phi_q(s_q),    s_q = (z_q - low_q) / (high_q - low_q),    z = W x,

phi_q a spline of order r on n equal intervals of [0, 1], continued by its outermost polynomials. The bounds of a node
are those of z_q on the unit square ("box": sums of the negative and of the positive entries of row q of W), those on
the samples ("samples"), or those of all nodes on the samples at once ("layer"); the gradient passes through them.

Everything is computed in the precision of the parameters, sums over samples in blocks, as a pairwise summation would.
This is a program of its own: it shares no line with the networks of the library, to which tests hold it.
"""

from math import comb, factorial

import numba as nb
import numpy as np

BOUNDS = {"box": 0, "samples": 1, "layer": 2}

BLOCK = 256
"""Samples that are summed before their sum is added to the others."""


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
    kind = theta.dtype.type  # an integer would make what it meets double
    zero, unit, cells = kind(0), kind(1), kind(n)
    r = M.shape[0]
    m, N = n + r - 1, X.shape[1]
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
    for i in range(N):  # the assignment of a whole array compiles, for seconds, what it says of wrong shapes
        e[i] = -y[i]
    poly = np.empty((n, r), theta.dtype)
    for q in range(hidden):
        for c in range(n):
            for p in range(r):
                s = zero
                for k in range(r):
                    s += theta[2 * hidden + q * m + c + k] * M[k, p]
                poly[c, p] = s
        inverse = unit / (high[q] - low[q])
        for i in range(N):
            s = (S[q, i] - low[q]) * inverse
            S[q, i] = s
            c = min(max(int(s * cells), 0), n - 1)
            t = s * cells - kind(c)
            value, slope = poly[c, r - 1], zero
            for p in range(r - 2, -1, -1):
                slope = slope * t + value
                value = value * t + poly[c, p]
            e[i] += value
            slopes[q, i] = slope * cells * inverse
    loss = zero
    for first in range(0, N, BLOCK):
        part = zero
        for i in range(first, min(first + BLOCK, N)):
            part += e[i] * e[i]
        loss += part
    g[:] = zero
    scale = kind(2) / kind(N)
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
                c = min(max(int(s * cells), 0), n - 1)
                t = s * cells - kind(c)
                dz = power * slopes[q, i]
                for p in range(r):
                    part_of[c, p] += power
                    power *= t
                a += dz * X[0, i]
                b += dz * X[1, i]
                down -= dz * (unit - s)
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
    return loss / kind(N)
