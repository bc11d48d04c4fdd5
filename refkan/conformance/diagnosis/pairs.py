r"""Two defects in one result, each of which hides the other.

No hypothesis alone reproduces such a result. The case is taken as it would be with one of them, and the second is
looked for from there. What other results of the same backend have shown comes first. Then the second is something that
happens to results (a factor, a sign, an order, a part that is lost), tried on what each hypothesis predicts, which is
known already. Last come all pairs, those before whose first one explains a part of the results as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from refkan.array_types import FloatArray
from refkan.conformance.cases import Case
from refkan.conformance.diagnosis import additions, factors, parts, results, slopes
from refkan.conformance.diagnosis.hypotheses import Hypothesis, Source, Supposed, first_match
from refkan.conformance.findings import Evidence, Hint

OF_RESULTS: tuple[Source, ...] = (
    factors.factors, slopes.spacings, parts.along, results.detached, results.layouts, results.sample_order,
    slopes.cuts, slopes.at_knots, additions.branches,
)  # fmt: skip
"""Hypotheses on what happened to results, whatever these are."""

TRIED = (factors.factors, slopes.spacings, parts.along, results.detached, results.layouts)
"""Of these those that ask for nothing else, so that once is enough."""

SHARE = 0.2
"""Of the wrong entries, the part that a first defect must explain to be followed up."""

ROUNDINGS = 16
"""Of the largest result, in units of eps, that are allowed everywhere: where the truth is zero, others are not."""

MOST = 12
"""First defects that are followed up by all hypotheses because they explain a part."""


First = tuple[Hypothesis, FloatArray]
"""A first defect and what it predicts."""


@dataclass
class Spent:
    """Processor time for searches for two defects."""

    seconds: float = 0.0


def pair(evidence: Evidence, sources: tuple[Source, ...], until: float = float("inf")) -> tuple[Hint, ...]:
    """Return two hints that together reproduce theirs, () if no two do; none is tried after `until`."""
    if not np.isfinite(evidence.theirs).all():
        return ()
    firsts = list(_firsts(evidence, sources, until))
    anew = tuple(source for source in sources if source not in TRIED)
    known = [one for one in firsts if one[0].name in evidence.named]
    if found := _of_results(evidence, known, until):
        return found
    if found := _followed(evidence, known, anew, until, known_too=True):
        return found
    if found := _of_results(evidence, firsts, until):
        return found
    promising = _promising(evidence, firsts)
    rest = [one for one in firsts if all(one is not other for other in promising)]
    return _followed(evidence, promising + rest, anew, until)


def _of_results(
    evidence: Evidence, firsts: list[First], until: float
) -> tuple[Hint, ...]:  # fmt: skip
    """Of these, the one after which something that happened to results gives theirs."""
    told = []
    for hypothesis, predicted in firsts:
        after = first_match(replace(evidence, case=_fixed(evidence.case, predicted)), OF_RESULTS, until)
        told += [_told(hypothesis, after)] if after and _plain(evidence.case, after[0]) else []
    return min(told, key=lambda hints: _rank(evidence, hints), default=())


def _followed(
    evidence: Evidence, firsts: list[First], sources: tuple[Source, ...], until: float, known_too: bool = False
) -> tuple[Hint, ...]:  # fmt: skip
    """The first of these with which another reproduces theirs (`known_too`: one that other results have shown)."""
    for hypothesis, predicted in firsts:
        supposed = hypothesis.supposed()
        if supposed is None:
            continue
        case = _with(replace(supposed, truth=evidence.case.expected), evidence.case, predicted)
        after = first_match(replace(evidence, case=case), sources, until)
        if after and (not known_too or after[0].name in evidence.named):
            return _told(hypothesis, after)
    return ()


def _plain(case: Case, hint: Hint) -> bool:
    """Whether a number taken from the results says something: where few samples differ, some number fits by chance."""
    fitted = hint.name in FITTED and not hint.may_be and not hint.text.startswith("theirs are ours times the")
    return not fitted or len(np.unique(case.setting.x, axis=0)) >= FEW


FEW = 3
"""Samples that differ, from which on a number may be taken from results beside another defect."""


def _rank(evidence: Evidence, hints: tuple[Hint, ...]) -> tuple[bool, int, int]:
    """Of several pairs that fit the one is told whose names other results have, and that has few numbers of its own."""
    names = {hint.name for hint in hints}
    return (len(names) < 2, -len(names & set(evidence.named)), sum(name in FITTED for name in names))


FITTED = ("constant factor", "extra branch", "factor on one input", "factor on one output")
"""Names of hypotheses with a number that is taken from the results."""


def _firsts(
    evidence: Evidence, sources: tuple[Source, ...], until: float
) -> Iterator[First]:  # fmt: skip
    """Hypotheses with results that differ from ours, and from zero."""
    case = evidence.case
    for source in sources:
        for hypothesis in source(evidence):
            if time.thread_time() > until:
                return
            predicted = hypothesis.outcome()
            if predicted is None or predicted.shape != case.expected.shape or not np.isfinite(predicted).all():
                continue
            if predicted.any() and not _a_factor(case.expected, predicted):
                yield hypothesis, predicted


def _a_factor(ours: FloatArray, predicted: FloatArray) -> bool:
    """Whether a prediction is ours times some factor, which is told as one."""
    size = float((ours * ours).sum())
    ratio = float((ours * predicted).sum()) / size if size > 0 else 1.0
    return ratio != -1.0 and bool(np.abs(predicted - ratio * ours).max() <= 1e-12 * np.abs(predicted).max())


def _promising(evidence: Evidence, firsts: list[First]) -> list[First]:
    """First defects that are worth all second ones, those that explain most first."""
    case, theirs = evidence.case, evidence.theirs
    wrong = np.abs(theirs - case.expected) > case.tolerance
    scored = []
    for one in firsts:
        hypothesis, predicted = one
        share = float((np.abs(theirs - predicted) <= case.tolerance)[wrong].mean())
        if share >= SHARE or hypothesis.name in evidence.named:
            scored.append((hypothesis.name not in evidence.named, -share, one))
    known = [one for one in scored if not one[0]]
    others = sorted((one for one in scored if one[0]), key=lambda one: one[1])[:MOST]
    return [one for _, _, one in sorted(known, key=lambda one: one[1]) + others]


def _fixed(case: Case, predicted: FloatArray) -> Supposed:
    """The case with results that are known, and nothing else."""
    return _with(Supposed(replace(case.setting), case.quantity, fixed=True, truth=case.expected), case, predicted)


def _with(supposed: Supposed, case: Case, predicted: FloatArray) -> Supposed:
    """Put the results in the place of the truth; what errors are allowed stays, but where the truth is zero."""
    least = ROUNDINGS * case.setting.eps * float(np.abs(predicted).max())
    vars(supposed).update(expected=predicted, tolerance=np.maximum(case.tolerance, least))
    return supposed


def _told(first: Hypothesis, after: tuple[Hint, ...]) -> tuple[Hint, ...]:
    """The hints on both, and those that belong to them."""
    return (Hint(first.name, first.text, first.may_be), *first.also, *(replace(hint, also=True) for hint in after))
