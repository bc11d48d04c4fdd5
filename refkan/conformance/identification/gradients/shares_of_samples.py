"""Which samples of a batch count in derivatives in weights, which are sums over samples."""

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.stages_and_differences import Difference

ROWS_ASKED = 16
"""Samples whose share is asked for at once."""


def lost(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether what samples add is lost in a batch, but not alone."""
    shape = {d.name: d.shape}
    alone = [d.subject.gradients(d.model, d.x[s : s + 1], np.ones((1, d.spec.n_outputs)), shape)[d.name]
             for s in range(len(d.x))]  # fmt: skip
    if (np.abs(np.stack(alone) - ours.sum(axis=1)) > room).any():
        return []
    count = int((np.abs(theirs - ours).reshape(len(d.x), -1).max(axis=1) > room).sum())
    how = f"of {len(d.x)} samples {count} do not add what is theirs, and each does in a batch of its own"
    return [Difference("contributions lost", {"what": d.owner, "how": how})]


def of_rows(d: Derivatives) -> list[Difference]:
    """Which samples of a batch count, by cotangents of a few of them, and of single ones where those differ."""
    N, weights = len(d.x), np.ones(len(d.x))

    def counts(rows: slice) -> float:
        dy = np.zeros((N, d.spec.n_outputs))
        dy[rows] = 1.0
        theirs, ours = d.answer(dy, d.x), d.truth(dy, d.x)
        k = float((theirs * ours).sum() / (ours * ours).sum())
        return k if np.abs(theirs - k * ours).max() <= d.subject.tolerance(64 * np.abs(ours).max()) else np.nan

    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    if left_out.size:
        evidence = {"what": d.owner, "indices": left_out.tolist(), "size": N}
        return [Difference("samples left out", evidence)]
    odd = np.flatnonzero(~(np.abs(weights - 1) <= 1e-6))
    if odd.size and np.ptp(weights[odd]) < 1e-6:
        evidence = {"what": d.owner, "indices": odd.tolist(), "size": N, "factor": float(weights[odd[0]])}
        return [Difference("factor on a block of samples", evidence)]
    return []
