r"""Linear coordinates z on parameter space, theta = B z, with the four maps that B gives; preconditioners as such.

A matrix H on theta is B^T H B on z. Descent in z with step eta is descent in theta preconditioned by C = B B^T, since
theta <- theta - eta B B^T grad. So the geometries of [S26] section 3, Jacobi scaling and any other symmetric positive
definite preconditioner C = S S^T are all frames, and the spectrum of C H is that of S^T H S.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from refkan.base.arguments import as_array, check_choice
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.networks.layers import BASES

Map = Callable[[FloatArray], FloatArray]

ASYMMETRY = 1e-10
"""Largest |C - C^T| over the largest |C| taken for rounding."""


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

    def scaled(self, scale: FloatArray) -> "Frame":
        """The frame of B diag(scale)."""
        s = scale[:, None]
        return Frame(
            to=lambda X: self.to(X) / s,
            back=lambda X: self.back(s * X),
            gradient=lambda X: s * self.gradient(X),
            cogradient=lambda X: self.cogradient(X / s),
        )

    def through(self, L: FloatArray) -> "Frame":
        """The frame of B L, L lower triangular."""
        solve = partial(linalg.solve_triangular, L, lower=True, check_finite=False)
        return Frame(
            to=lambda X: solve(self.to(X)),
            back=lambda X: self.back(L @ X),
            gradient=lambda X: L.T @ self.gradient(X),
            cogradient=lambda X: self.cogradient(solve(X, trans=1)),
        )


IDENTITY = Frame(*(lambda X: X,) * 4)


def basis_frame(net: Network, basis: str) -> Frame:
    """The coordinates of a network's coefficients in `basis`, from its own ones: B has the blocks A^T or A^-T.

    With free knots there is no such B: A moves with theta.
    """
    if basis == net.basis:
        return IDENTITY
    if any(layer.free_knots for layer in net.layers):
        raise ValueError(
            f"basis {basis!r} needs fixed knots, net.with_fixed_knots(theta): with free ones the change of basis moves "
            "with theta"
        )
    there, here = net.coordinates(basis), net.to_basis(basis).coordinates(str(net.basis))
    return Frame(*map(_by_columns, (there.to, there.back, there.gradient, here.gradient)))


def _by_columns(function: Map) -> Map:
    def run(X: FloatArray) -> FloatArray:
        if X.shape[1] == 0:
            return X
        return np.stack([function(column) for column in np.ascontiguousarray(X.T)], axis=1)

    return run


@dataclass(frozen=True)
class Preconditioned:
    """Two frames of one preconditioner, and its name.

    Attributes
    ----------
    frame : Frame
        From theta: the coordinates z in which the matrix is analysed.
    relative : Frame
        From the coordinates asked for: v = S z, C = S S^T.
    name : str or None
    """

    frame: Frame
    relative: Frame
    name: str | None


def precondition(
    preconditioner: Any,
    target: Frame,
    size: int,
    diagonal: Callable[[Frame], FloatArray],
    network: Network | None,
) -> Preconditioned:
    """Resolve what was given as `preconditioner` of a matrix of `size` rows in the coordinates of `target`.

    Parameters
    ----------
    diagonal : callable
        Frame -> diagonal of the matrix in its coordinates.
    network : Network or None
        For the names of bases.
    """
    if preconditioner is None:
        return Preconditioned(target, IDENTITY, None)
    if isinstance(preconditioner, str):
        names = ("jacobi", *(BASES if network is not None else ()))
        check_choice("preconditioner", preconditioner, names)
        if preconditioner == "jacobi":
            scale = 1.0 / np.sqrt(_positive_diagonal(diagonal(target)))
            return Preconditioned(target.scaled(scale), IDENTITY.scaled(scale), "jacobi")
        assert network is not None
        frame = basis_frame(network, preconditioner)
        return Preconditioned(frame, _between(target, frame), preconditioner)
    C = _given(preconditioner, size)
    if C.ndim == 1:
        if not (C > 0).all():
            first = int(np.argmax(C <= 0))
            raise ValueError(f"preconditioner must be positive; got preconditioner[{first}] = {C[first]}")
        scale = np.sqrt(C)
        return Preconditioned(target.scaled(scale), IDENTITY.scaled(scale), "diagonal")
    L = _cholesky(C)
    return Preconditioned(target.through(L), IDENTITY.through(L), "matrix")


def _given(preconditioner: Any, size: int) -> FloatArray:
    """A diagonal (size,) or a symmetric matrix (size, size)."""
    if isinstance(preconditioner, LinearOperator) or callable(preconditioner):
        raise TypeError(
            "preconditioner must be an array or the name of a basis: give the matrix of a function, C @ eye(M)"
        )
    C = as_array("preconditioner", preconditioner.toarray() if sparse.issparse(preconditioner) else preconditioner)
    if C.dtype.kind == "c" or C.shape not in ((size,), (size, size)):
        raise ValueError(
            f"preconditioner must be real, of shape {(size,)} (a diagonal) or {(size, size)}; got {C.dtype}, {C.shape}"
        )
    if C.ndim == 2 and np.abs(C - C.T).max(initial=0.0) > ASYMMETRY * np.abs(C).max(initial=0.0):
        raise ValueError("preconditioner must be symmetric: the spectrum of C H would not be real")
    return C


def _cholesky(C: FloatArray) -> FloatArray:
    try:
        L: FloatArray = linalg.cholesky(0.5 * (C + C.T), lower=True, check_finite=False)
    except linalg.LinAlgError:
        raise ValueError("preconditioner must be positive definite; its Cholesky factorisation fails") from None
    return L


def _positive_diagonal(d: FloatArray) -> FloatArray:
    """The diagonal with 1 for 0: a parameter that nothing depends on is left as it is."""
    if (d < 0).any():
        first = int(np.argmax(d < 0))
        raise ValueError(f"preconditioner 'jacobi' needs a diagonal >= 0; entry {first} is {d[first]:.3g}")
    return np.where(d > 0, d, 1.0)


def _between(target: Frame, frame: Frame) -> Frame:
    """Coordinates of `frame`, as a frame over those of `target`."""
    return Frame(
        to=lambda X: frame.to(target.back(X)),
        back=lambda X: target.to(frame.back(X)),
        gradient=lambda X: frame.gradient(target.cogradient(X)),
        cogradient=lambda X: target.gradient(frame.cogradient(X)),
    )
