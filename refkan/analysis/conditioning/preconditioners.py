"""Preconditioners C: what is given, as a frame in which the preconditioned matrix is symmetric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from refkan.analysis.conditioning.coordinate_frames import IDENTITY, Frame, basis_frame
from refkan.base.arguments import as_array, check_choice
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.layers import BASES

ASYMMETRY = 1e-10
"""Largest |C - C^T| over the largest |C| taken for rounding."""


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
    theta: FloatArray,
) -> Preconditioned:
    """Resolve what was given as `preconditioner` of a matrix of `size` rows in the coordinates of `target`.

    Parameters
    ----------
    diagonal : callable
        Frame -> diagonal of the matrix in its coordinates.
    network, theta
        For the names of bases; None where there is no network.
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
        frame = basis_frame(network, theta, preconditioner)
        return Preconditioned(frame, _between(target, frame), preconditioner)
    C = _given(preconditioner, size)
    if C.ndim == 1:
        if not (C > 0).all():
            first = int(np.argmax(C <= 0))
            raise ValueError(f"preconditioner must be positive; got preconditioner[{first}] = {C[first]}")
        scale = np.sqrt(C)
        return Preconditioned(target.scaled(scale), IDENTITY.scaled(scale), "diagonal")
    L = _cholesky(C)
    return Preconditioned(target.through(L), IDENTITY.through(L), kind_of(preconditioner))


def kind_of(preconditioner: Any) -> str:
    """Name of a preconditioner that is not named: "matrix" or "operator"."""
    return "operator" if is_operator(preconditioner) else "matrix"


def is_operator(preconditioner: Any) -> bool:
    """Whether only products with it are to be had."""
    return isinstance(preconditioner, LinearOperator) or callable(preconditioner)


def as_product(preconditioner: Any, size: int) -> Callable[[FloatArray], FloatArray]:
    """Return the function v -> C v of an operator or callable, its results checked."""
    apply = preconditioner.matvec if isinstance(preconditioner, LinearOperator) else preconditioner

    def product(v: FloatArray) -> FloatArray:
        return _vector("preconditioner(v)", apply(v), size)

    return product


def _given(preconditioner: Any, size: int) -> FloatArray:
    """A diagonal (size,) or a symmetric matrix (size, size)."""
    if isinstance(preconditioner, LinearOperator) and preconditioner.shape != (size, size):
        raise ValueError(f"preconditioner must have shape {(size, size)}; got {preconditioner.shape}")
    if is_operator(preconditioner):
        what = f"a preconditioner applied to each of {size} columns"
        require_memory(24 * size * size, what, None, "use method='lobpcg'")
        product = as_product(preconditioner, size)
        given = np.stack([product(column) for column in np.eye(size)], axis=1)
    elif sparse.issparse(preconditioner):
        given = preconditioner.toarray()
    else:
        given = preconditioner
    C = as_array("preconditioner", given)
    if C.dtype.kind == "c" or C.shape not in ((size,), (size, size)):
        raise ValueError(
            f"preconditioner must be real, of shape {(size,)} (a diagonal) or {(size, size)}; got {C.dtype}, {C.shape}"
        )
    if C.ndim == 2 and np.abs(C - C.T).max(initial=0.0) > ASYMMETRY * np.abs(C).max(initial=0.0):
        raise ValueError("preconditioner must be symmetric: the spectrum of C H would not be real")
    return C


def _vector(name: str, value: Any, size: int) -> FloatArray:
    v = as_array(name, value)
    if v.shape != (size,):
        raise ValueError(f"{name} must have shape {(size,)}; got {v.shape}")
    return v


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
