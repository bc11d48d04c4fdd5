r"""The last layer as a linear least squares problem: its coefficients eliminated, given all other parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np
from scipy import linalg

from refkan.array_types import FloatArray, IntArray
from refkan.errors import DegenerateNodeError
from refkan.layers import DenseLayer
from refkan.losses import LeastSquares
from refkan.networks import Network

LINEAR_BLOCKS = ("coefficients", "w_b", "weights", "bias")
"""Blocks that enter the value of a layer linearly, all with the output as their first axis; free knots s do not."""

HELD_BLOCKS = ("w_s",)
"""Blocks that stay: any change of the factors w_s of SiLU edges is undone by the coefficients that they multiply."""

CHUNK = 8192
"""Samples whose basis values are held at once."""


class LinearLayer:
    r"""The linear parameters c of a network's last layer, and their best values given the rest.

    The outputs are ``F_q(x_s) = Phi_q[s] . c_q`` with Phi_q (N, K) a function of the nonlinear parameters alone. In
    coordinates ``c_q = T_q g_q``, g the solution of ::

        min over g_q of 1/(2N) sum_s w_s (Phi_q[s] . T_q g_q - y_sq)^2 + ridge/2 |g_q|^2

    Parameters
    ----------
    problem : LeastSquares
        Of a `Network`.
    T : ndarray (n_params, n_params), optional
        ``dtheta/dv`` of the coordinates in which c and its ridge are taken; the network's own by default.
    relative_ridge : float
        The ridge, relative to the largest diagonal entry of ``Phi^T W Phi / N`` where `eliminate` is called first;
        then it stays, so that the reduced problem is one function.

    Attributes
    ----------
    problem : LeastSquares
    linear : ndarray of int (Q, K)
        Where the linear parameters of each output lie in theta.
    nonlinear : ndarray of int
        Where all others lie, but for the factors w_s of SiLU edges of this layer, which stay as they are.
    ridge : float
        The ridge itself; 0 before the first elimination.

    Raises
    ------
    TypeError
        If the problem is not least squares of a `Network`.
    ValueError
        If the last layer ends in an activation, so that it is linear in nothing.
    """

    def __init__(self, problem: object, T: FloatArray | None, relative_ridge: float) -> None:
        if not isinstance(problem, LeastSquares) or not isinstance(problem.net, Network):
            raise TypeError(
                "method 'variable-projection' eliminates the last layer of a network by linear least squares: "
                f"it needs LeastSquares of a Network; got {type(problem).__name__}"
            )
        net = problem.net
        self._layer, self._where = net.layers[-1], net.slices[-1]
        if getattr(self._layer, "activation", "identity") != "identity":
            raise ValueError(
                f"method 'variable-projection' needs a last layer that is linear in its coefficients; got {self._layer}"
            )
        self.problem, self._T, self._relative = problem, T, relative_ridge
        self.ridge = 0.0
        Q = self._layer.n_outputs
        self._columns = np.concatenate([at.reshape(Q, -1) for at in self._positions(LINEAR_BLOCKS)], axis=1)
        self.linear: IntArray = self._where.start + self._columns
        held = [self._where.start + at for at in self._positions(HELD_BLOCKS)]
        rest = np.setdiff1d(np.arange(net.n_params), self.linear)
        self.nonlinear: IntArray = np.setdiff1d(rest, np.concatenate(held)) if held else rest
        # The network that ends where the last layer begins: its values are the inputs of that layer.
        n = self._layer.n_inputs
        identity = DenseLayer(n, n, "identity", bias=False)
        self._head: Network | None = None
        if len(net.layers) > 1:
            self._head = replace(net, layers=(*net.layers[:-1], identity))
        self._identity = np.eye(n).ravel()

    def eliminate(self, theta: FloatArray) -> FloatArray | None:
        """Return theta with the linear parameters at their best; None where there is nothing finite to solve."""
        Q, K = self.linear.shape
        gram, right = np.zeros((Q, K, K)), np.zeros((Q, K))
        try:
            for q, Phi, y in self._designs(theta):
                gram[q] += Phi.T @ Phi
                right[q] += Phi.T @ y
        except DegenerateNodeError:
            return None
        if not (np.isfinite(gram).all() and np.isfinite(right).all()):
            return None
        if self.ridge == 0.0:
            largest = float(np.diagonal(gram, axis1=1, axis2=2).max())
            self.ridge = self._relative * (largest or 1.0)
        moved = theta.copy()
        for q, columns in enumerate(self.linear):
            gram[q][np.diag_indices(K)] += self.ridge
            try:
                g = linalg.cho_solve(linalg.cho_factor(gram[q], lower=True, check_finite=False), right[q])
            except linalg.LinAlgError:
                return None
            moved[columns] = g if self._T is None else self._T[np.ix_(columns, columns)] @ g
        return moved

    def penalty(self, theta: FloatArray) -> float:
        """Return ``ridge/2 |g|^2`` of the linear parameters of theta."""
        g = self.coordinates(theta)
        return 0.5 * self.ridge * float(np.sum(g * g))

    def coordinates(self, theta: FloatArray) -> FloatArray:
        """Return g (Q, K) of the linear parameters of theta."""
        c = theta[self.linear]
        if self._T is None:
            return c
        return np.array([linalg.solve(self._T[np.ix_(w, w)], c_q) for w, c_q in zip(self.linear, c, strict=True)])

    def _designs(self, theta: FloatArray) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """Rows of sqrt(w_s/N) Phi_q T_q and sqrt(w_s/N) y_q, output by output and chunk by chunk."""
        problem = self.problem
        n_samples = problem.x.shape[0]
        z = problem.x
        if self._head is not None:
            z = self._head(np.concatenate([theta[: self._where.start], self._identity]), z)
        weights = np.ones(n_samples) if problem.weights is None else problem.weights
        roots = np.sqrt(weights / n_samples)[:, None]
        part, n_outputs = theta[self._where], self._layer.n_outputs
        for first in range(0, n_samples, CHUNK):
            rows = slice(first, min(first + CHUNK, n_samples))
            size = rows.stop - first
            # Each linear parameter belongs to one output, so that one cotangent of ones fetches Phi_q for all q.
            J = np.zeros((size, 1, self._layer.n_params))
            self._layer.linearize(part, z[rows]).fill_jacobian(np.ones((size, 1, n_outputs)), J)
            for q, columns in enumerate(self._columns):
                Phi = roots[rows] * J[:, 0, columns]
                if self._T is not None:
                    Phi = Phi @ self._T[np.ix_(self.linear[q], self.linear[q])]
                yield q, Phi, roots[rows, 0] * problem.y[rows, q]

    def _positions(self, names: tuple[str, ...]) -> list[IntArray]:
        """Positions within the layer of the blocks of these names, flat."""
        parts, start = [], 0
        for name, shape in self._layer.blocks.items():
            if name in names:
                parts.append(start + np.arange(prod(shape)))
            start += prod(shape)
        return parts
