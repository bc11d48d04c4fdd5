"""The search for hints on the failures of a run: what earlier ones showed comes first, and its time is bounded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from refkan.conformance.adapters.answers import describe, where_raised
from refkan.conformance.judging.diagnosis import diagnose
from refkan.conformance.judging.findings import Evidence, Finding, Hint
from refkan.conformance.judging.hint_time import HINT_SECONDS, HintTime

NO_DIAGNOSIS = "no diagnosis"
"""Where the judge itself fails."""


def explained(finding: Finding, explain: Callable[[], tuple[Hint, ...]]) -> Finding:
    """Return the finding with hints; what fails in the judge is no error of the layer, and is told as a hint."""
    try:
        return replace(finding, hints=explain())
    except Exception as error:
        hint = Hint(NO_DIAGNOSIS, f"the diagnosis failed: {describe(error)}")
        return replace(finding, hints=(hint,), traceback=where_raised(error))


class HintSearch:
    """Diagnoses the failures of a run one after another.

    Parameters
    ----------
    seconds : float
        Processor time in all; later failures say that they were not diagnosed.
    pairs : bool
        Whether two defects at once are searched for where none alone explains a result.

    Attributes
    ----------
    time : HintTime

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

    def __init__(self, seconds: float = HINT_SECONDS, pairs: bool = True) -> None:
        self.time = HintTime(seconds)
        self.pairs = pairs
        self._named: Counter[str] = Counter()
        self._failed_inside: set[tuple[Any, ...]] = set()

    def add(self, finding: Finding, evidence: Evidence) -> Finding:
        """Return the finding with hints, or with a word on why there was no time for them."""
        s, quantity = evidence.case.setting, finding.quantity
        kind = (s.dtype, s.spec.degree, s.spec.kind, quantity)
        if not s.is_outside:
            self._failed_inside.add(kind)
        if refusal := self.time.refusal(quantity):
            return replace(finding, message="; ".join(filter(None, [finding.message, refusal])))
        start, spent = time.thread_time(), self.time.for_two.seconds
        for_two = self.time.for_two_of_case if self.pairs else 0.0
        known = replace(evidence, named=self._named, right_inside=kind not in self._failed_inside)
        finding = explained(finding, lambda: diagnose(known, self.time.for_case, for_two, self.time.for_two))
        seconds = time.thread_time() - start - (self.time.for_two.seconds - spent)
        self.time.searched(quantity, seconds, found=bool(finding.hints))
        self._named.update({hint.name for hint in finding.hints})
        return finding
