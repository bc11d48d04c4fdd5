r"""The last layer as a linear least squares problem: its coefficients eliminated, given all other parameters."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np
from scipy import linalg

from refkan.base import DegenerateNodeError, FloatArray, IntArray
from refkan.networks import Network
from refkan.networks.hessians.sparse_accumulation import RawMatrix, choose_path
from refkan.networks.layers.linearization import Linearization
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep
from refkan.splines.sums.channels import VALUES
from refkan.training.losses import LeastSquares

LINEAR_BLOCKS = ("coefficients", "w_b", "weights", "bias")
"""Blocks that enter the value of a layer linearly, all with the output as their first axis; free knots s do not."""

HELD_BLOCKS = ("w_s",)
"""Blocks that stay: any change of the factors w_s of SiLU edges is undone by the coefficients that they multiply."""

CHUNK = 8192
"""Samples whose basis values are held at once."""


class LinearLayer:
    r"""The linear parameters c of a network's last layer, and their best values given the rest.

    The outputs are ``F_q(x_s) = Phi_q[s] . c_q`` with Phi_q (N, K) a function of the nonlinear parameters alone, c_q
    the solution of ::

        min over c_q of 1/(2N) sum_s w_s (Phi_q[s] . c_q - y_sq)^2 + ridge/2 |c_q - centre_q|^2 + rough/2 |D c_q|^2

    D yields the jumps of the splines' highest derivative, see `Layer.jumps`.

    Parameters
    ----------
    problem : LeastSquares
        Of a `Network`.
    relative_ridge : float
        The ridge, relative to the largest diagonal entry of ``Phi^T W Phi / N`` where `eliminate` is called first;
        then it stays, so that the reduced problem is one function.
    about_start : bool
        Whether the centre of the ridge is the c of that first call, or zero.
    relative_roughness : float
        The factor `rough`, relative to the same entry.

    Attributes
    ----------
    problem : LeastSquares
    linear : ndarray of int (Q, K)
        Where the linear parameters of each output lie in theta.
    nonlinear : ndarray of int
        Where all others lie, but for the factors w_s of SiLU edges of this layer, which stay as they are.
    ridge : float
        The ridge itself; 0 before the first elimination.
    penalties, penalty_grams : ndarray (Q, rows, K), (Q, K, K)
        Of each output the Jacobian of the residuals of the penalty with respect to c_q, and the Hessian of the penalty.

    Raises
    ------
    TypeError
        If the problem is not least squares of a `Network`.
    ValueError
        If the last layer ends in an activation, so that it is linear in nothing; for a roughness of other edges than
        splines of fixed knots.
    """

    def __init__(
        self,
        problem: object,
        relative_ridge: float,
        about_start: bool = False,
        relative_roughness: float = 0.0,
    ) -> None:
        if not isinstance(problem, LeastSquares) or not isinstance(problem.net, Network):
            raise TypeError(
                "method 'variable-projection' eliminates the last layer of a network by linear least squares: "
                f"it needs LeastSquares of a Network; got {type(problem).__name__}"
            )
        net = problem.net
        self._layer, self._where = net.layers[-1], net.slices[-1]
        if not self._layer.linear:
            raise ValueError(
                f"method 'variable-projection' needs a last layer that is linear in its coefficients; got {self._layer}"
            )
        self.problem, self._relative, self._about_start = problem, relative_ridge, about_start
        self.ridge = self.unit = 0.0
        self.centre: FloatArray | float = 0.0
        Q = self._layer.n_outputs
        self._columns = np.concatenate([at.reshape(Q, -1) for at in self._positions(LINEAR_BLOCKS)], axis=1)
        self.linear: IntArray = self._where.start + self._columns
        held = [self._where.start + at for at in self._positions(HELD_BLOCKS)]
        rest = np.setdiff1d(np.arange(net.n_params), self.linear)
        self.nonlinear: IntArray = np.setdiff1d(rest, np.concatenate(held)) if held else rest
        K = self._columns.shape[1]
        self._relative_jumps = np.zeros((0, K))
        if relative_roughness > 0.0:
            D = self._layer.jumps()
            # The coefficients are the first block; what comes after them is no spline.
            self._relative_jumps = np.sqrt(relative_roughness) * np.pad(D, ((0, 0), (0, K - D.shape[1])))
        self.penalties = np.zeros((Q, K + self._relative_jumps.shape[0], K))
        self.penalty_grams = np.zeros((Q, K, K))

    def eliminate(self, theta: FloatArray) -> FloatArray | None:
        """Return theta with the linear parameters at their best; None where there is nothing finite to solve."""
        try:
            gram, right = self._normal_equations(theta)
        except DegenerateNodeError:
            return None
        if not (np.isfinite(gram).all() and np.isfinite(right).all()):
            return None
        if self.ridge == 0.0:
            largest = float(np.diagonal(gram, axis1=1, axis2=2).max())
            self.fix_penalties(largest or 1.0, theta[self.linear] if self._about_start else 0.0)
        right += self.ridge * self.centre
        moved = theta.copy()
        for q, columns in enumerate(self.linear):
            gram[q] += self.penalty_grams[q]
            try:
                moved[columns] = linalg.cho_solve(linalg.cho_factor(gram[q], lower=True, check_finite=False), right[q])
            except linalg.LinAlgError:
                return None
        return moved

    def fix_penalties(self, unit: float, centre: FloatArray | float) -> None:
        """Set ridge and roughness once and for all, relative to `unit`, and what the ridge is about."""
        self.unit, self.centre = unit, centre
        self.ridge = self._relative * unit
        K = self.linear.shape[1]
        self.penalties[:, :K] = np.sqrt(self.ridge) * np.eye(K)
        self.penalties[:, K:] = np.sqrt(unit) * self._relative_jumps
        self.penalty_grams = np.array([penalty.T @ penalty for penalty in self.penalties])

    def penalty(self, theta: FloatArray) -> float:
        """Return ``ridge/2 |c - centre|^2 + rough/2 |D c|^2`` of the linear parameters of theta."""
        return 0.5 * float(np.sum(self.penalty_residuals(theta) ** 2))

    def penalty_residuals(self, theta: FloatArray) -> FloatArray:
        """Return the residuals whose halved sum of squares is the penalty, output by output, flat."""
        c = theta[self.linear]
        residuals = np.einsum("qrk,qk->qr", self.penalties, c)
        residuals[:, : c.shape[1]] -= np.sqrt(self.ridge) * self.centre
        return residuals.ravel()

    def _normal_equations(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Phi_q^T W Phi_q / N (Q, K, K) and Phi_q^T W y_q / N (Q, K)."""
        problem, layer = self.problem, self._layer
        n_samples = problem.x.shape[0]
        weights = (np.ones(n_samples) if problem.weights is None else problem.weights) / n_samples
        z, part = self._inputs(theta), theta[self._where]
        (Q, K), raw = self.linear.shape, None
        gram, right = np.zeros((Q, K, K)), np.zeros((Q, K))
        for first in range(0, n_samples, CHUNK):
            rows = slice(first, min(first + CHUNK, n_samples))
            at, w = layer.linearize(part, z[rows], slopes=False), weights[rows, None]
            # The functions do not depend on the output; what is made of them may (a chart), sample by sample alike.
            form = at.local_form()
            single = replace(form, n_outputs=1, chart=None)
            if choose_path([single], K, 1, n_samples) == "sparse":
                raw = RawMatrix([single], n_samples) if raw is None else raw
                raw.add_products([single], [np.sqrt(w)[:, :, None]], 0)
                right += at.pullback(w * problem.y[rows], inputs=False)[0][self._columns]
                continue
            for q, Phi in enumerate(self._designs(at, np.sqrt(w))):
                gram[q] += Phi.T @ Phi
                right[q] += Phi.T @ (np.sqrt(w[:, 0]) * problem.y[rows, q])
        if raw is not None:
            G = raw.matrix()
            for q, columns in enumerate(self._columns):
                if form.chart is None:
                    gram[q] = G
                else:
                    D = form.chart.jacobian[:, columns][self._columns[q]]
                    gram[q] = D.T @ (D.T @ G).T
        return gram, right

    def _inputs(self, theta: FloatArray) -> FloatArray:
        """The inputs z (N, P) of the last layer."""
        net, x = self.problem.net, self.problem.x
        assert isinstance(net, Network)
        if len(net.layers) == 1:
            return x
        constants, depth = Statistics(net, theta, slopes=False).constants, len(net.layers) - 1
        head = Sweep.forward(net, theta, self.problem.samples, VALUES, constants, slopes=False, depth=depth)
        return head.maps[-1].value[:, 0]

    def _designs(self, at: Linearization, roots: FloatArray) -> Iterator[FloatArray]:
        """Rows of sqrt(w_s/N) Phi_q at some samples, output by output; roots (n, 1)."""
        n_outputs = self._layer.n_outputs
        # Each linear parameter belongs to one output, so that one cotangent of ones fetches Phi_q for all q.
        J = np.zeros((roots.shape[0], 1, self._layer.n_params))
        at.fill_jacobian(np.ones((roots.shape[0], 1, n_outputs)), J)
        return (roots * J[:, 0, columns] for columns in self._columns)

    def _positions(self, names: tuple[str, ...]) -> list[IntArray]:
        """Positions within the layer of the blocks of these names, flat."""
        parts, start = [], 0
        for name, shape in self._layer.blocks.items():
            if name in names:
                parts.append(start + np.arange(prod(shape)))
            start += prod(shape)
        return parts
