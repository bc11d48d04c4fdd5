r"""Breakpoints of free knots from their parameters s, and cotangents back to s: see `knots.free_breakpoints`.

With p = softmax(s) and a floor eps,

    t_k = a + (b-a) sum_{m<=k} q_m,    q = (1-eps) p + eps/n,

and the derivative of p in s is diag(p) - p p^T. It does not change when all tangents, or cotangents of q, change by the
same number: they are taken relative to those of the largest p, which may be all but 1, so that ds - <p, ds> there loses
no digits.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def fill_exponentials(s, e):
    """e_m = exp(s_m - max s), and their sum: softmax(s) is the quotient."""
    largest, total = s[0].real, 0.0
    for m in range(s.shape[0]):
        largest = max(largest, s[m].real)
    for m in range(s.shape[0]):
        e[m] = np.exp(s[m] - largest)
        total += e[m]
    return total


@kernel
def fill_breakpoints(first, last, s, domains, floor, out):
    """out[p, k] = t_k of input p with exact ends; s (P, n), domains (P, 2), out (P, n+1)."""
    n = s.shape[1]
    for p in range(first, last):
        a, b, t = domains[p, 0], domains[p, 1], out[p]
        total, share = fill_exponentials(s[p], t[1:]), 0.0
        for k in range(1, n):
            share += (1 - floor) * (t[k] / total) + floor / n
            t[k] = a + (b - a) * share
        t[0], t[n] = a, b


@kernel
def pull_back_breakpoints(first, last, s, domains, floor, dt, ds):
    """ds[k, p, m] = (1-eps) p_m (g_m - <p, g>), g_m = (b-a) sum_{j>m} dt_j, less that of the largest p_m.

    s (P, n), domains (P, 2); dt (K, P, n-1) holds the cotangents of t_1, ..., t_{n-1}, ds (K, P, n).
    """
    n = s.shape[1]
    e = np.empty(n)
    for p in range(first, last):
        length, total = domains[p, 1] - domains[p, 0], fill_exponentials(s[p], e)
        peak = 0
        for m in range(n):
            if s[p, m].real > s[p, peak].real:
                peak = m
        for k in range(dt.shape[0]):
            g, mean = 0.0, 0.0
            ds[k, p, peak] = 0.0
            for m in range(peak - 1, -1, -1):
                g += dt[k, p, m]
                ds[k, p, m] = length * g
                mean += e[m] / total * (length * g)
            g = 0.0
            for m in range(peak + 1, n):
                g -= dt[k, p, m - 1]
                ds[k, p, m] = length * g
                mean += e[m] / total * (length * g)
            for m in range(n):
                ds[k, p, m] = (1 - floor) * (e[m] / total) * (ds[k, p, m] - mean)
