"""The search for hints on the failures of a run: what earlier ones showed comes first, and counts bound it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from refkan.conformance.adapters.answers import describe, where_raised
from refkan.conformance.judging.diagnosis import diagnose
from refkan.conformance.judging.findings import Evidence, Finding, Hint, Tries

NO_DIAGNOSIS = "no diagnosis"
"""Where the judge itself fails."""

IN_VAIN = 40
"""Searches that may find nothing, for each quantity, beside as many as found something."""

FOR_TWO = 20_000
"""Hypotheses that may be tried in vain in search of two defects, in all."""

LEAST_FOR_TWO = 400
"""Of them in each case, where other results have shown two defects."""


def explained(finding: Finding, explain: Callable[[], tuple[Hint, ...]]) -> Finding:
    """Return the finding with hints; what fails in the judge is no error of the layer, and is told as a hint."""
    try:
        return replace(finding, hints=explain())
    except Exception as error:
        hint = Hint(NO_DIAGNOSIS, f"the diagnosis failed: {describe(error)}")
        return replace(finding, hints=(hint,), traceback=where_raised(error))


class HintSearch:
    """Diagnoses the failures of a run one after another.

    What has no name is searched for in vain, case after case. Such searches end, those for one quantity apart from
    those for another, and go on as its cases get names. Counts decide, so a slow machine reports what a fast one does.

    Parameters
    ----------
    pairs : bool
        Whether two defects at once are searched for where none alone explains a result.

    Examples
    --------
    >>> from refkan.conformance import Evidence, catalogue
    >>> from refkan.conformance.judging.findings import compare
    >>> from refkan.conformance.judging.hint_search import HintSearch
    >>> (case,) = catalogue(["float64"], select=["float64/layer/degree-3/uniform/3x2/values"])
    >>> twice = 2 * case.expected
    >>> HintSearch().add(compare(case, twice), Evidence(case, twice)).hints[0].name
    'constant factor'
    """

    def __init__(self, pairs: bool = True) -> None:
        self.pairs = pairs
        self._named: Counter[str] = Counter()
        self._failed_inside: set[tuple[Any, ...]] = set()
        self._successes: Counter[str] = Counter()
        self._in_vain: Counter[str] = Counter()
        self._left_for_two = FOR_TWO
        self._two_seen = False

    def add(self, finding: Finding, evidence: Evidence) -> Finding:
        """Return the finding with hints, or with a word on why none were searched for."""
        s, quantity = evidence.case.setting, finding.quantity
        kind = (s.dtype, s.spec.degree, s.spec.kind, quantity)
        if not s.is_outside:
            self._failed_inside.add(kind)
        if self._in_vain[quantity] >= IN_VAIN + self._successes[quantity]:
            refusal = f"not diagnosed: {self._in_vain[quantity]} searches for hints on {quantity} found nothing"
            return replace(finding, message="; ".join(filter(None, [finding.message, refusal])))
        least = LEAST_FOR_TWO if self._two_seen else 0
        two = Tries(max(self._left_for_two, least) if self.pairs else 0)
        known = replace(evidence, named=self._named, right_inside=kind not in self._failed_inside)
        finding = explained(finding, lambda: diagnose(known, two))
        if any(hint.also for hint in finding.hints):
            self._two_seen = True
        else:
            self._left_for_two -= two.done
        (self._successes if finding.hints else self._in_vain)[quantity] += 1
        self._named.update({hint.name for hint in finding.hints})
        return finding
