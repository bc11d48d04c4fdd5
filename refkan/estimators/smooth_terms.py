r"""Sums of splines in fixed directions, ``f(x) = b + sum_r phi_r(a_r . x)``, whose roughness the data choose.

With directions a_r along the inputs the sum is additive. Directions in the plane of two inputs give functions of both:
``x y = ((x + y)^2 - (x - y)^2)/4``, and with k + 1 directions all polynomials of degree k (Logan and Shepp, Duke Math.
J. 42, 1975). Either sum is linear in its coefficients, and is a network with at most one hidden layer.
"""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, stats

from refkan.base import FloatArray, Frozen
from refkan.estimators.target_units import units_of
from refkan.networks import Network, kan
from refkan.networks.node_maps import NODE_MAPS

Group = tuple[int, ...]
BoolArray = npt.NDArray[np.bool_]

SLOPES = {
    2: np.array([(1, 1), (1, -1), (1, 0.4), (1, -0.4)]),
    3: np.array([(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)]),
}
"""Directions in the plane of two inputs, and in the space of three."""

MOST_GROUPS = {2: 8, 3: 4}
"""Pairs and triples of interacting inputs at most."""

LARGEST_SEARCH = {2: 100, 3: 16}
"""Numbers of inputs up to which pairs and triples are searched."""


class Terms:
    """Functions along directions (R, P) of inputs, and the columns that represent them.

    The coefficients c of a term are written in the eigenvectors of ``D^T D``, without constants; D c are the jumps of
    `refkan.training.losses.Penalized`. The first `inputs` directions are those of the inputs. Others need no straight
    lines, since the inputs have them. Polynomials of degree r - 1, which D does not see, have groups of their
    own, one for each degree, so that their sizes are chosen apart from the roughness.
    """

    def __init__(self, X: FloatArray, directions: FloatArray, order: int, intervals: int) -> None:
        self.directions = directions
        self.inputs = X.shape[1]
        along = X @ directions.T
        self.net = kan([len(directions), 1], order, intervals, ranges(along))
        dim = intervals + order - 1
        jumps = np.diff(np.eye(dim), order, axis=0) / factorial(order - 1)
        curvatures, vectors = linalg.eigh(jumps.T @ jumps)
        steps = np.arange(dim) - (dim - 1) / 2
        # Orthonormal polynomials 1, x, x^2, ... in the numbers of coefficients span what D does not see.
        vectors[:, :order] = np.linalg.qr(np.vander(steps, order, increasing=True))[0]
        curvatures[:order] = 0.0
        self.basis = vectors[:, 1:]
        oblique = np.arange(len(directions)) >= self.inputs
        self.kept = np.ones((len(directions), dim - 1), dtype=bool)
        self.kept[oblique, : min(1, order - 1)] = False
        curved = np.broadcast_to(np.arange(1, dim) >= order, self.kept.shape)
        groups = order * np.arange(len(directions))[:, None] + np.minimum(np.arange(1, dim), order)
        penalties = np.where(curved, curvatures[1:], 1.0)
        self.curved, self.penalties = curved[self.kept], penalties[self.kept]
        self.groups = np.unique(groups[self.kept], return_inverse=True)[1]
        self.mean = np.zeros(self.penalties.size)

    def columns(self, X: FloatArray) -> FloatArray:
        """Return the functions (N, M) at inputs X (N, P), less their means in training."""
        along = X @ self.directions.T
        values = self.net.jacobian(np.zeros(self.net.n_params), along)
        blocks = values.reshape(len(X), len(self.directions), -1) @ self.basis
        return blocks.reshape(len(X), -1)[:, self.kept.ravel()] - self.mean

    def centred(self, X: FloatArray, weights: FloatArray) -> FloatArray:
        """Return the columns at inputs in training, and keep their means."""
        columns = self.columns(X)
        self.mean = weights @ columns / weights.sum()
        return columns - self.mean

    def spline_coefficients(self, beta: FloatArray) -> FloatArray:
        """Return coefficients (Q, R, dim) of splines for factors (M, Q) of the columns."""
        whole = np.zeros((self.kept.size, beta.shape[1]))
        whole[self.kept.ravel()] = beta
        blocks = whole.T.reshape(beta.shape[1], len(self.directions), -1)
        return blocks @ self.basis.T


