"""Stage 0, continued: how the results of a sample depend on the other samples of its batch."""

from collections.abc import Callable

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.identification.reported import close, largest, only
from refkan.conformance.identification.stages import models_alive as alive
from refkan.conformance.identification.stages.models_alive import KEPT, Answer, Batch
from refkan.conformance.identification.subject import NoAnswerError


def by_strange_rows(batch: Batch) -> Answer:
    """Which results change with a row far beyond the domain, and with one that is NaN."""
    y = batch.y
    low = batch.x.min(axis=0)
    high = batch.x.max(axis=0)
    wide, none = high - low, np.full(2, np.nan)
    for words, row in (("below the domain", low - wide / 2), ("above the domain", high + wide / 2),
                       ("far below the domain", low - 9 * wide), ("far above the domain", high + 9 * wide),
                       ("NaN", none), ("infinite", np.full(2, np.inf))):  # fmt: skip
        moved = batch.with_row(row)
        try:
            z = batch.raw(moved)
        except NoAnswerError:  # what a layer does with such rows is its own matter
            continue
        seen = batch.differ(y, z)
        seen[5] = False
        if not seen.any():
            continue
        how = "NaN" if np.isnan(z[seen]).all() else "zero" if not z[seen].any() else ""
        how = how or by_batch(batch, np.where(seen[:, None], y, 0.0), np.where(seen[:, None], z, 0.0), moved)
        stretched = alive.stretched_knots(batch, moved) if words.endswith("the domain") else ""
        later = int(batch.differ(y, batch.raw(batch.x)).sum())
        stays = f"; so do {later} rows in the next call: the layer is changed" if later else ""
        what = f"one row is {words}, {int(seen.sum())} others change: {stretched or how}{stays}"
        return Answer(only("samples mixed", what=what), {"stretched": bool(stretched)})
    return Answer()


def by_batch(batch: Batch, y: FloatArray, z: FloatArray, x: FloatArray) -> str:
    """How rows depend on their batch: results in two batches are affine functions of each other, or of other points.

    The results of the second batch, whose samples are x, are z.
    """
    u = y[-KEPT:]
    v = z[-KEPT:]
    room = batch.subject.tolerance(largest([y, z]))
    added = np.median(v - u, axis=0)
    if close(v - u, added, room):
        mean = z.mean(axis=0) - y.mean(axis=0)
        if close(mean, 0.0, room):
            return "the mean over the batch is subtracted"
        return "a term that depends on the batch is added to all rows"
    if close(v, (u * v).sum(axis=0) / (u * u).sum(axis=0) * u, room):
        return "all rows are multiplied by a factor that depends on the batch"
    deviation = [(w - w.mean(axis=0)) / w.std(axis=0) for w in (u, v)]
    if close(deviation[0], deviation[1], 2.0**-20):
        return "outputs are shifted and scaled by amounts that depend on the batch"
    for words, points in OF_BATCHES.items():
        if close(batch.subject.truth(batch.spec, points(x))[0][-KEPT:], v, 2.0**-20 * largest(v)):
            return f"functions are evaluated at {words} of the batch, points that depend on the batch"
    at = batch.subject.points(batch.spec, x)[-KEPT:] if batch.spec.degree else x[-KEPT:]
    if close(batch.subject.truth(batch.spec, at)[0], v, 2.0**-20 * largest(v)):
        return "functions are evaluated at points that depend on the batch"
    return "not by a factor, a shift or another point"


OF_BATCHES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "samples less the mean": lambda x: x - x.mean(axis=0),
    "samples over the standard deviation": lambda x: x / x.std(axis=0),
    "samples over the standard deviation (of N - 1)": lambda x: x / x.std(axis=0, ddof=1),
    "samples less the mean over the standard deviation": lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
    "samples less the mean over the root of the variance plus 1e-5": lambda x: (
        (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    ),
    "samples over the largest": lambda x: x / np.abs(x).max(axis=0),
    "samples over the largest of all inputs": lambda x: x / np.abs(x).max(),
    "samples less the smallest over the range": lambda x: (x - x.min(axis=0)) / np.ptp(x, axis=0),
    "samples over the norm": lambda x: x / np.sqrt((x * x).sum(axis=0)),
    "samples less the median": lambda x: x - np.median(x, axis=0),
}
"""Points that depend on all samples."""
