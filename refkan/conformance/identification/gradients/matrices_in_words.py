r"""Gauss-Newton matrices J^T J / N: of which Jacobian, and which of their entries are right.

With the Jacobian J (N, Q, M) of the layer's own outputs in its coefficients, the matrix is a sum over samples and
outputs. Another Jacobian may be in its place (less its mean over samples, summed over outputs), some of the entries
alone, or something added to them: what holds in two layers is told.
"""

from itertools import permutations

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.identification.gradients.asked_gradients import asked_layer, fewer, sizes_asked
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.input_gradients import DETACHED, unexplained
from refkan.conformance.identification.gradients.situations import EDGES, Situation
from refkan.conformance.identification.matrix_shapes import numbers, place_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

OWNER, AXES = "entries of the Gauss-Newton matrix", ("row", "column")


def of_gauss_newton(subject: Subject, situation: Situation | None = None) -> list[Difference]:
    """J^T J / N with the Jacobian of the layer's own outputs."""
    d = Derivatives(subject, situation or Situation(*asked_layer(subject)), "coefficients")
    true, theirs = d.situation.quantities.gauss_newton(), _answer(d)
    if (np.abs(theirs - true) <= _room(subject, true)).all():
        return []
    J = _jacobian(d)
    room = _room(subject, _matrix(J))
    said = explain(theirs, _matrix(J), AXES, room, OWNER, DETACHED)
    if said == [] or (said is None and _follows(d, theirs, room)):
        return []
    other = Derivatives(subject, Situation(*asked_layer(subject, (2, 3), 9, intervals=fewer(subject))), "coefficients")
    at, K = _answer(other), _jacobian(other)
    sizes = [sizes_asked(of.spec, len(of.x)) for of in (d, other)]
    if said is None or any(difference.name.startswith("factors by") for difference in said):
        fits, again = _relations(d.spec, theirs, J, room), _relations(other.spec, at, K, _room(subject, _matrix(K)))
        for how, k in fits.items():
            size = sizes_of([k, again.get(how, 0.0)], sizes)
            if how in again and (size or abs(k - again[how]) <= 1e-6 * k):
                factor = "" if abs(k - 1) < 1e-6 else f", multiplied by {size or f'{k:.6g}'}"
                said = [Difference("wired otherwise", {"what": OWNER, "how": how + factor})]
                break
    elif factors := [difference.evidence["factor"] for difference in said if difference.name == "constant factor"]:
        ours = _matrix(K)
        said = placed(said, size=sizes_of([*factors, abs(float((at * ours).sum() / (ours * ours).sum()))], sizes))
    place = place_of(np.abs(theirs - _matrix(J)) > room, AXES)
    said = [unexplained(subject, OWNER, theirs, _matrix(J), place)] if said is None else said
    return placed(said, quantities=("gauss-newton",))


def _answer(d: Derivatives) -> FloatArray:
    return d.subject.gauss_newton(d.model, d.x, d.spec.coefficients.size)


def _jacobian(d: Derivatives) -> FloatArray:
    return d.own[0].reshape(len(d.x), d.spec.n_outputs, -1)


def _room(subject: Subject, ours: FloatArray) -> float:
    return subject.tolerance(float(np.abs(ours).max())) * 4


def _matrix(J: FloatArray) -> FloatArray:
    flat = J.reshape(-1, J.shape[-1])
    return np.asarray(flat.T @ flat / len(J))


def _follows(d: Derivatives, theirs: FloatArray, room: float) -> bool:
    """Whether it is that of the coefficient gradients that the layer answers, which differ."""
    if "coefficient-gradients" not in d.subject.wrong_gradients:
        return False
    return bool(np.abs(theirs - _matrix(d.theirs.reshape(*d.theirs.shape[:2], -1))).max() <= 16 * room)


def _relations(spec: LayerSpec, theirs: FloatArray, J: FloatArray, room: float) -> dict[str, float]:
    """What the matrix is, in words, and the factor of each relation."""
    ours, told = _matrix(J), dict[str, float]()
    M = len(ours)
    added = float(np.median(np.diagonal(theirs - ours)))
    if np.abs(theirs - ours - added * np.eye(M)).max() <= room:
        told[f"{added:.6g} times the identity is added"] = 1.0
    others = {f"all but {words} are zero": ours * kept for words, kept in _kept(spec, M).items()}
    scaled = float(np.median(np.diagonal(theirs) / np.maximum(np.diagonal(ours), room)))
    others[f"the diagonal is multiplied by {scaled:.6g}"] = ours + (scaled - 1) * np.diag(np.diagonal(ours))
    others |= {f"they are those of the Jacobian {words}": _matrix(other) for words, other in _jacobians(J).items()}
    for axes in permutations(range(3)):
        order = np.arange(M).reshape(spec.coefficients.shape).transpose(axes).ravel()
        others[f"they stand in the order ({', '.join(EDGES[k] for k in axes)})"] = ours[np.ix_(order, order)]
    for words, other in others.items():
        k = float((theirs * other).sum() / max(float((other * other).sum()), 1e-300))
        if k > 0 and np.abs(theirs - k * other).max() <= room * max(k, 1.0):
            told[words] = k
    A = np.einsum("sqi,sqj->ijs", J, J).reshape(M * M, -1) / len(J)
    w, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=1e-10)
    if np.abs(A @ w - theirs.ravel()).max() <= room * 16 and (lost := np.flatnonzero(np.abs(w) < 1e-6)).size:
        told[f"samples {numbers(lost.tolist())} do not count"] = 1.0
    return told


def _kept(spec: LayerSpec, M: int) -> dict[str, Array]:
    """Entries that may be the only ones."""
    q, p, i = np.unravel_index(np.arange(M), spec.coefficients.shape)

    def equal(index: Array) -> Array:
        return np.asarray(index[:, None] == index)

    return {
        "the diagonal": np.eye(M) > 0, "the blocks of edges": equal(q) & equal(p), "the blocks of inputs": equal(p),
        "those of equal index": equal(i), "the upper triangle": np.triu(np.ones((M, M))),
        "the lower triangle": np.tril(np.ones((M, M))), "those above the diagonal": np.triu(np.ones((M, M)), 1),
        "those below the diagonal": np.tril(np.ones((M, M)), -1),
    }  # fmt: skip


def _jacobians(J: FloatArray) -> dict[str, FloatArray]:
    """Jacobians (.., .., M) in place of J (N, Q, M)."""
    length = np.linalg.norm(J.reshape(-1, J.shape[-1]), axis=0)
    return {
        "less its mean over samples": J - J.mean(axis=0),
        "less its mean over outputs": J - J.mean(axis=1, keepdims=True),
        "summed over outputs": J.sum(axis=1, keepdims=True), "summed over samples": J.sum(axis=0, keepdims=True),
        "of the first output alone": J[:, :1], "of the last output alone": J[:, -1:],
        "with columns of length one": J / np.where(length > 0, length, 1.0), "without signs": np.abs(J),
        "of the first sample alone": J[:1], "of the last sample alone": J[-1:],
    }  # fmt: skip