class Penalties(Frozen):
    """Factors of the squared jumps and of the squared coefficients; None where the data choose them."""

    roughness: float | None = None
    ridge: float | None = None
    max_iter: int = 200

    def free(self, terms: Terms) -> BoolArray:
        """Which columns (M,) have penalties that the data choose."""
        return np.where(terms.curved, self.roughness is None, self.roughness is None and self.ridge is None)

    def fixed(self, terms: Terms, n: int) -> FloatArray:
        """The penalties (M,) of the other columns."""
        ridge = n * (self.ridge or 0.0)
        return np.where(terms.curved, n * (self.roughness or 0.0) * terms.penalties, 0.0) + ridge


class Smooth:
    """Penalised least squares over the columns of terms; without a roughness, the marginal likelihood chooses it.

    Each group j of columns has a factor lambda_j of its penalty. Fellner and Schall's update, ::

        lambda_j <- lambda_j sigma^2 (n_j - sum_k s_k V_kk) / sum_k s_k beta_k^2,    V = (X^T W X + S)^-1,

    increases the marginal likelihood (Wood and Fasiolo, Biometrics 73, 2017). The sums are over the entries s_k of the
    diagonal matrix S in group j, and sigma^2 = RSS/(n - degrees of freedom). `score` is n RSS/(n - degrees of
    freedom)^2, the criterion of generalised cross validation.
    """

    def __init__(
        self, terms: Terms, X: FloatArray, targets: FloatArray, weights: FloatArray, penalties: Penalties
    ) -> None:
        self.terms = terms
        n, n_outputs = targets.shape
        columns = terms.centred(X, weights)
        self.intercept = weights @ targets / weights.sum()
        residual = targets - self.intercept
        self.gram = columns.T @ (weights[:, None] * columns)
        self.moments = columns.T @ (weights[:, None] * residual)
        least = 1e-10 * max(float(np.trace(self.gram)) / max(len(self.gram), 1), 1e-300)
        free = penalties.free(terms)
        sizes = np.bincount(terms.groups)
        strengths = np.full(sizes.size, 1e-3 * n)
        total = float(weights @ (residual**2).sum(axis=1))
        self.scores: list[float] = []
        for _ in range(penalties.max_iter):
            self.diagonal = np.where(free, strengths[terms.groups] * terms.penalties, penalties.fixed(terms, n)) + least
            self.beta, variances = self._solve()
            fitted = columns @ self.beta
            squares = float(weights @ ((residual - fitted) ** 2).sum(axis=1))
            self.freedom = float(len(self.beta) - self.diagonal @ variances)
            left = max(n - 1.0 - self.freedom, 1e-3 * n)
            self.noise = max(squares / left, 1e-14 * total / n) / n_outputs
            self.scores.append(n * squares / left**2)
            if not free.any() or _settled(self.scores):
                break
            used = sizes - np.bincount(terms.groups, self.diagonal * variances)
            size = np.bincount(terms.groups, self.diagonal * (self.beta**2).sum(axis=1)) / n_outputs
            factors = self.noise * np.maximum(used, 1e-12) / np.maximum(size, 1e-300)
            strengths = np.clip(strengths * np.clip(factors, 1e-2, 1e2), least, 1e20 * least)
        self.fitted = self.intercept + fitted
        self.score = self.scores[-1]

    def _solve(self) -> tuple[FloatArray, FloatArray]:
        """Return the factors (M, Q), and the diagonal of V (M,)."""
        lower, _ = linalg.lapack.dpotrf(self.gram + np.diag(self.diagonal), lower=1)
        beta = linalg.cho_solve((lower, True), self.moments)
        inverse, _ = linalg.lapack.dpotri(lower, lower=1)
        return beta, np.diag(inverse).copy()


