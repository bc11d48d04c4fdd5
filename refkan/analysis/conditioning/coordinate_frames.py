r"""Linear coordinates z on parameter space, theta = B z, with the four maps that B gives; preconditioners as frames.

A matrix H on theta is B^T H B on z. Descent in z with step eta is descent in theta preconditioned by C = B B^T, since
theta <- theta - eta B B^T grad. So the geometries of [S26] section 3 and positive diagonals, C = S S^T, are all
frames, and the spectrum of C H is that of S^T H S.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, as_array, check_choice
from refkan.networks import Network
from refkan.networks.layers.layer import BASES

Map = Callable[[FloatArray], FloatArray]


class Frame(Frozen, eq=True):
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

    @property
    def inverse(self) -> "Frame":
        """The frame of B^-1."""
        return Frame(self.back, self.to, self.cogradient, self.gradient)

    def then(self, other: "Frame") -> "Frame":
        """The frame of B B', B' that of the other one, whose coordinates are over these."""
        return Frame(
            to=lambda X: other.to(self.to(X)),
            back=lambda X: self.back(other.back(X)),
            gradient=lambda X: other.gradient(self.gradient(X)),
            cogradient=lambda X: self.cogradient(other.cogradient(X)),
        )

    def scaled(self, scale: FloatArray) -> "Frame":
        """The frame of B diag(scale)."""
        s = scale[:, None]
        return self.then(Frame(lambda X: X / s, lambda X: s * X, lambda X: s * X, lambda X: X / s))


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
    there = net.coordinates(basis)
    if net.basis is None:
        raise ValueError(
            f"basis {basis!r} needs a network of one basis, net.to_basis({basis!r}); its layers have several"
        )
    here = net.to_basis(basis).coordinates(net.basis)
    return Frame(*map(_by_columns, (there.to, there.back, there.gradient, here.gradient)))


def _by_columns(function: Map) -> Map:
    def run(X: FloatArray) -> FloatArray:
        if X.shape[1] == 0:
            return X
        return np.stack([function(column) for column in np.ascontiguousarray(X.T)], axis=1)

    return run


def precondition(
    preconditioner: Any,
    target: Frame,
    size: int,
    diagonal: Callable[[Frame], FloatArray],
    network: Network | None,
) -> tuple[Frame, Frame, str | None]:
    """Resolve the argument `preconditioner` of a matrix of `size` rows in the coordinates v of `target`.

    Parameters
    ----------
    diagonal : callable
        Frame -> diagonal of the matrix in its coordinates.
    network : Network or None
        For the names of bases.

    Returns
    -------
    Frame
        From theta to the coordinates z in which the matrix is analysed.
    Frame
        From v = S z to z, C = S S^T.
    str or None
        The name of the preconditioner.
    """
    if preconditioner is None:
        return target, IDENTITY, None
    if isinstance(preconditioner, str):
        names = ["jacobi"]
        if network is not None:
            names += BASES
        check_choice("preconditioner", preconditioner, names)
        if preconditioner == "jacobi":
            scale = 1.0 / np.sqrt(_positive_diagonal(diagonal(target)))
            return target.scaled(scale), IDENTITY.scaled(scale), "jacobi"
        assert network is not None
        frame = basis_frame(network, preconditioner)
        return frame, target.inverse.then(frame), preconditioner
    scale = np.sqrt(_given(preconditioner, size))
    return target.scaled(scale), IDENTITY.scaled(scale), "diagonal"


def _given(preconditioner: Any, size: int) -> FloatArray:
    """A positive diagonal (size,)."""
    C = as_array("preconditioner", preconditioner)
    if C.dtype.kind == "c" or C.shape != (size,):
        raise ValueError(
            f"preconditioner must be a name or a real diagonal of shape {(size,)}; got {C.dtype}, {C.shape}: of a "
            "matrix C = L L^T ask for the spectrum of the matrix L^T H L"
        )
    if not (C > 0).all():
        first = int(np.argmax(C <= 0))
        raise ValueError(f"preconditioner must be positive; got preconditioner[{first}] = {C[first]}")
    return C


def _positive_diagonal(d: FloatArray) -> FloatArray:
    """The diagonal with 1 for 0: a parameter that nothing depends on is left as it is."""
    if (d < 0).any():
        first = int(np.argmax(d < 0))
        raise ValueError(f"preconditioner 'jacobi' needs a diagonal >= 0; entry {first} is {d[first]:.3g}")
    return np.where(d > 0, d, 1.0)
