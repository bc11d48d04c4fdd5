r"""Stage 0: whether row s of the output depends only on row s of the input.

y_s = f(x_s) for every batch, whatever its size, order and memory layout, and whatever the calls before. Rows that stay
while others move to the ends of the domain, to points far beyond and to NaN must keep their results: else y = k f + c
with k and c depending on the batch, or f is evaluated at points that do. The reference for a row is its result in a
batch of 256 rows that repeats 64 samples four times. Equal means up to the rounding that sums of coefficients show (see
`arithmetic`): matrix products of other sizes add in another order.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.reported import Difference, Stage, close, factor_of, largest, not_equal, only
from refkan.conformance.identification.stages import models_alive as alive
from refkan.conformance.identification.stages.arithmetic import left_of_sums
from refkan.conformance.identification.stages.mixed_samples import by_batch, by_strange_rows
from refkan.conformance.identification.stages.models_alive import KEPT, Answer, Batch
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

SIZES = (1, 2, 3, 33, 100, 257, 1030, 4097, 20000)
"""Sizes of batches that are compared with the first one; the last exceed every block size in use."""

PERIOD = 61
"""Rows that batches repeat: no block has a multiple of them."""

ALONE = (
    "incomplete block", "samples and inputs confused", "batch refused", "mode matters",
    "results overwritten", "setting refused",
)  # fmt: skip
"""Differences that do not hide others."""

RENEWED = ("stale cache", "state kept between calls", "changed by a call")
"""Differences after which each call gets a new model."""

IN_PIECES = ("samples mixed", "samples reordered", "rows by position", "incomplete block")
"""Differences after which batches are so small that each sample has the results that it has by itself."""

FEW = (1, 2, 3, 8)
"""Sizes of small batches that may be remembered."""

PIECES = (BLOCK, 16, 4)

CALLS = 6
"""Calls of one model whose results are compared."""

RANDOM = 8
"""Factor from the difference of two calls to the error of values."""


def calls(subject: Subject) -> tuple[Stage, Subject]:
    """Return how results depend on the batch and on earlier calls."""
    spec, x = subject.layer((3, 2))
    left = left_of_sums(lambda C: subject.values(subject.spec((3, 2), C), x), spec.coefficients)
    subject = replace(subject, grain=left if left <= LARGEST_ROUNDING else 0.0)
    refused = _refused_point(Batch(subject))
    told = [refused] if refused else []
    subject = replace(subject, refused=frozenset(difference.where[0] for difference in told))
    batch = Batch(subject)
    known: dict[str, Any] = {}
    for ask in QUESTIONS:
        names = {difference.name for difference in told}
        if "batch refused" in names:
            names.add("setting refused")
        answer = ask(batch)
        told += [difference for difference in answer.differences if difference.name not in names]
        known |= answer.known
        if told and told[-1].name not in ALONE:
            break
    subject = replace(subject, **known)
    for difference in told:
        subject = _settled(replace(batch, subject=subject), difference)
    if told:
        return Stage("calls", "", tuple(told)), replace(subject, noise=_noise(subject, told[0]))
    right = f"each row by itself, the same in batches of 1 to {SIZES[-1]} and in repeated calls"
    return Stage("calls", right), subject


def _noise(subject: Subject, first: Difference) -> float:
    """The error of values that follows from calls with different results."""
    if first.name == "not deterministic" and "layers with" not in first.evidence["of"]:
        return RANDOM * float(first.evidence["size"])
    return subject.noise


def _refused_point(batch: Batch) -> Difference | None:
    """Samples at the ends of the domain or at knots that give no answer while others do."""
    low, high = batch.spec.domains.T
    inner = batch.spec.knots[:, batch.spec.order]
    batch.fresh(batch.x)
    for words, row in (("x = a", low), ("x = b", high), ("x at a knot", inner)):
        try:
            batch.fresh(batch.with_row(row))
        except NoAnswerError as error:
            return Difference("setting refused", {"reason": str(error)}, (words,), "measured")
    return None


def _settled(batch: Batch, difference: Difference) -> Subject:
    """How later stages can still go on: with a new model for each call, or with a few samples at a time."""
    subject = batch.subject
    try:
        if difference.name in RENEWED:
            one, two = batch.fresh(batch.x[:BLOCK]), batch.fresh(batch.x[:BLOCK])
            return replace(subject, renewed=bool(np.array_equal(one, two, equal_nan=True)))
        if difference.name in IN_PIECES:
            return _in_pieces(batch)
    except NoAnswerError as error:
        return replace(subject, depends=str(error))
    return subject


def _in_pieces(batch: Batch) -> Subject:
    """The layer, asked with so few samples at a time that they are right, or have the results that each has alone."""
    subject = batch.subject
    x = batch.x[:BLOCK]
    x = np.concatenate([x, x[np.argsort(x[:, 0])]])  # beside others, and beside those next to them
    right, room = subject.truth(batch.spec, x)
    allowed = np.maximum(64 * room, subject.tolerance(largest(right)))
    layers = {rows: replace(subject, rows=rows) for rows in (*PIECES, 1)}
    each: dict[int, FloatArray] = {}
    for rows, layer in layers.items():
        each[rows] = replace(batch, subject=layer).fresh(x)
        if close(each[rows], right, allowed):
            return layer
    for rows in PIECES:
        if not batch.differ(each[rows], each[1]).any():
            return layers[rows]
    told = "results of a sample depend on other samples, or on other calls"
    return replace(layers[PIECES[-1]], depends=told)


def _repeated(batch: Batch) -> Answer:
    y, x = batch.y, batch.x
    told = not_equal("two calls", y, batch.raw(x))
    if told:
        how = _drift(batch, told[0].evidence["size"])
        return Answer(only("changed by a call", method="forward", how=how) if how else told)
    told = not_equal("two models of the same coefficients", y, batch.fresh(x))
    if told:
        model = batch.subject.build(batch.spec)
        batch.raw(batch.other, model)
        if np.array_equal(batch.raw(x, model), y, equal_nan=True):
            return Answer([replace(told[0], name="state kept between calls")])
    return Answer(told)


def _drift(batch: Batch, size: float) -> str:
    """How a call of a new model changes the results of the next, if in the same way for each new model."""
    subject = batch.subject
    models = subject.build(batch.spec), subject.build(batch.spec)
    one, two = ([batch.raw(batch.x, model) for _ in range(CALLS)] for model in models)
    if not np.array_equal(one, two, equal_nan=True):
        return ""
    if np.array_equal(one[0], one[1], equal_nan=True):
        changed = next((k for k, y in enumerate(one) if not np.array_equal(y, one[0], equal_nan=True)), 0)
        k = factor_of(one[changed], one[0])
        if not changed:
            return ""
        how = f"results of call number {changed + 1} are others than those before"
        same = close(one[changed], k * one[0], subject.tolerance(largest(one[0])))
        return f"{how}: they are multiplied by {k:.6g}" if same else how
    y, again, third, *_ = one
    k = factor_of(again, y)
    if close([again, third], [k * y, k * again], subject.tolerance(largest(y))):
        return f"outputs are multiplied by {k:.9g} with each call"
    return f"outputs of two calls differ, by up to {size:.1e} of the largest, in the same way for each new model"


def _stale(batch: Batch) -> Answer:
    """Whether results are those of an earlier call, of other samples of the same shape or with one row changed."""
    moved = batch.with_row(batch.x[6])
    if np.array_equal(batch.y, batch.first):
        told = "results are those of other samples in a batch of the same shape"
    elif np.array_equal(batch.raw(moved), batch.y):
        told = "one row of a batch was changed, and its results are as before"
    else:
        near = alive.near_earlier(batch)
        return near if near.differences else _stale_in_small_batches(batch)
    return _stale_at(batch, told, moved)


def _stale_in_small_batches(batch: Batch) -> Answer:
    """Whether a few samples have the results of an earlier batch in which some of them were others."""
    model = batch.subject.build(batch.spec)
    for n in FEW:
        first, last = batch.x[:n].copy(), batch.x[:n].copy()
        last[-1, -1] = batch.x[batch.x[:, -1] != first[-1, -1], -1][0]
        y, z = batch.raw(first, model), batch.raw(last, model)
        if not np.array_equal(y, z) or batch.differ(y, batch.fresh(first)).any():
            continue
        if batch.differ(z, batch.fresh(last)).any():
            told = f"a number of a batch of {n} was changed, and its results are as before"
            return Answer(only("stale cache", what=told + OF_MODEL))
    return Answer()


OF_MODEL = "; a new model with the same coefficients has its own"


def _stale_at(batch: Batch, told: str, moved: FloatArray) -> Answer:
    """Results of an earlier call at other samples, and whether a new model has them, too."""
    if np.array_equal(batch.fresh(moved), batch.y):
        return Answer(only("stale cache", what=told), {"depends": "results of a sample depend on other calls"})
    return Answer(only("stale cache", what=told + OF_MODEL))


def _mixed(batch: Batch) -> Answer:
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
        return by_strange_rows(batch)
    alone = np.stack([batch.raw(np.repeat(x[s : s + 1], len(x), axis=0))[2 * BLOCK] for s in range(BLOCK)])
    alone = np.resize(alone, y.shape)
    rows = np.flatnonzero(batch.differ(y, alone))
    if not (depends or rows.size) and turned.any():
        told = "the same samples in another order have the results of the previous order"
        return _stale_at(batch, told, x[::-1].copy())
    same = not batch.differ(np.sort(y, axis=0), np.sort(alone, axis=0)).any()
    order = "" if same else alive.order_by_input(batch)
    if same or order:
        place = {"place": order} if order else {}
        return Answer(only("samples reordered", count=rows.size, total=len(x), **place))
    if not depends and rows.size:
        equal = np.repeat(x[rows[:1]], len(x), axis=0)
        row = slice(2 * BLOCK, 2 * BLOCK + 1)
        if batch.differ(batch.fresh(equal)[row], alone[rows[:1]]).any():
            told = "a batch of equal samples has the results of another batch of the same shape"
            return Answer(only("stale cache", what=told + OF_MODEL))
    if not depends:
        return Answer(alive.block(batch, x, rows, y, alone) if rows.size else [])
    wide = x.copy()
    wide[6:8] = batch.spec.domains.T
    ends = batch.differ(y[-KEPT:], batch.raw(wide)[-KEPT:]).any()
    on = "rows change with the smallest and largest inputs of a batch" if ends else "rows change with the others"
    on = f"one row changed, {int(seen.sum())} others change with it" if seen.any() else on
    how = "rows " + numbers(np.flatnonzero(seen).tolist()) + ", which are zero" * (not single[seen].any())
    if by_most:
        how = by_batch(batch, y, most, spoilt)
    return Answer(only("samples mixed", what=f"{on}: {how}"))


def _sizes(batch: Batch) -> Answer:
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
            return Answer(only("batch refused", samples=n, reason=str(error)))
        rows = np.flatnonzero(batch.differ(right, z))
        ratios.append(factor_of(z, right))
        scaled = scaled and not batch.differ(ratios[-1] * right, z).any()
        if rows.size:
            (wrong[n],) = alive.block(batch, at, rows, z, right)
    again = int(batch.differ(y, batch.raw(x)).sum())
    if again:
        what = f"after {len(SIZES)} other batches {again} of {len(x)} rows of the first differ"
        return Answer(only("stale cache", what=what))
    if wrong and set(wrong) <= {2, 3}:  # inputs and outputs
        return Answer(only("samples and inputs confused", samples=min(wrong)))
    if len(wrong) == len(SIZES) and scaled and min(ratios) > 0:
        power, _ = np.polyfit(np.log(SIZES), np.log(ratios), 1)
        if close(np.array(ratios) * (np.array(SIZES) / len(x)) ** -power, 1, 1e-6):
            return Answer(only("samples mixed", what=f"outputs are multiplied by N^{power:.3g}, N the number of rows"))
    more = f"; so in batches of {', '.join(map(str, wrong))}" if len(wrong) > 1 else ""
    first = list(wrong.values())[:1]
    return Answer([replace(d, evidence={**d.evidence, "how": d.evidence["how"] + more}) for d in first])


def _modes(batch: Batch) -> Answer:
    """The same in training and in evaluation."""
    subject = batch.subject
    for words, training in (("training", True), ("evaluation", False)):
        model = subject.asked("in_mode", subject.build(batch.spec), training)
        count = int(batch.differ(batch.y, batch.raw(batch.x, model)).sum())
        if count:
            return Answer(only("mode matters", count=count, total=len(batch.x), mode=words))
    return Answer()


QUESTIONS: tuple[Callable[[Batch], Answer], ...] = (
    _stale, _repeated, _mixed, _sizes, _modes, alive.overwritten_results, alive.shared_by_models,
    alive.drift_with_parts, alive.refused_shapes, alive.changed_by_calls,
)  # fmt: skip
"""In the order in which they run."""
