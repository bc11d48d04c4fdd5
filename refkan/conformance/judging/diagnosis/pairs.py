r"""Two defects in one result, each of which hides the other.

No hypothesis alone reproduces such a result. The case is taken as it would be with one of them, and the second is
looked for from there. What other results of the same backend have shown comes first, above all two that they have. Then
the second is something that happens to results (a factor, a sign, an order, a part that is lost), tried on what each
hypothesis predicts, which is known already, or on values before a map that is undone. Two defects that no other result
has give way to a pair with one that some have. Last come all pairs, those before whose first one explains a part of the
results as it is.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging.diagnosis import additions, slopes
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, Source, Supposed, first_match, matching
from refkan.conformance.judging.diagnosis.of_results import factors, last_steps, parts_of_results
from refkan.conformance.judging.findings import Evidence, Hint

OF_RESULTS: tuple[Source, ...] = (
    factors.factors, slopes.spacings, parts_of_results.along, last_steps.detached, last_steps.layouts,
    last_steps.sample_order,
    slopes.cuts, slopes.at_knots, additions.branches,
)  # fmt: skip
"""Hypotheses on what happened to results, whatever these are."""

TRIED = (factors.factors, parts_of_results.along, last_steps.detached, last_steps.layouts)
"""Of these those that ask for nothing else, so that once is enough."""

SHARE = 0.2
"""Of the wrong entries, the part that a first defect must explain to be followed up."""

ROUNDINGS = 16
"""Of the largest result, in units of eps, that are allowed everywhere: where the truth is zero, others are not."""

MOST = 12
"""First defects that are followed up by all hypotheses because they explain a part."""

First = tuple[Hypothesis, FloatArray]
"""A first defect and what it predicts."""


def pair(evidence: Evidence, sources: tuple[Source, ...]) -> tuple[Hint, ...]:
    """Return two hints that together reproduce theirs, () if no two do, or as many as may be were tried."""
    if evidence.tries.is_over or not np.isfinite(evidence.theirs).all():
        return ()
    firsts = list(_firsts(evidence, sources))
    anew = tuple(source for source in sources if source not in TRIED)
    named = evidence.named
    known = sorted((one for one in firsts if one[0].name in named), key=lambda one: -named[one[0].name])
    if found := (
        _of_results(evidence, known, named) or _followed(evidence, known, anew, named) or _of_results(evidence, known)
    ):
        return found
    if found := _of_results(evidence, firsts) or _behind(evidence):
        strange = known and not any(hint.name in named for hint in found)
        return (_followed(evidence, known, anew) if strange else ()) or found
    if found := first_match(evidence, (additions.scaled,)):
        return found
    promising = _promising(evidence, firsts)
    rest = [one for one in firsts if all(one is not other for other in promising)]
    return _followed(evidence, promising + rest, anew)


def _of_results(
    evidence: Evidence, firsts: list[First], names: Container[str] | None = None
) -> tuple[Hint, ...]:  # fmt: skip
    """Of these, the one after which something that happened to results (of these names) gives theirs.

    Of several pairs that fit the one is told whose names most other results have, and that fits fewest numbers.
    """
    told = []
    for hypothesis, predicted in firsts:
        if evidence.tries.is_over:
            break
        later = matching(replace(evidence, case=_fixed(evidence.case, predicted)), OF_RESULTS, names)
        after = next((h for h in later if _plain(evidence.case, h) and not _cancel(hypothesis, h)), None)
        if after is not None:
            hints = _told(hypothesis, after)
            both = {hint.name for hint in hints}
            shown = sum(evidence.named.get(name, 0) for name in both)
            told.append(((len(both) < 2, -shown, hypothesis.fitted + after.fitted), hints))
    return min(told, key=lambda one: one[0], default=((), ()))[1]


def _followed(
    evidence: Evidence, firsts: list[First], sources: tuple[Source, ...], names: Container[str] | None = None
) -> tuple[Hint, ...]:  # fmt: skip
    """The first of these with which another (of these names) reproduces theirs."""
    for hypothesis, predicted in firsts:
        if evidence.tries.is_over:
            break
        supposed = hypothesis.supposed()
        if supposed is None:
            continue
        case = _with(replace(supposed, truth=evidence.case.expected), evidence.case, predicted)
        later = matching(replace(evidence, case=case), sources, names)
        after = next((h for h in later if not _cancel(hypothesis, h)), None)
        if after is not None:
            return _told(hypothesis, after)
    return ()


def _behind(evidence: Evidence) -> tuple[Hint, ...]:
    """What happened to values before they passed through a map, which is undone."""
    case = evidence.case
    for name, inverse, slope in additions.INVERSES if case.quantity == "values" else ():
        with np.errstate(all="ignore"):
            theirs = inverse(evidence.theirs)
        if not np.isfinite(theirs).all():
            continue
        undone = Supposed(replace(case.setting), case.quantity, fixed=True)
        vars(undone).update(expected=case.expected, tolerance=case.tolerance + case.tolerance / slope(theirs))
        before = replace(evidence, case=undone, theirs=theirs)
        for first in matching(before, OF_RESULTS):
            if _plain(case, first):
                return (*first.hints, Hint("extra map", f"outputs pass through {name}", also=True))
    return ()


def _cancel(first: Hypothesis, after: Hypothesis) -> bool:
    """Whether the second undoes the first, or a part of it."""
    names = [{hint.name for hint in hypothesis.hints} for hypothesis in (first, after)]
    return bool(OF_THEIR_OWN_INVERSE & names[0] & names[1])


OF_THEIR_OWN_INVERSE = {"sign", "reversed coefficients", "reversed outputs", "inputs reordered"}
"""Names of defects that are none when they occur twice."""


def _plain(case: Case, hypothesis: Hypothesis) -> bool:
    """Whether a number taken from the results says something: where few samples differ, some number fits by chance."""
    return not hypothesis.fitted or len(np.unique(case.setting.x, axis=0)) >= FEW


FEW = 3
"""Samples that differ, from which on a number may be taken from results beside another defect."""


def _firsts(evidence: Evidence, sources: tuple[Source, ...]) -> Iterator[First]:
    """Hypotheses with results that differ from ours, and from zero."""
    case = evidence.case
    for source in sources:
        for hypothesis in source(evidence):
            if evidence.tries.is_over:
                return
            evidence.tries.add(case.setting.x.size)
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


def _told(first: Hypothesis, after: Hypothesis) -> tuple[Hint, ...]:
    """The hints on both, and those that belong to them."""
    return (*first.hints, *(replace(hint, also=True) for hint in after.hints))
