r"""Stage 0: whether row s of the output depends only on row s of the input.

y_s = f(x_s) for every batch, whatever its size, order and memory layout, and whatever the calls before. Rows that stay
while others move to the ends of the domain, to points far beyond and to NaN must keep their results: else y = k f + c
with k and c depending on the batch, or f is evaluated at points that do. The reference for a row is its result in a
batch of 256 rows that repeats 64 samples four times. Equal means up to the rounding that sums of coefficients show (see
`arithmetic`): matrix products of other sizes add in another order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.reported import Difference, Stage, close, factor_of, largest, not_equal, only
from refkan.conformance.identification.stages import models_alive as alive
from refkan.conformance.identification.stages.arithmetic import left_of_sums
from refkan.conformance.identification.stages.models_alive import Batch
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

SIZES = (1, 2, 3, 33, 100, 257, 1030, 4097, 20000)
"""Sizes of batches that are compared with the first one; the last exceed every block size in use."""

PERIOD = 61
"""Rows that batches repeat: no block has a multiple of them."""

KEPT = 16
"""Rows that stay while the others change."""

ALONE = (
    "incomplete block", "samples and inputs confused", "batch refused", "mode matters",
    "results overwritten", "setting refused",
)  # fmt: skip
"""Differences that do not hide others."""

RENEWED = ("stale cache", "state kept between calls", "changed by a call")
"""Differences after which each call gets a new model."""

IN_PIECES = ("samples mixed", "samples reordered", "rows by position", "incomplete block")
"""Differences after which batches are so small that each sample has the results that it has by itself."""

PIECES = (BLOCK, 16, 4)


def calls(subject: Subject) -> Stage:
    """Return how results depend on the batch and on earlier calls."""
    batch = Batch(subject)
    left = left_of_sums(lambda C: subject.values(subject.spec((3, 2), C), batch.x), batch.spec.coefficients)
    subject.grain = left if left <= LARGEST_ROUNDING else 0.0
    told = list(_refused_points(batch))
    batch.model = subject.build(batch.spec)
    batch.other = subject.samples(batch.spec, 4 * BLOCK, 1)
    if not subject.refused:
        batch.other[: 2 * KEPT] = np.repeat(batch.spec.domains.T, KEPT, axis=0)
    batch.first, batch.y = batch.raw(batch.other), batch.raw(batch.x)
    for ask in QUESTIONS:
        names = {difference.name for difference in told}
        names |= {"setting refused"} if "batch refused" in names else set()
        told += [difference for difference in ask(batch) if difference.name not in names]
        if told and told[-1].name not in ALONE:
            break
    for difference in told:
        _settled(batch, difference)
    right = f"each row by itself, the same in batches of 1 to {SIZES[-1]} and in repeated calls"
    return Stage("calls", right * (not told), tuple(told))


def _refused_points(batch: Batch) -> Iterator[Difference]:
    """Samples at the ends of the domain and at knots that give no answer while others do."""
    low, high = batch.spec.domains.T
    inner = batch.spec.knots[:, batch.spec.order]
    batch.fresh(batch.x)
    for words, row in (("x = a", low), ("x = b", high), ("x at a knot", inner)):
        try:
            batch.fresh(batch.with_row(row))
        except NoAnswerError as error:
            batch.subject.refused |= {words}
            yield Difference("setting refused", {"reason": str(error)}, (words,), "measured")
            return


def _settled(batch: Batch, difference: Difference) -> None:
    """How later stages can still go on: with a new model for each call, or with a few samples at a time.

    The pieces are so small that samples are right in them, or at least have the results that they have by themselves.
    """
    subject, x = batch.subject, batch.x[:BLOCK]

    def fresh(rows: int) -> FloatArray:
        subject.rows = rows
        return batch.fresh(x)

    try:
        if difference.name in RENEWED:
            subject.renewed = bool(np.array_equal(fresh(0), fresh(0), equal_nan=True))
        elif difference.name in IN_PIECES:
            x = np.concatenate([x, x[np.argsort(x[:, 0])]])  # beside others, and beside those next to them
            right, room = subject.truth(batch.spec, x)
            allowed = np.maximum(64 * room, subject.tolerance(largest(right)))
            if any(close(fresh(rows), right, allowed) for rows in (*PIECES, 1)):
                return
            alone = fresh(1)
            if not any(not batch.differ(fresh(rows), alone).any() for rows in PIECES):
                subject.depends = "results of a sample depend on other samples, or on other calls"
    except NoAnswerError as error:
        subject.depends = str(error)


def _repeated(batch: Batch) -> list[Difference]:
    y, x = batch.y, batch.x
    if told := not_equal("two calls", y, batch.raw(x)):
        how = _drift(batch, told[0].evidence["size"])
        return only("changed by a call", method="forward", how=how) if how else told
    if told := not_equal("two models of the same coefficients", y, batch.fresh(x)):
        model = batch.subject.build(batch.spec)
        batch.raw(batch.other, model)
        kept = np.array_equal(batch.raw(x, model), y, equal_nan=True)
        return [replace(told[0], name="state kept between calls")] if kept else told
    return []


def _drift(batch: Batch, size: float) -> str:
    """How a call of a new model changes the results of the next, if in the same way for each new model."""
    subject = batch.subject
    models = subject.build(batch.spec), subject.build(batch.spec)
    one, two = ([batch.raw(batch.x, model) for _ in range(3)] for model in models)
    if not np.array_equal(one, two, equal_nan=True) or np.array_equal(one[0], one[1], equal_nan=True):
        return ""
    y, again, third = one
    k = factor_of(again, y)
    if close([again, third], [k * y, k * again], subject.tolerance(largest(y))):
        return f"outputs are multiplied by {k:.9g} with each call"
    return f"outputs of two calls differ, by up to {size:.1e} of the largest, in the same way for each new model"


def _stale(batch: Batch) -> list[Difference]:
    """Whether results are those of an earlier call, of other samples of the same shape or with one row changed."""
    moved = batch.with_row(batch.x[6])
    if np.array_equal(batch.y, batch.first):
        told = "results are those of other samples in a batch of the same shape"
    elif np.array_equal(batch.raw(moved), batch.y):
        told = "one row of a batch was changed, and its results are as before"
    else:
        return alive.near_earlier(batch)
    return _stale_at(batch, told, moved)


def _stale_at(batch: Batch, told: str, moved: FloatArray) -> list[Difference]:
    """Results of an earlier call at other samples, and whether a new model has them, too."""
    by_model = not np.array_equal(batch.fresh(moved), batch.y)
    if not by_model:
        batch.subject.depends = "results of a sample depend on other calls"
    return only("stale cache", what=told + "; a new model with the same coefficients has its own" * by_model)


def _mixed(batch: Batch) -> list[Difference]:
    """Which results change with the other rows, and with the order of rows."""
    x, y, spoilt = batch.x, batch.y, batch.other.copy()
    spoilt[-KEPT:] = x[-KEPT:]
    single = batch.raw(batch.with_row(x[6]))
    most = batch.raw(spoilt)
    seen = batch.differ(y, single)
    by_most = batch.differ(y[-KEPT:], most[-KEPT:]).any()
    seen[5] = False
    depends = seen.any() or by_most
    turned = batch.differ(y, batch.raw(x[::-1].copy())[::-1])
    if not (depends or turned.any() or batch.differ(y[:BLOCK], y[BLOCK : 2 * BLOCK]).any()):
        return _by_strange_rows(batch)
    alone = np.stack([batch.raw(np.repeat(x[s : s + 1], len(x), axis=0))[2 * BLOCK] for s in range(BLOCK)])
    alone = np.resize(alone, y.shape)
    rows = np.flatnonzero(batch.differ(y, alone))
    if not (depends or rows.size) and turned.any():
        told = "the same samples in another order have the results of the previous order"
        return _stale_at(batch, told, x[::-1].copy())
    same = not batch.differ(np.sort(y, axis=0), np.sort(alone, axis=0)).any()
    order = "" if same else alive.order_by_input(batch)
    if same or order:
        return only("samples reordered", count=rows.size, total=len(x), **({"place": order} if order else {}))
    if not depends and rows.size:
        equal = np.repeat(x[rows[:1]], len(x), axis=0)
        if batch.differ(batch.fresh(equal)[:1], alone[rows[:1]]).any():
            told = "a batch of equal samples has the results of another batch of the same shape"
            return only("stale cache", what=told + "; a new model with the same coefficients has its own")
    if not depends:
        return alive.block(batch, x, rows, y, alone) if rows.size else []
    wide = x.copy()
    wide[6:8] = batch.spec.domains.T
    ends = batch.differ(y[-KEPT:], batch.raw(wide)[-KEPT:]).any()
    on = "rows change with the smallest and largest inputs of a batch" if ends else "rows change with the others"
    on = f"one row changed, {int(seen.sum())} others change with it" if seen.any() else on
    how = "rows " + numbers(np.flatnonzero(seen).tolist()) + ", which are zero" * (not single[seen].any())
    return only("samples mixed", what=f"{on}: {_by_batch(batch, y, most, spoilt) if by_most else how}")


def _by_strange_rows(batch: Batch) -> list[Difference]:
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
        how = how or _by_batch(batch, np.where(seen[:, None], y, 0.0), np.where(seen[:, None], z, 0.0), moved)
        if words.endswith("the domain") and (stretched := alive.stretched_knots(batch, moved)):
            how, batch.subject.stretched = stretched, True
        later = int(batch.differ(y, batch.raw(batch.x)).sum())
        stays = f"; so do {later} rows in the next call: the layer is changed" * (later > 0)
        return only("samples mixed", what=f"one row is {words}, {int(seen.sum())} others change: {how}{stays}")
    return []


def _by_batch(batch: Batch, y: FloatArray, z: FloatArray, x: FloatArray) -> str:
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
    at = batch.subject.points(batch.spec, x)[-KEPT:] if batch.spec.degree else x[-KEPT:]
    if close(batch.subject.truth(batch.spec, at)[0], v, 2.0**-20 * largest(v)):
        return "functions are evaluated at points that depend on the batch"
    return "not by a factor, a shift or another point"


def _sizes(batch: Batch) -> list[Difference]:
    x = batch.x
    y = batch.y
    ratios, scaled = list[float](), True
    wrong = dict[int, Difference]()
    for n in SIZES:
        at = np.resize(x[:PERIOD], (n, 2))
        right = np.resize(y[:PERIOD], (n, 3))
        try:
            z = batch.raw(at)
        except NoAnswerError as error:
            return only("batch refused", samples=n, reason=str(error))
        rows = np.flatnonzero(batch.differ(right, z))
        ratios.append(factor_of(z, right))
        scaled = scaled and not batch.differ(ratios[-1] * right, z).any()
        if rows.size:
            (wrong[n],) = alive.block(batch, at, rows, z, right)
    if again := int(batch.differ(y, batch.raw(x)).sum()):
        return only(
            "stale cache", what=f"after {len(SIZES)} other batches {again} of {len(x)} rows of the first differ"
        )
    if wrong and set(wrong) <= {2, 3}:  # inputs and outputs
        return only("samples and inputs confused", samples=min(wrong))
    if len(wrong) == len(SIZES) and scaled and min(ratios) > 0:
        power, _ = np.polyfit(np.log(SIZES), np.log(ratios), 1)
        if close(np.array(ratios) * (np.array(SIZES) / len(x)) ** -power, 1, 1e-6):
            return only("samples mixed", what=f"outputs are multiplied by N^{power:.3g}, N the number of rows")
    more = f"; so in batches of {', '.join(map(str, wrong))}" if len(wrong) > 1 else ""
    return [replace(d, evidence={**d.evidence, "how": d.evidence["how"] + more}) for d in list(wrong.values())[:1]]


def _modes(batch: Batch) -> list[Difference]:
    """The same in training and in evaluation."""
    subject = batch.subject
    for words, training in (("training", True), ("evaluation", False)):
        model = subject.asked("in_mode", subject.build(batch.spec), training)
        if count := int(batch.differ(batch.y, batch.raw(batch.x, model)).sum()):
            return only("mode matters", count=count, total=len(batch.x), mode=words)
    return []


QUESTIONS: tuple[Callable[[Batch], Iterable[Difference]], ...] = (
    _stale, _repeated, _mixed, _sizes, _modes, alive.overwritten_results, alive.shared_by_models,
    alive.drift_with_parts, alive.refused_shapes, alive.changed_by_calls,
)  # fmt: skip
"""In the order in which they run."""
