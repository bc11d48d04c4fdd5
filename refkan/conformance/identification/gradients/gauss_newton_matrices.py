r"""The Gauss-Newton matrix J^T J / N, and the matrices that codes return in its place.

Rows and columns are numbered by (output, input, index). A wrong matrix is named if one line of `MATRICES`, or a number
on the diagonal, gives it for two layers of different sizes.
"""

from collections.abc import Callable

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.identification.explanations import explain, placed, sized
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.input_gradients import DETACHED, unexplained
from refkan.conformance.identification.gradients.situations import Situation, asked_layer, fewer
from refkan.conformance.identification.known_maps import place_of
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, only
from refkan.conformance.identification.subject import Subject

OWNER, AXES = "entries of the Gauss-Newton matrix", ("row", "column")


def _product(J: FloatArray) -> FloatArray:
    """J^T J / N for J (N, Q, M)."""
    flat = J.reshape(-1, J.shape[-1])
    return np.asarray(flat.T @ flat / len(J))


def _within(axes: tuple[int, ...]) -> Callable[[FloatArray, tuple[int, ...]], FloatArray]:
    """Only entries whose row and column have equal indices along axes of (output, input, index)."""

    def masked(J: FloatArray, shape: tuple[int, ...]) -> FloatArray:
        index = np.indices(shape).reshape(3, -1)[list(axes)]
        return _product(J) * (index[:, :, None] == index[:, None]).all(axis=0)

    return masked


MATRICES: dict[str, Callable[[FloatArray, tuple[int, ...]], FloatArray]] = {
    "only the diagonal is not zero": _within((0, 1, 2)),
    "only entries of two coefficients of one edge are not zero": _within((0, 1)),
    "only entries of two coefficients of one input are not zero": _within((1,)),
    "only entries of two coefficients of one index are not zero": _within((2,)),
    "entries below the diagonal are zero": lambda J, shape: np.triu(_product(J)),
    "entries above the diagonal are zero": lambda J, shape: np.tril(_product(J)),
    "the Jacobian is summed over outputs first": lambda J, shape: _product(J.sum(axis=1, keepdims=True)),
    "the Jacobian is averaged over outputs first": lambda J, shape: _product(J.mean(axis=1, keepdims=True)),
    "the Jacobian is summed over samples first": lambda J, shape: _product(J.sum(axis=0, keepdims=True)),
    "the Jacobian is averaged over samples first": lambda J, shape: _product(J.mean(axis=0, keepdims=True)),
    "only the first output counts": lambda J, shape: _product(J[:, :1]),
    "only the last output counts": lambda J, shape: _product(J[:, -1:]),
    "only the first sample counts": lambda J, shape: _product(J[:1]),
    "entries are absolute values": lambda J, shape: np.abs(_product(J)),
    "entries of J are absolute values": lambda J, shape: _product(np.abs(J)),
}
"""Matrices of the Jacobian (N, Q, M) and the shape (Q, P, dim) of the coefficients."""


def of_gauss_newton(subject: Subject, situation: Situation | None = None) -> list[Difference]:
    """How the matrix differs from that of the Jacobian of the layer's own outputs."""
    d = Derivatives(subject, situation or Situation(*asked_layer(subject)), "coefficients")
    true, theirs = d.situation.quantities.gauss_newton(), _answer(d)
    if close(theirs, true, _room(subject, true)):
        return []
    ours = _product(_jacobian(d))
    room = _room(subject, ours)
    said = explain(theirs, ours, AXES, room, OWNER, DETACHED)
    if said == [] or (said is None and _follows(d, theirs, room)):
        return []
    other = Derivatives(subject, Situation(*asked_layer(subject, (2, 3), 9, intervals=fewer(subject))), "coefficients")
    if said is None:
        fits = _fitting(d, theirs)
        how = "" if not fits else next((words for words in _fitting(other, _answer(other)) if words in fits), "")
        if how:
            return placed(only("wrong derivative", what=OWNER, how=how), quantities=("gauss-newton",))
        said = unexplained(subject, OWNER, theirs, ours, place_of(np.abs(theirs - ours) > room, AXES))
    said = sized(said, [of.sizes for of in (d, other)], lambda: (_answer(other), _product(_jacobian(other))))
    return placed(said, quantities=("gauss-newton",))


def _fitting(d: Derivatives, theirs: FloatArray) -> list[str]:
    """The lines of the table that give a matrix, and a number on its diagonal, in words."""
    J, shape = _jacobian(d), d.spec.coefficients.shape
    ours = _product(J)
    room = _room(d.subject, ours)
    told = [words for words, matrix in MATRICES.items() if close(theirs, matrix(J, shape), room)]
    added = float(np.median(np.diagonal(theirs - ours)))
    if close(theirs, ours + added * np.eye(len(ours)), room):
        told.append(f"{added:.4g} is added on the diagonal")
    on = np.eye(len(ours), dtype=bool)
    of_diagonal, beside = (factor_of(theirs[rows], ours[rows]) for rows in (on, ~on))
    if close(theirs, np.where(on, of_diagonal, beside) * ours, room):
        factors = {"on the diagonal": of_diagonal, "beside the diagonal": beside}
        told.append(" and ".join(f"entries {where} are multiplied by {k:.6g}"
                                 for where, k in factors.items() if abs(k - 1) > 1e-9))  # fmt: skip
    return told


def _answer(d: Derivatives) -> FloatArray:
    return d.subject.gauss_newton(d.model, d.x, d.spec.coefficients.size)


def _jacobian(d: Derivatives) -> FloatArray:
    return d.own[0].reshape(len(d.x), d.spec.n_outputs, -1)


def _room(subject: Subject, ours: FloatArray) -> float:
    return subject.tolerance(largest(ours)) * 4


def _follows(d: Derivatives, theirs: FloatArray, room: float) -> bool:
    """Whether it follows from the coefficient gradients that the layer returns, which are wrong."""
    if "coefficient-gradients" not in d.subject.wrong_gradients:
        return False
    return close(theirs, _product(d.theirs.reshape(*d.theirs.shape[:2], -1)), 16 * room)