def interactions(X: FloatArray, residual: FloatArray, weights: FloatArray, freedom: float, size: int) -> list[Group]:
    """Return groups of two or three inputs whose products explain a residual (N, Q), the best first.

    Products of Legendre polynomials in the ranks of the inputs, of degrees 1 to 3 for pairs and 1 to 2 for triples, are
    fitted to the residual. A group counts if its F statistic would be exceeded by chance with a probability of at most
    0.05 in all groups together. What it explains is then taken off the residual, and the others are tested again.
    """
    n, inputs = X.shape
    degree = {2: 3, 3: 2}[size]
    n_products = degree**size
    left = n - 1 - n_products - freedom
    if left < n_products or not size <= inputs <= LARGEST_SEARCH[size]:
        return []
    ranks = (stats.rankdata(X, axis=0) - 0.5) / n * 2.0 - 1.0
    powers = np.polynomial.legendre.legvander(ranks, degree)[..., 1:]
    root = np.sqrt(weights)[:, None]
    unexplained = root * residual
    outputs = residual.shape[1]
    remaining = list(combinations(range(inputs), size))
    limit = stats.f.isf(0.05 / len(remaining), n_products * outputs, left * outputs)

    def explained(group: Group) -> FloatArray:
        products = powers[:, group[0]]
        for p in group[1:]:
            products = (products[:, :, None] * powers[:, p, None, :]).reshape(n, -1)
        Q = np.linalg.qr(root * (products - weights @ products / weights.sum()))[0]
        return Q @ (Q.T @ unexplained)

    significant: list[Group] = []
    while len(significant) < MOST_GROUPS[size]:
        total = float((unexplained**2).sum())
        gains = {group: float((explained(group) ** 2).sum()) for group in remaining}
        least = total * limit * n_products / (limit * n_products + left)
        remaining = [group for group in remaining if gains[group] > least]
        if not remaining:
            break
        best = max(remaining, key=gains.__getitem__)
        unexplained = unexplained - explained(best)
        remaining.remove(best)
        significant.append(best)
    return significant


def directions_of(groups: list[Group], X: FloatArray, weights: FloatArray) -> FloatArray:
    """Return directions in the planes or spaces of groups of inputs, relative to the spreads of the inputs."""
    scale = units_of(X, weights)[1]
    rows = []
    for group in groups:
        for slopes in SLOPES[len(group)]:
            row = np.zeros(scale.size)
            row[list(group)] = slopes / scale[list(group)]
            rows.append(row)
    return np.array(rows).reshape(-1, scale.size)


def ranges(X: FloatArray) -> list[tuple[float, float]]:
    """The domain of each input: its range, or an interval about its only value."""
    low, high = X.min(axis=0), X.max(axis=0)
    room = np.where(low == high, np.maximum(np.abs(low), 1.0), 0.0)
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def _settled(scores: list[float]) -> bool:
    """Whether the criterion no longer changes by a thousandth of itself."""
    if len(scores) < 5:
        return False
    return abs(scores[-1] - scores[-2]) <= 1e-3 * scores[-2]


def as_network(terms: Terms, splines: FloatArray, constant: FloatArray, X: FloatArray) -> tuple[Network, FloatArray]:
    """Return the network of a sum over terms, with coefficients (Q, R, dim) and constants (Q,), and its parameters.

    Without further directions it has one layer. Otherwise its first nodes hold the additive parts of the outputs, and
    each of the others ``a_r . x`` of a further direction; the edges that pass a sum on are straight lines.
    """
    inputs, outputs = terms.inputs, len(splines)
    additive = splines[:, :inputs] + constant[:, None, None] / inputs
    first: Any = terms.net.layers[0]
    order, intervals = first.spaces[0].order, first.spaces[0].intervals
    oblique = terms.directions[inputs:]
    if not len(oblique):
        net = kan([inputs, outputs], order, intervals, [tuple(d) for d in first.domains])
        return net, additive.ravel()
    places = np.array([space.greville for space in first.spaces])
    below = kan([inputs, outputs + len(oblique)], order, intervals, [tuple(d) for d in first.domains[:inputs]])
    inner = np.concatenate([additive, oblique[:, :, None] * places[None, :inputs]])
    domains = ranges(below(inner.ravel(), X)[:, :outputs]) + [tuple(d) for d in first.domains[inputs:]]
    above = kan([outputs + len(oblique), outputs], order, intervals, domains)
    last: Any = above.layers[0]
    outer = np.zeros((outputs, outputs + len(oblique), splines.shape[2]))
    outer[:, outputs:] = splines[:, inputs:]
    for q in range(outputs):
        outer[q, q] = last.spaces[q].greville
    net = Network((below.layers[0], above.layers[0]), (NODE_MAPS["none"],))
    return net, np.concatenate([inner.ravel(), outer.ravel()])
