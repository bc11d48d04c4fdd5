"""The sums of both engines, written down with dense arrays of all B-splines; with each, the sum of absolute terms."""

from dataclasses import dataclass

import numpy as np


def basis(knots, order, x, derivative, outside):
    """Values (N, dim) of one knot vector's B-splines or their derivatives, and the sums of the terms' absolute values.

    Cox and de Boor from the indicator of one interval on, in NumPy, over all functions.
    """
    n = knots.size - 2 * order + 1
    t = knots[order - 1 : order + n]
    if outside == "linear":
        e = np.clip(x, t[0], t[-1])
        if derivative > 1:
            at = basis(knots, order, e, derivative, "polynomial")
            return tuple(np.where((e == x)[:, None], part, 0.0) for part in at)
        value, size = basis(knots, order, e, derivative, "polynomial")
        if derivative == 0:
            slope, slope_size = basis(knots, order, e, 1, "polynomial")
            value, size = value + (x - e)[:, None] * slope, size + np.abs(x - e)[:, None] * slope_size
        return value, size
    m = np.clip(np.searchsorted(t, x, side="right") - 1, 0, n - 1) + order - 1
    if outside == "natural":
        beyond = (x < t[0]) | (x > t[-1])
        m = np.where(beyond, np.searchsorted(knots, x, side="right") - 1, m)
    value = (np.arange(knots.size - 1) == m[:, None]).astype(float)
    size = value.copy()
    for k in range(1, order):
        spans = knots[k:] - knots[:-k]
        left, right = x[:, None] - knots[: -k - 1], knots[k + 1 :] - x[:, None]
        q, q_size = value / spans, size / spans
        if k < order - derivative:
            value = left * q[:, :-1] + right * q[:, 1:]
            size = np.abs(left) * q_size[:, :-1] + np.abs(right) * q_size[:, 1:]
        else:
            value, size = k * (q[:, :-1] - q[:, 1:]), k * (q_size[:, :-1] + q_size[:, 1:])
    if derivative >= order:
        value, size = 0 * value, 0 * size
    if outside == "natural":  # of the others that reach beyond the ends, none is among the first or the last r
        first = np.where(x < t[0], 0, n - 1)
        number = np.arange(value.shape[1])
        window = (number >= first[:, None]) & (number < first[:, None] + order)
        value, size = np.where(beyond[:, None] & ~window, 0.0, value), np.where(beyond[:, None] & ~window, 0.0, size)
    return value, size


