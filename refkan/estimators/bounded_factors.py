"""Coefficients of sums of splines under conditions: monotone edges, and log-odds instead of values.

A spline whose coefficients do not decrease does not decrease: its slope is a combination of B-splines with the
differences of the coefficients as factors, up to positive constants. This is what certificates of monotonicity find.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import linalg
from scipy.optimize import lsq_linear, minimize
from scipy.special import expit, log_softmax, softmax

from refkan.base import FloatArray
from refkan.estimators.smooth_terms import Smooth, Terms

STRENGTHS = (0.01, 0.05, 0.2, 1.0, 5.0)
"""Multiples of the penalties among which cross validation chooses for log-odds."""

LEAST_RISE = 1e-3
"""Rise of a monotone edge over its domain at least, for targets of variance 1: certificates prove slopes above zero."""


def monotone_signs(monotone: Any, names: Sequence[str]) -> dict[int, int]:
    """Return the directions, +1 or -1, of inputs that are given by number or name."""
    if monotone is None:
        return {}
    if not isinstance(monotone, Mapping):
        raise TypeError(f"monotone must map inputs to +1 or -1, as in {{0: 1}}; got {monotone!r}")
    signs = {}
    for key, sign in monotone.items():
        index = key
        if isinstance(key, str):
            if key not in names:
                raise ValueError(f"monotone must name inputs of X, which are {', '.join(names)}; got {key!r}")
            index = names.index(key)
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"monotone must have numbers or names of inputs as keys; got {key!r}")
        if not 0 <= index < len(names):
            raise ValueError(f"monotone must have numbers of inputs from 0 to {len(names) - 1} as keys; got {key}")
        if isinstance(sign, bool) or sign not in (1, -1):
            raise ValueError(f"monotone[{key!r}] must be +1 (does not fall) or -1 (does not rise); got {sign!r}")
        if int(index) in signs:
            raise ValueError(f"monotone must name each input once; got input {int(index)} again by {key!r}")
        signs[int(index)] = int(sign)
    return signs


def repaired(splines: FloatArray, signs: dict[int, int]) -> FloatArray:
    """Return coefficients (Q, R, dim) whose order rounding has not changed."""
    splines = splines.copy()
    for p, sign in signs.items():
        splines[:, p] = sign * np.maximum.accumulate(sign * splines[:, p], axis=-1)
    return splines


class Bounded:
    """Minima of quadratic functions of the factors (M,) of columns, with monotone splines of some inputs.

    The coefficients of a monotone spline are written by their differences, whose least value is positive.
    """

    def __init__(self, terms: Terms, signs: dict[int, int], n_more: int = 0) -> None:
        size = terms.penalties.size + n_more
        self.map = np.eye(size)
        self.least = np.full(size, -np.inf)
        width = terms.basis.shape[1]
        for p, sign in signs.items():
            block = slice(p * width, (p + 1) * width)
            self.map[block, block] = sign * np.linalg.inv(np.diff(terms.basis, axis=0))
            self.least[block] = LEAST_RISE / width

    def minimum(self, hessian: FloatArray, moments: FloatArray) -> FloatArray:
        """Return the beta of least ``beta^T H beta / 2 - moments^T beta``."""
        lower = linalg.cholesky(hessian, lower=True)
        right = linalg.solve_triangular(lower, moments, lower=True)
        solution = lsq_linear(lower.T @ self.map, right, (self.least, np.inf), method="bvls", tol=1e-14)
        beta: FloatArray = self.map @ solution.x
        return beta


def monotone_log_odds(
    terms: Terms, labels: Any, columns: FloatArray, weights: FloatArray, penalties: FloatArray, signs: dict[int, int]
) -> FloatArray:
    """Return factors and constant (M + 1, 1) of the log-odds of two classes, by Newton steps with bounds."""
    with_one = np.column_stack([columns, np.ones(len(columns))])
    penalties = np.append(penalties, 1e-8)
    bounded = Bounded(terms, signs, 1)
    beta = np.zeros(len(penalties))

    def value(beta: FloatArray) -> float:
        odds = with_one @ beta
        return float(weights @ (np.logaddexp(0.0, odds) - labels * odds) + 0.5 * penalties @ beta**2)

    for _ in range(50):
        p = expit(with_one @ beta)
        curvature = np.maximum(weights * p * (1.0 - p), 1e-6)
        hessian = with_one.T @ (curvature[:, None] * with_one) + np.diag(penalties)
        gradient = with_one.T @ (weights * (p - labels)) + penalties * beta
        step = bounded.minimum(hessian, hessian @ beta - gradient) - beta
        before, share = value(beta), 1.0
        while value(beta + share * step) > before and share > 1e-6:
            share /= 2.0
        beta = beta + share * step
        if before - value(beta) <= 1e-10 * abs(before):
            break
    return beta[:, None]


def log_odds_penalties(smooth: Smooth) -> FloatArray:
    """Return penalties (M,) of log-odds for those of the values: log-odds are values over their variance, about."""
    return smooth.diagonal * smooth.noise


def log_odds(
    columns: FloatArray,
    labels: Any,
    weights: FloatArray,
    penalties: FloatArray,
    n: int,
    strengths: Sequence[float] = (1.0,),
    tolerance: float = 1e-13,
) -> list[FloatArray]:
    """Return factors and constants (M + 1, Q) of least penalised cross entropy for each multiple of the penalties.

    Two classes have one log-odds, n > 2 classes n. With columns divided by roots of the penalties, ``U D V^T``, and
    factors along V divided by ``sqrt(D^2/5 + 1)``, about the root of the Hessian's diagonal, L-BFGS takes few steps.
    """
    roots = 1.0 / np.sqrt(penalties)
    U, singular, right = np.linalg.svd(columns * roots, full_matrices=False)
    outputs = n
    if n == 2:
        outputs = 1
    true = np.eye(n)[labels]
    solutions = []
    for strength in strengths:
        D = singular / np.sqrt(strength)
        scale = 1.0 / np.sqrt(0.2 * D**2 + 1.0)
        features = np.column_stack([U * (D * scale), np.ones(len(U))])
        quadratic = np.append(scale**2, 0.0)[:, None]

        def value_and_gradient(flat: FloatArray, features: Any = features, quadratic: Any = quadratic) -> Any:
            gamma = flat.reshape(-1, outputs)
            odds = all_odds(features @ gamma)
            value = -weights @ (true * log_softmax(odds, axis=1)).sum(axis=1) + 0.5 * (quadratic * gamma**2).sum()
            slope = weights[:, None] * (softmax(odds, axis=1) - true)
            gradient = features.T @ slope[:, -outputs:] + quadratic * gamma
            return float(value), gradient.ravel()

        start = np.zeros(features.shape[1] * outputs)
        options = {"maxiter": 500, "ftol": tolerance, "gtol": 1e-9 * len(columns)}
        flat = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x
        gamma = flat.reshape(-1, outputs)
        beta = (roots / np.sqrt(strength))[:, None] * (right.T @ (scale[:, None] * gamma[:-1]))
        solutions.append(np.concatenate([beta, gamma[-1:]]))
    return solutions


def all_odds(odds: FloatArray) -> FloatArray:
    """Return log-odds of all classes: one column is that of the second of two classes."""
    if odds.shape[1] > 1:
        return odds
    return np.column_stack([np.zeros(len(odds)), odds])


def held_back_losses(
    columns: FloatArray, labels: Any, weights: FloatArray, penalties: FloatArray, n: int, strengths: Sequence[float]
) -> FloatArray:
    """Return the mean cross entropy in three folds for each multiple of the penalties."""
    folds = np.random.default_rng(0).permutation(len(columns)) % 3
    losses = np.zeros(len(strengths))
    for fold in range(3):
        kept, held_back = folds != fold, folds == fold
        solutions = log_odds(columns[kept], labels[kept], weights[kept], penalties, n, strengths, 1e-7)
        for k, factors in enumerate(solutions):
            odds = all_odds(columns[held_back] @ factors[:-1] + factors[-1])
            chances = np.take_along_axis(log_softmax(odds, axis=1), labels[held_back, None], axis=1)[:, 0]
            losses[k] -= weights[held_back] @ chances
    return losses / weights.sum()
