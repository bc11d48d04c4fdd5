r"""Stage 0: whether row s of the output depends on row s of the input alone.

y_s = f(x_s) for every batch, whatever its size, order and memory layout, whatever was asked before, and whatever other
models were built. Rows that stay while others change, to the ends of the domain, to points far beyond and to NaN, must
stay as they are. The row that is taken for right is the one in a batch of 256 rows that repeats 64 samples four times.
Equal means up to the rounding that sums of coefficients show (see `arithmetic`): matrix products of other sizes add in
another order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.adapters.answers import as_mapping, as_real
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.matrix_shapes import numbers
from refkan.conformance.identification.rows.other_rows import (
    near_earlier,
    order_by_input,
    same_rows,
    stretched_knots,
)  # fmt: skip
from refkan.conformance.identification.stages.arithmetic import left_of_sums
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
    grain = left_of_sums(lambda C: subject.values(replace(spec, coefficients=C), x), spec.coefficients)
    subject.grain = grain if grain <= LARGEST_ROUNDING else 0.0
    told = list[Difference]()
    model, other = subject.build(spec), subject.samples(spec, 4 * BLOCK, 1)
    first = subject.raw(model, other, 3)
    y = subject.raw(model, x, 3)
    asks: list[Callable[[], Iterable[Difference]]] = [
        lambda: [Difference("inputs overwritten", {"method": subject.overwritten})] * bool(subject.overwritten),
        lambda: _stale(subject, spec, model, x, y, first),
        lambda: _repeated(subject, spec, x, other),
        lambda: _mixed(subject, spec, model, x, y),
        lambda: _sizes(subject, model, x, y),
        lambda: _overwritten_results(subject, spec, x, other),
        lambda: (d for part in subject.declared.parts
                 for d in _repeated(subject, subject.with_parts(parts=[part]), x, other, f" of layers with {part}")),
        lambda: _in_between(subject, spec, x[:BLOCK], y[:BLOCK]),
    ]  # fmt: skip
    for ask in asks:
        names = {difference.name for difference in told}
        told += [difference for difference in ask() if difference.name not in names]
        if told and told[-1].name not in ALONE:
            break
    if told:
        for difference in told:
            _settled(subject, spec, x[:BLOCK], difference)
        return Stage("calls", "", tuple(told))
    return Stage("calls", f"each row by itself, the same in batches of 1 to {SIZES[-1]} and in repeated calls")


def _settled(subject: Subject, spec: LayerSpec, x: FloatArray, difference: Difference) -> None:
    """How later stages ask: of a new model each time, or in pieces in which samples are right, or are as alone."""

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


def _repeated(
    subject: Subject, spec: LayerSpec, x: FloatArray, other: FloatArray, of: str = ""
) -> Iterator[Difference]:  # fmt: skip
    """Calls of two new models at the samples, at others, and at the samples twice: the same bit by bit."""
    asked = []
    for _ in range(2):
        model = subject.build(spec)
        asked.append([subject.raw(model, at, spec.n_outputs) for at in (x, other, x, x)])
    (fresh, _, y, again), second = asked
    same, model = np.array_equal(asked[0], second, equal_nan=True), subject.build(spec)
    _, after = (subject.raw(model, at, spec.n_outputs) for at in (other, x))
    pairs = {"two calls": (y, again), "two models": (fresh, second[0]), "a call": (fresh, y), "others": (fresh, after)}
    for words, (one, two) in pairs.items():
        differ = (one != two) & ~(np.isnan(one) & np.isnan(two))
        if not differ.any():
            continue
        size = float(np.nanmax(np.abs(one - two)) / np.nanmax(np.abs([one, two])))
        evidence = {"of": words + of, "count": int(differ.sum()), "total": y.size, "size": size}
        how = f"outputs{of} differ, by up to {size:.1e} of the largest, in the same way for each model"
        changed = Difference("changed by a call", {"method": "forward", "how": how})
        kept = changed if words == "two calls" else Difference("state kept between calls", evidence)
        yield kept if same else Difference("not deterministic", evidence)
        return


def _stale(
    subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray, first: FloatArray
) -> Iterator[Difference]:
    """Results of an earlier call: of other samples in a batch of the same shape, or with one row changed."""
    moved, told = x.copy(), ""
    moved[5] = x[6]
    if np.array_equal(y, first):
        told = "results are those of other samples in a batch of the same shape"
    elif np.array_equal(subject.raw(model, moved, 3), y):
        told = "one row of a batch was changed, and its results are as before"
    if not told:
        yield from filter(None, [near_earlier(subject, spec, x)])
        return
    by_model = not np.array_equal(subject.raw(subject.build(spec), moved, 3), y)
    if not by_model:
        subject.depends = "results of a sample depend on other calls"
    yield Difference("stale cache", {"what": told + "; a new model of the same coefficients has its own" * by_model})


def _mixed(subject: Subject, spec: LayerSpec, model: Any, x: FloatArray, y: FloatArray) -> Iterator[Difference]:
    """What changes with another row, at a sample, at the ends of the domain, beyond it, or no number; or with order."""
    (low, high), wide = spec.domains.T, np.ptp(spec.domains, axis=1)
    at = {"another sample": x[6], "x = a": low, "x = b": high, "x at a knot": spec.knots[:, spec.order]}
    beyond = {
        "a point below the domain": low - wide / 2, "a point above the domain": high + wide / 2,
        "a point far below": low - 9 * wide, "a point far above": high + 9 * wide, "NaN": np.full(2, np.nan),
        "infinity": np.full(2, np.inf),
    }  # fmt: skip
    told = ""
    for words, row in {**at, **beyond}.items():
        moved = x.copy()
        moved[5] = row
        try:
            z = subject.raw(subject.build(spec) if words in at else model, moved, 3)
        except NoAnswerError as error:
            if words in at:  # what a layer does with others is its own matter
                subject.refused |= {words}
                yield Difference("setting refused", {"reason": str(error)}, (words,), "measured")
            continue
        seen = ~same_rows(subject, y, z)
        seen[5] = False
        if seen.any():
            told = f"one row changed to {words}, {_of_others(y, z, seen)}"
            if words.startswith("a point") and (stretched := stretched_knots(subject, spec, x, row)):
                told, subject.stretched = f"one row changed to {words}: {stretched}", True
            later = ~same_rows(subject, y, subject.raw(model, x, 3))
            told += f"; so do {int(later.sum())} rows in the next call: the layer is changed" * bool(later.any())
            break
    turned = ~same_rows(subject, y, subject.raw(model, x[::-1].copy(), 3)[::-1])
    if not told and not turned.any():
        return
    alone = np.stack([subject.raw(model, np.repeat(x[s : s + 1], len(x), axis=0), 3)[2 * BLOCK] for s in range(BLOCK)])
    alone = np.resize(alone, y.shape)
    rows = np.flatnonzero(~same_rows(subject, y, alone))
    order = order_by_input(subject, spec, x)
    if order or (same_rows(subject, np.sort(y, axis=0), np.sort(alone, axis=0)).all() and rows.size):
        yield Difference("samples reordered", {"count": rows.size, "total": len(x), "place": order})
    elif told:
        yield Difference("samples mixed", {"what": told})
    elif rows.size:
        yield _block(x, rows, y, alone)


def _of_others(y: FloatArray, z: FloatArray, seen: Any) -> str:
    """How many rows change with another one, which if they are few, and what becomes of them."""
    rows = np.flatnonzero(seen)
    which = f"{rows.size} others change with it" + f", rows {numbers(rows.tolist())}" * (rows.size <= KEPT)
    same = np.ptp(z[rows] - y[rows], axis=0).max() <= 2.0**-30 * np.abs(y).max()
    how = "NaN" if np.isnan(z[rows]).all() else "zero" if not z[rows].any() else "the same is added to all" * bool(same)
    return f"{which}: {how}" if how else f"{which}, by up to {np.nanmax(np.abs(z - y)[rows]):.3g}"


def _sizes(subject: Subject, model: Any, x: FloatArray, y: FloatArray) -> Iterator[Difference]:
    """Batches of other sizes."""
    wrong: dict[int, Difference] = {}
    for n in SIZES:
        at, right = np.resize(x[:PERIOD], (n, 2)), np.resize(y[:PERIOD], (n, 3))
        try:
            z = subject.raw(model, at, 3)
        except NoAnswerError as error:
            yield Difference("batch refused", {"samples": n, "reason": str(error)})
            return
        rows = np.flatnonzero(~same_rows(subject, right, z))
        if rows.size:
            wrong[n] = _block(at, rows, z, right)
    if wrong and set(wrong) <= {2, 3}:  # inputs and outputs
        yield Difference("samples and inputs confused", {"samples": min(wrong)})
    elif wrong:
        first = next(iter(wrong.values()))
        more = f"; so in batches of {', '.join(map(str, wrong))}" if len(wrong) > 1 else ""
        yield replace(first, evidence={**first.evidence, "how": first.evidence["how"] + more})


def _block(x: FloatArray, rows: IntArray, y: FloatArray, right: FloatArray) -> Difference:
    """Rows that are others than alone: which, and whether they are zero or those of other samples."""
    n, row = len(x), int(rows[0])
    apart = np.abs(y[rows[:BLOCK], None] - right[None, : 4 * BLOCK]).max(axis=2)
    how = "zero" if not y[rows].any() else "not those of their samples"
    if y[rows].any() and (apart.min(axis=1) <= 2.0**-30 * np.abs(right).max()).all():
        how = f"those of other samples, the first that of row {int(apart[0].argmin())}"
    last = rows.size == n - row
    steps = np.unique(np.diff(rows))
    where = "the last ones" if last else f"one row in {steps[0]}" if steps.size == 1 < steps[0] else "others are right"
    evidence = {"samples": n, "row": row, "count": int(rows.size), "how": how, "where": where}
    return Difference("incomplete block" if last and (row > 0 or n == 1) else "rows by position", evidence)


def _overwritten_results(subject: Subject, spec: LayerSpec, x: FloatArray, other: FloatArray) -> Iterator[Difference]:
    """Arrays that were returned, after the next call."""
    model, dy = subject.build(spec), np.ones((len(x), spec.n_outputs))

    def ask(name: str, at: FloatArray) -> Any:
        if name == "forward":
            return subject.adapter.forward(model, at.copy())
        return as_mapping(subject.adapter.vjp(model, at.copy(), dy.copy()), name)[name]

    for name in ("forward", *(n for n in ("coefficients", "inputs") if n in subject.declared.derivatives)):
        try:
            returned = ask(name, x)
            before = as_real(name, returned).copy()
            ask(name, other)
            after = as_real(name, returned)
        except Exception:  # of the backend: other stages tell it
            continue
        if not np.array_equal(before, after, equal_nan=True):
            yield Difference("results overwritten", {"method": name if name == "forward" else f"vjp in {name}"})


def _in_between(subject: Subject, spec: LayerSpec, x: FloatArray, y: FloatArray) -> Iterator[Difference]:
    """The same rows in the modes of training and evaluation, and after something else was asked or built."""
    dy, Q = np.ones((len(x), spec.n_outputs)), spec.n_outputs

    def ask(method: str, *arguments: Any) -> Callable[[Any], Any]:
        return lambda model: subject.asked(method, getattr(subject.adapter, method), model, *arguments)

    def build(**more: Any) -> Callable[[Any], Any]:
        return lambda _: subject.raw(subject.build(replace(spec, **more)), x, Q)

    shared = "results of a model are others after one of other {} was built"
    acts = [
        ("mode matters", {"mode": "training"}, ask("in_mode", True)),
        ("mode matters", {"mode": "evaluation"}, ask("in_mode", False)),
        ("models share state", {"how": shared.format("coefficients")}, build(coefficients=-spec.coefficients)),
    ]
    if not subject.declared.domain:
        acts.append(("models share state", {"how": shared.format("knots")}, build(knots=spec.knots * 1.25)))
    derivatives = {"vjp": ("coefficients", "inputs"), "second": ("second",), "gauss_newton": ("gauss-newton",)}
    arguments = {"vjp": (x, dy), "second": (x, dy, np.ones(x.shape)), "gauss_newton": (x[:2],)}
    for method, names in derivatives.items():
        evidence = {"method": method, "how": "outputs are others afterwards"}
        if set(names) & set(subject.declared.derivatives):
            acts.append(("changed by a call", evidence, ask(method, *arguments[method])))
    for name, evidence, act in acts:
        model = subject.build(spec)
        subject.raw(model, x, Q)
        try:
            answer = act(model)
        except NoAnswerError:  # the stage of gradients tells it
            continue
        after = subject.raw(answer if name == "mode matters" else model, x, Q)
        rows = np.flatnonzero(~same_rows(subject, y, after))
        if rows.size:
            yield Difference(name, {**evidence, "count": int(rows.size), "total": len(x)})
            return
