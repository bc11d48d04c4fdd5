r"""Linear coordinates z on parameter space, theta = B z, and the four maps that B gives.

A matrix H on theta is B^T H B on z. Descent in z with step eta is descent in theta preconditioned by C = B B^T, since
theta <- theta - eta B B^T grad. So the geometries of [S26] section 3, Jacobi scaling and any other symmetric positive
definite preconditioner C = S S^T are all frames, and the spectrum of C H is that of S^T H S.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory

Map = Callable[[FloatArray], FloatArray]

COMPLEX_STEP = 1e-30
"""Step of the derivative of the change of basis: no subtraction, so that it may be as small as one likes."""


@dataclass(frozen=True)
class Frame:
    """Coordinates z with theta = B z; the maps act on the columns of matrices (M, any).

    Attributes
    ----------
    to, back : callable
        B^-1 and B: of points and steps.
    gradient, cogradient : callable
        B^T and B^-T: of gradients, from theta to z and back.
    """

    to: Map
    back: Map
    gradient: Map
    cogradient: Map

    def scaled(self, scale: FloatArray) -> Frame:
        """The frame of B diag(scale)."""
        s = scale[:, None]
        return Frame(
            to=lambda X: self.to(X) / s,
            back=lambda X: self.back(s * X),
            gradient=lambda X: s * self.gradient(X),
            cogradient=lambda X: self.cogradient(X / s),
        )

    def through(self, L: FloatArray) -> Frame:
        """The frame of B L, L lower triangular."""

        def solve(X: FloatArray, transposed: bool) -> FloatArray:
            solution: FloatArray = linalg.solve_triangular(L, X, lower=True, trans=int(transposed), check_finite=False)
            return solution

        return Frame(
            to=lambda X: solve(self.to(X), transposed=False),
            back=lambda X: self.back(L @ X),
            gradient=lambda X: L.T @ self.gradient(X),
            cogradient=lambda X: self.cogradient(solve(X, transposed=True)),
        )


IDENTITY = Frame(*(lambda X: X,) * 4)


def basis_frame(net: Network, theta: FloatArray, basis: str) -> Frame:
    r"""The coordinates of a network's coefficients in `basis`, from its own ones at theta.

    B is block diagonal with the blocks A^T or A^-T. With free knots A moves with theta, and B is the derivative of the
    conversion at theta: a change of s at fixed w is one of u as well, du = -A^-T dA^T u.
    """
    if basis == net.basis:
        return IDENTITY
    if not any(layer.free_knots for layer in net.layers):
        there, here = net.coordinates(basis), net.to_basis(basis).coordinates(str(net.basis))
        return Frame(*map(_by_columns, (there.to, there.back, there.gradient, here.gradient)))
    other = net.to_basis(basis)
    what = f"the change of basis of {theta.size} parameters with free knots"
    require_memory(16 * theta.size**2, what, None, "take a smaller network")
    T = _derivative(lambda v: net.convert(v, other, allow_inexact=True), theta)
    B = _derivative(lambda v: other.convert(v, net, allow_inexact=True), net.convert(theta, other, allow_inexact=True))
    return Frame(lambda X: T @ X, lambda X: B @ X, lambda X: B.T @ X, lambda X: T.T @ X)


def _by_columns(function: Map) -> Map:
    def run(X: FloatArray) -> FloatArray:
        if X.shape[1] == 0:
            return X
        return np.stack([function(column) for column in np.ascontiguousarray(X.T)], axis=1)

    return run


def _derivative(function: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Derivative (M, M) of a holomorphic map by complex steps."""
    D = np.empty((at.size, at.size))
    for j in range(at.size):
        moved = at.astype(np.complex128)
        moved[j] += 1j * COMPLEX_STEP
        D[:, j] = function(moved).imag / COMPLEX_STEP  # type: ignore[arg-type]
    return D