@dataclass
class Literal:
    """Each method returns a pair: the sum, and that of the absolute values of its terms."""

    knots: np.ndarray
    order: int
    C: np.ndarray
    z: np.ndarray
    n_first: int
    outside: str

    def __post_init__(self):
        P, x = self.knots.shape[0], self.z[:, 0]
        self.depth = 3 if self.z.shape[1] == 1 else 4  # derivatives of jets reach one further
        self.B = [
            tuple(
                np.stack(part, axis=1)
                for part in zip(
                    *(basis(self.knots[p], self.order, x[:, p], d, self.outside) for p in range(P)), strict=True
                )
            )
            for d in range(self.depth)
        ]
        self.W = self.jets(lambda d: self.B[d][0], self.z), self.jets(lambda d: self.B[d][1], np.abs(self.z))
        t = self.knots[:, self.order - 1 : self.knots.shape[1] - self.order + 1]
        n = t.shape[1] - 1
        self.start = np.stack([np.clip(np.searchsorted(t[p], x[:, p], "right") - 1, 0, n - 1) for p in range(P)], 1)
        self.n = n

    def jets(self, b, z):
        """b, b' u, b'' u^2 + b' v."""
        K = self.n_first
        rows = [b(0)]
        rows += [b(1) * z[:, c, :, None] for c in range(1, K + 1)]
        for c in range(K + 1, z.shape[1]):
            u, v = z[:, c - K, :, None], z[:, c, :, None]
            rows.append(b(2) * u**2 + b(1) * v)
        return np.stack(rows, axis=1)

    def tangent(self, b, z, dz):
        """The derivative of `jets` along dz; of absolute values where all of them are."""
        K, dx = self.n_first, dz[:, 0, :, None]
        rows = [b(1) * dx]
        rows += [b(2) * z[:, c, :, None] * dx + b(1) * dz[:, c, :, None] for c in range(1, K + 1)]
        for c in range(K + 1, z.shape[1]):
            u, v, du, dv = (a[:, k, :, None] for a in (z, dz) for k in (c - K, c))
            rows.append(b(3) * u**2 * dx + 2 * b(2) * u * du + b(2) * v * dx + b(1) * dv)
        return np.stack(rows, axis=1)

    def apart(self, W):
        """Functions (.., P, dim) as those of each interval by themselves, (.., P, n r)."""
        N, _, P, _ = W.shape
        out = np.zeros((*W.shape[:3], self.n * self.order))
        s, p = np.arange(N)[:, None], np.arange(P)
        for i in range(self.order):
            out[s, :, p, self.start * self.order + i] = W[s, :, p, self.start + i]
        return out

    def both(self, f):
        """f of the numbers and f of their absolute values."""
        return f(lambda a: a, 0), f(np.abs, 1)

    def value(self):
        return self.both(lambda size, k: np.einsum("scpi,qpi->scq", self.W[k], size(self.C)))

    def pull_back(self, dy, apart=False):
        W = [self.apart(part) for part in self.W] if apart else self.W
        return self.both(lambda size, k: np.einsum("scpi,scq->qpi", W[k], size(dy)))

    def push_forward(self, dC, dz, apart=False):
        W = [self.apart(part) for part in self.W] if apart else self.W

        def f(size, k):
            dW = self.tangent(lambda d: self.B[d][k], size(self.z), size(dz))
            return np.einsum("scpi,qpi->scq", W[k], size(dC)) + np.einsum("scpi,qpi->scq", dW, size(self.C))

        return self.both(f)

    def edges(self, d, k, size):
        """sum_i C[q, p, i] b_i^(d)(x): (N, Q, P)."""
        return np.einsum("spi,qpi->sqp", self.B[d][k], size(self.C))

    def project(self, G, derivative):
        return self.both(lambda size, k: np.einsum("soq,sqp->sop", size(G), self.edges(derivative, k, size)))

    def hessian_product(self, dC, dx, dy):
        """Of <dy, u> in (C, x): sum_s dy b' dx, and sum_q dy (dC b' + C b'' dx)."""

        def in_inputs(size, k):
            bent = np.einsum("sqp,sp->sqp", self.edges(2, k, size), size(dx))
            return np.einsum("sq,sqp->sp", size(dy), np.einsum("spi,qpi->sqp", self.B[1][k], size(dC)) + bent)

        in_coefficients = self.both(lambda size, k: np.einsum("sq,sp,spi->qpi", size(dy), size(dx), self.B[1][k]))
        return in_coefficients, self.both(in_inputs)

    def pull_back_inputs(self, G):
        K = self.n_first

        def f(size, k):
            z = size(self.z)
            e = {
                d: np.einsum("socq,sqp->socp", size(G), self.edges(d, k, size))
                for d in range(1, self.depth)
            }  # fmt: skip
            dz = e[1].copy()
            for c in range(1, z.shape[1]):
                if c <= K:
                    dz[:, :, 0] += e[2][:, :, c] * z[:, None, c]
                else:
                    u, v = z[:, None, c - K], z[:, None, c]
                    dz[:, :, 0] += e[3][:, :, c] * u**2 + e[2][:, :, c] * v
                    dz[:, :, c - K] += 2 * e[2][:, :, c] * u
            return dz

        return self.both(f)

    def jacobian(self, G):
        return self.both(lambda size, k: np.einsum("socq,scpi->soqpi", size(G), self.W[k]))
