r"""Stage 0: whether row s of the output depends on row s of the input alone.

y_s = f(x_s) for every batch, whatever its size, order and memory layout, and whatever was asked before. Rows
that stay while others change to the ends of the domain, to points far beyond and to NaN must stay as they are: else
y = k f + c with k and c of the batch, or f is taken at points that depend on it. The row that is taken for right is the
one in a batch of 256 rows that repeats 64 samples four times. Equal means up to the rounding that sums of coefficients
show (see `arithmetic`): matrix products of other sizes add in another order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.rows.other_rows import (
    near_earlier,
    order_by_input,
    same_rows,
    stretched_knots,
)  # fmt: skip
from refkan.conformance.identification.stages.models_alive import (
    block,
    changed_by_calls,
    drift_with_parts,
    overwritten_results,
    refused_shapes,
    shared_by_models,
)
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

SIZES = (1, 2, 3, 33, 100, 257, 1030, 4097, 20000)
"""Batches that are compared with the first one; the last go beyond every block size that is in use."""

PERIOD = 61
"""Rows that batches repeat: no block has a multiple of them."""

KEPT = 16
"""Rows that stay while the others change."""

ALONE = (
    "incomplete block", "samples and inputs confused", "batch refused", "mode matters",
    "results overwritten", "inputs overwritten", "setting refused",
)  # fmt: skip
"""Differences beside which others can be seen."""

RENEWED = ("stale cache", "state kept between calls", "changed by a call")
"""Differences after which a new model is asked each time."""

IN_PIECES = ("samples mixed", "samples reordered", "rows by position", "incomplete block")
"""Differences after which so few samples are asked for at once that each has the results that it has alone."""

PIECES = (BLOCK, 16, 4)


def calls(subject: Subject) -> Stage:
    """Return how the layer answers to batches and to repeated calls."""
    spec = subject.spec((3, 2))
    x = np.resize(subject.samples(spec, BLOCK), (4 * BLOCK, 2))
    subject.grain = residual(subject, spec, x)
    told = list(_refused_points(subject, spec, x))
    model = subject.build(spec)
    other = subject.samples(spec, 4 * BLOCK, 1)
    other[: 2 * KEPT] = other[: 2 * KEPT] if subject.refused else np.repeat(spec.domains.T, KEPT, axis=0)
    first = subject.raw(model, other, 3)
    y = subject.raw(model, x, 3)
    asks: list[Callable[[], Iterable[Difference | None]]] = [
        lambda: [_overwritten(subject)],
        lambda: [_stale(subject, spec, model, x, y, first)],
        lambda: [_repeated(subject, spec, model, x, y, other)],
        lambda: [_mixed(subject, spec, model, x, y, other)],
        lambda: [_sizes(subject, spec, model, x, y)],
        lambda: [_modes(subject, spec, x, y)],
        lambda: overwritten_results(subject, spec, x, other),
        lambda: shared_by_models(subject, spec, x, y),
        lambda: drift_with_parts(subject),
        lambda: refused_shapes(subject),
        lambda: changed_by_calls(subject, spec, x),
    ]
    for ask in asks:
        names = {difference.name for difference in told}
        names |= {"setting refused"} if "batch refused" in names else set()
        told += [difference for difference in ask() if difference and difference.name not in names]
        if told and told[-1].name not in ALONE:
            break
    if told:
        for difference in told:
            _settled(subject, spec, x[:BLOCK], difference)
        return Stage("calls", "", tuple(told))
    return Stage("calls", f"each row by itself, the same in batches of 1 to {SIZES[-1]} and in repeated calls")


def _refused_points(subject: Subject, spec: LayerSpec, x: FloatArray) -> Iterator[Difference]:
    """Samples at the ends of the domain and at knots that give no answer, beside others that do."""
    (low, high), inner = spec.domains.T, spec.knots[:, spec.order]
    subject.raw(subject.build(spec), x, 3)
    for words, row in (("x = a", low), ("x = b", high), ("x at a knot", inner)):
        at = x.copy()
        at[5] = row
        try:
            subject.raw(subject.build(spec), at, 3)
        except NoAnswerError as error:
            subject.refused |= {words}
            yield Difference("setting refused", {"reason": str(error)}, (words,), "measured")
            return


def _settled(subject: Subject, spec: LayerSpec, x: FloatArray, difference: Difference) -> None:
    """How later stages ask nevertheless: of a new model each time, or of few samples at once.

    In pieces in which samples are right, else in pieces in which they are as alone.
    """

    def fresh(rows: int) -> FloatArray:
        subject.rows = rows
        return subject.raw(subject.build(spec), x, 3)

    try:
        if difference.name in RENEWED:
            subject.renewed = bool(np.array_equal(fresh(0), fresh(0), equal_nan=True))
        elif difference.name in IN_PIECES:
            x = np.concatenate([x, x[np.argsort(x[:, 0])]])  # beside others, and beside those next to them
            right, room = subject.truth(spec, x)
            allowed = np.maximum(64 * room, subject.tolerance(float(np.abs(right).max())))
            if any((np.abs(fresh(rows) - right) <= allowed).all() for rows in (*PIECES, 1)):
                return
            alone = fresh(1)
            if any(same_rows(subject, fresh(rows), alone).all() for rows in PIECES):
                return
            subject.depends = "results of a sample depend on other samples, or on other calls"
    except NoAnswerError as error:
        subject.depends = str(error)


def residual(subject: Subject, spec: LayerSpec, x: FloatArray) -> float:
    """What is left of f(a) + f(b) - f(a + b) - f(0), relative, where that may be rounding; else 0."""
    a, zero = spec.coefficients, np.zeros(spec.coefficients.shape)
    y = [
        subject.values(subject.spec((3, 2), C), x) for C in (a / 2, -a[:, :, ::-1] / 4, a / 2 - a[:, :, ::-1] / 4, zero)
    ]
    left, size = float(np.abs(y[0] + y[1] - y[2] - y[3]).max()), float(np.abs(y).max())
    return left / size if 0 < left <= LARGEST_ROUNDING * size else 0.0


def _overwritten(subject: Subject) -> Difference | None:
    return Difference("inputs overwritten", {"method": subject.overwritten}) if subject.overwritten else None


def _repeated(
    subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray, other: FloatArray
) -> Difference | None:  # fmt: skip
    for words, again in (
        ("two calls", subject.raw(model, x, 3)),
        ("two models of the same coefficients", subject.raw(subject.build(spec), x, 3)),
    ):
        differ = (again != y) & ~(np.isnan(again) & np.isnan(y))
        if not differ.any():
            continue
        size = float(np.nanmax(np.abs(again - y)) / np.nanmax(np.abs([y, again])))
        evidence = {"of": words, "count": int(differ.sum()), "total": y.size, "size": size}
        if words == "two calls" and (how := _drift(subject, spec, x, size)):
            return Difference("changed by a call", {"method": "forward", "how": how})
        if words != "two calls":
            model = subject.build(spec)
            subject.raw(model, other, 3)
            if np.array_equal(subject.raw(model, x, 3), y, equal_nan=True):
                return Difference("state kept between calls", evidence)
        return Difference("not deterministic", evidence)
    return None


def _drift(subject: Subject, spec: LayerSpec, x: FloatArray, size: float) -> str:
    """What calls of a new model do to the results of the next, if they do the same to each new model."""
    one, two = ([subject.raw(model, x, 3) for _ in range(3)] for model in (subject.build(spec), subject.build(spec)))
    if not np.array_equal(one, two, equal_nan=True) or np.array_equal(one[0], one[1], equal_nan=True):
        return ""
    y, again, third = one
    k = float((again * y).sum() / (y * y).sum())
    if max(np.abs(again - k * y).max(), np.abs(third - k * again).max()) <= subject.tolerance(np.abs(y).max()):
        return f"outputs are multiplied by {k:.9g} with each call"
    return f"outputs of two calls differ, by up to {size:.1e} of the largest, in the same way for each new model"


def _stale(
    subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray, first: FloatArray
) -> Difference | None:
    """Results of an earlier call: of other samples in a batch of the same shape, or with one row changed."""
    moved, told = x.copy(), ""
    moved[5] = x[6]
    if np.array_equal(y, first):
        told = "results are those of other samples in a batch of the same shape"
    elif np.array_equal(subject.raw(model, moved, 3), y):
        told = "one row of a batch was changed, and its results are as before"
    if not told:
        return near_earlier(subject, spec, x)
    by_model = not np.array_equal(subject.raw(subject.build(spec), moved, 3), y)
    if not by_model:
        subject.depends = "results of a sample depend on other calls"
    return Difference("stale cache", {"what": told + "; a new model of the same coefficients has its own" * by_model})


def _mixed(
    subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray, other: FloatArray
) -> Difference | None:  # fmt: skip
    """What changes with the other rows, and with the order of rows."""
    moved, spoilt = x.copy(), other.copy()
    moved[5], spoilt[-KEPT:] = x[6], x[-KEPT:]
    single, most = subject.raw(model, moved, 3), subject.raw(model, spoilt, 3)
    seen = ~same_rows(subject, y, single)
    seen[5] = False
    depends = seen.any() or not same_rows(subject, y[-KEPT:], most[-KEPT:]).all()
    turned = ~same_rows(subject, y, subject.raw(model, x[::-1].copy(), 3)[::-1])
    copies = ~same_rows(subject, y[:BLOCK], y[BLOCK : 2 * BLOCK])
    if not (depends or turned.any() or copies.any()):
        return _by_strange_rows(subject, spec, model, x, y)
    alone = np.stack([subject.raw(model, np.repeat(x[s : s + 1], len(x), axis=0), 3)[2 * BLOCK] for s in range(BLOCK)])
    alone = np.resize(alone, y.shape)
    if same_rows(subject, np.sort(y, axis=0), np.sort(alone, axis=0)).all():
        return Difference("samples reordered", {"count": int((~same_rows(subject, y, alone)).sum()), "total": len(x)})
    if order := order_by_input(subject, spec, x):
        evidence = {"count": int((~same_rows(subject, y, alone)).sum()), "total": len(x), "place": order}
        return Difference("samples reordered", evidence)
    if depends:
        wide = x.copy()
        wide[6:8] = spec.domains.T
        ends = not same_rows(subject, y[-KEPT:], subject.raw(model, wide, 3)[-KEPT:]).all()
        on = "rows change with the smallest and largest inputs of a batch" if ends else "rows change with the others"
        on = f"one row changed, {int(seen.sum())} others change with it" if seen.any() else on
        if same_rows(subject, y[-KEPT:], most[-KEPT:]).all():
            how = "rows " + numbers(np.flatnonzero(seen).tolist()) + ", which are zero" * (not single[seen].any())
        else:
            how = _by_batch(subject, y, most)
        return Difference("samples mixed", {"what": f"{on}: {how}"})
    rows = np.flatnonzero(~same_rows(subject, y, alone))
    return block(subject, spec, x, rows, y, alone) if rows.size else None


def _by_strange_rows(subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray) -> Difference | None:
    """What changes with a row far beyond the domain, and with one that is no number."""
    low, high = x.min(axis=0), x.max(axis=0)
    wide, none = high - low, np.full(2, np.nan)
    for words, row in (("below the domain", low - wide / 2), ("above the domain", high + wide / 2),
                       ("far below the domain", low - 9 * wide), ("far above the domain", high + 9 * wide),
                       ("NaN", none), ("infinite", np.full(2, np.inf))):  # fmt: skip
        moved = x.copy()
        moved[5] = row
        try:
            z = subject.raw(model, moved, 3)
        except NoAnswerError:  # what a layer does with such rows is its own matter
            continue
        seen = ~same_rows(subject, y, z)
        seen[5] = False
        if seen.any():
            how = (
                "NaN"
                if np.isnan(z[seen]).all()
                else "zero"
                if not z[seen].any()
                else _by_batch(subject, np.where(seen[:, None], y, 0.0), np.where(seen[:, None], z, 0.0))
            )
            if words.endswith("the domain") and (stretched := stretched_knots(subject, spec, x, row)):
                how, subject.stretched = stretched, True
            later = ~same_rows(subject, y, subject.raw(model, x, 3))
            stays = f"; so do {int(later.sum())} rows in the next call: the layer is changed" * bool(later.any())
            what = f"one row is {words}, {int(seen.sum())} others change: {how}{stays}"
            return Difference("samples mixed", {"what": what})
    return None


def _by_batch(subject: Subject, y: FloatArray, z: FloatArray) -> str:
    """What a batch does to rows: those kept in two batches are an affine function of each other, or they are not."""
    u, v, room = y[-KEPT:], z[-KEPT:], subject.tolerance(float(np.abs([y, z]).max()))
    added = np.median(v - u, axis=0)
    if np.abs(v - u - added).max() <= room:
        mean = z.mean(axis=0) - y.mean(axis=0)
        ratio = float(-(added * mean).sum() / max((mean * mean).sum(), 1e-300))
        if np.abs(mean).max() <= room:
            return "the mean over the batch is subtracted"
        if np.abs(added + ratio * mean).max() <= room:  # y = u - s mean(u): a change by s/(1 - s) of that of the mean
            return f"{ratio / (1 + ratio):.4g} times the mean over the batch is subtracted"
        return "the same is added to all rows of a batch, which depends on them"
    factor = (u * v).sum(axis=0) / (u * u).sum(axis=0)
    if np.abs(v - factor * u).max() <= room:
        return "all rows are multiplied by what depends on the batch"
    deviation = [(w - w.mean(axis=0)) / w.std(axis=0) for w in (u, v)]
    if np.abs(deviation[0] - deviation[1]).max() <= 2.0**-20:
        return "outputs are shifted and scaled by what depends on the batch"
    return "functions are taken at points that depend on the batch"


def _sizes(subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray) -> Difference | None:
    wrong: dict[int, Difference] = {}
    ratios, scaled = list[float](), True
    for n in SIZES:
        try:
            z = subject.raw(model, np.resize(x[:PERIOD], (n, 2)), 3)
        except NoAnswerError as error:
            return Difference("batch refused", {"samples": n, "reason": str(error)})
        right = np.resize(y[:PERIOD], (n, 3))
        rows = np.flatnonzero(~same_rows(subject, right, z))
        ratios.append(float((z * right).sum() / (right * right).sum()))
        scaled = scaled and bool(same_rows(subject, ratios[-1] * right, z).all())
        if rows.size:
            wrong[n] = block(subject, spec, np.resize(x[:PERIOD], (n, 2)), rows, z, right)
    again = np.flatnonzero(~same_rows(subject, y, subject.raw(model, x, 3)))
    if again.size:
        sentence = f"after {len(SIZES)} other batches {again.size} of {len(x)} rows of the first are others"
        return Difference("stale cache", {"what": sentence})
    if wrong and set(wrong) <= {2, 3}:  # inputs and outputs
        return Difference("samples and inputs confused", {"samples": min(wrong)})
    if len(wrong) == len(SIZES) and scaled and min(ratios) > 0:
        power, _ = np.polyfit(np.log(SIZES), np.log(ratios), 1)
        if np.abs(np.array(ratios) * (np.array(SIZES) / len(x)) ** -power - 1).max() < 1e-6:
            return Difference(
                "samples mixed", {"what": f"outputs are multiplied by N^{power:.3g}, N the number of rows"}
            )
    if not wrong:
        return None
    first = next(iter(wrong.values()))
    more = f"; so in batches of {', '.join(map(str, wrong))}" if len(wrong) > 1 else ""
    return replace(first, evidence={**first.evidence, "how": first.evidence["how"] + more})


def _modes(subject: Subject, spec: LayerSpec, x: FloatArray, y: FloatArray) -> Difference | None:
    """The same in training and in evaluation."""
    for words, training in (("training", True), ("evaluation", False)):
        model = subject.asked("in_mode", subject.adapter.in_mode, subject.build(spec), training)
        rows = np.flatnonzero(~same_rows(subject, y, subject.raw(model, x, 3)))
        if rows.size:
            return Difference("mode matters", {"count": int(rows.size), "total": len(x), "mode": words})
    return None
