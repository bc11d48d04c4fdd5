"""Hypotheses on the results alone: what was computed is the truth, sent through one wrong last step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import permutations

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.cases.cases import PART_GRADIENTS, Case
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Prediction, supposed
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence

GRADIENTS = ("input-gradients", "coefficient-gradients", "second-derivatives", "knot-gradients", "gauss-newton",
             *PART_GRADIENTS)  # fmt: skip


def zeros(evidence: Evidence) -> Iterator[Hypothesis]:
    """Values that are all zero; only outside the domain that is a rule of its own."""
    case = evidence.case
    if case.quantity == "values" and not (case.setting.is_outside and evidence.right_inside):
        yield Hypothesis("all values zero", "all values are zero", lambda: np.zeros_like(case.expected))


def detached(evidence: Evidence) -> Iterator[Hypothesis]:
    """Gradients that are zero, altogether or for one layer, input or output."""
    case, theirs = evidence.case, evidence.theirs
    if case.quantity not in GRADIENTS:
        return
    zero = np.zeros_like(theirs)
    yield Hypothesis("detached gradient", f"{case.quantity} are zero throughout: no gradient arrives", lambda: zero)
    sizes = [spec.coefficients.size for spec in case.setting.specs]
    if case.quantity == "coefficient-gradients" and len(sizes) > 1:
        ends = np.cumsum([0, *sizes])
        for k in range(len(sizes)):
            part = case.expected.copy()
            part[: ends[k + 1]] = 0.0
            yield Hypothesis("detached gradient", f"no gradient arrives at layers 0 to {k}", partial(np.copy, part))
            part = case.expected.copy()
            part[ends[k] : ends[k + 1]] = 0.0
            yield Hypothesis("detached gradient", f"no gradient arrives at layer {k}", partial(np.copy, part))
        return
    axes = {
        "input-gradients": (1,),
        "second-derivatives": (1,),
        "coefficient-gradients": (0, 1),
        "knot-gradients": (0,),
    }
    for axis in axes.get(case.quantity, ()):
        for k in range(theirs.shape[axis]) if theirs.shape[axis] > 1 else ():
            part = case.expected.copy()
            part[(slice(None),) * axis + (k,)] = 0.0
            what = "output" if case.quantity == "coefficient-gradients" and axis == 0 else "input"
            yield Hypothesis("detached gradient", f"no gradient arrives at {what} {k}", partial(np.copy, part))


@of_case
def layouts(case: Case) -> Iterator[Hypothesis]:
    """Coefficient gradients and matrices in another layout; outputs or samples in another order."""
    if case.quantity == "coefficient-gradients" and len(case.setting.specs) == 1:
        for axes in permutations(range(3)):
            if axes != (0, 1, 2):
                moved = case.expected.transpose(axes).reshape(case.expected.shape)
                text = f"the gradient is in the axis order {_axes(axes)} instead of (Q, P, dim)"
                yield Hypothesis("transposed coefficients", text, partial(np.copy, moved))
        yield Hypothesis(
            "reversed coefficients", "the gradient counts from the right", lambda: case.expected[..., ::-1]
        )
        yield from _shifts(case)
    if case.quantity == "knot-gradients":
        yield Hypothesis(
            "reversed coefficients", "the gradient counts from the right", lambda: case.expected[..., ::-1]
        )
        yield from _shifts(case)
    if case.quantity == "gauss-newton" and len(case.setting.specs) == 1:
        shape = case.setting.spec.coefficients.shape
        number = np.arange(int(np.prod(shape))).reshape(shape)
        for axes in permutations(range(3)):
            order = number.transpose(axes).ravel()
            text = f"parameters are in the axis order {_axes(axes)} instead of (Q, P, dim)"
            yield Hypothesis("transposed coefficients", text, partial(_permuted, case.expected, order))
        order = number[..., ::-1].ravel()
        yield Hypothesis(
            "reversed coefficients", "parameters count from the right", partial(_permuted, case.expected, order)
        )
    if case.quantity == "values" and case.expected.shape[1] > 1:
        yield Hypothesis("reversed outputs", "outputs are in the opposite order", lambda: case.expected[:, ::-1])


def _permuted(matrix: FloatArray, order: IntArray) -> FloatArray:
    return np.asarray(matrix[np.ix_(order, order)])


def _axes(axes: tuple[int, ...]) -> str:
    return "(" + ", ".join(("Q", "P", "dim")[k] for k in axes) + ")"


def _shifts(case: Case) -> Iterator[Hypothesis]:
    for step in (1, -1):
        where = "right" if step > 0 else "left"
        rolled = np.roll(case.expected, step, axis=-1)
        cut = rolled.copy()
        cut[..., 0 if step > 0 else -1] = 0.0
        text = f"the gradient is shifted by one to the {where}"
        yield Hypothesis("shifted index", text, partial(np.copy, rolled))
        yield Hypothesis("shifted index", text, partial(np.copy, cut))
        added = cut.copy()
        end, over = (-1, 0) if step > 0 else (0, -1)
        added[..., end] += rolled[..., over]
        yield Hypothesis("shifted index", f"{text}, what would pass the end added there", partial(np.copy, added))


@of_case
def sample_order(case: Case) -> Iterator[Hypothesis]:
    """Samples in another order, or a last block that is left out."""
    count = case.setting.x.shape[0]
    by_sample = case.quantity in ("values", "input-gradients", "second-derivatives")
    if by_sample and count > 2:
        yield Hypothesis("samples reordered", "samples come back in the opposite order", lambda: case.expected[::-1])
        order = np.argsort(case.setting.x[:, 0], kind="stable")
        yield Hypothesis(
            "samples reordered", "samples come back sorted by the first input", lambda: case.expected[order]
        )
    for block in (2, 4, 8, 16, 32, 64, 128, 256):
        kept = count // block * block
        if 0 < kept < count:  # with none kept all results are zero, which says less
            text = f"the last {count - kept} of {count} samples are left out: those beyond whole blocks of {block}"
            yield Hypothesis("incomplete block", text, partial(_without_last, case, kept, by_sample))
    if count > 1:
        text = "the last sample is left out"
        yield Hypothesis("incomplete block", text, partial(_without_last, case, count - 1, by_sample))


def _without_last(case: Case, kept: int, by_sample: bool) -> Prediction:
    if case.quantity == "gauss-newton":
        return None
    if not by_sample:
        dy = case.setting.dy.copy()
        dy[kept:] = 0.0
        return supposed(case, dy=dy)
    part = case.expected.copy()
    part[kept:] = 0.0
    return part


@of_case
def cotangents(case: Case) -> Iterator[Hypothesis]:
    """Gradients that do not use the cotangent as it is given."""
    if case.quantity not in GRADIENTS or case.quantity == "gauss-newton":
        return
    dy = case.setting.dy
    ones = np.ones_like(dy)
    yield Hypothesis("cotangent ignored", "gradients are those of the sum of outputs", lambda: supposed(case, dy=ones))
    first = np.zeros_like(dy)
    first[:, 0] = dy[:, 0]
    if dy.shape[1] > 1:
        yield Hypothesis("cotangent ignored", "only the first output is pulled back", lambda: supposed(case, dy=first))
    row = np.broadcast_to(dy[:1], dy.shape)
    yield Hypothesis(
        "cotangent ignored", "the first sample's cotangent is used for all", lambda: supposed(case, dy=row)
    )
    if case.quantity == "second-derivatives":
        ahead = np.ones_like(case.setting.direction)
        text = "the direction is ignored"
        yield Hypothesis("cotangent ignored", text, lambda: supposed(case, direction=ahead))
