"""Rows of data: merged if they are equal, held back from training, and compared with their neighbours."""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from refkan.base import FloatArray, IntArray
from refkan.estimators.target_units import units_of
from refkan.training.optimizers import State


class BestHeldBack:
    """A callback that keeps the parameters of least loss on held-back samples, and stops when it no longer falls."""

    def __init__(self, loss: Any, theta: FloatArray, patience: int) -> None:
        self._loss, self._patience = loss, patience
        self.least, self.step, self.theta = float(loss.value(theta)), 0, theta

    def __call__(self, state: State) -> None:
        """Look at the loss after a step."""
        value = self._loss.value(state.theta)
        if value < self.least:
            self.least, self.step, self.theta = float(value), state.step, state.theta
        elif state.step - self.step >= self._patience:
            raise StopIteration


def merged(X: FloatArray, targets: Any, weights: FloatArray) -> tuple[FloatArray, Any, FloatArray]:
    """Return the distinct rows of X and targets in lexicographic order, with the sums of their positive weights."""
    rows = weights > 0.0
    X, targets, weights = X[rows], targets[rows], weights[rows]
    table = np.column_stack([X, targets])
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    sums = np.bincount(group.ravel(), weights)
    return X[first], targets[first], sums * (len(sums) / sums.sum())


def held_back_rows(n: int) -> tuple[IntArray, IntArray]:
    """Return three quarters of n rows, and a fixed random quarter that is held back."""
    rows = np.random.default_rng(0).permutation(n)
    return rows[n // 4 :], rows[: n // 4]


def neighbours_agree(X: FloatArray, residual: FloatArray) -> float:
    """Return by how many standard deviations products of a residual (N, Q) with that of the nearest row exceed 0."""
    scaled = (X - X.mean(axis=0)) / units_of(X)[1]
    nearest = cKDTree(scaled).query(scaled, 2)[1][:, 1]
    products = (residual * residual[nearest]).sum(axis=1)
    return float(products.sum() / max(np.linalg.norm(products), 1e-300))
