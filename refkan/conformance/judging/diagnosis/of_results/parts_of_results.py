"""Hypotheses on parts of results: one input, output, coefficient or block of samples times a factor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, evaluate, of_setting
from refkan.conformance.judging.diagnosis.of_results.factors import OPPOSITE, digits, in_words, names_of, simple
from refkan.conformance.judging.diagnosis.of_results.kept import once
from refkan.conformance.judging.diagnosis.slopes import lengths
from refkan.conformance.judging.findings import Evidence, Hint

AXES: dict[str, dict[str, int]] = {
    "values": {"output": 1, "sample": 0},
    "input-gradients": {"input": 1, "sample": 0},
    "second-derivatives": {"input": 1, "sample": 0},
    "coefficient-gradients": {"output": 0, "input": 1, "coefficient": 2},
    "knot-gradients": {"input": 0},
}
"""What the axes of results count, those that a factor may belong to."""

NEAR = 1e4
"""Units of eps within which a factor is not told from one."""


def factors(evidence: Evidence) -> Iterator[Hypothesis]:
    """One factor on one input, output or coefficient, or on neighbouring ones; the rest is right."""
    case, theirs = evidence.case, evidence.theirs
    if len(case.setting.specs) > 1 or not np.isfinite(theirs).all():
        return
    yield from along(evidence)
    if not of_setting(case):
        return  # as the terms below are
    if case.quantity == "values" and case.setting.x.shape[1] > 1:
        yield from _fitted(case, theirs, "input", once(case, _by_input, partial(_by_input, case)))
    if case.quantity in ("input-gradients", "second-derivatives") and case.setting.dy.shape[1] > 1:
        yield from _fitted(case, theirs, "output", once(case, _by_output, partial(_by_output, case)))


def along(evidence: Evidence) -> Iterator[Hypothesis]:
    """Those whose factor multiplies a slice of the results; coefficients of networks are one vector."""
    if evidence.case.quantity == "coefficient-gradients" and len(evidence.case.setting.specs) > 1:
        return
    for what, axis in AXES.get(evidence.case.quantity, {}).items():
        yield from _along(evidence.case, evidence.theirs, what, axis)


def _by_input(case: Case) -> FloatArray:
    """What each input adds to the values, on a last axis."""
    return FloatQuantities(case.setting.specs, case.setting.x).edges[0][0]


def _by_output(case: Case) -> FloatArray:
    """What each output adds to the results, on a last axis."""
    dy = case.setting.dy
    return np.stack([evaluate(case, dy=dy * (np.arange(dy.shape[1]) == q)) for q in range(dy.shape[1])], axis=-1)


def _along(case: Case, theirs: FloatArray, what: str, axis: int) -> Iterator[Hypothesis]:
    """Factors of the slices of an axis, each from entries of its own."""
    ours = np.moveaxis(case.expected, axis, 0).reshape(case.expected.shape[axis], -1)
    given = np.moveaxis(theirs, axis, 0).reshape(ours.shape)
    if len(ours) < 2 or (np.count_nonzero(ours, axis=1) < 2).all():
        return
    size = (ours * ours).sum(axis=1)
    found: FloatArray = np.divide((ours * given).sum(axis=1), size, out=np.ones(len(ours)), where=size > 0)
    allowed = np.moveaxis(case.tolerance, axis, 0).reshape(ours.shape)
    found[(np.abs(given - ours) <= allowed).all(axis=1)] = 1.0  # right as it is
    shape = [-1 if k == axis else 1 for k in range(theirs.ndim)]
    yield from _told(case, what, found, lambda used: used.reshape(shape) * case.expected)
    if what == "input":
        yield from _all_off(case, found, lambda used: used.reshape(shape) * case.expected)


def _all_off(case: Case, found: FloatArray, predict: Callable[[FloatArray], FloatArray]) -> Iterator[Hypothesis]:
    """A factor of its own for each input; where most have the same, that and one more on the input that differs."""
    differ = bool((case.setting.x != case.setting.x[:1]).any())  # where all samples are one, some factors always fit
    if not differ or not np.isfinite(found).all() or (np.abs(found) < 1e-9).any():
        return
    if (np.abs(found - 1) <= NEAR * case.setting.eps).any() or np.ptp(found) <= 1e-6 * np.abs(found).max():
        return
    told = _sizes(case, -found if (found < 0).all() else found)
    if (found < 0).all():
        told = [("sign", OPPOSITE), *told]
    (name, text), also = told[0], tuple(Hint(*one, also=True) for one in told[1:])
    yield Hypothesis(name, text, partial(predict, found), also=also, fitted=len(found))


def _sizes(case: Case, found: FloatArray) -> list[tuple[str, str]]:
    """What inputs are multiplied by, as names and sentences: one, all and one beside that, or each by its own."""
    on_one = "what belongs to input {} of {} is multiplied by {}"
    off = np.flatnonzero(np.abs(found - 1) > NEAR * case.setting.eps)
    if off.size == 1:
        text = on_one.format(off[0], len(found), digits(found[off[0]]))
        return [("factor on one input", f"{text}; the rest is right")]
    if beside := _one_beside(case, found):
        text, other, factor = beside
        more = f"{on_one.format(other, len(found), digits(factor))} beside it"
        return [("constant factor", text), ("factor on one input", more)]
    text = f"theirs are ours times one factor for each input: {', '.join(map(digits, found))}"
    return [("constant factor", text)]


def _one_beside(case: Case, found: FloatArray) -> tuple[str, int, float] | None:
    """What all inputs but one are multiplied by, that one, and its factor beside it; None if it is not known which.

    Of two inputs, what is common must be a size of the case, the same for both.
    """
    ways: dict[int, tuple[str, int, float]] = {}
    names = [names_of(case, abs(value)) for value in found]
    common = [
        (f"theirs are ours times {in_words(value, may_be)}", np.full(len(found), value))
        for value, may_be in zip(found, names, strict=True)
    ]
    if len(found) == 2:
        knots = case.setting.spec.knots
        common = [one for one, may_be in zip(common, names, strict=True) if may_be and (knots == knots[:1]).all()]
    for text, size in (*(lengths(case) if len(found) > 2 else ()), *common):
        rest = found / size
        off = np.flatnonzero(np.abs(rest - 1) > 1e-6)
        if off.size == 1:
            ways.setdefault(int(off[0]), (text, int(off[0]), float(rest[off[0]])))
    return next(iter(ways.values())) if len(ways) == 1 else None


def _fitted(case: Case, theirs: FloatArray, what: str, terms: FloatArray) -> Iterator[Hypothesis]:
    """Factors of terms (..., count), whose sum is ours, that fit theirs best."""
    columns = terms.reshape(-1, terms.shape[-1])
    if np.linalg.matrix_rank(columns) < columns.shape[1] or len(columns) < 2 * columns.shape[1] + 1:
        return
    found = np.asarray(np.linalg.lstsq(columns, theirs.ravel(), rcond=None)[0], np.float64)
    found[np.abs(found - 1) <= NEAR * case.setting.eps] = 1.0
    yield from _told(case, what, found, lambda used: case.expected + terms @ (used - 1))


def _told(
    case: Case, what: str, found: FloatArray, predict: Callable[[FloatArray], FloatArray]
) -> Iterator[Hypothesis]:  # fmt: skip
    """Name the factor if one, on one place or on neighbouring places, differs from 1."""
    off = np.flatnonzero(np.abs(found - 1) > NEAR * case.setting.eps)
    alone = 0 < off.size <= len(found) / 2 and (np.diff(off) == 1).all()
    if not alone or np.ptp(found[off]) > 1e-6 * np.abs(found[off]).max() or (np.abs(found[off]) < 1e-9).any():
        return
    if what == "sample" and off.size < 2:  # a point, not a block
        return
    factor, used = float(found[off].mean()), np.ones(len(found))
    used[off] = factor
    where = f"{what} {off[0]}" if off.size == 1 else f"{what}s {off[0]} to {off[-1]}"
    text = f"what belongs to {where} of {len(found)} is multiplied by {digits(factor)}; the rest is right"
    yield Hypothesis(
        f"factor on one {what}" if off.size == 1 else f"factor on a block of {what}s", text, partial(predict, used),
        fitted=int(not simple(factor)),
    )  # fmt: skip
